import { SystemCallFailure } from '../syscall.ts'
import type { AddressMemory } from './address-memory.ts'
import {
  afInet6,
  ipprotoIpv6,
  ipprotoTcp,
  ipv6V6only,
  sockCloexec,
  sockDgram,
  sockNonblock,
  sockStream,
  solSocket,
  soReuseaddr,
  soReuseport,
  tcpCongestion,
  tcpNodelay,
} from './calls.ts'
import type { SocketCalls } from './calls.ts'
import { askSilentPeer } from './keep-alive.ts'
import type { SetOption } from './keep-alive.ts'
import { listenBacklog } from './socket-listener.ts'

/** The congestion control that every kernel has (tcp(7)). */
const reno = Buffer.from('reno', 'latin1')

/** Whether other sockets of the same user may be bound to the same place (SO_REUSEPORT). */
export type Sharing = 'shared' | 'alone'

/**
 * A TCP socket that listens with SO_REUSEPORT at the address that stands in the memory. Connections inherit its options
 * from it.
 *
 * @returns a descriptor that the caller owns
 * @throws SystemCallFailure  `bind: EADDRINUSE`, with the name in `code`
 */
export function openListening(calls: SocketCalls, memory: AddressMemory, sharing: Sharing = 'shared'): number {
  const { family, isLoopback } = memory
  const fd = openBound(calls, memory, { type: sockStream, sharing }, socket => {
    socket(ipprotoTcp, tcpNodelay, 1)
    askSilentPeer(socket)
    if (family === afInet6) socket(ipprotoIpv6, ipv6V6only, 0)
  })
  if (isLoopback) useReno(calls, fd)
  if (calls.call.listen(fd, listenBacklog) >= 0) return fd
  throw failed(calls, fd, 'listen')
}

/** A UDP socket that is bound with SO_REUSEPORT likewise; one of IPv6 takes IPv4, too, if it is bound to `::`. */
export function openDatagrams(calls: SocketCalls, memory: AddressMemory, sharing: Sharing = 'shared'): number {
  const { family, isWildcard } = memory
  return openBound(calls, memory, { type: sockDgram, sharing }, socket => {
    if (family === afInet6) socket(ipprotoIpv6, ipv6V6only, isWildcard ? 0 : 1)
  })
}

function openBound(
  calls: SocketCalls,
  memory: AddressMemory,
  { type, sharing }: { readonly type: number; readonly sharing: Sharing },
  prepare: (set: SetOption) => void,
): number {
  const fd = calls.call.socket(memory.family, type | sockNonblock | sockCloexec, 0)
  if (fd < 0) throw new SystemCallFailure('socket', calls.errno)
  const option = new Int32Array(new ArrayBuffer(4))
  const set: SetOption = (level, name, value) => {
    option[0] = value
    calls.call.setsockopt(fd, level, name, calls.pointerTo(option), 4)
  }
  // Of a UDP socket the first would let others take its datagrams.
  if (type === sockStream) set(solSocket, soReuseaddr, 1)
  if (sharing === 'shared') set(solSocket, soReuseport, 1)
  prepare(set)
  if (calls.call.bind(fd, memory.pointer, memory.length) >= 0) return fd
  throw failed(calls, fd, 'bind')
}

function failed(calls: SocketCalls, fd: number, call: string): SystemCallFailure {
  const error = new SystemCallFailure(call, calls.errno)
  calls.call.close(fd)
  return error
}

/**
 * Within one machine there is no network to be spared: the simplest congestion control does, where the machine's own
 * (BBR, say) reckons with every message. Connections inherit it from the socket that accepts them.
 */
export function useReno(calls: SocketCalls, fd: number): void {
  calls.call.setsockopt(fd, ipprotoTcp, tcpCongestion, calls.pointerTo(reno), reno.length)
}
