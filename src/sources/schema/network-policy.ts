import { formatIpAddress, parseCidr } from '../../codec/index.ts'
import { coreSelector, dnsLabel, port } from './formats.ts'
import { portName } from './core-kinds.ts'
import { array, byDefault, describe, either, enumeration, object, optional, quote, Reading, required } from './shape.ts'
import type { Rule, Shape } from './shape.ts'
import type {
  Identity,
  IpBlock,
  LabelSelector,
  NetworkPolicyPeer,
  NetworkPolicyPort,
  NetworkPolicyResource,
  NetworkPolicyRule,
  NetworkPolicySpec,
  PolicyDirection,
} from './resource.ts'

// networking.k8s.io/v1, with the checks of Kubernetes 1.35's validation. Null
// counts as absent as the API server has it, save in lists: there it would make
// an empty rule, which allows everything.

const nulls = { nulls: 'absent' } as const

/** A network; bits beyond the prefix are taken for a slip, as they have no effect. */
const network: Shape<string> = {
  expects: 'a network like "10.0.0.0/8" or "fd00::/8"',
  read(value, reading) {
    const cidr = typeof value === 'string' ? parseCidr(value) : undefined
    if (typeof value !== 'string' || cidr === undefined) {
      reading.error(`expected ${network.expects}, found ${describe(value)}`)
      return undefined
    }
    if (isMapped(cidr)) {
      reading.error(`is an IPv4 network written as IPv6: ${quote(value)}; write it as IPv4`)
      return undefined
    }
    const plain = `${formatIpAddress(cidr.bytes)}/${cidr.prefixLength}`
    if (cidr.hadHostBits) reading.warning(`has bits beyond its prefix and means ${plain}`)
    return plain
  },
}

/** Each exception is a part of the network, and smaller than it. */
const exceptWithin: Rule<IpBlock> = {
  reads: ['cidr', 'except'],
  check({ cidr, except }, reading) {
    const whole = parseCidr(cidr)
    for (const [index, text] of except.entries()) {
      const part = parseCidr(text)
      if (whole === undefined || part === undefined) continue
      if (part.bytes.length !== whole.bytes.length) {
        reading.error(`is of another address family than ${cidr}`, 'except', index)
      } else if (part.prefixLength <= whole.prefixLength || !isWithin(part.bytes, whole)) {
        reading.error(`must lie within ${cidr} and be smaller than it`, 'except', index)
      }
    }
  },
}

const peerShape: Rule<NetworkPolicyPeer> = {
  reads: ['podSelector', 'namespaceSelector', 'ipBlock'],
  check({ podSelector, namespaceSelector, ipBlock }, reading) {
    const selects = podSelector !== undefined || namespaceSelector !== undefined
    if (!selects && ipBlock === undefined) {
      reading.error('needs one of podSelector, namespaceSelector, ipBlock; write {} for a selector that selects all')
    }
    if (selects && ipBlock !== undefined) {
      reading.error('does not go with a selector; write it as a peer of its own', 'ipBlock')
    }
  },
}

const portRange: Rule<NetworkPolicyPort> = {
  reads: ['port', 'endPort'],
  check({ port: first, endPort }, reading) {
    if (endPort === undefined) return
    if (first === undefined) reading.error('is required with endPort', 'port')
    else if (typeof first === 'string') reading.error('does not go with a named port', 'endPort')
    else if (endPort < first) reading.error(`is smaller than port ${first}`, 'endPort')
  },
}

const peer: Shape<NetworkPolicyPeer> = object<NetworkPolicyPeer>(
  {
    podSelector: optional(coreSelector),
    namespaceSelector: optional(coreSelector),
    ipBlock: optional(
      object<IpBlock>(
        { cidr: required(network), except: byDefault(array(network), Object.freeze([])) },
        { rules: [exceptWithin], ...nulls },
      ),
    ),
  },
  { rules: [peerShape], ...nulls },
)

const policyPort: Shape<NetworkPolicyPort> = object<NetworkPolicyPort>(
  {
    protocol: byDefault(enumeration('TCP', 'UDP', 'SCTP'), 'TCP'),
    port: optional(either(port, portName)),
    endPort: optional(port),
  },
  { rules: [portRange], ...nulls },
)

const none: readonly never[] = Object.freeze([])
const peers = array(peer)
const ports = array(policyPort)

interface GivenIngress {
  readonly from: readonly NetworkPolicyPeer[]
  readonly ports: readonly NetworkPolicyPort[]
}
interface GivenEgress {
  readonly to: readonly NetworkPolicyPeer[]
  readonly ports: readonly NetworkPolicyPort[]
}
interface GivenSpec {
  readonly podSelector: LabelSelector
  readonly policyTypes: readonly PolicyDirection[]
  readonly ingress: readonly GivenIngress[]
  readonly egress: readonly GivenEgress[]
}

const everyPod: LabelSelector = Object.freeze({})
const direction = enumeration<PolicyDirection>('Ingress', 'Egress')

