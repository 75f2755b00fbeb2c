import { parseCidr } from '../../codec/index.ts'
import type {
  NetworkBlock,
  NetworkIdentity,
  NetworkPeer,
  NetworkPolicy,
  NetworkPort,
  NetworkRule,
} from '../../model/index.ts'
import type {
  LabelSelector,
  NetworkPolicyPeer,
  NetworkPolicyPort,
  NetworkPolicyResource,
  NetworkPolicyRule,
} from '../schema/resource.ts'
import { selects } from './facts.ts'
import type { Finding } from './problems.ts'

/** What selectors choose from. */
export interface SelectorWorld {
  /** Of namespaces that have workloads. */
  readonly identitiesByNamespace: ReadonlyMap<string, readonly NetworkIdentity[]>
  namespaceLabels(namespace: string): Readonly<Record<string, string>>
  /** What was asked before. */
  readonly selected: Map<string, readonly number[]>
  /** Whether any workload has a port of that name. */
  hasPortName(name: string): boolean
}

export interface NetworkPolicyOutcome {
  readonly policy: NetworkPolicy
  readonly findings: readonly Finding[]
}

/** Resolves the selectors of one policy. */
export function judgeNetworkPolicy(resource: NetworkPolicyResource, world: SelectorWorld): NetworkPolicyOutcome {
  const { metadata, spec } = resource
  const { namespace, name } = metadata
  const findings: Finding[] = []
  const rulesOf = (rules: readonly NetworkPolicyRule[], field: 'ingress' | 'egress'): readonly NetworkRule[] =>
    rules.map((rule, index) => {
      for (const [at, port] of rule.ports.entries()) {
        if (typeof port.port !== 'string' || world.hasPortName(port.port)) continue
        const message = `no Workload has a port named ${port.port}, so it matches nothing; ports get names in spec.ports of Workloads`
        const path = `spec.${field}[${index}].ports[${at}].port`
        findings.push({ resource, severity: 'warning', path, message })
      }
      return {
        // An empty list and an absent one are the same; a selector that selects nobody is not: it stays as a peer.
        peers: rule.peers.length === 0 ? undefined : rule.peers.map(peer => peerOf(peer, namespace, world)),
        ports: rule.ports.length === 0 ? undefined : rule.ports.map(portOf),
      }
    })
  const has = new Set(spec.policyTypes)
  const policy: NetworkPolicy = {
    key: `${namespace}/${name}`,
    subjects: select(world, [namespace], spec.podSelector),
    ingress: has.has('Ingress') ? rulesOf(spec.ingress, 'ingress') : undefined,
    egress: has.has('Egress') ? rulesOf(spec.egress, 'egress') : undefined,
    isStandIn: resource.isStandIn === true,
  }
  return { policy, findings }
}

function peerOf(peer: NetworkPolicyPeer, namespace: string, world: SelectorWorld): NetworkPeer {
  const { podSelector = {}, namespaceSelector, ipBlock } = peer
  if (ipBlock !== undefined) {
    return { kind: 'block', block: blockOf(ipBlock.cidr), except: ipBlock.except.map(blockOf) }
  }
  if (namespaceSelector === undefined) return { kind: 'identities', ids: select(world, [namespace], podSelector) }
  if (isEmpty(namespaceSelector) && isEmpty(podSelector)) return { kind: 'members' }
  const namespaces = [...world.identitiesByNamespace.keys()].filter(each =>
    selects(namespaceSelector, world.namespaceLabels(each)),
  )
  return { kind: 'identities', ids: select(world, namespaces, podSelector) }
}

/** The same list for the same question, of which policies have many. */
function select(world: SelectorWorld, namespaces: readonly string[], selector: LabelSelector): readonly number[] {
  const question = JSON.stringify([namespaces, selector])
  const known = world.selected.get(question)
  if (known !== undefined) return known
  const ids: number[] = []
  for (const namespace of namespaces) {
    for (const { id, labels } of world.identitiesByNamespace.get(namespace) ?? []) {
      if (selects(selector, labels)) ids.push(id)
    }
  }
  ids.sort((a, b) => a - b)
  world.selected.set(question, ids)
  return ids
}

function isEmpty({ matchLabels = {}, matchExpressions = [] }: LabelSelector): boolean {
  return Object.keys(matchLabels).length === 0 && matchExpressions.length === 0
}

/** The schema has seen to it that it is a network. */
function blockOf(cidr: string): NetworkBlock {
  const parsed = parseCidr(cidr)
  if (parsed === undefined) throw new TypeError(`${cidr} is not a network`)
  return { bytes: parsed.bytes, prefixLength: parsed.prefixLength }
}

function portOf({ protocol, port, endPort }: NetworkPolicyPort): NetworkPort {
  if (typeof port === 'string') return { kind: 'named', protocol, name: port }
  if (port === undefined) return { kind: 'range', protocol, from: 0, to: 65_535 }
  return { kind: 'range', protocol, from: port, to: endPort ?? port }
}
