import { formatIpAddress, parseIpAddress, unmapIpAddress } from '../codec/index.ts'
import { ipProtocols } from '../model/index.ts'
import type {
  Backend,
  CompiledNetworkPolicy,
  IpProtocol,
  NetworkMember,
  NetworkPolicySet,
  ServiceAddress,
} from '../model/index.ts'
import { evaluateNetworkPolicy, findPlace } from '../policy/index.ts'
import type { DirectionVerdict, NetworkParty } from '../policy/index.ts'
import { nearest } from './nearest.ts'

/** May `from` connect to `to`? Texts as an operator writes them. */
export interface PolicyQuestion {
  /** A Workload or a Service (`shop/web`, `workload/shop/web`, `service/shop/web`; the namespace may be left out), or an IP address. */
  readonly from: string
  readonly to: string
  /** A number, or the name of a port of the Service or the Workload; for a Service that of the Service, which leads to its endpoints' own. */
  readonly port?: number | string
  /** @default 'TCP' */
  readonly protocol?: IpProtocol
}

/** What the compiled policies say about a moment; nothing is connected. */
export interface PolicyWorld {
  readonly set: NetworkPolicySet
  readonly compiled: CompiledNetworkPolicy
  readonly backends: ReadonlyMap<string, Backend>
  readonly addresses: readonly ServiceAddress[]
}

export type PolicyAnswer =
  | {
      /** `partly`: some of the connections that are meant are allowed, others not. */
      readonly verdict: 'allow' | 'deny' | 'partly'
      readonly connections: readonly PolicyConnection[]
    }
  /** The question has no answer, and what would be right. */
  | { readonly verdict: 'error'; readonly error: string }

/** One source and one destination behind the names. */
export interface PolicyConnection {
  readonly verdict: 'allow' | 'deny'
  /** `shop/web-1`, or the address of somebody who is not of the mesh. */
  readonly from: string
  readonly to: string
  readonly address: string
  readonly port: number
  readonly protocol: IpProtocol
  readonly egress: PolicyDirection
  readonly ingress: PolicyDirection
}

export interface PolicyDirection {
  readonly verdict: DirectionVerdict['kind']
  /** Of the rule that allows, or of all policies none of whose rules fits. `namespace/name` */
  readonly policies: readonly string[]
  /** `spec.ingress[1]` of the policy that allows; null otherwise. */
  readonly rule: string | null
  /** Nothing is allowed since there is no room for the rules. */
  readonly isOverfull: boolean
}

/** The answers of an agent or of files. */
export interface PolicyReply {
  /** Null where nobody asks an agent. */
  readonly isEnforced: boolean | null
  readonly answers: readonly PolicyAnswer[]
}

export function answerQuestions(questions: readonly PolicyQuestion[], world: PolicyWorld): readonly PolicyAnswer[] {
  return questions.map(question => answerQuestion(question, world))
}

/** A party with the name it is shown by. */
interface Named extends NetworkParty {
  readonly name: string
}

interface Destination extends Named {
  readonly addressText: string
  readonly port: number
  readonly protocol: IpProtocol
}

type Found<T> =
  | { readonly kind: 'found'; readonly list: readonly T[] }
  | { readonly kind: 'error'; readonly error: string }

function answerQuestion(question: PolicyQuestion, world: PolicyWorld): PolicyAnswer {
  const from = findSources(question.from, world)
  if (from.kind === 'error') return { verdict: 'error', error: `from: ${from.error}` }
  const to = findDestinations(question, world)
  if (to.kind === 'error') return { verdict: 'error', error: to.error }
  const connections = from.list.flatMap(source => to.list.map(destination => decide(world, source, destination)))
  const allowed = connections.filter(({ verdict }) => verdict === 'allow').length
  return { verdict: allowed === 0 ? 'deny' : allowed === connections.length ? 'allow' : 'partly', connections }
}

