import { systemClock } from '../core/index.ts'
import type { Clock, Logger } from '../core/index.ts'
import { HealthChecker } from '../proxy/index.ts'
import type { NamesServer } from '../names/index.ts'
import type { FileSource } from '../sources/index.ts'
import { compilePlugin } from '../wasm/index.ts'
import { AddressMemory, stateFile } from './address-memory.ts'
import { AgentMetrics } from './agent-metrics.ts'
import { openPrograms } from './agent-programs.ts'
import { AgentView } from './agent-view.ts'
import { CallerFinder } from './callers/caller-finder.ts'
import { callerRoots } from './callers/caller-roots.ts'
import { FlowBook } from './flows/flow-book.ts'
import type { Handover } from './handover/handover.ts'
import { Joins } from './joins/joins.ts'
import { KernelPathSwitch } from './kernel-path/kernel-path-switch.ts'
import { ListenFailures } from './listen-failures.ts'
import { ListenerGate } from './listener-gate.ts'
import { LogFeed } from './log-feed.ts'
import { MeshHealth } from './mesh-health.ts'
import { NetworkPolicies } from './network-policies.ts'
import { ForeignNetworks } from './networks/foreign-networks.ts'
import { memberProcesses } from './networks/member-processes.ts'
import { sourceMapsIn } from './plugins/inspector.ts'
import { moduleDirectory, PluginModules } from './plugins/plugin-modules.ts'
import { probePort } from './port-probe.ts'
import { ProblemLog } from './problem-log.ts'
import type { Supervisor } from './programs/supervisor.ts'
import { Publication } from './publication.ts'
import { withoutStarts } from './quiet-starts.ts'
import { Readiness } from './readiness.ts'
import type { Origins } from './settings-sources.ts'
import type { Settings } from './settings.ts'
import { TicketKeyRotation } from './ticket-key-rotation.ts'
import { openTier } from './tier.ts'
import type { Tier } from './tier.ts'
import { chooseTransport } from './transport.ts'
import type { ActiveTransport } from './transport.ts'
import type { WorkerPool } from './worker-pool.ts'
import type { WorkloadLeases } from './workload-leases.ts'

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

/** What parts tell the agent, which answers by what it does with all of them. */
export interface AgentEvents {
  /** Resolves when the workers have done what they were told up to this turn. */
  readonly settled: () => Promise<void>
  readonly healthChanged: () => void
  readonly membersChanged: () => void
  readonly programsChanged: () => void
  /** Resolves when nobody is led any more to where the configuration of this moment does not lead. */
  readonly trafficMoved: () => Promise<void>
}

/** Undefined until they are opened in the course of the start. */
export interface LateParts {
  pool: WorkerPool | undefined
  source: FileSource | undefined
  leases: WorkloadLeases | undefined
  names: NamesServer | undefined
  /** In the kernel tier. */
  handover: Handover | undefined
}

/** What an agent is made of, joined to each other, from before its start to after its end. */
export class AgentParts {
  readonly late: LateParts = {
    pool: undefined,
    source: undefined,
    leases: undefined,
    names: undefined,
    handover: undefined,
  }
  readonly view: AgentView
  readonly clock: Clock
  readonly logger: Logger
  readonly startedMs: number
  readonly readiness: Readiness = new Readiness()
  readonly metrics: AgentMetrics = new AgentMetrics()
  readonly ticketKeys: TicketKeyRotation
  readonly feed: LogFeed
  readonly checker: HealthChecker
  readonly health: MeshHealth
  readonly modules: PluginModules
  readonly tier: Tier
  readonly flows: FlowBook
  readonly networkPolicies: NetworkPolicies
  readonly gate: ListenerGate
  readonly joins: Joins
  readonly networks: ForeignNetworks
  readonly addresses: AddressMemory
  readonly supervisor: Supervisor
  readonly callers: CallerFinder
  readonly transport: ActiveTransport
  readonly kernelPath: KernelPathSwitch
  readonly publication: Publication
  readonly listenFailures: ListenFailures
  readonly problemLog: ProblemLog

