import type { CompiledNetworkPolicy, NetworkMember, NetworkPlace } from '../../model/index.ts'
import { evaluateNetworkPolicy } from './evaluate.ts'
import type { NetworkParty, NetworkVerdict } from './evaluate.ts'

/** Where a connection goes: the endpoint's own address and port. */
export interface NetworkTarget {
  /** 4 or 16 bytes, IPv4-mapped ones as IPv4. */
  readonly address: Uint8Array
  readonly port: number
  /** Of IP. */
  readonly protocol: number
}

/** Policies of one moment, with who is where: for who asks often. */
export class NetworkJudge {
  readonly #compiled: CompiledNetworkPolicy
  readonly #members: ReadonlyMap<string, NetworkMember>
  readonly #places: ReadonlyMap<string, NetworkPlace>

  constructor(compiled: CompiledNetworkPolicy, members: readonly NetworkMember[]) {
    this.#compiled = compiled
    this.#members = new Map(members.map(member => [member.key, member]))
    this.#places = new Map(
      compiled.places.map(place => [placeKey(place.address, place.protocol, place.port), place] as const),
    )
  }

  /** Whether no policy selects anybody. */
  get isOpen(): boolean {
    return this.#compiled.subjects.size === 0
  }

  /**
   * A workload as the source of a connection from `address`.
   * @returns undefined when there is no such workload
   */
  member(key: string, address: Uint8Array | undefined): NetworkParty | undefined {
    const member = this.#members.get(key)
    return member === undefined ? undefined : { identity: member.identity, member: key, address }
  }

  /** Somebody whose process nobody knows: whoever has that address for himself, or else nobody of the mesh. */
  stranger(address: Uint8Array | undefined): NetworkParty {
    const place = address === undefined ? undefined : this.#places.get(placeKey(address, 0, 0))
    return { identity: place?.identity ?? 0, member: place?.member ?? '', address }
  }

  judge(from: NetworkParty, { address, port, protocol }: NetworkTarget): NetworkVerdict {
    const place = this.#places.get(placeKey(address, protocol, port)) ?? this.#places.get(placeKey(address, 0, 0))
    const to = { identity: place?.identity ?? 0, member: place?.member ?? '', address }
    return evaluateNetworkPolicy(this.#compiled, { from, to, protocol, port })
  }
}

function placeKey(address: Uint8Array, protocol: number, port: number): string {
  return `${address.join()} ${protocol} ${port}`
}
