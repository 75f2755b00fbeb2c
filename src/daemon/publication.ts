import { emptySnapshot, diffSnapshots } from '../model/index.ts'
import type { MeshSnapshot } from '../model/index.ts'
import type { NamesServer } from '../names/index.ts'
import type { SourceState } from '../sources/index.ts'
import { AccessMemo } from './access-memo.ts'
import type { AgentMetrics } from './agent-metrics.ts'
import type { Handover } from './handover/handover.ts'
import type { Joins } from './joins/joins.ts'
import type { KernelPathSwitch } from './kernel-path/kernel-path-switch.ts'
import type { ListenerGate } from './listener-gate.ts'
import type { MeshHealth } from './mesh-health.ts'
import { nameSockets } from './name-askers.ts'
import type { NetworkPolicies } from './network-policies.ts'
import type { ForeignNetworks } from './networks/foreign-networks.ts'
import type { PluginModules } from './plugins/plugin-modules.ts'
import type { Tier } from './tier.ts'
import type { WorkerPool } from './worker-pool.ts'

/** What has a say in what is published, and who is told of it. */
export interface PublicationParts {
  readonly health: MeshHealth
  readonly modules: PluginModules
  readonly gate: ListenerGate
  readonly networkPolicies: NetworkPolicies
  readonly joins: Joins
  readonly networks: ForeignNetworks
  readonly tier: Tier
  readonly kernelPath: KernelPathSwitch
  readonly metrics: AgentMetrics
  /** Who is there only from some point of the start on. */
  readonly late: {
    readonly pool: WorkerPool | undefined
    readonly names: NamesServer | undefined
    readonly handover: Handover | undefined
  }
}

/**
 * What is in force: the configuration with the node's own knowledge laid over
 * it (health, modules of plugins, listeners that could be opened), under a
 * version of its own count, handed to workers, kernel and names.
 */
export class Publication {
  /** What the workers were last told. */
  current: MeshSnapshot = emptySnapshot
  /** What it is made of; undefined until the configuration is read. */
  state: SourceState | undefined = undefined
  readonly #parts: PublicationParts
  /** Of the kernel tier. */
  readonly #access = new AccessMemo()

  constructor(parts: PublicationParts) {
    this.#parts = parts
  }

  /** Tells everybody what changed, if anything did. */
  publish({ evenUnchanged }: { readonly evenUnchanged: boolean }): void {
    const { state } = this
    if (state === undefined) return
    const { modules, health, gate, networkPolicies, networks, tier, metrics, late } = this.#parts
    const before = this.current
    const overlaid = modules.apply(health.apply(state.snapshot))
    const after = { ...overlaid, listeners: gate.admit(overlaid.listeners), version: before.version + 1 }
    const delta = diffSnapshots(before, after)
    const changes = [delta.listeners, delta.routes, delta.streamRoutes, delta.backends, delta.plugins]
    const isSame = changes.every(({ set, removed }) => set.length === 0 && removed.length === 0)
    const parts = {
      compiled: networkPolicies.compiled,
      members: state.networkPolicies.members,
      workloads: state.workloads,
    }
    const hasTables = tier.pins === undefined || this.#access.isMadeOf(parts)
    if (isSame && hasTables && !evenUnchanged && before.version > 0) return
    this.current = after
    late.handover?.update(after.listeners)
    networks.update(after.listeners)
    this.tellNames()
    // First, since it makes the cgroups that the workers have to know.
    this.tellTier()
    if (tier.pins !== undefined) {
      this.current = { ...after, access: this.#access.take({ ...parts, cgroups: tier.members }) }
    }
    late.pool?.apply(this.forWorkers)
    metrics.published(before, delta)
    this.updateKernelPath()
  }

  /** With listeners in other network namespaces. */
  get forWorkers(): MeshSnapshot {
    const { current } = this
    return { ...current, listeners: this.#parts.networks.forWorkers(current.listeners) }
  }

  /** Its tables are there before anybody is led to it. */
  updateKernelPath(): void {
    const { kernelPath, joins, networks } = this.#parts
    if (kernelPath.update(this.current, { joined: joins.current, networks: networks.forPath })) this.tellTier()
  }

  /** In force from the next name on that is asked for. */
  tellNames(): void {
    this.#parts.late.names?.update({ services: this.state?.namedServices ?? [], backends: this.current.backends })
  }

  tellTier(): void {
    const { state } = this
    if (state === undefined) return
    const { kernelPath, tier, networkPolicies, networks, joins, late } = this.#parts
    const ahead = kernelPath.aheadIn(undefined)
    const { nodeSockets, names } = nameSockets(late.names)
    tier.update(
      {
        snapshot: this.current,
        namedServices: state.namedServices,
        ahead,
        policies: networkPolicies.compiled,
        members: state.networkPolicies.members,
        nodeSockets: [...nodeSockets, ...[...ahead.values()].map(place => ({ ...place, protocol: 'TCP' as const }))],
        names,
        joined: joins.current,
        networks: networks.current.map(each => ({ ...each, ahead: kernelPath.aheadIn(each.cookie) })),
      },
      state.workloads.map(({ key }) => key),
    )
  }
}
