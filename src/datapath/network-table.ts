import { ipProtocols, reservedIdentities } from '../model/index.ts'
import type { NetworkMember } from '../model/index.ts'
import { addressBytes, endpointOf, isIpv4 } from './address.ts'
import type { Endpoint, Maps, Network } from './generated/sockets.ts'
import { deleteEntry, setEntry } from './map-write.ts'
import type { MapWrite } from './map-write.ts'
import type { MemberNumbers } from './members.ts'
import type { NamePlace } from './name-servers.ts'
import type { DesiredService, ProxyPlace } from './services.ts'

/** Another network namespace that has members, and the sockets that the agent has there. */
export interface MemberNetwork {
  /** By which the kernel knows it; never used for another one. */
  readonly cookie: bigint
  /** What our own is numbered there; undefined where nobody can say. */
  readonly homeNumber: number | undefined
  /** Where names are answered, at most one of each family, on loopback. Without IPv4 they are answered nowhere. */
  readonly names: readonly NamePlace[]
  /** By the id of a listener: the port at which it is reached there, at its own address. */
  readonly ports: ReadonlyMap<string, ListenerPlace>
  /** Where connections to some of them are led instead, likewise. @default none */
  readonly ahead?: ReadonlyMap<string, ProxyPlace>
  /** `namespace/name` of those that run there. */
  readonly workloads: ReadonlySet<string>
}

export interface ListenerPlace {
  readonly address: string
  readonly port: number
  readonly protocol: 'TCP' | 'UDP'
}

type TableName = 'hd_networks' | 'hd_abroad' | 'hd_net_places'
type Entry = { [Name in TableName]: { readonly map: Name } & Maps[Name] }[TableName]

const nowhere = endpointOf(new Uint8Array(16), 0, 0)
const loopback = ['127.0.0.1', '::1'].flatMap(text => addressBytes(text) ?? [])

/** Other network namespaces as the kernel holds them: where their members are led, and who listens on their loopback. */
export class NetworkTable {
  readonly #numbers: MemberNumbers
  #held: ReadonlyMap<string, Entry> = new Map()
  #led: ReadonlySet<string> = new Set()

  constructor(numbers: MemberNumbers) {
    this.#numbers = numbers
  }

  /** The edits that lead there; they count as carried out from now on. */
  update(
    networks: readonly MemberNetwork[],
    services: Iterable<DesiredService>,
    members: readonly NetworkMember[],
  ): readonly MapWrite[] {
    if (networks.length === 0 && this.#held.size === 0) return []
    const wanted = new Map<string, Entry>()
    const hold = (entry: Entry): unknown => wanted.set(textOf(entry.map, entry.key), entry)
    const fronts = [...services]
    for (const network of networks) {
      for (const entry of placesIn(network, members, this.#numbers)) hold(entry)
      hold({ map: 'hd_networks', key: network.cookie, value: networkOf(network) })
      for (const { address, port, protocol, listener } of fronts) {
        const there = network.ahead?.get(listener) ?? network.ports.get(listener)
        const given = there === undefined ? undefined : addressBytes(there.address)
        if (there === undefined || given === undefined) continue
        const key = { network: network.cookie, asked: endpointOf(address, port, protocol), zero: 0 }
        hold({ map: 'hd_abroad', key, value: endpointOf(given, there.port, protocol) })
      }
    }
    const writes: MapWrite[] = []
    for (const [key, entry] of wanted) {
      const before = this.#held.get(key)
      if (before === undefined || textOf('', before.value) !== textOf('', entry.value))
        writes.push(setEntry(entry.map, entry.key, entry.value))
    }
    for (const [key, entry] of this.#held) if (!wanted.has(key)) writes.push(deleteEntry(entry.map, entry.key))
    this.#held = wanted
    this.#led = new Set(
      [...wanted.values()].flatMap(({ map, value }) => (map === 'hd_abroad' ? [placeText(value)] : [])),
    )
    return writes
  }

  /** Whether members of one of them are led to there. */
  leads(given: Endpoint): boolean {
    return this.#led.has(placeText(given))
  }
}

function networkOf({ homeNumber = -1, names }: MemberNetwork): Network {
  const places = names.flatMap(({ address, port }) => {
    const bytes = addressBytes(address)
    return bytes === undefined ? [] : [endpointOf(bytes, port, 0)]
  })
  const [namesV4, namesV6] = [true, false].map(
    is => places.find(({ address }) => isIpv4(address.bytes) === is) ?? nowhere,
  )
  return { homeId: homeNumber, namesV4: namesV4 ?? nowhere, namesV6: namesV6 ?? nowhere }
}

/** The agent at its sockets, and workloads at the ports they are known to listen at. */
function* placesIn(
  { cookie, names, ports, ahead, workloads }: MemberNetwork,
  members: readonly NetworkMember[],
  numbers: MemberNumbers,
): Iterable<Entry> {
  const at = (address: Uint8Array, port: number, protocol: keyof typeof ipProtocols): Maps['hd_net_places']['key'] => ({
    network: cookie,
    asked: endpointOf(address, port, ipProtocols[protocol]),
    zero: 0,
  })
  for (const { key, identity, ports: own } of members) {
    if (!workloads.has(key)) continue
    for (const { port, protocol } of own) {
      for (const address of loopback)
        yield { map: 'hd_net_places', key: at(address, port, protocol), value: { identity, number: numbers.of(key) } }
    }
  }
  const ofPath = [...(ahead?.values() ?? [])].map(each => ({ ...each, protocol: 'TCP' as const }))
  const ofNames = names.flatMap(each => both.map(protocol => ({ ...each, protocol })))
  const ofAgent = [...ports.values(), ...ofPath, ...ofNames]
  for (const { address, port, protocol } of ofAgent) {
    const bytes = addressBytes(address)
    if (bytes === undefined) continue
    yield {
      map: 'hd_net_places',
      key: at(bytes, port, protocol),
      value: { identity: reservedIdentities.node, number: 0 },
    }
  }
}

const both = ['TCP', 'UDP'] as const

function placeText({ address, portBe }: Endpoint): string {
  return `${Buffer.from(address.bytes).toString('hex')} ${portBe}`
}

function textOf(map: string, value: unknown): string {
  return `${map} ${JSON.stringify(value, (_, part: unknown) =>
    part instanceof Uint8Array ? Buffer.from(part).toString('hex') : typeof part === 'bigint' ? String(part) : part,
  )}`
}