function decide(world: PolicyWorld, from: Named, to: Destination): PolicyConnection {
  const { port, protocol } = to
  const verdict = evaluateNetworkPolicy(world.compiled, { from, to, protocol: ipProtocols[protocol], port })
  return {
    verdict: verdict.isAllowed ? 'allow' : 'deny',
    from: from.name,
    to: to.name,
    address: to.addressText,
    port,
    protocol,
    egress: describe(verdict.egress),
    ingress: describe(verdict.ingress),
  }
}

function describe(verdict: DirectionVerdict): PolicyDirection {
  const base = { verdict: verdict.kind, policies: [], rule: null, isOverfull: false }
  if (verdict.kind === 'denied') return { ...base, policies: verdict.policies, isOverfull: verdict.isOverfull }
  if (verdict.kind !== 'allowed') return base
  const { policy, direction, index } = verdict.rule
  return { ...base, policies: [policy], rule: `spec.${direction}[${index}]` }
}

function findSources(text: string, world: PolicyWorld): Found<Named> {
  const address = addressOf(text)
  if (address !== undefined) return found(atAddress(world, address, 0, 0, text))
  const name = resolveName(text, world)
  if (name.kind === 'error') return name
  if (name.of === 'Workload') return found(...name.members.map(member => partyOf(member)))
  const members = endpointsOf(world, name.key).flatMap(
    endpoint => memberAt(world, endpoint.address, endpoint.port) ?? [],
  )
  const parties = [...new Set(members)].map(member => partyOf(member))
  if (parties.length > 0) return { kind: 'found', list: parties }
  return wrong(`no Workload is an endpoint of Service ${name.key}`)
}

function findDestinations({ to, port, protocol = 'TCP' }: PolicyQuestion, world: PolicyWorld): Found<Destination> {
  const address = addressOf(to)
  if (address !== undefined) {
    if (typeof port !== 'number') return wrong('port: an address needs the number of a port')
    const service = world.addresses.find(each => each.address === to && each.port === port)
    if (service !== undefined) return ofService(`${service.namespace}/${service.service}`, port, protocol, world)
    const party = atAddress(world, address, ipProtocols[protocol], port, to)
    return found({ ...party, addressText: to, port, protocol })
  }
  const name = resolveName(to, world)
  if (name.kind === 'error') return wrong(`to: ${name.error}`)
  if (name.of === 'Service') return ofService(name.key, port, protocol, world)
  const [member] = name.members
  if (member === undefined) return wrong(`to: there is no ${to}`)
  const number = portOf(member, port, protocol, world)
  if (typeof number === 'string') return wrong(`port: ${number}`)
  return found({ ...partyOf(member), addressText: formatIpAddress(member.address), port: number, protocol })
}

/** The endpoints of a port of a Service, at their own ports: a policy never sees the Service's. */
function ofService(
  key: string,
  port: number | string | undefined,
  protocol: IpProtocol,
  world: PolicyWorld,
): Found<Destination> {
  const backends = backendsOf(world, key)
  const fitting = backends.filter(
    backend =>
      (port === undefined || backend.port === port || backend.portName === port) &&
      (backend.protocol === 'udp') === (protocol === 'UDP'),
  )
  const [backend] = fitting
  if (backend === undefined || fitting.length > 1) {
    const ports = backends.map(each => `${each.portName === '' ? '' : `${each.portName} `}${each.port}`).join(', ')
    const what = backend === undefined ? `has no such port for ${protocol}` : 'has several ports'
    return wrong(`port: Service ${key} ${what}; it has ${ports === '' ? 'none' : ports}`)
  }
  const list = backend.endpoints.map(({ address, port: number }): Destination => {
    const bytes = addressOf(address)
    const party = atAddress(world, bytes, ipProtocols[protocol], number, address)
    return { ...party, addressText: address, port: number, protocol }
  })
  return list.length > 0 ? { kind: 'found', list } : wrong(`to: Service ${key} has no endpoints`)
}

