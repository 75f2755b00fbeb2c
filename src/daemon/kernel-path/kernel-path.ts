import type { Clock, Logger, Timer } from '../../core/index.ts'
import type { JoinedCgroup, MeshCgroup, ProxyPlace } from '../../datapath/index.ts'
import { compileService, HttpAgent, KernelHttp, TableWriter } from '../../kernel-http/index.ts'
import type {
  CompiledRule,
  CompiledService,
  EndedRequest,
  EndpointTarget,
  KernelService,
  OfPath,
  TimeLimits,
} from '../../kernel-http/index.ts'
import { Bpf } from '../../kernel/index.ts'
import { emptySnapshot } from '../../model/index.ts'
import type { Endpoint, HttpRoute, Listener, MeshSnapshot, RouteRule } from '../../model/index.ts'
import type { MetricRegistry } from '../../observe/index.ts'
import type { AgentKeeper } from '../handover/agent-keeper.ts'
import type { GivenConnection } from '../worker-messages.ts'
import { EndpointPools } from './endpoint-pools.ts'
import { Giver } from './given-socket.ts'
import { newGeneration, PathHolder } from './path-holder.ts'
import { PathListeners } from './path-listeners.ts'
import { networksOfEndpoints } from './path-networks.ts'
import type { PathNetwork } from './path-networks.ts'
import { permissionsFor } from './permissions.ts'
import { requestOf, sampleEveryNs } from './path-log.ts'
import type { OnRequest } from './path-log.ts'
import { boundsSeconds, PathCounts } from './path-counts.ts'
import { CountMemory } from './count-memory.ts'
import { CountPlaces, limitLookMs } from './count-places.ts'

export interface KernelPathOptions {
  readonly cgroup: MeshCgroup
  readonly clock: Clock
  readonly logger: Logger
  /** Gives a worker a connection that is not of the path. @returns false when there is no worker now */
  readonly give: (connection: GivenConnection) => boolean
  /** What `ahead` says is another now, or may be after an update. */
  readonly onChange: () => void
  /** Where requests of the path are counted, and who is told that some were. */
  readonly registry: MetricRegistry
  readonly onCounted: () => void
  /** Told of requests that programs do not count, and of others while it is sampled. */
  readonly onRequest: OnRequest
  /** Holds what is to go on while there is no agent. @default the path ends with this one */
  readonly keeper?: AgentKeeper | undefined
}

/** A Service's port whose connections come here before they come to the proxy. */
interface OpenService {
  readonly number: number
  written: string
}

/** What a snapshot does not tell. */
export interface PathSurroundings {
  /** Cgroups elsewhere that are of the mesh. */
  readonly joined: readonly JoinedCgroup[]
  /** Other network namespaces that have members. */
  readonly networks: readonly PathNetwork[]
}

/** How often it is looked whether connections to an endpoint have come or gone. */
const lookMs = 100
/** As the proxy's stall timeout: a request whose answer does not begin, and whose rule says nothing of time. */
const mostSilenceMs = 300_000

/**
 * The kernel's HTTP path as a part of the agent, on its main thread: tables for Services whose rules fit, pools for their
 * endpoints, and a listening socket of its own for each such Service, to which `datapath` leads its connections. Whatever is
 * not of the path goes on in a worker, on the same connection.
 */
export class KernelPath implements Disposable {
  readonly #options: KernelPathOptions
  readonly #bpf = new Bpf()
  readonly #holder: PathHolder | undefined
  readonly #kernel: KernelHttp
  readonly #agent: HttpAgent
  readonly #writer: TableWriter
  readonly #pools: EndpointPools
  readonly #places = new CountPlaces()
  readonly #counts: PathCounts
  readonly #listeners: PathListeners
  readonly #home: PathNetwork
  readonly #services = new Map<string, OpenService>()
  readonly #look: Timer
  /** Who was warned of, and why. */
  readonly #warned = new Set<string>()
  readonly #giver: Giver
  /** Endpoints that leave requests unread, by their place. */
  readonly #notReading = new Set<string>()
  #isLeft = false
  /** Cgroups of joined programs that were warned of. */
  #unwatched: ReadonlySet<string> = new Set()
  #compiled = new Map<string, CompiledService>()
  #snapshot: MeshSnapshot = emptySnapshot
  #reached = ''
  #nextService = 1

