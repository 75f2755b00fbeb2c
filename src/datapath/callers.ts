import { openMapOf } from '../kernel/index.ts'
import type { Bpf, TypedMap } from '../kernel/index.ts'
import { ipProtocols } from '../model/index.ts'
import { addressBytes, endpointOf } from './address.ts'
import type { CallerKey } from './generated/sockets.ts'
import { readSockets } from './object.ts'

/** A connection to the agent, as its socket names its ends. */
export interface AgentConnection {
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localAddress: string
  readonly localPort: number
}

/** Maps of the kernel that are looked up one by one. */
export interface CallerMap {
  get(key: CallerKey): bigint | undefined
}

/** Name of the map, and of its pin. */
export const callersPin = 'hd_callers'

/** @param pins  as of `tierPlaces`. @returns undefined when no programs are there. @throws MeshError */
export function openCallers(bpf: Bpf, pins: string): TypedMap<CallerKey, bigint> | undefined {
  return openMapOf(bpf, readSockets(), { name: callersPin, path: `${pins}/${callersPin}` })
}

/**
 * Whose socket a connection comes from, as the kernel saw it when it was asked for.
 * @returns id of the cgroup of a member; 0 for everybody else; undefined where it was not noted, or was pushed out by others
 */
export function callerCgroup(
  map: CallerMap,
  { remoteAddress, remotePort, localAddress, localPort }: AgentConnection,
  protocol: 'TCP' | 'UDP' = 'TCP',
): bigint | undefined {
  const [client, listener] = [addressBytes(remoteAddress), addressBytes(localAddress)]
  if (client === undefined || listener === undefined) return undefined
  const number = ipProtocols[protocol]
  return map.get({
    client: endpointOf(client, remotePort, number),
    listener: endpointOf(listener, localPort, number),
  })
}
