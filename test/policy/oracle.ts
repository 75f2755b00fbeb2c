import { BlockList, isIPv4 } from 'node:net'

/**
 * NetworkPolicy once more, from the text of its API reference and nothing else:
 * for every question it goes through the resources as they were written. It
 * shares no code with what it is compared with, and is as slow as it is plain.
 */

export interface RawSelector {
  readonly matchLabels?: Record<string, string>
  readonly matchExpressions?: { key: string; operator: string; values?: string[] }[]
}

export interface RawPeer {
  readonly podSelector?: RawSelector
  readonly namespaceSelector?: RawSelector
  readonly ipBlock?: { cidr: string; except?: string[] }
}

export interface RawPort {
  readonly protocol?: string
  readonly port?: number | string
  readonly endPort?: number
}

export interface RawPolicy {
  readonly metadata: { name: string; namespace?: string }
  readonly spec: {
    podSelector?: RawSelector
    policyTypes?: string[]
    ingress?: { from?: RawPeer[]; ports?: RawPort[] }[]
    egress?: { to?: RawPeer[]; ports?: RawPort[] }[]
  }
}

export interface RawWorkload {
  readonly metadata: { name: string; namespace?: string; labels?: Record<string, string> }
  readonly spec: {
    service?: string
    address?: string
    port: number
    ports?: { name: string; port: number; protocol?: string }[]
  }
}

export interface RawNamespace {
  readonly metadata: { name: string; labels?: Record<string, string> }
}

export interface RawWorld {
  readonly namespaces: readonly RawNamespace[]
  readonly workloads: readonly RawWorkload[]
  readonly policies: readonly RawPolicy[]
}

/** A workload, or an address that is none's. */
export type RawParty = RawWorkload | string

export interface RawProbe {
  readonly from: RawParty
  readonly to: RawParty
  readonly protocol: string
  readonly port: number
}

export function isAllowed(world: RawWorld, probe: RawProbe): boolean {
  if (probe.from === probe.to && typeof probe.from !== 'string') return true
  return isDirectionAllowed(world, probe, 'egress') && isDirectionAllowed(world, probe, 'ingress')
}

type Direction = 'ingress' | 'egress'

/** "By default, a pod is non-isolated; it is isolated if there is any policy that selects the pod and has that type." */
export function isDirectionAllowed(world: RawWorld, probe: RawProbe, direction: Direction): boolean {
  const policies = isolating(world, direction === 'egress' ? probe.from : probe.to, direction)
  if (policies.length === 0) return true
  return policies.some(policy =>
    rulesOf(policy, direction).some((_, index) => fits(world, probe, policy, direction, index)),
  )
}

export function isolating(world: RawWorld, pod: RawParty, direction: Direction): readonly RawPolicy[] {
  if (typeof pod === 'string') return []
  return world.policies.filter(policy => {
    const sameNamespace = (policy.metadata.namespace ?? 'default') === namespaceOf(pod)
    const types = policy.spec.policyTypes ?? []
    const hasType =
      types.length > 0
        ? types.includes(direction === 'ingress' ? 'Ingress' : 'Egress')
        : direction === 'ingress' || (policy.spec.egress ?? []).length > 0
    return sameNamespace && hasType && doLabelsMatch(policy.spec.podSelector ?? {}, pod.metadata.labels ?? {})
  })
}

/** Whether one rule allows the connection. */
export function fits(
  world: RawWorld,
  probe: RawProbe,
  policy: RawPolicy,
  direction: Direction,
  index: number,
): boolean {
  const rule = rulesOf(policy, direction)[index]
  if (rule === undefined) return false
  const other = direction === 'egress' ? probe.to : probe.from
  const { peers, ports } = rule
  // "If this field is empty or missing, this rule matches all sources (destinations), all ports."
  if (peers.length === 0) return ports.length === 0 || ports.some(port => fitsPort(port, probe, namesOf(probe.to)))
  return peers.some(peer => {
    if (!fitsPeer(world, peer, policy, other)) return false
    const names =
      peer.ipBlock !== undefined && direction === 'egress' ? namesAt(world, addressOf(probe.to)) : namesOf(probe.to)
    return ports.length === 0 || ports.some(port => fitsPort(port, probe, names))
  })
}