  /** @throws MeshError MESH_EBPF_REFUSED, MESH_KERNEL_UNSUPPORTED, MESH_KERNEL_SYSCALL */
  constructor(options: KernelPathOptions) {
    const { cgroup, clock, keeper } = options
    this.#options = options
    this.#giver = new Giver(options)
    if (keeper !== undefined) this.#holder = new PathHolder(keeper, { clock, generation: newGeneration() })
    try {
      const holder = this.#holder === undefined ? {} : { holder: this.#holder }
      const { memberLevel, agentId: agentCgroup } = cgroup
      this.#kernel = KernelHttp.open(this.#bpf, { memberLevel, agentCgroup, boundsSeconds, ...holder })
      this.#kernel.attach(cgroup.folder)
    } catch (error) {
      this.#holder?.[Symbol.dispose]()
      this.#bpf[Symbol.dispose]()
      throw error
    }
    this.#counts = new PathCounts({
      kernel: this.#kernel,
      places: this.#places,
      registry: options.registry,
      onAdded: options.onCounted,
      memory: this.#holder && new CountMemory(this.#kernel),
    })
    this.#agent = new HttpAgent({
      kernel: this.#kernel,
      onFallback: (socket, bytes) => {
        this.#giver.give(socket, bytes, this.#listeners.listenerOf(socket))
      },
      limitsOf: count => this.#places.at(count)?.limits,
      lookMs: () => limitLookMs(this.#places),
      onEnded: request => {
        this.#counts.ended(request)
        this.#tell(request)
      },
      onReplayed: count => this.#counts.replayed(count),
      onZeroCopy: asked => {
        const message =
          'SO_ZEROCOPY does not go with HTTP in the kernel: refused with EPERM, or the connection stays off that path'
        this.#warn(asked, message, 'to allow it, set kernelHttp: Off in a BackendPolicy of the Service')
      },
      onUnread: left => this.#keepOut(left),
      onReadAgain: read => this.#letIn(read),
    })
    this.#listeners = new PathListeners({ ...options, kernel: this.#kernel, agent: this.#agent, holder: this.#holder })
    this.#home = { cookie: this.#kernel.netns, listenerOf: id => id, workloads: new Set(), within: act => act() }
    this.#writer = new TableWriter(this.#kernel)
    this.#pools = new EndpointPools(this.#agent, clock)
    this.#look = clock.every(lookMs, () => this.#lookAgain()).unref()
  }

  /** Once for each: a program does it with every connection. */
  #warn(who: OfPath, message: string, hint: string): void {
    const of = this.#textOf(who)
    if (this.#warned.has(message + of)) return
    this.#warned.add(message + of)
    this.#options.logger.warn(message, { of, hint })
  }

  /** A client's program is kept out by programs. */
  #keepOut(who: OfPath): void {
    const message = 'what came by HTTP in the kernel is left unread for seconds: from now on it goes through the proxy'
    const hint =
      'a program that reads with splice() needs kernelHttp: Off in a BackendPolicy of the Service; one that was only slow is let in again once it has read, and by heddle kernel-http off, and on'
    this.#warn(who, message, hint)
    if (!('endpoint' in who)) return
    this.#notReading.add(who.endpoint)
    this.#options.onChange()
  }

  #letIn(who: OfPath): void {
    const of = this.#textOf(who)
    this.#options.logger.info('what was left unread has been read: HTTP goes in the kernel again', { of })
    if ('endpoint' in who && this.#notReading.delete(who.endpoint)) this.#options.onChange()
  }

  #textOf(who: OfPath): string {
    return 'endpoint' in who ? `the endpoint ${who.endpoint}` : `a client of ${this.#nameOf(who.service)}`
  }

  #nameOf(service: number): string {
    const [id = ''] = [...this.#services].find(([, { number }]) => number === service) ?? []
    return this.#snapshot.listeners.get(id)?.virtualHosts[0]?.id ?? 'a Service that is gone'
  }

  /**
   * Where connections to listeners are led instead, by the listener's id; none while it is off.
   * @param network  cookie; undefined for our own
   */
  aheadIn(network: bigint | undefined): ReadonlyMap<string, ProxyPlace> {
    return this.isOn ? this.#listeners.aheadIn(network ?? this.#home.cookie) : new Map()
  }

  /** Off: from the next request on all connections are the workers'. */
  get isOn(): boolean {
    return this.#kernel.isOn
  }

  set isOn(value: boolean) {
    if (value && !this.isOn) {
      this.#agent.forgive()
      this.#notReading.clear()
    }
    this.#kernel.isOn = value
  }

  /** Whether a response is owed on the path. */
  get isBusy(): boolean {
    return [...this.#kernel.map('kh_backends').entries()].some(([, { owner }]) => owner !== 0n)
  }

  /** What became of the rules of each Service's port, by listener id. */
  get compiled(): ReadonlyMap<string, CompiledService> {
    return this.#compiled
  }

  /** Requests that were answered on the path, of all rules. */
  get served(): bigint {
    this.#counts.collect()
    return this.#counts.served
  }

  /** Takes over what programs have counted. */
  collect(): void {
    this.#counts.collect()
  }

  /** Whether requests that programs count are told of, not all of them when there are many. */
  sample(isWanted: boolean): void {
    this.#kernel.onSample(isWanted ? sampleEveryNs : 0, sample =>
      this.#tell(requestOf(sample, this.#agent.addressOf(sample.client))),
    )
  }

  #tell(request: EndedRequest): void {
    const target = this.#places.at(request.count)
    if (target !== undefined) this.#options.onRequest(request, target)
  }

  get reasons(): ReadonlyMap<string, bigint> {
    const { replayed } = this.#agent
    return new Map([
      ...this.#kernel.reasons(),
      ...(replayed > 0 ? [['endpoint ended', BigInt(replayed)] as const] : []),
    ])
  }

  get sizes(): HttpAgent['sizes'] {
    return this.#agent.sizes
  }

  /** Tables, pools and listening sockets for a newer snapshot; each request is led by the old one or by the new one. */
  update(snapshot: MeshSnapshot, { joined, networks }: PathSurroundings): void {
    this.#snapshot = snapshot
    this.#join(joined)
    const wanted = [...snapshot.listeners.values()].filter(listener => this.#mayCarry(listener, snapshot))
    const networkOf = networksOfEndpoints(this.#home, networks, snapshot.access?.members ?? [])
    const mayBe = (endpoint: Endpoint): boolean =>
      !this.#notReading.has(endpoint.id) && networkOf(endpoint) !== undefined
    const possible = wanted.map(listener => this.#compile(listener, mayBe))
    this.#pools.want(
      possible.flatMap(({ rules }) => rules.flatMap(endpointsOf)),
      networkOf,
    )
    this.#reached = this.#pools.reached
    const compiled = wanted.map(
      listener => [listener, this.#compile(listener, each => mayBe(each) && this.#pools.isReached(each))] as const,
    )
    this.#compiled = new Map(compiled.map(([{ id }, service]) => [id, service]))
    this.#counts.remember()
    const carried = new Map<string, number>()
    for (const [listener, service] of compiled) {
      if (service.table === undefined || !service.rules.some(({ number }) => number !== undefined)) continue
      carried.set(listener.id, this.#carry(listener, service.table, service.rules))
    }
    for (const [id, { number }] of this.#services) {
      if (carried.has(id)) continue
      this.#services.delete(id)
      this.#writer.remove(number)
    }
    this.#listeners.update(carried, [this.#home, ...networks])
    this.#counts.collect()
    this.#places.keep(new Set(compiled.flatMap(([, { rules }]) => rules.flatMap(({ counts }) => counts))))
    this.#counts.remember()
  }

  #join(joined: readonly JoinedCgroup[]): void {
    const failed = this.#kernel.join(joined)
    for (const { folder, error } of failed) {
      if (this.#unwatched.has(folder)) continue
      const message = 'programs that have joined go through the proxy: HTTP in the kernel could not be attached there'
      this.#options.logger.warn(message, { cgroup: folder, error })
    }
    this.#unwatched = new Set(failed.map(({ folder }) => folder))
  }

  #mayCarry({ kind, protocol, virtualHosts }: Listener, { backends }: MeshSnapshot): boolean {
    if (kind !== 'service' || protocol !== 'HTTP') return false
    const own = backends.get((virtualHosts[0]?.id ?? '').replace(/^Service /, ''))
    return own?.settings.kernelHttp !== 'off'
  }

  #compile(listener: Listener, isReached: (endpoint: Endpoint) => boolean): CompiledService {
    return compileService({
      snapshot: this.#snapshot,
      listener,
      isReached,
      poolOf: endpoint => this.#pools.numberOf(endpoint),
      countOf: (route, rule, target) => this.#placeOf(listener, route, rule, target),
    })
  }

  #placeOf(listener: Listener, route: HttpRoute, index: number, target: EndpointTarget): number | undefined {
    const rule = route.rules[index]
    if (rule === undefined) return undefined
    return this.#places.of({
      virtualHost: listener.virtualHosts[0]?.id ?? '',
      route: route.key,
      rule: rule.name ?? String(rule.index),
      backend: target.backend,
      endpoint: target.endpoint.id,
      limits: limitsOf(rule),
    })
  }

  /** @returns the Service's number */
  #carry(listener: Listener, table: KernelService, rules: readonly CompiledRule[]): number {
    const service = this.#services.get(listener.id) ?? { number: this.#nextService++, written: '' }
    this.#services.set(listener.id, service)
    const permissions = permissionsFor(rules, this.#snapshot.access)
    const policed = permissions === undefined ? table : withPermissions(table, permissions)
    const text = JSON.stringify(policed, (_, value: unknown) =>
      typeof value === 'bigint' ? String(value) : value instanceof Map ? [...value] : value,
    )
    if (service.written !== text) this.#writer.write(service.number, policed)
    service.written = text
    return service.number
  }

  #lookAgain(): void {
    if (this.#pools.reached !== this.#reached) this.#options.onChange()
  }

  /**
   * The path goes on without this agent, as it is now, until the next one turns it off: the keeper has all of it. Resolves when
   * what this agent carries itself has been given to workers, or answered.
   * @returns false where there is no keeper: then nothing has happened
   */
  async leave(mostMs: number): Promise<boolean> {
    if (this.#holder?.flush() !== true) return false
    this.#isLeft = true
    this.#look[Symbol.dispose]()
    this.#listeners.stopAccepting()
    this.#holder.leave()
    await this.#agent.leave(mostMs)
    await this.#giver.settled()
    return true
  }

  /** Connections that are on the path end; `isOn = false` and a while before that loses none. */
  [Symbol.dispose](): void {
    this.#look[Symbol.dispose]()
    if (!this.#isLeft) {
      this.#kernel.isOn = false
      this.#listeners.closeAll()
      this.#services.clear()
      this.#pools[Symbol.dispose]()
    }
    this.#agent[Symbol.dispose]()
    this.#kernel[Symbol.dispose]()
    this.#holder?.[Symbol.dispose]()
    this.#listeners[Symbol.dispose]()
    this.#bpf[Symbol.dispose]()
  }
}

/** As the proxy has them: 0 is no limit, and nothing is that of silence. */
function limitsOf({ requestTimeoutMs, backendRequestTimeoutMs }: RouteRule): TimeLimits {
  const requestMs = requestTimeoutMs || Infinity
  const silenceMs = requestTimeoutMs === undefined ? mostSilenceMs : Infinity
  return { requestMs, beginMs: Math.min(requestMs, backendRequestTimeoutMs || Infinity, silenceMs) }
}

function withPermissions(table: KernelService, permissions: NonNullable<KernelService['permissions']>): KernelService {
  const hosts = [...(table.hosts ?? [])].map(([host, own]) => [host, { ...own, permissions }] as const)
  return { ...table, permissions, ...(table.hosts === undefined ? {} : { hosts: new Map(hosts) }) }
}

function endpointsOf({ verdict }: CompiledRule): readonly Endpoint[] {
  return verdict.kind === 'kernel' ? verdict.targets.map(({ endpoint }) => endpoint) : []
}
