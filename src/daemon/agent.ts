import type { Socket } from 'node:net'
import { MeshError, messageOf } from '../core/index.ts'
import type { Timer } from '../core/index.ts'
import { FileSource } from '../sources/index.ts'
import type { SourceState } from '../sources/index.ts'
import { openAdminServer, openAgentSocket } from './admin-server.ts'
import type { AdminServer, AgentControl } from './admin-server.ts'
import { AgentParts } from './agent-parts.ts'
import type { AgentOptions, LateParts } from './agent-parts.ts'
import { openPool, startThreads } from './agent-pool.ts'
import type { AgentView } from './agent-view.ts'
import { claimFacts, withBelievedProcess } from './caller-claim.ts'
import { requirePaths } from './config-paths.ts'
import { Handover } from './handover/handover.ts'
import type { SocketTable } from './handover/listener-sockets.ts'
import { useLinearRegex } from './linear-regex.ts'
import { openMeshNames } from './mesh-names.ts'
import { notEnforcedHeadline } from './network-policies.ts'
import { openInspector } from './plugins/inspector.ts'
import { answerRun } from './run-answer.ts'
import { formatAddress } from './settings.ts'
import type { ActiveTier } from './tier.ts'
import type { DrainReport, WorkerPool } from './worker-pool.ts'
import type { WorkerThreads } from './worker-threads.ts'
import { WorkloadLeases } from './workload-leases.ts'
import type { RunRequest } from './workload-leases.ts'

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
  readonly #options: AgentOptions
  readonly #parts: AgentParts
  readonly #late: LateParts
  readonly #threads: WorkerThreads
  #servers: AdminServer[] = []
  #inspector: AsyncDisposable | undefined = undefined
  /** When the change was read that was taken last. */
  #changedMs = -1
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
    this.#parts = new AgentParts(options, {
      settled: () => this.#settled(),
      healthChanged: () => this.#healthChanged(),
      membersChanged: () => this.#membersChanged(),
      programsChanged: () => this.#programsChanged(),
      trafficMoved: () => this.#trafficMoved(),
    })
    this.#late = this.#parts.late
  }

  /** What its pages show. */
  get view(): AgentView {
    return this.#parts.view
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
      agent.#parts.supervisor.release('earlier')
      await agent.#abandon()
      throw error
    }
  }

  /** Resolves when the agent is ready for the first time, never when it stops before. */
  get ready(): Promise<void> {
    return this.#ready.promise
  }

  get tier(): ActiveTier {
    return this.#parts.tier.status
  }

  /** `http://127.0.0.1:15000` */
  get adminUrl(): string {
    const address = this.#servers.map(server => server.address).find(each => each !== undefined)
    return address === undefined ? '' : `http://${formatAddress(address)}`
  }

  /** After a log was rotated. */
  reopenLogs(): void {
    this.#late.pool?.reopenLogs()
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
    const { readiness, supervisor } = this.#parts
    await this.#inspector?.[Symbol.asyncDispose]()
    readiness.stop()
    // Connections are cut before programs end: a request that waits for one would be answered with 502.
    await this.#late.pool?.close()
    if (this.#handsOver) supervisor.release('all')
    supervisor.kill()
    await this.#abandon()
  }

  async #start(): Promise<void> {
    const { logger, transport, readiness, clock, metrics, gate, modules } = this.#parts
    logger.info('sockets of plain connections', { ...transport })
    const configured = readiness.await('configuration')
    const working = readiness.await('workers')
    const carrying = [readiness.await('listeners'), readiness.await('kernel tier')] as const
    await this.#openDoors()
    this.#checked = readiness.await('health checks')
    await this.#readConfiguration()
    configured()
    this.#healthChanged()
    // So that the workers start with every listener they may have.
    await gate.decided()
    await modules.settled()
    // Nothing is counted yet, so that the first second has its rates, too.
    metrics.sample(clock.nowMs())
    const pool = this.#startPool()
    working()
    this.#timers.push(
      clock.every(collectMs, () => void this.#tick()),
      clock.every(retryListenersMs, () => this.#retryListeners()),
    )
    void this.#carry(pool, carrying)
  }

  /** Where the agent is asked: commands, pages, debuggers, names. */
  async #openDoors(): Promise<void> {
    const late = this.#late
    const { logger, clock, view, supervisor, tier, metrics, networks, flows } = this.#parts
    const { settings } = this.#options
    this.#servers.push(await openAgentSocket(view, this.#control(), settings.socketPath))
    supervisor.guardFile(settings.socketPath)
    late.handover = await Handover.open(settings, { isWanted: tier.leads, logger, clock })
    if (late.handover !== undefined) supervisor.keepWith(late.handover.programs)
    this.#servers.push(await openAdminServer(view, settings.adminAddress))
    if (settings.inspectPlugins !== 'off') this.#inspector = openInspector(settings.inspectPlugins, logger)
    late.names = await openMeshNames({
      settings,
      clock,
      meter: metrics.meter,
      ...(tier.leads
        ? {
            ...late.handover?.forNames(),
            askerOf: client => tier.askerOf(client, networks.diagOf(client.network)),
            onResolved: event => flows.name(event),
          }
        : {}),
    })
  }

  /** What commands may ask for beside what the view shows. */
  #control(): AgentControl {
    const { feed, flows, networkPolicies, publication, joins, kernelPath } = this.#parts
    return {
      feed,
      flows,
      register: (request, connection) => this.#register(request, connection),
      decide: questions => networkPolicies.answer(questions, publication.state),
      join: body => joins.join(body),
      leave: workload => joins.leave(workload),
      kernelHttp: async turn => {
        if (turn !== undefined) await kernelPath.turn(turn)
        return kernelPath.status
      },
    }
  }

  async #readConfiguration(): Promise<void> {
    const { clock, logger, networks, addresses, joins, publication } = this.#parts
    const { settings, paths, env } = this.#options
    // Before anything is published: members of before are where they were.
    networks.look()
    const source = await FileSource.open({
      paths,
      clock,
      logger,
      bindAddress: settings.bindAddress,
      serviceCidr: settings.serviceCidr,
      keptAddresses: addresses.kept,
      hostEnvironment: env,
      onChange: state => this.#take(state),
    })
    this.#late.source = source
    requirePaths(paths, source)
    this.#late.leases = new WorkloadLeases(source)
    joins.open(source)
    if (publication.state === undefined) this.#take(source.current)
  }

  /** The workers have what was read: traffic may come, and what earlier agents have left is taken up or ended. */
  async #carry(pool: WorkerPool, [listening, leading]: readonly [() => void, () => void]): Promise<void> {
    const { publication, tier, networks, kernelPath } = this.#parts
    await pool.applied(publication.current.version)
    listening()
    // Only now, since whoever waited in the listeners' sockets is served meanwhile.
    await tier.complete()
    leading()
    this.#late.handover?.complete()
    networks.closeLeft()
    kernelPath.adoptLeft()
    this.#announce()
  }

  #startPool(): WorkerPool {
    const { tier, publication, modules, ticketKeys, clock, logger, transport, callers, feed, metrics, listenFailures } =
      this.#parts
    const keepsSockets = this.#late.handover !== undefined || tier.seesNetworks
    this.#late.pool = openPool(publication.forWorkers, {
      settings: this.#options.settings,
      threads: this.#threads,
      kept: keepsSockets ? worker => this.#keptBy(worker) : undefined,
      modules: hash => modules.bytes(hash),
      ticketKeys: ticketKeys.current,
      clock,
      logger,
      transport: transport.active,
      pins: tier.pins,
      callers,
      feed,
      metrics,
      listenFailures,
    })
    return this.#late.pool
  }

  /** What a worker listens with that outlives it. */
  #keptBy(worker: number): SocketTable {
    return new Map([...(this.#late.handover?.tables(worker) ?? []), ...this.#parts.networks.tableOf(worker)])
  }

  /** Who is in the mesh, or where they run. */
  #membersChanged(): void {
    // Once what is known so far is in force: processes that have just joined are members then.
    this.#parts.publication.publish({ evenUnchanged: true })
    if (this.#parts.networks.look()) this.#networksChanged()
  }

  #networksChanged(): void {
    const { publication, networks } = this.#parts
    publication.publish({ evenUnchanged: true })
    void this.#late.pool?.applied(publication.current.version).then(() => networks.settled())
  }

  /** A newer configuration. One that could not be read never comes here: the last good one stays in force. */
  #take(state: SourceState): void {
    const {
      publication,
      networkPolicies,
      logger,
      addresses,
      flows,
      health,
      modules,
      supervisor,
      metrics,
      problemLog,
      startedMs,
      clock,
    } = this.#parts
    publication.state = state
    if (networkPolicies.update(state.networkPolicies)) {
      const { enforcement } = networkPolicies
      logger.warn(notEnforcedHeadline, { reason: enforcement.reason })
    }
    addresses.keep(state.displacedAddresses)
    flows.update(state.networkPolicies)
    health.update(state.snapshot, state.workloads)
    modules.update(state.snapshot.plugins)
    publication.publish({ evenUnchanged: false })
    publication.tellNames()
    // Before programs start: who they are is known then.
    publication.tellTier()
    supervisor.update(state)
    metrics.networkPolicies(state.networkPolicies.policies.length, networkPolicies.enforcement)
    metrics.problems([...state.problems, ...networkPolicies.problems()])
    problemLog.update(state.problems, { isTold: this.#late.pool === undefined })
    const changedMs = this.#late.source?.changedMs ?? startedMs
    if (changedMs === this.#changedMs) return
    this.#changedMs = changedMs
    metrics.configApplied((clock.nowMs() - changedMs) / 1000)
  }

  /** Every worker has the configuration of this moment, and what was under way before has had its time. */
  async #trafficMoved(): Promise<void> {
    await this.#late.pool?.applied(this.#parts.publication.current.version)
    await new Promise<void>(resolve => this.#parts.clock.after(leavingGraceMs, resolve))
  }

  #healthChanged(): void {
    const { clock, health, publication } = this.#parts
    this.#healthTimer ??= clock.after(healthBatchMs, () => {
      this.#healthTimer = undefined
      health.settle()
      publication.publish({ evenUnchanged: false })
      if (this.#checked === undefined || health.pending > 0) return
      this.#checked()
      this.#checked = undefined
      this.#announce()
    })
  }

  /** At once: a program that ends, or is about to, gets no more requests. */
  #programsChanged(): void {
    this.#parts.health.settle()
    this.#parts.publication.publish({ evenUnchanged: false })
    this.#healthChanged()
  }

  #announce(): void {
    if (this.#parts.readiness.isReady) this.#ready.resolve()
  }

  /** Resolves when the workers have done what they were told up to this turn. */
  async #settled(): Promise<void> {
    await Promise.resolve()
    await this.#late.pool?.applied(this.#parts.publication.current.version)
    this.#late.handover?.settled()
    this.#parts.networks.settled()
  }

  #retryListeners(): void {
    const { gate, listenFailures, publication } = this.#parts
    gate.retry()
    if (listenFailures.hasOfWorkers) publication.publish({ evenUnchanged: true })
  }

  async #tick(): Promise<void> {
    const { joins, networks, kernelPath, flows, tier, metrics, clock, logger } = this.#parts
    try {
      joins.check()
      if (networks.look()) this.#networksChanged()
      this.#late.handover?.check()
      await this.#late.pool?.collect()
      kernelPath.collect()
      flows.lost(tier.lostFlows)
      metrics.sample(clock.nowMs())
    } catch (error) {
      logger.error('metrics could not be collected', { error: messageOf(error) })
    }
  }

  #register(request: RunRequest, connection: Socket): { lease: Disposable; answer: unknown } {
    const leases = this.#late.leases
    const source = this.#late.source
    if (leases === undefined || source === undefined || this.#stopping !== undefined) {
      const doing = this.#stopping === undefined ? 'is still starting' : 'is stopping'
      throw new MeshError('MESH_AGENT_NOT_READY', `the agent ${doing}`, { source: 'internal', retry: 'safe' })
    }
    const lease = leases.grant(withBelievedProcess(request, claimFacts(connection), this.#parts.logger))
    const cgroup = this.#parts.tier.cgroupOf(`${request.namespace}/${request.name}`)
    return { lease, answer: answerRun(request, source.current, cgroup) }
  }

  async #stop(): Promise<DrainReport> {
    const { readiness, checker, kernelPath, supervisor } = this.#parts
    // A worker that stands at a breakpoint would never drain.
    await this.#inspector?.[Symbol.asyncDispose]()
    const handsOver = this.#handsOver
    readiness.stop()
    for (const timer of this.#timers) timer[Symbol.dispose]()
    checker[Symbol.dispose]()
    await this.#late.source?.[Symbol.asyncDispose]()
    const { drainSeconds } = this.#options.settings
    await kernelPath.stop(drainSeconds * 1000, { handsOver })
    const report = (await this.#late.pool?.drain(drainSeconds * 1000, { handsOver })) ?? { finished: 0, cut: 0 }
    if (handsOver) supervisor.release('all')
    await supervisor.stop()
    if (!handsOver) this.#late.handover?.end()
    await this.#abandon()
    return report
  }

  /** Closes whatever is open. */
  async #abandon(): Promise<void> {
    const late = this.#late
    const { ticketKeys, checker, kernelPath, supervisor, networks, modules, tier } = this.#parts
    for (const timer of this.#timers) timer[Symbol.dispose]()
    ticketKeys[Symbol.dispose]()
    this.#healthTimer?.[Symbol.dispose]()
    checker[Symbol.dispose]()
    await late.source?.[Symbol.asyncDispose]()
    await late.names?.[Symbol.asyncDispose]()
    await late.pool?.close()
    await this.#threads.close()
    kernelPath[Symbol.dispose]()
    await supervisor.stop()
    networks[Symbol.dispose]()
    late.handover?.[Symbol.dispose]()
    modules[Symbol.dispose]()
    tier[Symbol.dispose]()
    await Promise.all(this.#servers.map(server => server.close()))
    this.#servers = []
  }
}
