import { MeshError, type Problem } from '../../core/index.ts'
import {
  emptyNetworkPolicySet,
  emptySnapshot,
  type HttpRoute,
  type Listener,
  type MeshSnapshot,
  type NetworkPolicySet,
  type NamedService,
  type ResourceStatus,
  type ServiceAddress,
  type StreamRoute,
  type Workload,
} from '../../model/index.ts'
import type { AnyResource, ReferenceGrantSpec } from '../schema/resource.ts'
import { CopyOnWriteMap } from './copy-on-write-map.ts'
import type { FactTables } from './facts.ts'
import { isMachineAddress } from './gateway-addresses.ts'
import { GatewayStage } from './gateway-stage.ts'
import { HttpFilterStage } from './http-filters.ts'
import { NetworkPolicyStage } from './network-policy-stage.ts'
import { PluginStage, type Plugged } from './plugin-stage.ts'
import { ProblemList, type Finding } from './problems.ts'
import { ResourceTables, type ResourceChange } from './resource-tables.ts'
import { RouteStage } from './route-stage.ts'
import { judgeRoute, type HttpRouteResource } from './routes.ts'
import { same } from './same.ts'
import { ServiceStage } from './service-stage.ts'
import type { StageSink } from './stage-sink.ts'
import { SortedRecords } from './sorted-records.ts'
import { judgeStreamRoute, type StreamRouteResource } from './stream-routes.ts'
import { parseNetwork, type Network } from './virtual-addresses.ts'

/** What a set of resources comes to. Members that did not change are the same objects as in the last one. */
export interface Reconciled {
  readonly snapshot: MeshSnapshot
  /** Sorted by kind, namespace and name. */
  readonly statuses: readonly ResourceStatus[]
  /** What is wrong with the meaning of resources that are well-formed, with file and line. */
  readonly problems: readonly Problem[]
  readonly workloads: readonly Workload[]
  readonly serviceAddresses: readonly ServiceAddress[]
  readonly networkPolicies: NetworkPolicySet
  /** Sorted by namespace and name. */
  readonly namedServices: readonly NamedService[]
  /** Virtual addresses that are not where their hash is, by key: what an agent remembers for its next run. */
  readonly displacedAddresses: ReadonlyMap<string, string>
}

export interface ReconcilerOptions {
  /** Where a Gateway without `spec.addresses` listens. @default '127.0.0.1' */
  readonly bindAddress?: string
  /** Where Services get their virtual addresses from. @default '127.77.0.0/16' */
  readonly serviceCidr?: string
  /** `displacedAddresses` of an earlier run. @default none */
  readonly keptAddresses?: ReadonlyMap<string, string>
  /** Whether a Gateway may listen on an address. @default the machine's own addresses */
  readonly isLocal?: (address: string) => boolean
  /** Numbers of identities that an earlier process gave, by `NetworkIdentity.key`. @default none */
  readonly identityNumbers?: Iterable<readonly [key: string, id: number]>
  /** Variables that plugins may ask for by name. @default none */
  readonly hostEnvironment?: Readonly<NodeJS.Dict<string>>
}

export interface ReconcileOptions {
  /** By listener id: why the proxy could not listen there. */
  readonly listenFailures?: ReadonlyMap<string, string>
}

/**
 * Decides what the mesh does, from resources alone: a function of its
 * arguments, which remembers the last run only to do less in the next one.
 *
 * The resources are compared with those of the last run by identity; from there
 * the changes travel through the stages in one direction: Gateways, Services,
 * routes, statuses. Each stage tells the next which facts changed, and an entry
 * is judged again only if it read one of them.
 */
