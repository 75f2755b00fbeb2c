import { ipProtocols } from '../../model/index.ts'
import type { NetworkPlace, NetworkPolicySet } from '../../model/index.ts'

/**
 * Workloads by where they listen; one that has an address for itself is there on
 * every port. Loopback is everybody's, so that only known ports count there.
 */
export function placesOf({ members }: NetworkPolicySet): readonly NetworkPlace[] {
  const users = new Map<string, number>()
  for (const { address } of members) users.set(address.join(), (users.get(address.join()) ?? 0) + 1)
  const places = new Map<string, NetworkPlace>()
  const add = (place: NetworkPlace): void => {
    const key = `${place.address.join()} ${place.protocol} ${place.port}`
    if (!places.has(key)) places.set(key, place)
  }
  for (const isImpliedTurn of [false, true]) {
    for (const { key, identity, address, ports } of members) {
      for (const { protocol, port, isImplied = false } of ports) {
        if (isImplied !== isImpliedTurn) continue
        add({ address, port, protocol: ipProtocols[protocol], identity, member: key })
      }
    }
  }
  for (const { key, identity, address } of members) {
    if (users.get(address.join()) === 1 && !isLoopback(address)) {
      add({ address, port: 0, protocol: 0, identity, member: key })
    }
  }
  return [...places.values()]
}

/** Who listens at an address, if it is a workload. */
export function findPlace(
  places: readonly NetworkPlace[],
  address: Uint8Array,
  protocol: number,
  port: number,
): NetworkPlace | undefined {
  const here = places.filter(place => Buffer.compare(place.address, address) === 0)
  return here.find(place => place.port === port && place.protocol === protocol) ?? here.find(place => place.port === 0)
}

function isLoopback(address: Uint8Array): boolean {
  if (address.length === 4) return address[0] === 127
  return address.every((byte, at) => byte === (at === 15 ? 1 : 0))
}