  constructor(options: AgentOptions, events: AgentEvents) {
    const { settings, logger } = options
    const { late } = this
    this.clock = options.clock ?? systemClock
    this.logger = logger
    this.startedMs = this.clock.nowMs()
    this.problemLog = new ProblemLog(logger)
    this.listenFailures = new ListenFailures(logger, failures => late.source?.setListenFailures(failures))
    this.gate = new ListenerGate({
      isOurs: place => late.handover?.has(place) === true,
      probe: (place, own) => late.handover?.probe(place, own) ?? probePort(place, own),
      settled: events.settled,
      onChange: () => {
        this.listenFailures.refused(this.gate.refused)
        this.publication.publish({ evenUnchanged: false })
      },
    })
    this.feed = new LogFeed(isFollowed => {
      late.pool?.tap(isFollowed)
      this.kernelPath.tap(isFollowed)
    })
    this.tier = openTier({
      wanted: settings.tier,
      socketPath: settings.socketPath,
      logger,
      serviceCidr: settings.serviceCidr,
      onFlow: flow => this.flows.flow(flow),
    })
    this.flows = new FlowBook({
      clock: this.clock,
      meter: this.metrics.meter,
      isActive: this.tier.leads,
      onFollowed: isFollowed => this.kernelPath.tapFlows(isFollowed),
    })
    this.networkPolicies = new NetworkPolicies(this.tier.enforcement)
    this.joins = new Joins({
      file: stateFile(settings, 'joined'),
      logger,
      tier: this.tier,
      onChange: events.membersChanged,
      addressOf: pid => this.networks.addressOf(pid),
      networkProblem: workload => this.networks.problemOf(workload),
    })
    this.networks = new ForeignNetworks({
      isSeen: this.tier.seesNetworks,
      workers: settings.workers,
      logger,
      keeper: () => late.handover?.keeper,
      names: () => late.names,
      processes: () => memberProcesses(this.tier.cgroup, this.joins.current),
    })
    this.addresses = new AddressMemory(stateFile(settings, 'addresses'), logger)
    this.transport = chooseTransport(settings.transport)
    this.kernelPath = new KernelPathSwitch({
      wanted: settings.kernelHttp,
      tier: this.tier,
      transport: this.transport,
      clock: this.clock,
      logger,
      give: connection => late.pool?.give(connection) ?? false,
      keeper: () => late.handover?.keeper,
      onChange: () => this.publication.updateKernelPath(),
      metrics: this.metrics,
      settings,
      feed: this.feed,
      flows: this.flows,
    })
    this.ticketKeys = new TicketKeyRotation(this.clock, key => late.pool?.setTicketKeys(key))
    this.checker = new HealthChecker({
      clock: this.clock,
      logger: withoutStarts(logger),
      onChange: events.healthChanged,
    })
    this.modules = new PluginModules({
      directory: moduleDirectory(settings.socketPath),
      clock: this.clock,
      logger,
      validate: compilePlugin,
      ...(settings.inspectPlugins === 'off' ? {} : { prepare: sourceMapsIn(logger) }),
      onChange: () => this.publication.publish({ evenUnchanged: false }),
    })
    this.health = new MeshHealth(this.checker, workload => this.supervisor.stateOf(workload))
    this.publication = new Publication({
      health: this.health,
      modules: this.modules,
      gate: this.gate,
      networkPolicies: this.networkPolicies,
      joins: this.joins,
      networks: this.networks,
      tier: this.tier,
      kernelPath: this.kernelPath,
      metrics: this.metrics,
      late,
    })
    this.supervisor = openPrograms({
      options,
      clock: this.clock,
      tier: this.tier,
      feed: this.feed,
      metrics: this.metrics,
      onChange: events.programsChanged,
      released: events.trafficMoved,
    })
    this.callers = this.#openCallers()
    this.view = this.#openView(options)
  }

  #openCallers(): CallerFinder {
    const { clock, logger, late } = this
    const pidOf = (workload: string): number | undefined =>
      this.supervisor.pidOf(workload) ?? late.leases?.pidOf(workload)
    return new CallerFinder({
      clock,
      logger,
      roots: () => callerRoots(this.publication.state?.workloads ?? [], pidOf),
    })
  }

  #openView({ paths, settings, origins }: AgentOptions): AgentView {
    const { late, publication, listenFailures } = this
    const { clock, readiness, metrics, networkPolicies, tier, transport, kernelPath } = this
    return new AgentView({
      paths,
      settings,
      origins,
      clock,
      readiness,
      metrics,
      networkPolicies,
      tier,
      transport,
      kernelPath,
      now: () => ({
        state: publication.state,
        published: publication.current,
        pool: late.pool,
        names: late.names,
        keeper: late.handover?.status,
        listenFailures: listenFailures.all,
      }),
    })
  }
}
