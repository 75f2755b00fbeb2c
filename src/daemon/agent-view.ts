import type { WorkerPluginStatus } from './worker-pool.ts'
import type { Clock, Problem } from '../core/index.ts'
import type { MeshSnapshot } from '../model/index.ts'
import type { NamesServer } from '../names/index.ts'
import { consoleHeaders, prometheusContentType, renderConsole } from '../observe/index.ts'
import type { AgentStatus, CertificateStatus, KeeperSummary, StatusDocument } from '../observe/index.ts'
import type { SourceState } from '../sources/index.ts'
import type { AdminView, ExplainRequest } from './admin-pages.ts'
import type { AgentMetrics } from './agent-metrics.ts'
import { CertificateList, certificateProblems } from './certificates.ts'
import { Explainer } from './explain.ts'
import { listenProblems } from './listen-problems.ts'
import { maskedSnapshot, maskedWorkload } from './mask.ts'
import { buildStatus } from './mesh-status.ts'
import type { KernelPathSwitch } from './kernel-path/kernel-path-switch.ts'
import type { NetworkPolicies } from './network-policies.ts'
import { pluginProblems } from './plugins/describe-plugins.ts'
import type { Readiness } from './readiness.ts'
import { findResources } from './resource-status.ts'
import type { ResourceQuery } from './resource-status.ts'
import { formatAddress, settingDefinitions, settingKeys } from './settings.ts'
import type { SettingDefinition, Settings } from './settings.ts'
import type { Origins } from './settings-sources.ts'
import type { Tier } from './tier.ts'
import type { ActiveTransport } from './transport.ts'
import { agentVersion } from './version.ts'
import type { WorkerPool } from './worker-pool.ts'

/** What the view is of: parts that live as long as the agent does. */
export interface AgentParts {
  readonly paths: readonly string[]
  readonly settings: Settings
  readonly origins: Origins
  readonly clock: Clock
  readonly readiness: Readiness
  readonly metrics: AgentMetrics
  readonly networkPolicies: NetworkPolicies
  readonly tier: Tier
  readonly transport: ActiveTransport
  readonly kernelPath: Pick<KernelPathSwitch, 'collect' | 'whereOf'>
  /** What changes. */
  readonly now: () => AgentNow
}

/** Undefined is what has not been opened yet. */
export interface AgentNow {
  readonly state: SourceState | undefined
  /** What the workers were last told. */
  readonly published: MeshSnapshot
  readonly pool: WorkerPool | undefined
  readonly names: NamesServer | undefined
  readonly keeper: KeeperSummary | undefined
  /** Why listeners are not open, by listener id. */
  readonly listenFailures: ReadonlyMap<string, string>
}

/** The agent as its pages show it; only reads. */
export class AgentView implements AdminView {
  readonly pid: number = process.pid
  readonly version: string = agentVersion()
  readonly #parts: AgentParts
  readonly #explainer = new Explainer()
  readonly #certificateList = new CertificateList()
  readonly #startedMs: number

  constructor(parts: AgentParts) {
    this.#parts = parts
    this.#startedMs = parts.clock.nowMs()
  }

  get isReady(): boolean {
    return this.#parts.readiness.isReady
  }

  get awaited(): readonly string[] {
    return this.#parts.readiness.awaited
  }

  async metrics(): Promise<{ contentType: string; body: string }> {
    await this.#now.pool?.collect({ wantsEndpoints: true })
    this.#parts.kernelPath.collect()
    this.#parts.metrics.certificates(this.#certificates())
    const body = this.#parts.metrics.render(this.#now.published.backends, this.#now.pool?.endpoints() ?? [])
    return { contentType: prometheusContentType, body }
  }

  async plugins(): Promise<readonly WorkerPluginStatus[]> {
    await this.#now.pool?.collect()
    return this.#now.pool?.plugins() ?? []
  }

  config(): unknown {
    const settings = Object.fromEntries(
      settingKeys.map(key => {
        const definition = settingDefinitions[key] as SettingDefinition<unknown>
        const value = definition.format(this.#parts.settings[key])
        return [key, { value, origin: this.#parts.origins[key] }]
      }),
    )
    return {
      settings,
      paths: this.#parts.paths,
      snapshot: maskedSnapshot(this.#now.published),
      workloads: (this.#now.state?.workloads ?? []).map(maskedWorkload),
      serviceAddresses: this.#now.state?.serviceAddresses ?? [],
    }
  }

  async status(): Promise<StatusDocument> {
    await this.#now.pool?.collect({ wantsEndpoints: true })
    const { keeper } = this.#now
    const agent: AgentStatus = {
      ...(keeper === undefined ? {} : { keeper }),
      version: this.version,
      pid: this.pid,
      uptimeSeconds: (this.#parts.clock.nowMs() - this.#startedMs) / 1000,
      tier: this.#parts.tier.status,
      transport: this.#parts.transport,
      workers: this.#now.pool?.running ?? 0,
      configVersion: this.#now.published.version,
      dns:
        this.#now.names === undefined
          ? null
          : formatAddress({ host: this.#now.names.address.address, port: this.#now.names.address.port }),
      ready: this.isReady,
      awaiting: this.awaited,
    }
    return buildStatus({
      agent,
      snapshot: this.#now.published,
      statuses: this.#now.state?.statuses ?? [],
      certificates: this.#certificates(),
      networkPolicies: this.#parts.networkPolicies.status(),
      problems: this.#problems(),
      addresses: this.#now.state?.serviceAddresses ?? [],
      named: this.#now.state?.namedServices ?? [],
      activity: this.#now.pool?.endpoints() ?? [],
      rates: this.#parts.metrics.rates,
      whereOf: (route, rule) => this.#parts.kernelPath.whereOf(route, rule),
    })
  }

  #problems(): readonly Problem[] {
    const state = this.#now.state
    if (state === undefined) return []
    return [
      ...state.problems,
      ...this.#parts.networkPolicies.problems(),
      ...certificateProblems(this.#certificates(), this.#parts.clock.wallMs()),
      ...listenProblems(this.#now.listenFailures, state.snapshot.listeners),
      ...pluginProblems(this.#now.published.plugins, this.#now.pool?.plugins() ?? []),
    ]
  }

  #certificates(): readonly CertificateStatus[] {
    return this.#certificateList.list(this.#now.published, this.#parts.clock.wallMs())
  }

  async routes(): Promise<unknown> {
    const { routes } = await this.status()
    return routes
  }

  resource(query: ResourceQuery): unknown {
    return findResources(
      query,
      this.#parts.networkPolicies.conditioned(this.#now.state?.statuses ?? []),
      this.#problems(),
    )
  }

  explain(request: ExplainRequest): unknown {
    const { published, state } = this.#now
    const document = this.#explainer.explain(request, published, state?.serviceAddresses ?? [])
    const { listener, explanation } = document
    const chosen =
      explanation?.kind === 'routed' ? explanation.candidates.find(each => each.verdict === 'chosen') : undefined
    if (listener.kind === 'none' || chosen === undefined) return document
    const kernelPath = this.#parts.kernelPath.whereOf(chosen.route.key, chosen.rule.index, listener.id)
    return kernelPath === undefined ? document : { ...document, kernelPath }
  }

  console(): { html: string; headers: Readonly<Record<string, string>> } {
    return { html: renderConsole(), headers: consoleHeaders() }
  }

  get #now(): AgentNow {
    return this.#parts.now()
  }
}
