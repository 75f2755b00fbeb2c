import type { SocketDiag, TypedMap } from '../kernel/index.ts'
import { ipProtocols } from '../model/index.ts'
import { endpointOf, widen } from './address.ts'
import type { DatagramKey, Endpoint } from './generated/sockets.ts'

export interface LeftBehindOptions {
  readonly diag: SocketDiag
  /** What programs asked for, by their sockets and where these were led: `hd_answers`. */
  readonly answers: Pick<TypedMap<DatagramKey, Endpoint>, 'get'>
  /** Whether a program that asks for `asked` may be led to `given` today. */
  readonly leads: (asked: Endpoint, given: Endpoint) => boolean
}

/**
 * Closes connected datagram sockets that were led to an endpoint to which nothing leads any more: nobody would ever
 * tell their programs, whose wait now ends with ECONNABORTED and whose next datagram with EDESTADDRREQ. Sockets that went there by themselves are left alone.
 *
 * @returns how many were closed
 * @throws MeshError MESH_KERNEL_SYSCALL
 */
export function closeLeftBehind({ diag, answers, leads }: LeftBehindOptions): number {
  let closed = 0
  for (const family of [4, 16] as const) {
    for (const socket of diag.connected(ipProtocols.UDP, family)) {
      const peer = endpointOf(widen(socket.remote.address), socket.remote.port, ipProtocols.UDP)
      const asked = answers.get({ cookie: socket.cookie, peer, zero: 0 })
      if (asked === undefined || leads(asked, peer)) continue
      if (diag.destroy(ipProtocols.UDP, socket)) closed++
    }
  }
  return closed
}