function rulesOf({ spec }: RawPolicy, direction: Direction): readonly { peers: RawPeer[]; ports: RawPort[] }[] {
  if (direction === 'ingress') {
    return (spec.ingress ?? []).map(({ from = [], ports = [] }) => ({ peers: from, ports }))
  }
  return (spec.egress ?? []).map(({ to = [], ports = [] }) => ({ peers: to, ports }))
}

function fitsPeer(world: RawWorld, peer: RawPeer, policy: RawPolicy, other: RawParty): boolean {
  if (peer.ipBlock !== undefined) {
    const { cidr, except = [] } = peer.ipBlock
    const address = addressOf(other)
    return isInNetwork(cidr, address) && !except.some(part => isInNetwork(part, address))
  }
  if (typeof other === 'string') return false
  const namespace = namespaceOf(other)
  const isNamespace =
    peer.namespaceSelector === undefined
      ? namespace === (policy.metadata.namespace ?? 'default')
      : doLabelsMatch(peer.namespaceSelector, namespaceLabels(world, namespace))
  const isPod = peer.podSelector === undefined || doLabelsMatch(peer.podSelector, other.metadata.labels ?? {})
  return isNamespace && isPod
}

type Names = readonly { name: string; port: number; protocol?: string }[]

function fitsPort({ protocol = 'TCP', port, endPort }: RawPort, probe: RawProbe, names: Names): boolean {
  if (protocol !== probe.protocol) return false
  if (port === undefined) return true
  if (typeof port === 'number') return probe.port >= port && probe.port <= (endPort ?? port)
  return names.some(own => own.name === port && (own.protocol ?? 'TCP') === protocol && own.port === probe.port)
}

function namesOf(pod: RawParty): Names {
  return typeof pod === 'string' ? [] : (pod.spec.ports ?? [])
}

/** A network goes by address alone: whichever workload there has the name. */
function namesAt(world: RawWorld, address: string): Names {
  return world.workloads.filter(workload => addressOf(workload) === address).flatMap(namesOf)
}

function doLabelsMatch(selector: RawSelector, labels: Record<string, string>): boolean {
  const all = new Map(Object.entries(labels))
  for (const [key, value] of Object.entries(selector.matchLabels ?? {})) if (all.get(key) !== value) return false
  for (const { key, operator, values = [] } of selector.matchExpressions ?? []) {
    const isThere = all.has(key)
    const isListed = isThere && values.includes(all.get(key) ?? '')
    if (operator === 'In' && !isListed) return false
    if (operator === 'NotIn' && isListed) return false
    if (operator === 'Exists' && !isThere) return false
    if (operator === 'DoesNotExist' && isThere) return false
  }
  return true
}

function namespaceLabels(world: RawWorld, name: string): Record<string, string> {
  const found = world.namespaces.find(each => each.metadata.name === name)
  return { ...found?.metadata.labels, 'kubernetes.io/metadata.name': name }
}

function namespaceOf(workload: RawWorkload): string {
  return workload.metadata.namespace ?? 'default'
}

export function addressOf(party: RawParty): string {
  return typeof party === 'string' ? party : (party.spec.address ?? '127.0.0.1')
}

function isInNetwork(cidr: string, address: string): boolean {
  const [network = '', length = ''] = cidr.split('/')
  // Node's list takes an IPv4 address for the IPv6 address that stands for it.
  if (isIPv4(network) !== isIPv4(address)) return false
  const list = new BlockList()
  const family = isIPv4(network) ? 'ipv4' : 'ipv6'
  list.addSubnet(network, Number(length), family)
  return list.check(address, family)
}
