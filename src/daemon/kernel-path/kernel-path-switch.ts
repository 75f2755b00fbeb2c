import { messageOf } from '../../core/index.ts'
import type { MeshCgroup, ProxyPlace } from '../../datapath/index.ts'
import { selfTest } from '../../kernel-http/index.ts'
import { Bpf } from '../../kernel/index.ts'
import type { AccessRecord, MeshSnapshot } from '../../model/index.ts'
import { openAccessLog } from '../../observe/index.ts'
import type { AccessLogWriter } from '../../observe/index.ts'
import type { AgentMetrics } from '../agent-metrics.ts'
import type { FlowBook } from '../flows/flow-book.ts'
import type { AgentKeeper } from '../handover/agent-keeper.ts'
import type { LogFeed } from '../log-feed.ts'
import type { Settings } from '../settings.ts'
import type { Tier } from '../tier.ts'
import type { ActiveTransport } from '../transport.ts'
import { openLeftPaths } from './left-path.ts'
import type { LeftPath } from './left-path.ts'
import { KernelPath } from './kernel-path.ts'
import type { KernelPathOptions, PathSurroundings } from './kernel-path.ts'
import { recordOf } from './path-log.ts'

/** What `heddle kernel-http status` shows. */
export interface KernelPathStatus {
  readonly isOn: boolean
  /** Why that is so. */
  readonly reason: string
  /** Requests that were answered on the path since it was opened. */
  readonly served: number
  readonly clients: number
  readonly pooled: number
  /** Messages that went to user space, by why. */
  readonly leftFor: Readonly<Record<string, number>>
  readonly services: readonly KernelPathService[]
}

export interface KernelPathService {
  readonly listener: string
  /** Why none of its rules is in the kernel; null where some may be. */
  readonly reason: string | null
  readonly rules: readonly KernelPathRule[]
}

export interface KernelPathRule {
  readonly route: string
  readonly rule: number
  /** `kernel`, or `user space: retries configured`. */
  readonly where: string
  /** By match, why requests that it takes are in user space although the rule is not. */
  readonly exceptions: readonly { readonly match: number; readonly reason: string }[]
}

export interface KernelPathSwitchOptions extends Omit<
  KernelPathOptions,
  'cgroup' | 'registry' | 'onCounted' | 'onRequest' | 'keeper'
> {
  readonly wanted: 'off' | 'auto'
  readonly metrics: AgentMetrics
  readonly settings: Pick<Settings, 'accessLog' | 'accessLogFormat'>
  /** Gets lines of the access log while `tap` says that somebody follows. */
  readonly feed: LogFeed
  /** Is told of requests while `tapFlows` says that somebody follows. */
  readonly flows: Pick<FlowBook, 'request'>
  readonly tier: Tier
  readonly transport: ActiveTransport
  /** Asked when the path is opened. */
  readonly keeper: () => AgentKeeper | undefined
}

/** How often it is looked whether all is answered. */
const lookMs = 10