/** @returns what is wrong, as text */
function portOf(
  member: NetworkMember,
  port: number | string | undefined,
  protocol: IpProtocol,
  { set }: PolicyWorld,
): number | string {
  if (typeof port === 'number') return port
  if (port === undefined) return member.ports[0]?.port ?? 'give one'
  const named = set.identities.get(member.identity)?.ports ?? []
  const own = named.find(each => each.name === port && each.protocol === protocol)
  const known = named.map(each => `${each.name} (${each.protocol} ${each.port})`).join(', ')
  return (
    own?.port ?? `Workload ${member.key} has no port named ${port}; it has ${known === '' ? 'none with a name' : known}`
  )
}

type ResolvedName =
  | { readonly kind: 'found'; readonly of: 'Workload'; readonly members: readonly NetworkMember[] }
  | { readonly kind: 'found'; readonly of: 'Service'; readonly key: string }
  | { readonly kind: 'error'; readonly error: string }

/** A Workload comes before a Service of the same name. */
function resolveName(text: string, world: PolicyWorld): ResolvedName {
  const [, kind = '', name = text] = /^(workload|service)s?\/(.+)$/i.exec(text) ?? []
  const isCalled = (key: string): boolean => key === name || (!name.includes('/') && key.endsWith(`/${name}`))
  const members = kind.toLowerCase() === 'service' ? [] : world.set.members.filter(({ key }) => isCalled(key))
  if (members.length === 1) return { kind: 'found', of: 'Workload', members }
  const services = new Set([...world.backends.values()].map(each => `${each.namespace}/${each.service}`))
  const called = kind.toLowerCase() === 'workload' ? [] : [...services].filter(isCalled)
  const [only] = called
  if (members.length === 0 && called.length === 1 && only !== undefined)
    return { kind: 'found', of: 'Service', key: only }
  const all = [...members.map(({ key }) => key), ...called]
  if (all.length > 0) return { kind: 'error', error: `${text} may be ${all.toSorted().join(' or ')}` }
  const near = nearest(name, [...world.set.members.map(({ key }) => key), ...services])
  const hint = near === undefined ? '' : `, did you mean ${near}?`
  return { kind: 'error', error: `there is no Workload and no Service ${JSON.stringify(name)}${hint}` }
}

function backendsOf(world: PolicyWorld, key: string): readonly Backend[] {
  return [...world.backends.values()].filter(each => `${each.namespace}/${each.service}` === key)
}

function endpointsOf(world: PolicyWorld, key: string): readonly Backend['endpoints'][number][] {
  return backendsOf(world, key).flatMap(({ endpoints }) => endpoints)
}

function memberAt(world: PolicyWorld, address: string, port: number): NetworkMember | undefined {
  const bytes = addressOf(address)
  if (bytes === undefined) return undefined
  const place = Object.values(ipProtocols)
    .map(protocol => findPlace(world.compiled.places, bytes, protocol, port))
    .find(each => each !== undefined)
  return world.set.members.find(({ key }) => key === place?.member)
}

/** Whoever is known to be there; else somebody who is not of the mesh. */
function atAddress(
  world: PolicyWorld,
  address: Uint8Array | undefined,
  protocol: number,
  port: number,
  text: string,
): Named {
  const place = address === undefined ? undefined : findPlace(world.compiled.places, address, protocol, port)
  return { identity: place?.identity ?? 0, member: place?.member ?? '', address, name: place?.member ?? text }
}

function partyOf({ identity, key, address }: NetworkMember): Named {
  return { identity, member: key, address, name: key }
}

function addressOf(text: string): Uint8Array | undefined {
  const bytes = parseIpAddress(text)
  return bytes === undefined ? undefined : unmapIpAddress(bytes)
}

function found<T>(...list: readonly T[]): Found<T> {
  return { kind: 'found', list }
}

function wrong(error: string): { readonly kind: 'error'; readonly error: string } {
  return { kind: 'error', error }
}
