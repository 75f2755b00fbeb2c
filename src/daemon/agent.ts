import { MeshError, messageOf, systemClock } from '../core/index.ts'
import type { Clock, LogFields, Logger, Problem, Timer } from '../core/index.ts'
import { emptySnapshot, diffSnapshots } from '../model/index.ts'
import type { MeshSnapshot } from '../model/index.ts'
import { consoleHeaders, prometheusContentType, renderConsole } from '../observe/index.ts'
import type { AgentStatus, CertificateStatus, MetricsState, StatusDocument } from '../observe/index.ts'
import { HealthChecker } from '../proxy/index.ts'
import { FileSource } from '../sources/index.ts'
import type { SourceState } from '../sources/index.ts'
import { openAdminServer, openAgentSocket } from './admin-server.ts'
import type { AdminServer } from './admin-server.ts'
import type { AdminView, ExplainRequest } from './admin-pages.ts'
import { AgentMetrics } from './agent-metrics.ts'
import { CertificateList, certificateProblems } from './certificates.ts'
import { requirePaths } from './config-paths.ts'
import { Explainer } from './explain.ts'
import { useLinearRegex } from './linear-regex.ts'
import { listenProblems } from './listen-problems.ts'
import { ListenerGate } from './listener-gate.ts'
import { LogFeed } from './log-feed.ts'
import { maskedSnapshot, maskedWorkload } from './mask.ts'
import { MeshHealth } from './mesh-health.ts'
import { buildStatus } from './mesh-status.ts'
import { probePort } from './port-probe.ts'
import { Readiness } from './readiness.ts'
import { findResources } from './resource-status.ts'
import type { ResourceQuery } from './resource-status.ts'
import { serviceEnvironment } from './service-environment.ts'
import { formatAddress, settingDefinitions, settingKeys } from './settings.ts'
import type { SettingDefinition, Settings } from './settings.ts'
import type { Origins } from './settings-sources.ts'
import { Supervisor } from './supervisor.ts'
import { TicketKeyRotation } from './ticket-key-rotation.ts'
import { agentVersion } from './version.ts'
import { problemsOf, WorkloadLeases } from './workload-leases.ts'
import type { RunRequest } from './workload-leases.ts'
import { chooseTransport } from './transport.ts'
import type { ActiveTransport } from './transport.ts'
import { WorkerPool } from './worker-pool.ts'

export interface AgentOptions {
  /** Files and directories with the mesh's resources. */
  readonly paths: readonly string[]
  readonly settings: Settings
  readonly origins: Origins
  readonly env: Readonly<Record<string, string | undefined>>
  readonly logger: Logger
  /** @default the system's */
  readonly clock?: Clock
}

/** The one that is built: `explain` and the start output say so rather than let anybody guess. */
export const tier: AgentStatus['tier'] = {
  active: 'user space',
  reason: 'kernel tier is not built in this version',
}

/** Counters of workers are read this often, for rates, and at every scrape. */
const collectMs = 1_000
/** A program that leaves the mesh finishes what it was sent before; after that it is told to end. */
const leavingGraceMs = 1_000
/** Listeners that could not be opened, since somebody else had the port, are tried again this often. */
const retryListenersMs = 5_000
/** Many endpoints may change their health together. */
const healthBatchMs = 10

/**
 * The node's agent: reads configuration, keeps the workers fed, starts
 * workloads, and answers on its admin pages and its socket. It is the only place
 * that joins the rooms.
 *
 * Start: the socket first, so that a second agent is told before anything of it
 * can disturb the first; then the admin pages, the configuration, the workers.
 * Stop: not ready, workers drain, workloads end, the socket goes.
 */
