import type { Socket } from 'node:net'
import { MeshError, messageOf, systemClock } from '../core/index.ts'
import type { Clock, Logger, Timer } from '../core/index.ts'
import { HealthChecker } from '../proxy/index.ts'
import type { NamesServer } from '../names/index.ts'
import { FileSource } from '../sources/index.ts'
import type { SourceState } from '../sources/index.ts'
import { compilePlugin } from '../wasm/index.ts'
import { AddressMemory, stateFile } from './address-memory.ts'
import { openAdminServer, openAgentSocket } from './admin-server.ts'
import type { AdminServer } from './admin-server.ts'
import { AgentMetrics } from './agent-metrics.ts'
import { AgentView } from './agent-view.ts'
import { requirePaths } from './config-paths.ts'
import { useLinearRegex } from './linear-regex.ts'
import { ListenFailures } from './listen-failures.ts'
import { ListenerGate } from './listener-gate.ts'
import { LogFeed } from './log-feed.ts'
import { claimFacts, withBelievedProcess } from './caller-claim.ts'
import { CallerFinder } from './callers/caller-finder.ts'
import { callerRoots } from './callers/caller-roots.ts'
import { Joins } from './joins/joins.ts'
import { KernelPathSwitch } from './kernel-path/kernel-path-switch.ts'
import { MeshHealth } from './mesh-health.ts'
import { NetworkPolicies, notEnforcedHeadline } from './network-policies.ts'
import type { PolicyQuestion } from './policy-answers.ts'
import { Handover } from './handover/handover.ts'
import type { SocketTable } from './handover/listener-sockets.ts'
import { withoutStarts } from './quiet-starts.ts'
import { openMeshNames } from './mesh-names.ts'
import { FlowBook } from './flows/flow-book.ts'
import { openTier } from './tier.ts'
import type { ActiveTier, Tier } from './tier.ts'
import { probePort } from './port-probe.ts'
import { ProblemLog } from './problem-log.ts'
import { Publication } from './publication.ts'
import { Readiness } from './readiness.ts'
import { answerRun } from './run-answer.ts'
import { formatAddress } from './settings.ts'
import type { Settings } from './settings.ts'
import type { Origins } from './settings-sources.ts'
import { openPool, startThreads } from './agent-pool.ts'
import { openInspector, sourceMapsIn } from './plugins/inspector.ts'
import { moduleDirectory, PluginModules } from './plugins/plugin-modules.ts'
import { openPrograms } from './agent-programs.ts'
import { ForeignNetworks } from './networks/foreign-networks.ts'
import { memberProcesses } from './networks/member-processes.ts'
import type { Supervisor } from './programs/supervisor.ts'
import { TicketKeyRotation } from './ticket-key-rotation.ts'
import { WorkloadLeases } from './workload-leases.ts'
import type { RunRequest } from './workload-leases.ts'
import { chooseTransport } from './transport.ts'
import type { ActiveTransport } from './transport.ts'
import type { DrainReport, WorkerPool } from './worker-pool.ts'
import type { WorkerThreads } from './worker-threads.ts'

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
export class Agent {
  /** What its pages show. */
  readonly view: AgentView
  readonly #options: AgentOptions
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #readiness = new Readiness()
  readonly #metrics = new AgentMetrics()
  readonly #ticketKeys: TicketKeyRotation
  readonly #feed = new LogFeed(isFollowed => {
    this.#pool?.tap(isFollowed)
    this.#kernelPath.tap(isFollowed)
  })
  readonly #checker: HealthChecker
  readonly #health: MeshHealth
  readonly #modules: PluginModules
  readonly #tier: Tier
  readonly #flows: FlowBook
  readonly #networkPolicies: NetworkPolicies
  readonly #gate = new ListenerGate({
    isOurs: place => this.#handover?.has(place) === true,
    probe: (place, own) => this.#handover?.probe(place, own) ?? probePort(place, own),
    settled: () => this.#settled(),
    onChange: () => {
      this.#listenFailures.refused(this.#gate.refused)
      this.#publication.publish({ evenUnchanged: false })
    },
  })
  readonly #joins: Joins
  readonly #networks: ForeignNetworks
  readonly #addresses: AddressMemory
  readonly #supervisor: Supervisor
  readonly #callers: CallerFinder
  readonly #startedMs: number
  #servers: AdminServer[] = []
  #inspector: AsyncDisposable | undefined = undefined
  readonly #transport: ActiveTransport
  readonly #kernelPath: KernelPathSwitch
  #source: FileSource | undefined
  #leases: WorkloadLeases | undefined
  #names: NamesServer | undefined
  /** In the kernel tier. */
  #handover: Handover | undefined
  /** When the change was read that was taken last. */
  #changedMs = -1
  readonly #threads: WorkerThreads
  #pool: WorkerPool | undefined
  readonly #publication: Publication
  readonly #listenFailures: ListenFailures
  readonly #problemLog: ProblemLog
  #timers: Timer[] = []
  #healthTimer: Timer | undefined
  /** Ends the wait for first answers; undefined once they are in. */
  #checked: (() => void) | undefined
  readonly #ready = Promise.withResolvers<void>()
  #stopping: Promise<DrainReport> | undefined
  #handsOver = false

  private constructor(options: AgentOptions, threads: WorkerThreads) {
    this.#options = options
    this.#threads = threads
    this.#clock = options.clock ?? systemClock
    this.#logger = options.logger
    this.#startedMs = this.#clock.nowMs()
    this.#problemLog = new ProblemLog(options.logger)
    this.#listenFailures = new ListenFailures(options.logger, failures => this.#source?.setListenFailures(failures))
    const { tier: wanted, socketPath } = options.settings
    this.#tier = openTier({
      wanted,
      socketPath,
      logger: options.logger,
      serviceCidr: options.settings.serviceCidr,
      onFlow: flow => this.#flows.flow(flow),
    })
    this.#flows = new FlowBook({
      clock: this.#clock,
      meter: this.#metrics.meter,
      isActive: this.#tier.leads,
      onFollowed: isFollowed => this.#kernelPath.tapFlows(isFollowed),
    })
    this.#networkPolicies = new NetworkPolicies(this.#tier.enforcement)
    this.#joins = new Joins({
      file: stateFile(options.settings, 'joined'),
      logger: options.logger,
      tier: this.#tier,
      onChange: () => this.#membersChanged(),
      addressOf: pid => this.#networks.addressOf(pid),
      networkProblem: workload => this.#networks.problemOf(workload),
    })
    this.#networks = new ForeignNetworks({
      isSeen: this.#tier.seesNetworks,
      workers: options.settings.workers,
      logger: options.logger,
      keeper: () => this.#handover?.keeper,
      names: () => this.#names,
      processes: () => memberProcesses(this.#tier.cgroup, this.#joins.current),
    })
    this.#addresses = new AddressMemory(stateFile(options.settings, 'addresses'), options.logger)
    this.#transport = chooseTransport(options.settings.transport)
    this.#kernelPath = new KernelPathSwitch({
      wanted: options.settings.kernelHttp,
      tier: this.#tier,
      transport: this.#transport,
      clock: this.#clock,
      logger: options.logger,
      give: connection => this.#pool?.give(connection) ?? false,
      keeper: () => this.#handover?.keeper,
      onChange: () => this.#publication.updateKernelPath(),
      metrics: this.#metrics,
      settings: options.settings,
      feed: this.#feed,
      flows: this.#flows,
    })
    this.view = this.#openView()
    this.#ticketKeys = new TicketKeyRotation(this.#clock, key => this.#pool?.setTicketKeys(key))
    this.#checker = new HealthChecker({
      clock: this.#clock,
      logger: withoutStarts(options.logger),
      onChange: () => this.#healthChanged(),
    })
    this.#modules = new PluginModules({
      directory: moduleDirectory(options.settings.socketPath),
      clock: this.#clock,
      logger: options.logger,
      validate: compilePlugin,
      ...(options.settings.inspectPlugins === 'off' ? {} : { prepare: sourceMapsIn(options.logger) }),
      onChange: () => this.#publication.publish({ evenUnchanged: false }),
    })
    this.#health = new MeshHealth(this.#checker, workload => this.#supervisor.stateOf(workload))
    this.#publication = new Publication({
      health: this.#health,
      modules: this.#modules,
      gate: this.#gate,
      networkPolicies: this.#networkPolicies,
      joins: this.#joins,
      networks: this.#networks,
      tier: this.#tier,
      kernelPath: this.#kernelPath,
      metrics: this.#metrics,
      late: () => ({ pool: this.#pool, names: this.#names, handover: this.#handover }),
    })
    this.#supervisor = openPrograms({
      options,
      clock: this.#clock,
      tier: this.#tier,
      feed: this.#feed,
      metrics: this.#metrics,
      onChange: () => this.#programsChanged(),
      released: () => this.#trafficMoved(),
    })
    const pidOf = (workload: string): number | undefined =>
      this.#supervisor.pidOf(workload) ?? this.#leases?.pidOf(workload)
    this.#callers = new CallerFinder({
      clock: this.#clock,
      logger: options.logger,
      roots: () => callerRoots(this.#publication.state?.workloads ?? [], pidOf),
    })
  }

  #openView(): AgentView {
    const { paths, settings, origins } = this.#options
    return new AgentView({
      paths,
      settings,
      origins,
      clock: this.#clock,
      readiness: this.#readiness,
      metrics: this.#metrics,
      networkPolicies: this.#networkPolicies,
      tier: this.#tier,
      transport: this.#transport,
      kernelPath: this.#kernelPath,
      now: () => ({
        state: this.#publication.state,
        published: this.#publication.current,
        pool: this.#pool,
        names: this.#names,
        keeper: this.#handover?.status,
        listenFailures: this.#listenFailures.all,
      }),
    })
  }

  /**
   * Resolves when the configuration is read and workers start; `ready` tells when they carry traffic.
   *
   * @throws MeshError MESH_AGENT_RUNNING, MESH_AGENT_SOCKET, MESH_ADMIN_PORT, MESH_CONFIG_PATH
   */
  static async start(options: AgentOptions): Promise<Agent> {
    useLinearRegex()
    const threads = startThreads(options.settings.workers)
    let agent
    try {
      agent = new Agent(options, threads)
    } catch (error) {
      await threads.close()
      throw error
    }
    try {
      await agent.#start()
      return agent
    } catch (error) {
      // What an earlier agent has left is not this one's to end.
      agent.#supervisor.release('earlier')
      await agent.#abandon()
      throw error
    }
  }

  /** Resolves when the agent is ready for the first time, never when it stops before. */
  get ready(): Promise<void> {
    return this.#ready.promise
  }

  get tier(): ActiveTier {
    return this.#tier.status
  }

  /** `http://127.0.0.1:15000` */
  get adminUrl(): string {
    const address = this.#servers.map(server => server.address).find(each => each !== undefined)
    return address === undefined ? '' : `http://${formatAddress(address)}`
  }

  /** After a log was rotated. */
  reopenLogs(): void {
    this.#pool?.reopenLogs()
  }

  /**
   * Stops gently; a second call waits for the first.
   * @param options.handsOver  in the kernel tier connections that come from now on wait for the next agent, and programs
   *   go on. @default false
   */
  stop(options: { readonly handsOver?: boolean } = {}): Promise<DrainReport> {
    this.#handsOver = options.handsOver ?? false
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  /** Stops at once: what is under way is cut off and workloads are killed, save those that are handed over. */
  async kill(): Promise<void> {
    await this.#inspector?.[Symbol.asyncDispose]()
    this.#readiness.stop()
    // Connections are cut before programs end: a request that waits for one would be answered with 502.
    await this.#pool?.close()
    if (this.#handsOver) this.#supervisor.release('all')
    this.#supervisor.kill()
    await this.#abandon()
  }

  async #start(): Promise<void> {
    const { settings, paths } = this.#options
    this.#logger.info('sockets of plain connections', { ...this.#transport })
    const configured = this.#readiness.await('configuration')
    const working = this.#readiness.await('workers')
    const listening = this.#readiness.await('listeners')
    const leading = this.#readiness.await('kernel tier')
    const control = {
      feed: this.#feed,
      flows: this.#flows,
      register: (request: RunRequest, connection: Socket) => this.#register(request, connection),
      decide: (questions: readonly PolicyQuestion[]) =>
        this.#networkPolicies.answer(questions, this.#publication.state),
      join: (body: unknown) => this.#joins.join(body),
      leave: (workload: string) => this.#joins.leave(workload),
      kernelHttp: async (turn: boolean | undefined) => {
        if (turn !== undefined) await this.#kernelPath.turn(turn)
        return this.#kernelPath.status
      },
    }
    this.#servers.push(await openAgentSocket(this.view, control, settings.socketPath))
    this.#supervisor.guardFile(settings.socketPath)
    this.#handover = await Handover.open(settings, {
      isWanted: this.#tier.leads,
      logger: this.#logger,
      clock: this.#clock,
    })
    if (this.#handover !== undefined) this.#supervisor.keepWith(this.#handover.programs)
    this.#servers.push(await openAdminServer(this.view, settings.adminAddress))
    if (settings.inspectPlugins !== 'off') this.#inspector = openInspector(settings.inspectPlugins, this.#logger)
    this.#names = await openMeshNames({
      settings,
      clock: this.#clock,
      meter: this.#metrics.meter,
      ...(this.#tier.leads
        ? {
            ...this.#handover?.forNames(),
            askerOf: client => this.#tier.askerOf(client, this.#networks.diagOf(client.network)),
            onResolved: event => this.#flows.name(event),
          }
        : {}),
    })
    this.#checked = this.#readiness.await('health checks')
    // Before anything is published: members of before are where they were.
    this.#networks.look()
    this.#source = await FileSource.open({
      paths,
      clock: this.#clock,
      logger: this.#logger,
      bindAddress: settings.bindAddress,
      serviceCidr: settings.serviceCidr,
      keptAddresses: this.#addresses.kept,
      hostEnvironment: this.#options.env,
      onChange: state => this.#take(state),
    })
    requirePaths(paths, this.#source)
    this.#leases = new WorkloadLeases(this.#source)
    this.#joins.open(this.#source)
    if (this.#publication.state === undefined) this.#take(this.#source.current)
    configured()
    this.#healthChanged()
    // So that the workers start with every listener they may have.
    await this.#gate.decided()
    await this.#modules.settled()
    // Nothing is counted yet, so that the first second has its rates, too.
    this.#metrics.sample(this.#clock.nowMs())
    const pool = this.#startPool()
    working()
    this.#timers.push(
      this.#clock.every(collectMs, () => void this.#tick()),
      this.#clock.every(retryListenersMs, () => this.#retryListeners()),
    )
    void pool.applied(this.#publication.current.version).then(async () => {
      listening()
      // Only now, since whoever waited in the listeners' sockets is served meanwhile.
      await this.#tier.complete()
      leading()
      this.#handover?.complete()
      this.#networks.closeLeft()
      this.#kernelPath.adoptLeft()
      this.#announce()
    })
  }

  #startPool(): WorkerPool {
    const keepsSockets = this.#handover !== undefined || this.#tier.seesNetworks
    this.#pool = openPool(this.#publication.forWorkers, {
      settings: this.#options.settings,
      threads: this.#threads,
      kept: keepsSockets ? worker => this.#keptBy(worker) : undefined,
      modules: hash => this.#modules.bytes(hash),
      ticketKeys: this.#ticketKeys.current,
      clock: this.#clock,
      logger: this.#logger,
      transport: this.#transport.active,
      pins: this.#tier.pins,
      callers: this.#callers,
      feed: this.#feed,
      metrics: this.#metrics,
      listenFailures: this.#listenFailures,
    })
    return this.#pool
  }

  /** What a worker listens with that outlives it. */
  #keptBy(worker: number): SocketTable {
    return new Map([...(this.#handover?.tables(worker) ?? []), ...this.#networks.tableOf(worker)])
  }

  /** Who is in the mesh, or where they run. */
  #membersChanged(): void {
    // Once what is known so far is in force: processes that have just joined are members then.
    this.#publication.publish({ evenUnchanged: true })
    if (this.#networks.look()) this.#networksChanged()
  }

  #networksChanged(): void {
    this.#publication.publish({ evenUnchanged: true })
    void this.#pool?.applied(this.#publication.current.version).then(() => this.#networks.settled())
  }

  /** A newer configuration. One that could not be read never comes here: the last good one stays in force. */
  #take(state: SourceState): void {
    this.#publication.state = state
    if (this.#networkPolicies.update(state.networkPolicies)) {
      const { enforcement } = this.#networkPolicies
      this.#logger.warn(notEnforcedHeadline, { reason: enforcement.reason })
    }
    this.#addresses.keep(state.displacedAddresses)
    this.#flows.update(state.networkPolicies)
    this.#health.update(state.snapshot, state.workloads)
    this.#modules.update(state.snapshot.plugins)
    this.#publication.publish({ evenUnchanged: false })
    this.#publication.tellNames()
    // Before programs start: who they are is known then.
    this.#publication.tellTier()
    this.#supervisor.update(state)
    this.#metrics.networkPolicies(state.networkPolicies.policies.length, this.#networkPolicies.enforcement)
    this.#metrics.problems([...state.problems, ...this.#networkPolicies.problems()])
    this.#problemLog.update(state.problems, { isTold: this.#pool === undefined })
    const changedMs = this.#source?.changedMs ?? this.#startedMs
    if (changedMs === this.#changedMs) return
    this.#changedMs = changedMs
    this.#metrics.configApplied((this.#clock.nowMs() - changedMs) / 1000)
  }

  /** Every worker has the configuration of this moment, and what was under way before has had its time. */
  async #trafficMoved(): Promise<void> {
    await this.#pool?.applied(this.#publication.current.version)
    await new Promise<void>(resolve => this.#clock.after(leavingGraceMs, resolve))
  }

  #healthChanged(): void {
    this.#healthTimer ??= this.#clock.after(healthBatchMs, () => {
      this.#healthTimer = undefined
      this.#health.settle()
      this.#publication.publish({ evenUnchanged: false })
      if (this.#checked === undefined || this.#health.pending > 0) return
      this.#checked()
      this.#checked = undefined
      this.#announce()
    })
  }

  /** At once: a program that ends, or is about to, gets no more requests. */
  #programsChanged(): void {
    this.#health.settle()
    this.#publication.publish({ evenUnchanged: false })
    this.#healthChanged()
  }

  #announce(): void {
    if (this.#readiness.isReady) this.#ready.resolve()
  }

  /** Resolves when the workers have done what they were told up to this turn. */
  async #settled(): Promise<void> {
    await Promise.resolve()
    await this.#pool?.applied(this.#publication.current.version)
    this.#handover?.settled()
    this.#networks.settled()
  }

  #retryListeners(): void {
    this.#gate.retry()
    if (this.#listenFailures.hasOfWorkers) this.#publication.publish({ evenUnchanged: true })
  }

  async #tick(): Promise<void> {
    try {
      this.#joins.check()
      if (this.#networks.look()) this.#networksChanged()
      this.#handover?.check()
      await this.#pool?.collect()
      this.#kernelPath.collect()
      this.#flows.lost(this.#tier.lostFlows)
      this.#metrics.sample(this.#clock.nowMs())
    } catch (error) {
      this.#logger.error('metrics could not be collected', { error: messageOf(error) })
    }
  }

  #register(request: RunRequest, connection: Socket): { lease: Disposable; answer: unknown } {
    const leases = this.#leases
    const source = this.#source
    if (leases === undefined || source === undefined || this.#stopping !== undefined) {
      const doing = this.#stopping === undefined ? 'is still starting' : 'is stopping'
      throw new MeshError('MESH_AGENT_NOT_READY', `the agent ${doing}`, { source: 'internal', retry: 'safe' })
    }
    const lease = leases.grant(withBelievedProcess(request, claimFacts(connection), this.#logger))
    const cgroup = this.#tier.cgroupOf(`${request.namespace}/${request.name}`)
    return { lease, answer: answerRun(request, source.current, cgroup) }
  }

  async #stop(): Promise<DrainReport> {
    // A worker that stands at a breakpoint would never drain.
    await this.#inspector?.[Symbol.asyncDispose]()
    const handsOver = this.#handsOver
    this.#readiness.stop()
    for (const timer of this.#timers) timer[Symbol.dispose]()
    this.#checker[Symbol.dispose]()
    await this.#source?.[Symbol.asyncDispose]()
    const { drainSeconds } = this.#options.settings
    await this.#kernelPath.stop(drainSeconds * 1000, { handsOver })
    const report = (await this.#pool?.drain(drainSeconds * 1000, { handsOver })) ?? { finished: 0, cut: 0 }
    if (handsOver) this.#supervisor.release('all')
    await this.#supervisor.stop()
    if (!handsOver) this.#handover?.end()
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
    await this.#names?.[Symbol.asyncDispose]()
    await this.#pool?.close()
    await this.#threads.close()
    this.#kernelPath[Symbol.dispose]()
    await this.#supervisor.stop()
    this.#networks[Symbol.dispose]()
    this.#handover?.[Symbol.dispose]()
    this.#modules[Symbol.dispose]()
    this.#tier[Symbol.dispose]()
    await Promise.all(this.#servers.map(server => server.close()))
    this.#servers = []
  }
}
