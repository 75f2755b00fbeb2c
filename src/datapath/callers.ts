import { openMapOf } from '../kernel/index.ts'
import type { Bpf, TypedMap } from '../kernel/index.ts'
import { ipProtocols } from '../model/index.ts'
import { addressBytes, endpointOf } from './address.ts'
import type { CallerKey, GuestKey } from './generated/sockets.ts'
import { readSockets } from './object.ts'

/** A connection to the agent, as its socket names its ends. */
export interface AgentConnection {
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localAddress: string
  readonly localPort: number
  /** Cookie of another network namespace that it is in. @default our own */
  readonly network?: bigint | undefined
}

/** Maps of the kernel that are looked up one by one. */
export interface CallerMaps {
  readonly callers: { get(key: CallerKey): bigint | undefined }
  /** Of other network namespaces. */
  readonly guests: { get(key: GuestKey): bigint | undefined }
}

/** Names of the maps, and of their pins. */
export const callersPin = 'hd_callers'
export const guestsPin = 'hd_guests'

/** @param pins  as of `tierPlaces`. @returns undefined when no programs are there. @throws MeshError */
export function openCallers(bpf: Bpf, pins: string): TypedMap<CallerKey, bigint> | undefined {
  return openMapOf(bpf, readSockets(), { name: callersPin, path: `${pins}/${callersPin}` })
}

/** Likewise. */
export function openGuests(bpf: Bpf, pins: string): TypedMap<GuestKey, bigint> | undefined {
  return openMapOf(bpf, readSockets(), { name: guestsPin, path: `${pins}/${guestsPin}` })
}

/**
 * Whose socket a connection comes from, as the kernel saw it when it was asked for.
 * @returns id of the cgroup of a member; 0 for everybody else; undefined where it was not noted, or was pushed out by others
 */
export function callerCgroup(
  maps: CallerMaps,
  { remoteAddress, remotePort, localAddress, localPort, network }: AgentConnection,
  protocol: 'TCP' | 'UDP' = 'TCP',
): bigint | undefined {
  const [client, listener] = [addressBytes(remoteAddress), addressBytes(localAddress)]
  if (client === undefined || listener === undefined) return undefined
  const number = ipProtocols[protocol]
  const ends = {
    client: endpointOf(client, remotePort, number),
    listener: endpointOf(listener, localPort, number),
  }
  return network === undefined ? maps.callers.get(ends) : maps.guests.get({ network, ends })
}