/** The path in the kernel as the agent has it: opened when it is first wanted, and turned on and off while it runs. */
export class KernelPathSwitch implements Disposable {
  readonly #options: KernelPathSwitchOptions
  #isWanted: boolean
  #reason: string
  #path: KernelPath | undefined
  #left: readonly LeftPath[] = []
  #hasFailed = false
  #isTested = false
  #testing: Promise<void> | undefined
  #snapshot: MeshSnapshot | undefined
  #surroundings: PathSurroundings = { joined: [], networks: [] }
  /** Opened with the path, or for one that was left. */
  #log: AccessLogWriter | undefined
  /** Who is told of requests. */
  #askers: readonly ((record: AccessRecord) => void)[] = []
  #isFollowed = false
  #areFlowsFollowed = false
  /** As `whereOf` has it, made when it is first asked for. */
  #where: {
    readonly of: KernelPath['compiled'] | undefined
    readonly texts: ReadonlyMap<string, ReadonlySet<string>>
  } = {
    of: undefined,
    texts: new Map(),
  }
  /** All that `aheadIn` said after the last update, as text. */
  #told = '[[]]'

  constructor(options: KernelPathSwitchOptions) {
    this.#options = options
    this.#isWanted = options.wanted === 'auto'
    this.#reason = this.#isWanted ? 'set' : 'not set: see the setting kernelHttp'
  }

  /**
   * Where connections to listeners are led instead of to the proxy, by the listener's id.
   * @param network  cookie; undefined for our own
   */
  aheadIn(network: bigint | undefined): ReadonlyMap<string, ProxyPlace> {
    return this.#path?.aheadIn(network) ?? new Map()
  }

  /** @returns whether `aheadIn` says something else than after the last update */
  update(snapshot: MeshSnapshot, surroundings: PathSurroundings): boolean {
    this.#snapshot = snapshot
    this.#surroundings = surroundings
    const before = this.#told
    if (this.#isWanted) this.#open()
    try {
      this.#path?.update(snapshot, surroundings)
    } catch (error) {
      // What its tables hold is not certain any more.
      this.#fail(error)
    }
    const networks = [undefined, ...surroundings.networks.map(({ cookie }) => cookie)]
    this.#told = JSON.stringify(networks.map(network => [...this.aheadIn(network)]))
    return this.#told !== before
  }

  /**
   * Off is at once: when this returns no request begins on the path any more. On takes the time of the test, the first time;
   * `status` tells whether it is.
   */
  async turn(isOn: boolean): Promise<void> {
    this.#isWanted = isOn
    this.#reason = isOn ? 'turned on by command' : 'turned off by command'
    this.#hasFailed = false
    if (isOn) this.#open()
    else if (this.#path !== undefined) this.#path.isOn = false
    this.#options.onChange()
    await this.#testing
  }

  /**
   * Goes on with connections of the paths that agents before this one had. Workers have to be there, and nobody may be led to
   * listeners of those paths any more.
   */
  adoptLeft(): void {
    const keeper = this.#options.keeper()
    if (keeper !== undefined) this.#left = openLeftPaths({ ...this.#options, ...this.#counted(), keeper })
    if (this.#left.length > 0) this.#openLog()
  }

  /** For the end of the agent. With `handsOver` the path goes on without one, where there is a keeper; else it is drained. */
  async stop(mostMs: number, { handsOver }: { readonly handsOver: boolean }): Promise<void> {
    const path = this.#path
    if (handsOver) {
      const [isLeft] = await Promise.all([path?.leave(mostMs), ...this.#left.map(left => left.leave(mostMs))])
      if (isLeft === true) return
    }
    await this.#drain(mostMs)
  }

  /** Turns it off, and resolves when what is under way has been answered, or after that time. */
  async #drain(mostMs: number): Promise<void> {
    const path = this.#path
    if (path?.isOn !== true) return
    await this.turn(false)
    const { clock } = this.#options
    const endMs = clock.nowMs() + mostMs
    while (path.isBusy && clock.nowMs() < endMs) await new Promise<void>(resolve => clock.after(lookMs, resolve))
  }

  /** About every second, and before metrics are told. */
  collect(): void {
    this.#path?.collect()
    for (const left of this.#left) left.collect()
  }

  /** Whether somebody follows the access log. */
  tap(isFollowed: boolean): void {
    this.#isFollowed = isFollowed
    this.#tell()
  }

  /** Whether somebody follows the flows. */
  tapFlows(isFollowed: boolean): void {
    this.#areFlowsFollowed = isFollowed
    this.#tell()
  }

  /** Of requests, to whoever wants to know. */
  #tell(): void {
    const log = this.#log
    if (log === undefined) return
    const { settings, feed, flows, clock } = this.#options
    const push = (text: string): void => feed.push({ timeMs: clock.wallMs(), source: 'access', stream: 'access', text })
    log.onLine = this.#isFollowed ? push : undefined
    const told: ((record: AccessRecord) => void)[] = []
    if (this.#isFollowed || settings.accessLog !== 'off') told.push(record => log.write(record))
    if (this.#areFlowsFollowed) told.push(record => flows.request(record))
    this.#askers = told
    this.#path?.sample(told.length > 0)
  }

  /** Where a rule's requests are answered, at one listener or at all; undefined while there is no path. */
  whereOf(route: string, rule: number, listener = ''): string | undefined {
    const path = this.#path
    if (path?.isOn !== true) return undefined
    if (this.#where.of !== path.compiled) this.#where = { of: path.compiled, texts: textsOf(path.compiled) }
    const texts = this.#where.texts.get(whereKey(listener, route, rule))
    return texts === undefined ? undefined : [...texts].join('; ')
  }

  get status(): KernelPathStatus {
    const path = this.#path
    const services = [...(path?.compiled ?? [])].map(([listener, { rules, reason }]): KernelPathService => ({
      listener,
      reason: reason ?? null,
      rules: rules.map(({ route, rule, verdict, matches }) => ({
        route: route.key,
        rule,
        where: verdict.kind === 'kernel' ? 'kernel' : `user space: ${verdict.reason}`,
        exceptions: matches.flatMap((why, match) => (why === undefined ? [] : [{ match, reason: why }])),
      })),
    }))
    return {
      isOn: path?.isOn ?? false,
      reason: this.#reason,
      served: Number(path?.served ?? 0n),
      clients: path?.sizes.clients ?? 0,
      pooled: path?.sizes.pooled ?? 0,
      leftFor: Object.fromEntries([...(path?.reasons ?? [])].map(([why, count]) => [why, Number(count)])),
      services,
    }
  }

  #open(): void {
    if (this.#hasFailed) return
    try {
      const { tier, transport } = this.#options
      if (tier.cgroup === undefined) this.#reason = `it needs the kernel tier: ${tier.status.reason}`
      else if (transport.active !== 'native') this.#reason = `it needs native sockets: ${transport.reason}`
      else if (this.#isTested) this.#path ??= this.#openPath(tier.cgroup)
      else this.#testing ??= this.#testKernel()
      if (this.#path === undefined) return
      if (this.#snapshot !== undefined) this.#path.update(this.#snapshot, this.#surroundings)
      this.#path.isOn = true
    } catch (error) {
      this.#fail(error)
    }
  }

  #openPath(cgroup: MeshCgroup): KernelPath {
    const path = new KernelPath({
      ...this.#options,
      cgroup,
      keeper: this.#options.keeper(),
      ...this.#counted(),
    })
    this.#path = path
    this.#openLog()
    return path
  }

  #openLog(): void {
    const { metrics, settings, clock, logger } = this.#options
    const { accessLog: target, accessLogFormat: format } = settings
    this.#log ??= openAccessLog({ target, format, clock, logger, meter: metrics.meter })
    this.#tell()
  }

  /** Where requests are counted, and told of. */
  #counted(): Pick<KernelPathOptions, 'registry' | 'onCounted' | 'onRequest'> {
    const { metrics, clock } = this.#options
    return {
      registry: metrics.kernelPath,
      onCounted: () => metrics.kernelPathCounted(),
      onRequest: (request, target) => {
        if (this.#askers.length === 0) return
        const record = recordOf({ request, target, access: this.#snapshot?.access, wallMs: clock.wallMs() })
        for (const each of this.#askers) each(record)
      },
    }
  }

  /** Nothing is opened on a kernel that does not do what the path relies on. */
  async #testKernel(): Promise<void> {
    const before = this.#reason
    this.#reason = 'the kernel is being tested'
    try {
      using bpf = new Bpf()
      const different = (await selfTest(bpf)).filter(({ difference }) => difference !== undefined)
      this.#isTested = different.length === 0
      this.#reason = before
      if (different.length > 0)
        throw new Error(different.map(({ name, difference }) => `${name}: ${difference}`).join('; '))
    } catch (error) {
      this.#fail(error)
    }
    this.#testing = undefined
    if (this.#isWanted) this.#options.onChange()
  }

  #fail(error: unknown): void {
    this.#hasFailed = true
    this.#reason = `off since it failed: ${messageOf(error)}`
    if (this.#path !== undefined) this.#path.isOn = false
    this.#options.logger.error('the HTTP path in the kernel is off', { error: messageOf(error) })
  }

  [Symbol.dispose](): void {
    this.#isWanted = false
    for (const left of this.#left) left[Symbol.dispose]()
    this.#path?.[Symbol.dispose]()
    this.#path = undefined
    void this.#log?.[Symbol.asyncDispose]()
  }
}

function whereKey(listener: string, route: string, rule: number): string {
  return `${listener}\0${route}\0${rule}`
}

function textsOf(compiled: KernelPath['compiled']): ReadonlyMap<string, ReadonlySet<string>> {
  const texts = new Map<string, Set<string>>()
  for (const [listener, { rules }] of compiled) {
    for (const { route, rule, verdict, matches } of rules) {
      const where = verdict.kind === 'kernel' ? 'kernel' : `user space: ${verdict.reason}`
      const some = matches.flatMap((why, match) => (why === undefined ? [] : `match ${match} user space: ${why}`))
      const text = [where, ...some].join(', ')
      for (const at of [listener, '']) {
        const key = whereKey(at, route.key, rule)
        texts.set(key, (texts.get(key) ?? new Set<string>()).add(text))
      }
    }
  }
  return texts
}