const given: Shape<GivenSpec> = object<GivenSpec>(
  {
    podSelector: byDefault(coreSelector, everyPod),
    policyTypes: byDefault(array(direction, { max: 2 }), none),
    ingress: byDefault(
      array(object<GivenIngress>({ from: byDefault(peers, none), ports: byDefault(ports, none) }, nulls)),
      none,
    ),
    egress: byDefault(
      array(object<GivenEgress>({ to: byDefault(peers, none), ports: byDefault(ports, none) }, nulls)),
      none,
    ),
  },
  nulls,
)

export const networkPolicySpec: Shape<NetworkPolicySpec> = {
  expects: 'an object',
  read(value, reading) {
    const spec = given.read(value, reading)
    if (spec === undefined) return undefined
    const ingress = spec.ingress.map(({ from, ports: own }): NetworkPolicyRule => ({ peers: from, ports: own }))
    const egress = spec.egress.map(({ to, ports: own }): NetworkPolicyRule => ({ peers: to, ports: own }))
    const types = directionsOf(spec.policyTypes, egress.length > 0)
    for (const [type, field, rules] of [
      ['Ingress', 'ingress', ingress],
      ['Egress', 'egress', egress],
    ] as const) {
      if (rules.length > 0 && !types.includes(type)) {
        reading.warning(`has no effect, since policyTypes lacks ${type}`, field)
      }
    }
    return { podSelector: spec.podSelector, policyTypes: types, ingress, egress }
  },
}

/** Of a policy without a `spec`: closed for ingress, like `spec: {}`. */
export const emptyPolicySpec: NetworkPolicySpec = Object.freeze({
  podSelector: everyPod,
  policyTypes: Object.freeze(['Ingress'] as const),
  ingress: none,
  egress: none,
})

function directionsOf(types: readonly PolicyDirection[], hasEgress: boolean): readonly PolicyDirection[] {
  if (types.length > 0) return [...new Set(types)]
  return hasEgress ? ['Ingress', 'Egress'] : ['Ingress']
}

/**
 * What closes in the place of a policy with mistakes, as far as they let know
 * what it was to select: the same pods, without a rule. Where the mistakes leave
 * open which directions it was about, both are closed.
 *
 * @returns undefined if name, namespace or podSelector cannot be read
 */
export function standInFor(
  value: Readonly<Record<string, unknown>>,
  { name, namespace }: Identity,
): Omit<NetworkPolicyResource, 'origin'> | undefined {
  const spec = value['spec'] ?? {}
  if (name === undefined || read(dnsLabel, namespace) === undefined) return undefined
  if (typeof spec !== 'object' || Array.isArray(spec)) return undefined
  const fields = spec as Readonly<Record<string, unknown>>
  const podSelector = read(coreSelector, fields['podSelector'] ?? everyPod)
  if (podSelector === undefined) return undefined
  // A misspelt `podSelector` would read as every pod; closing a namespace for a slip of the pen is still closing.
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name, namespace: namespace ?? 'default', labels: {}, annotations: {}, generation: 1 },
    spec: { podSelector, policyTypes: closedDirections(fields), ingress: none, egress: none },
    isStandIn: true,
  }
}

function closedDirections(fields: Readonly<Record<string, unknown>>): readonly PolicyDirection[] {
  const both: readonly PolicyDirection[] = ['Ingress', 'Egress']
  const types = read(array(direction), fields['policyTypes'] ?? none)
  if (types === undefined) return both
  if (types.length > 0) return [...new Set(types)]
  const known = new Set(['podSelector', 'policyTypes', 'ingress', 'egress'])
  if (Object.keys(fields).some(field => !known.has(field))) return both
  const egress = fields['egress']
  return directionsOf(types, egress !== undefined && egress !== null && !(Array.isArray(egress) && egress.length === 0))
}

function read<T>(shape: Shape<T>, value: unknown): T | undefined {
  const reading = new Reading()
  const result = shape.read(value, reading)
  return reading.findings.some(({ severity }) => severity === 'error') ? undefined : result
}

/** `::ffff:0:0/96` and what lies in it (RFC 4291 section 2.5.5.2); such addresses are judged as IPv4. */
function isMapped({ bytes, prefixLength }: { readonly bytes: Uint8Array; readonly prefixLength: number }): boolean {
  const start = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]
  return bytes.length === 16 && prefixLength >= 96 && start.every((byte, at) => bytes[at] === byte)
}

function isWithin(bytes: Uint8Array, network: { readonly bytes: Uint8Array; readonly prefixLength: number }): boolean {
  for (let bit = 0; bit < network.prefixLength; bit += 8) {
    const mask = 0xff & (0xff << Math.max(0, 8 - (network.prefixLength - bit)))
    const at = bit >> 3
    if (((bytes[at] ?? 0) & mask) !== ((network.bytes[at] ?? 0) & mask)) return false
  }
  return true
}