export class Agent implements AdminView {
  readonly pid: number = process.pid
  readonly version: string = agentVersion()
  readonly #options: AgentOptions
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #readiness = new Readiness()
  readonly #metrics = new AgentMetrics()
  readonly #explainer = new Explainer()
  readonly #certificateList = new CertificateList()
  readonly #ticketKeys: TicketKeyRotation
  readonly #feed = new LogFeed(isFollowed => this.#pool?.tap(isFollowed))
  readonly #checker: HealthChecker
  readonly #health: MeshHealth
  readonly #gate = new ListenerGate({
    probe: probePort,
    settled: () => this.#settled(),
    onChange: () => {
      this.#reportListenFailures()
      this.#publish(false)
    },
  })
  readonly #supervisor: Supervisor
  readonly #startedMs: number
  #servers: AdminServer[] = []
  readonly #transport: ActiveTransport
  #source: FileSource | undefined
  #leases: WorkloadLeases | undefined
  #state: SourceState | undefined
  /** When the change was read that was taken last. */
  #changedMs = -1
  #pool: WorkerPool | undefined
  /** What the workers were last told, with health in it and a version of our own count. */
  #published: MeshSnapshot = emptySnapshot
  /** Of workers, by listener id. */
  #workerFailures: ReadonlyMap<string, string> = new Map()
  /** All that were reported. */
  #listenFailures: ReadonlyMap<string, string> = new Map()
  #timers: Timer[] = []
  #healthTimer: Timer | undefined
  /** Ends the wait for first answers; undefined once they are in. */
  #checked: (() => void) | undefined
  readonly #ready = Promise.withResolvers<void>()
  #stopping: Promise<DrainReport> | undefined

  private constructor(options: AgentOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#logger = options.logger
    this.#startedMs = this.#clock.nowMs()
    this.#transport = chooseTransport(options.settings.transport)
    this.#ticketKeys = new TicketKeyRotation(this.#clock, key => this.#pool?.setTicketKeys(key))
    this.#checker = new HealthChecker({
      clock: this.#clock,
      logger: withoutStarts(options.logger),
      onChange: () => this.#healthChanged(),
    })
    this.#health = new MeshHealth(this.#checker)
    this.#supervisor = new Supervisor({
      clock: this.#clock,
      logger: options.logger,
      env: options.env,
      onOutput: (source, stream, text) => this.#feed.push({ timeMs: this.#clock.wallMs(), source, stream, text }),
      onEnd: workload => this.#health.suspect(workload),
      released: () => this.#trafficMoved(),
      onRestart: workload => this.#metrics.workloadRestarted(workload),
    })
  }

  /**
   * Resolves when the configuration is read and workers start; `ready` tells when they carry traffic.
   *
   * @throws MeshError MESH_AGENT_RUNNING, MESH_AGENT_SOCKET, MESH_ADMIN_PORT, MESH_CONFIG_PATH
   */
  static async start(options: AgentOptions): Promise<Agent> {
    useLinearRegex()
    const agent = new Agent(options)
    try {
      await agent.#start()
      return agent
    } catch (error) {
      await agent.#abandon()
      throw error
    }
  }

  /** Resolves when the agent is ready for the first time, never when it stops before. */
  get ready(): Promise<void> {
    return this.#ready.promise
  }

  get isReady(): boolean {
    return this.#readiness.isReady
  }

  get awaited(): readonly string[] {
    return this.#readiness.awaited
  }

  /** `http://127.0.0.1:15000` */
  get adminUrl(): string {
    const address = this.#servers.map(server => server.address).find(each => each !== undefined)
    return address === undefined ? '' : `http://${formatAddress(address)}`
  }

  async metrics(): Promise<{ contentType: string; body: string }> {
    await this.#pool?.collect({ wantsEndpoints: true })
    this.#metrics.certificates(this.#certificates())
    const body = this.#metrics.render(this.#published.backends, this.#pool?.endpoints() ?? [])
    return { contentType: prometheusContentType, body }
  }

  config(): unknown {
    const settings = Object.fromEntries(
      settingKeys.map(key => {
        const definition = settingDefinitions[key] as SettingDefinition<unknown>
        const value = definition.format(this.#options.settings[key])
        return [key, { value, origin: this.#options.origins[key] }]
      }),
    )
    return {
      settings,
      paths: this.#options.paths,
      snapshot: maskedSnapshot(this.#published),
      workloads: (this.#state?.workloads ?? []).map(maskedWorkload),
      serviceAddresses: this.#state?.serviceAddresses ?? [],
    }
  }

  async status(): Promise<StatusDocument> {
    await this.#pool?.collect({ wantsEndpoints: true })
    const agent: AgentStatus = {
      version: this.version,
      pid: this.pid,
      uptimeSeconds: (this.#clock.nowMs() - this.#startedMs) / 1000,
      tier,
      transport: this.#transport,
      workers: this.#pool?.running ?? 0,
      configVersion: this.#published.version,
      ready: this.isReady,
      awaiting: this.awaited,
    }
    return buildStatus({
      agent,
      snapshot: this.#published,
      statuses: this.#state?.statuses ?? [],
      certificates: this.#certificates(),
      problems: this.#problems(),
      addresses: this.#state?.serviceAddresses ?? [],
      activity: this.#pool?.endpoints() ?? [],
      rates: this.#metrics.rates,
    })
  }

  #problems(): readonly Problem[] {
    const state = this.#state
    if (state === undefined) return []
    return [
      ...state.problems,
      ...certificateProblems(this.#certificates(), this.#clock.wallMs()),
      ...listenProblems(this.#listenFailures, state.snapshot.listeners),
    ]
  }

  #certificates(): readonly CertificateStatus[] {
    return this.#certificateList.list(this.#published, this.#clock.wallMs())
  }

  async routes(): Promise<unknown> {
    const { routes } = await this.status()
    return routes
  }

  resource(query: ResourceQuery): unknown {
    return findResources(query, this.#state?.statuses ?? [], this.#problems())
  }

  explain(request: ExplainRequest): unknown {
    return this.#explainer.explain(request, this.#published, this.#state?.serviceAddresses ?? [])
  }

  console(): { html: string; headers: Readonly<Record<string, string>> } {
    return { html: renderConsole(), headers: consoleHeaders() }
  }

  /** After a log was rotated. */
  reopenLogs(): void {
    this.#pool?.reopenLogs()
  }

  /** Stops gently; a second call waits for the first. */
  stop(): Promise<DrainReport> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  /** Stops at once: what is under way is cut off and workloads are killed. */
  async kill(): Promise<void> {
    this.#readiness.stop()
    this.#supervisor.kill()
    await this.#abandon()
  }

  async #start(): Promise<void> {
    const { settings, paths } = this.#options
    this.#logger.info('sockets of plain connections', { ...this.#transport })
    const configured = this.#readiness.await('configuration')
    const working = this.#readiness.await('workers')
    const listening = this.#readiness.await('listeners')
    const control = { feed: this.#feed, register: (request: RunRequest) => this.#register(request) }
    this.#servers.push(await openAgentSocket(this, control, settings.socketPath))
    this.#supervisor.guardFile(settings.socketPath)
    this.#servers.push(await openAdminServer(this, settings.adminAddress))
    this.#checked = this.#readiness.await('health checks')
    this.#source = await FileSource.open({
      paths,
      clock: this.#clock,
      logger: this.#logger,
      bindAddress: settings.bindAddress,
      serviceCidr: settings.serviceCidr,
      onChange: state => this.#take(state),
    })
    requirePaths(paths, this.#source)
    this.#leases = new WorkloadLeases(this.#source)
    if (this.#state === undefined) this.#take(this.#source.current)
    configured()
    this.#healthChanged()
    // So that the workers start with every listener they may have.
    await this.#gate.decided()
    // Nothing is counted yet, so that the first second has its rates, too.
    this.#metrics.sample(this.#clock.nowMs())
    const pool = this.#startPool()
    working()
    this.#timers.push(
      this.#clock.every(collectMs, () => void this.#tick()),
      this.#clock.every(retryListenersMs, () => this.#retryListeners()),
    )
    void pool.applied(this.#published.version).then(() => {
      listening()
      this.#announce()
    })
  }

  #startPool(): WorkerPool {
    const { workers, zone, accessLog, accessLogFormat, logLevel } = this.#options.settings
    // The worker stands beside this file under the same kind of name, built or not.
    const name = import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js'
    this.#pool = new WorkerPool(this.#published, {
      ticketKeys: this.#ticketKeys.current,
      clock: this.#clock,
      logger: this.#logger,
      script: new URL(name, import.meta.url),
      count: workers,
      transport: this.#transport.active,
      worker: { zone, accessLog, accessLogFormat, logLevel },
      observer: {
        collected: (worker, metrics) => this.#metrics.collected(worker, metrics as MetricsState),
        retired: worker => this.#metrics.retired(worker),
        restarted: () => this.#metrics.workerRestarted(),
        lines: lines => {
          const timeMs = this.#clock.wallMs()
          for (const text of lines) this.#feed.push({ timeMs, source: 'access', stream: 'access', text })
        },
        listenFailures: failures => {
          this.#workerFailures = failures
          this.#reportListenFailures()
        },
      },
    })
    return this.#pool
  }

  /** A newer configuration. One that could not be read never comes here: the last good one stays in force. */
  #take(state: SourceState): void {
    this.#state = state
    this.#health.update(state.snapshot, state.workloads)
    this.#publish(false)
    this.#supervisor.update(state.workloads, state.serviceAddresses)
    this.#metrics.problems(state.problems)
    const changedMs = this.#source?.changedMs ?? this.#startedMs
    if (changedMs === this.#changedMs) return
    this.#changedMs = changedMs
    this.#metrics.configApplied((this.#clock.nowMs() - changedMs) / 1000)
  }

  /** Every worker has the configuration of this moment, and what was under way before has had its time. */
  async #trafficMoved(): Promise<void> {
    await this.#pool?.applied(this.#published.version)
    await new Promise<void>(resolve => this.#clock.after(leavingGraceMs, resolve))
  }

  /** Hands the workers what changed, if anything did. */
  #publish(evenUnchanged: boolean): void {
    const state = this.#state
    if (state === undefined) return
    const before = this.#published
    const overlaid = this.#health.apply(state.snapshot)
    const after = { ...overlaid, listeners: this.#gate.admit(overlaid.listeners), version: before.version + 1 }
    const delta = diffSnapshots(before, after)
    const changes = [delta.listeners, delta.routes, delta.streamRoutes, delta.backends]
    const isSame = changes.every(({ set, removed }) => set.length === 0 && removed.length === 0)
    if (isSame && !evenUnchanged && before.version > 0) return
    this.#published = after
    this.#pool?.apply(after)
    this.#metrics.published(before, delta)
  }

  #healthChanged(): void {
    this.#healthTimer ??= this.#clock.after(healthBatchMs, () => {
      this.#healthTimer = undefined
      this.#health.settle()
      this.#publish(false)
      if (this.#checked === undefined || this.#health.pending > 0) return
      this.#checked()
      this.#checked = undefined
      this.#announce()
    })
  }

  #announce(): void {
    if (this.#readiness.isReady) this.#ready.resolve()
  }

  /** Resolves when the workers have done what they were told up to this turn. */
  async #settled(): Promise<void> {
    await Promise.resolve()
    await this.#pool?.applied(this.#published.version)
  }

  #reportListenFailures(): void {
    const failures = new Map([...this.#workerFailures, ...this.#gate.refused])
    if (failures.size === 0 && this.#listenFailures.size === 0) return
    for (const [listener, error] of failures) {
      if (this.#listenFailures.get(listener) !== error) {
        this.#logger.error('a listener could not be opened and is tried again', { listener, error })
      }
    }
    this.#listenFailures = failures
    this.#source?.setListenFailures(failures)
  }

  #retryListeners(): void {
    this.#gate.retry()
    if (this.#workerFailures.size > 0) this.#publish(true)
  }

  async #tick(): Promise<void> {
    try {
      await this.#pool?.collect()
      this.#metrics.sample(this.#clock.nowMs())
    } catch (error) {
      this.#logger.error('metrics could not be collected', { error: messageOf(error) })
    }
  }

  #register(request: RunRequest): { lease: Disposable; answer: unknown } {
    const leases = this.#leases
    const source = this.#source
    if (leases === undefined || source === undefined || this.#stopping !== undefined) {
      const doing = this.#stopping === undefined ? 'is still starting' : 'is stopping'
      throw new MeshError('MESH_AGENT_NOT_READY', `the agent ${doing}`, { source: 'internal', retry: 'safe' })
    }
    const lease = leases.grant(request)
    const state = source.current
    const answer: RunAnswer = {
      workload: `${request.namespace}/${request.name}`,
      env: serviceEnvironment(request.namespace, state.serviceAddresses),
      problems: problemsOf(request, state.problems).map(({ message }) => message),
      services: servicesOf(request, state),
    }
    return { lease, answer }
  }

  async #stop(): Promise<DrainReport> {
    this.#readiness.stop()
    for (const timer of this.#timers) timer[Symbol.dispose]()
    this.#checker[Symbol.dispose]()
    await this.#source?.[Symbol.asyncDispose]()
    const { drainSeconds } = this.#options.settings
    const report = (await this.#pool?.drain(drainSeconds * 1000)) ?? { finished: 0, cut: 0 }
    await this.#supervisor.stop()
    await this.#abandon()
    return report
  }

  /** Closes whatever is open. */
  async #abandon(): Promise<void> {
    for (const timer of this.#timers) timer[Symbol.dispose]()
    this.#ticketKeys[Symbol.dispose]()
    this.#healthTimer?.[Symbol.dispose]()
    this.#checker[Symbol.dispose]()
    await this.#source?.[Symbol.asyncDispose]()
    await this.#pool?.close()
    await this.#supervisor.stop()
    await Promise.all(this.#servers.map(server => server.close()))
    this.#servers = []
  }
}

/** A program that starts is unhealthy for a moment, each time: what the supervisor says of it is enough. */
function withoutStarts(logger: Logger): Logger {
  const quiet =
    (level: 'info' | 'warn') =>
    (message: string, fields?: LogFields): void => {
      const isOwn = String(fields?.['backend'] ?? '').startsWith('Workload ')
      logger[isOwn ? 'debug' : level](message, fields)
    }
  return {
    debug: (message, fields) => logger.debug(message, fields),
    info: quiet('info'),
    warn: quiet('warn'),
    error: (message, fields) => logger.error(message, fields),
  }
}

/** Requests that ended by themselves while draining, and those that were cut off. */
export interface DrainReport {
  readonly finished: number
  readonly cut: number
}

/** What `heddle run` is told when its workload is registered. */
export interface RunAnswer {
  /** `namespace/name` */
  readonly workload: string
  readonly env: Readonly<Record<string, string>>
  readonly problems: readonly string[]
  /** Backends that the workload now serves. */
  readonly services: readonly string[]
}

function servicesOf(request: RunRequest, state: { readonly snapshot: MeshSnapshot }): readonly string[] {
  const backends = [...state.snapshot.backends.values()]
  return backends
    .filter(
      ({ namespace, endpoints }) =>
        namespace === request.namespace &&
        endpoints.some(({ workload, port }) => workload === request.name && port === request.port),
    )
    .map(({ key }) => key)
}
