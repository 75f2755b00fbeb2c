import { endpointOf, swapPort } from './address.ts'
import type { AddressBytes } from './address.ts'
import { aliasSlots } from './alias.ts'
import type { Endpoint, OfferKey, Service } from './generated/sockets.ts'
import { deleteEntry, setEntry } from './map-write.ts'
import type { MapWrite } from './map-write.ts'
import type { DesiredService } from './services.ts'

/** enum service_kind of bpf/datapath/types.h */
const kinds = { balanced: 1, proxied: 2 } as const satisfies Record<DesiredService['kind'], number>

interface Held {
  readonly desired: DesiredService
  readonly value: Service
}

/**
 * What the kernel holds of Services, and the edits that lead to what it is to hold.
 *
 * A Service whose endpoints change gets a new block of slots: all of it is written, then the Service is led to it by
 * one write, and only then the old block goes. Whoever looks a Service up in between finds the old one or the new one;
 * whoever had read the old one and finds its slot gone looks again. Numbers of blocks are never used twice.
 */
export class ServiceTable {
  readonly #held = new Map<string, Held>()
  /** By the text of its virtual address and port. */
  readonly #byFront = new Map<string, DesiredService>()
  readonly #ids = new Map<string, number>()
  #lastBlock = 0

  /** `shop/db:5432` at a virtual address and port. */
  nameAt(asked: Endpoint): string | undefined {
    return this.#byFront.get(endpointText(asked))?.name
  }

  /** Whether a virtual address leads to an endpoint. */
  leads(asked: Endpoint, given: Endpoint): boolean {
    const desired = this.#byFront.get(endpointText(asked))
    return desired?.endpoints.some(({ address, port }) => isSameAddress(address, port, given)) ?? false
  }

  /** The edits in their order; they count as carried out from now on. */
  update(desired: ReadonlyMap<string, DesiredService>): readonly MapWrite[] {
    const slots: MapWrite[] = []
    const services: MapWrite[] = []
    const old: MapWrite[] = []
    for (const [key, service] of desired) {
      const before = this.#held.get(key)
      if (before !== undefined && isSame(before.desired, service)) continue
      const value = this.#write(service, slots)
      services.push(setEntry('hd_services', frontOf(service), value))
      if (before !== undefined) old.push(...blockRemovals(before))
      this.#held.set(key, { desired: service, value })
      this.#byFront.set(endpointText(frontOf(service)), service)
    }
    for (const [key, held] of this.#held) {
      if (desired.has(key)) continue
      services.push(deleteEntry('hd_services', frontOf(held.desired)))
      old.push(...blockRemovals(held))
      this.#held.delete(key)
      this.#byFront.delete(endpointText(frontOf(held.desired)))
    }
    return [...slots, ...services, ...old]
  }

  #write(service: DesiredService, slots: MapWrite[]): Service {
    const block = ++this.#lastBlock
    const { endpoints, protocol } = service
    const entries = endpoints.map(({ address, port }) => endpointOf(address, port, protocol))
    const shared = aliasSlots(endpoints.map(({ weight }) => weight))
    for (const [index, { first, second, firstShare }] of shared.entries()) {
      const [one, two] = [entries[first], entries[second]]
      if (one === undefined || two === undefined) continue
      slots.push(setEntry('hd_slots', { block, index }, { firstShare, first: one, second: two }))
    }
    for (const key of offersOf(service, block)) slots.push(setEntry('hd_offers', key, 1))
    const { name, kind, affinitySeconds } = service
    return { id: this.#idOf(name), block, slots: shared.length, kind: kinds[kind], affinitySeconds }
  }

  #idOf(name: string): number {
    const known = this.#ids.get(name)
    if (known !== undefined) return known
    const id = this.#ids.size + 1
    this.#ids.set(name, id)
    return id
  }
}

function frontOf({ address, port, protocol }: DesiredService): ReturnType<typeof endpointOf> {
  return endpointOf(address, port, protocol)
}

function endpointText({ address, portBe, protocol }: Endpoint): string {
  return `${Buffer.from(address.bytes).toString('hex')} ${portBe} ${protocol}`
}

function isSameAddress(address: AddressBytes, port: number, { address: other, portBe }: Endpoint): boolean {
  return swapPort(port) === portBe && Buffer.compare(address, other.bytes) === 0
}

/** What affinity is asked about: whether an endpoint is still among them. */
function offersOf({ endpoints, protocol, affinitySeconds }: DesiredService, block: number): readonly OfferKey[] {
  if (affinitySeconds === 0) return []
  const offers = endpoints.map(({ address, port }) => endpointOf(address, port, protocol))
  const different = new Map(offers.map(offer => [endpointText(offer), offer]))
  return [...different.values()].map(endpoint => ({ block, endpoint }))
}

function blockRemovals({ desired, value: { block, slots } }: Held): readonly MapWrite[] {
  return [
    ...Array.from({ length: slots }, (_, index) => deleteEntry('hd_slots', { block, index })),
    ...offersOf(desired, block).map(key => deleteEntry('hd_offers', key)),
  ]
}

function isSame(a: DesiredService, b: DesiredService): boolean {
  return (
    a.kind === b.kind &&
    a.name === b.name &&
    a.affinitySeconds === b.affinitySeconds &&
    a.endpoints.length === b.endpoints.length &&
    a.endpoints.every((endpoint, at) => {
      const other = b.endpoints[at]
      return (
        other !== undefined &&
        endpoint.port === other.port &&
        endpoint.weight === other.weight &&
        Buffer.compare(endpoint.address, other.address) === 0
      )
    })
  )
}
