import { addressBytes, endpointOf, isIpv4 } from './address.ts'
import type { Endpoint } from './generated/sockets.ts'
import { setEntry } from './map-write.ts'
import type { MapWrite } from './map-write.ts'

/** A socket of UDP and one of TCP. */
export interface NamePlace {
  readonly address: string
  readonly port: number
}

/** Where the agent answers names. */
export interface NamePlaces {
  /** For everybody who knows the address; undefined when nowhere. */
  readonly open: NamePlace | undefined
  /** Programs of the mesh are led there, and nobody else: at most one of each family. Without IPv4 nobody is led. */
  readonly led: readonly NamePlace[]
}

const nowhere = endpointOf(new Uint8Array(16), 0, 0)

/** Where queries for names are led to, as the kernel holds it, in the order of enum name_server. */
export class NameServerTable {
  readonly #held: Endpoint[] = [nowhere, nowhere, nowhere]

  update({ open, led }: NamePlaces): readonly MapWrite[] {
    const writes: MapWrite[] = []
    const places = [placeOf(open), ...led.map(placeOf)]
    const [first = nowhere, ...others] = places
    const wanted = [true, false].map(isOf => others.find(({ address }) => isIpv4(address.bytes) === isOf) ?? nowhere)
    for (const [index, place] of [...wanted, first].entries()) {
      const before = this.#held[index]
      if (before !== undefined && isSame(before, place)) continue
      this.#held[index] = place
      writes.push(setEntry('hd_names', index, place))
    }
    return writes
  }

  /** Whether queries are led to there. */
  leads(given: Endpoint): boolean {
    const [v4, v6] = this.#held
    return [v4, v6].some(held => held !== undefined && isSame(held, given))
  }
}

function placeOf(place: NamePlace | undefined): Endpoint {
  const bytes = place === undefined ? undefined : addressBytes(place.address)
  return place === undefined || bytes === undefined ? nowhere : endpointOf(bytes, place.port, 0)
}

function isSame(a: Endpoint, b: Endpoint): boolean {
  return a.portBe === b.portBe && Buffer.compare(a.address.bytes, b.address.bytes) === 0
}
