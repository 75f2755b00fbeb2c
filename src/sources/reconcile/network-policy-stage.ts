import {
  emptyNetworkPolicySet,
  type NetworkIdentity,
  type NetworkPolicySet,
  type ResourceStatus,
} from '../../model/index.ts'
import type { NetworkPolicyResource } from '../schema/resource.ts'
import { condition, fails, holds } from './conditions.ts'
import { compareText } from './hostname.ts'
import { NetworkIdentities } from './network-identities.ts'
import { judgeNetworkPolicy, type SelectorWorld } from './network-policies.ts'
import type { ResourceChange, Tables } from './resource-tables.ts'
import { same } from './same.ts'
import type { StageSink } from './stage-sink.ts'

const relevant: ReadonlySet<string> = new Set(['NetworkPolicy', 'Workload', 'Namespace'])

/** NetworkPolicies and the identities they are about. */
export class NetworkPolicyStage {
  readonly #identities: NetworkIdentities
  #set: NetworkPolicySet = emptyNetworkPolicySet
  /** Of the last run; an edited policy is another object. */
  readonly #judged = new WeakSet<NetworkPolicyResource>()

  /** @param known numbers of identities that an earlier process gave, by `NetworkIdentity.key` */
  constructor(known?: Iterable<readonly [key: string, id: number]>) {
    this.#identities = new NetworkIdentities(known)
  }

  /** @returns the same object unless it changed */
  update(
    changes: readonly ResourceChange[],
    tables: Tables,
    namespaceLabels: ReadonlyMap<string, Readonly<Record<string, string>>>,
    sink: StageSink,
  ): NetworkPolicySet {
    if (!changes.some(({ kind }) => relevant.has(kind))) return this.#set
    for (const { kind, key, after } of changes) {
      if (kind !== 'NetworkPolicy' || after !== undefined) continue
      sink.findings(`NetworkPolicy ${key}`, [])
      sink.status(`NetworkPolicy ${key}`, undefined)
    }
    const { identities, members } = this.#identities.update(tables.Workload.values())
    const hasNewWorld = identities !== this.#set.identities || changes.some(({ kind }) => kind === 'Namespace')
    const world = worldOf(identities, namespaceLabels)
    const before = new Map(this.#set.policies.map(policy => [policy.key, policy]))
    const policies = [...tables.NetworkPolicy]
      .toSorted((a, b) => compareText(a[0], b[0]))
      .map(([key, resource]) => {
        const old = before.get(key)
        if (!hasNewWorld && old !== undefined && this.#judged.has(resource)) return old
        const { policy, findings } = judgeNetworkPolicy(resource, world)
        sink.findings(`NetworkPolicy ${key}`, findings)
        sink.status(`NetworkPolicy ${key}`, statusOf(resource))
        this.#judged.add(resource)
        return same(policy, old)
      })
    const isSame =
      identities === this.#set.identities &&
      members === this.#set.members &&
      policies.length === this.#set.policies.length &&
      policies.every((policy, at) => policy === this.#set.policies[at])
    if (!isSame) this.#set = { identities, members, policies }
    return this.#set
  }
}

function worldOf(
  identities: ReadonlyMap<number, NetworkIdentity>,
  labels: ReadonlyMap<string, Readonly<Record<string, string>>>,
): SelectorWorld {
  const identitiesByNamespace = new Map<string, NetworkIdentity[]>()
  const portNames = new Set<string>()
  for (const identity of identities.values()) {
    const list = identitiesByNamespace.get(identity.namespace)
    if (list === undefined) identitiesByNamespace.set(identity.namespace, [identity])
    else list.push(identity)
    for (const { name } of identity.ports) portNames.add(name)
  }
  return {
    identitiesByNamespace,
    // As the API server labels every namespace, whatever is written there.
    namespaceLabels: name => ({ ...labels.get(name), 'kubernetes.io/metadata.name': name }),
    selected: new Map(),
    hasPortName: name => portNames.has(name),
  }
}

function statusOf(resource: NetworkPolicyResource): ResourceStatus {
  const { namespace, name, generation } = resource.metadata
  const verdict =
    resource.isStandIn === true
      ? fails('Invalid', 'it has mistakes and never was right; what its podSelector selects is closed')
      : holds('Accepted')
  return {
    apiVersion: resource.apiVersion,
    kind: resource.kind,
    namespace,
    name,
    generation,
    conditions: [condition('Accepted', verdict, generation)],
    addresses: [],
    listeners: [],
    parents: [],
  }
}
