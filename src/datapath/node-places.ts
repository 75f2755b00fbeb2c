import { ipProtocols, reservedIdentities } from '../model/index.ts'
import type { Listener } from '../model/index.ts'
import { addressBytes, endpointOf } from './address.ts'
import type { Endpoint } from './generated/sockets.ts'
import { deleteEntry, setEntry } from './map-write.ts'
import type { MapWrite } from './map-write.ts'

/** A socket of the agent. */
export interface NodeSocket {
  readonly address: string
  readonly port: number
  readonly protocol: 'TCP' | 'UDP'
}

/** Sockets of the agent, which policies let everybody reach: the proxy's, and those that are named. */
export class NodeTable {
  readonly #held = new Map<string, Endpoint>()

  update(listeners: ReadonlyMap<string, Listener>, sockets: readonly NodeSocket[]): readonly MapWrite[] {
    const writes: MapWrite[] = []
    const wanted = new Set<string>()
    const ofProxy = [...listeners.values()].map(({ address, port, protocol }): NodeSocket => ({
      address,
      port,
      protocol: protocol === 'UDP' ? 'UDP' : 'TCP',
    }))
    for (const { address, port, protocol } of [...ofProxy, ...sockets]) {
      const bytes = addressBytes(address)
      if (bytes === undefined) continue
      const key = `${protocol} ${address} ${port}`
      wanted.add(key)
      if (this.#held.has(key)) continue
      const place = endpointOf(bytes, port, ipProtocols[protocol])
      this.#held.set(key, place)
      writes.push(setEntry('hd_places', place, { identity: reservedIdentities.node, number: 0 }))
    }
    for (const [key, place] of this.#held) {
      if (wanted.has(key)) continue
      this.#held.delete(key)
      writes.push(deleteEntry('hd_places', place))
    }
    return writes
  }
}