export class Reconciler {
  readonly #resources = new ResourceTables()
  readonly #gateways: GatewayStage
  readonly #services: ServiceStage
  readonly #httpFilters = new HttpFilterStage()
  readonly #networkPolicies: NetworkPolicyStage
  readonly #plugins: PluginStage
  readonly #routes = new RouteStage<HttpRouteResource, HttpRoute>(['HTTPRoute', 'GRPCRoute'], judgeRoute)
  readonly #streamRoutes = new RouteStage<StreamRouteResource, StreamRoute>(
    ['TCPRoute', 'UDPRoute', 'TLSRoute'],
    judgeStreamRoute,
  )
  readonly #listeners = new CopyOnWriteMap<Listener>()
  readonly #statuses = new SortedRecords<ResourceStatus>()
  readonly #findings = new SortedRecords<readonly Finding[]>()
  readonly #problems = new ProblemList()
  readonly #namespaceLabels = new Map<string, Readonly<Record<string, string>>>()
  readonly #grants = new Map<string, readonly ReferenceGrantSpec[]>()
  #last: Reconciled = {
    snapshot: emptySnapshot,
    statuses: [],
    problems: [],
    workloads: [],
    serviceAddresses: [],
    networkPolicies: emptyNetworkPolicySet,
    namedServices: [],
    displacedAddresses: new Map(),
  }
  #addressLists: readonly (readonly ServiceAddress[])[] = []

  /** @throws MeshError MESH_SETTING_INVALID for a service network that is none */
  constructor(options: ReconcilerOptions = {}) {
    const { bindAddress = '127.0.0.1', serviceCidr = '127.77.0.0/16', isLocal = isMachineAddress } = options
    this.#gateways = new GatewayStage({ bindAddress, isLocal })
    this.#networkPolicies = new NetworkPolicyStage(options.identityNumbers)
    this.#plugins = new PluginStage(options.hostEnvironment ?? {})
    this.#services = new ServiceStage(networkOf(serviceCidr), options.keptAddresses ?? new Map())
  }

  /** @param resources by id, `HTTPRoute shop/cart`; the map itself is not edited afterwards */
  reconcile(resources: ReadonlyMap<string, AnyResource>, options: ReconcileOptions = {}): Reconciled {
    const changes = this.#resources.update(resources)
    const { tables } = this.#resources
    const touchedOwnRoutes: string[] = []
    const sink = this.#sink(touchedOwnRoutes)
    const changedFacts = new Set(this.#updateNamespaces(changes))
    const listenFailures = options.listenFailures ?? new Map<string, string>()
    const gateways = this.#gateways.update(changes, tables, this.#grants, listenFailures, sink)
    for (const fact of gateways.changedFacts) changedFacts.add(fact)
    for (const fact of this.#services.update(changes, tables, this.#gateways.addresses, sink)) changedFacts.add(fact)
    for (const fact of this.#httpFilters.update(changes, tables, sink)) changedFacts.add(fact)
    for (const { kind, key } of changes) {
      if (kind === 'WasmPlugin' || kind === 'TrafficExtension') changedFacts.add(`${kind} ${key}`)
    }
    const facts: FactTables = {
      services: this.#services.facts,
      gateways: this.#gateways.facts.Gateway,
      listenerSets: this.#gateways.facts.ListenerSet,
      namespaceLabels: this.#namespaceLabels,
      grants: this.#grants,
      httpFilters: this.#httpFilters.facts,
      WasmPlugin: tables.WasmPlugin,
      TrafficExtension: tables.TrafficExtension,
      names: { Service: this.#services.names, HTTPFilter: this.#httpFilters.names, ...this.#gateways.names },
    }
    const input = { changes, changedFacts, tables, facts, touchedOwnRoutes, sink }
    const { ownRoutes, ownStreamRoutes } = this.#services
    const recounted = this.#routes.update({ ...input, ownRoutes })
    const recountedStreams = this.#streamRoutes.update({ ...input, ownRoutes: ownStreamRoutes })
    const attachedRoutes = (id: string): number =>
      this.#routes.attachedRoutes(id) + this.#streamRoutes.attachedRoutes(id)
    for (const key of new Set([...gateways.judged, ...recounted, ...recountedStreams])) {
      this.#gateways.writeStatus(key, attachedRoutes, sink)
    }
    this.#services.tls.writeStatuses(
      {
        routes: this.#routes.routes.share(),
        streamRoutes: this.#streamRoutes.routes.share(),
        gatewayOfSet: this.#gateways.gatewayOfSet,
      },
      sink,
    )
    const plugged = this.#plugins.update(
      changes,
      tables,
      this.#gateways.gatewayOfSet,
      { listeners: this.#listeners.share(), routes: this.#routes.routes.share() },
      sink,
    )
    return this.#publish(plugged, this.#networkPolicies.update(changes, tables, this.#namespaceLabels, sink))
  }

  /** Labels and grants by namespace. @returns the facts that changed */
  #updateNamespaces(changes: readonly ResourceChange[]): readonly string[] {
    const changedFacts: string[] = []
    const grantNamespaces = new Set<string>()
    for (const { kind, key, before, after } of changes) {
      if (kind === 'Namespace') {
        if (after === undefined) this.#namespaceLabels.delete(key)
        else this.#namespaceLabels.set(key, after.metadata.labels)
        changedFacts.push(`Namespace ${key}`)
      }
      const grant = after ?? before
      if (grant?.kind === 'ReferenceGrant') grantNamespaces.add(grant.metadata.namespace)
    }
    if (grantNamespaces.size === 0) return changedFacts
    for (const namespace of grantNamespaces) {
      this.#grants.delete(namespace)
      changedFacts.push(`ReferenceGrant ${namespace}`)
    }
    for (const { metadata, spec } of this.#resources.tables.ReferenceGrant.values()) {
      if (!grantNamespaces.has(metadata.namespace)) continue
      this.#grants.set(metadata.namespace, [...(this.#grants.get(metadata.namespace) ?? []), spec])
    }
    return changedFacts
  }

  #sink(touchedOwnRoutes: string[]): StageSink {
    return {
      findings: (owner, findings) => this.#findings.set(owner, findings.length === 0 ? undefined : findings),
      status: (owner, status) =>
        this.#statuses.set(owner, status === undefined ? undefined : same(status, this.#statuses.get(owner))),
      listener: (id, listener, before) => {
        if (listener === undefined && this.#listeners.get(id) !== before) return
        this.#listeners.set(id, listener)
      },
      ownRoute: key => void touchedOwnRoutes.push(key),
    }
  }

  #publish({ listeners, routes, plugins }: Plugged, networkPolicies: NetworkPolicySet): Reconciled {
    const last = this.#last
    const streamRoutes = this.#streamRoutes.routes.share()
    const backends = this.#services.backends.share()
    const { snapshot: before } = last
    const isSame =
      listeners === before.listeners &&
      routes === before.routes &&
      streamRoutes === before.streamRoutes &&
      backends === before.backends &&
      plugins === before.plugins
    const snapshot = isSame
      ? before
      : { version: before.version + 1, listeners, routes, streamRoutes, backends, plugins }
    const addressLists = this.#services.addresses.list()
    const next: Reconciled = {
      snapshot,
      statuses: this.#statuses.list(),
      problems: this.#problems.locate(this.#findings.list().flat()),
      workloads: this.#services.workloads.list(),
      serviceAddresses: addressLists === this.#addressLists ? last.serviceAddresses : addressLists.flat(),
      networkPolicies,
      namedServices: this.#services.named.list(),
      displacedAddresses: this.#services.displacedAddresses,
    }
    this.#addressLists = addressLists
    const hasChanged =
      next.snapshot !== last.snapshot ||
      next.statuses !== last.statuses ||
      next.problems !== last.problems ||
      next.workloads !== last.workloads ||
      next.serviceAddresses !== last.serviceAddresses ||
      next.networkPolicies !== last.networkPolicies ||
      next.namedServices !== last.namedServices ||
      next.displacedAddresses !== last.displacedAddresses
    if (hasChanged) this.#last = next
    return this.#last
  }
}

function networkOf(cidr: string): Network {
  const network = parseNetwork(cidr)
  if (network !== undefined) return network
  throw new MeshError('MESH_SETTING_INVALID', `${cidr} is not an IPv4 network of at least four addresses`, {
    source: 'config',
    hint: 'write it like 127.77.0.0/16',
  })
}
