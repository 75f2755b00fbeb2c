import { socketFunctions } from './socket-functions.ts'
import { NativeCalls } from './syscall.ts'

const ipprotoTcp = 6
/** tcp(7), TCP_INFO. */
const tcpInfo = 11
const fionread = 0x541bn
/** In struct tcp_info (linux/tcp.h). */
const [receivedAt, sentAt, infoBytes] = [128, 200, 232]
const states = { established: 1, closed: 7, closeWait: 8 } as const

/**
 * Whether nobody has read or written anything on a TCP connection, whoever has held it: what it carries may be read from its
 * first byte on. Of one that a killed process held, nothing else tells.
 *
 * @param fd  borrowed; its socket must not be in a map of sockets, where FIONREAD tells something else
 * @throws MeshError MESH_KERNEL_UNSUPPORTED, MESH_KERNEL_SYSCALL
 */
export function isUntouched(fd: number): boolean {
  const info = Buffer.alloc(infoBytes)
  const size = Buffer.alloc(4)
  size.writeUInt32LE(infoBytes)
  using native = new NativeCalls({
    getsockopt: socketFunctions.getsockopt,
    ioctl: { return: 'int32', arguments: ['int32', 'uint64', 'pointer'] },
  })
  const pointers = [native.pointerTo(info), native.pointerTo(size)] as const
  if (native.call.getsockopt(fd, ipprotoTcp, tcpInfo, ...pointers) < 0) throw native.failure('getsockopt', 'TCP_INFO')
  const state = info[0]
  if (state === states.closed) return true
  const count = Buffer.alloc(4)
  if (native.call.ioctl(fd, fionread, native.pointerTo(count)) < 0) throw native.failure('ioctl', 'FIONREAD')
  const read = Number(info.readBigUInt64LE(receivedAt)) - count.readInt32LE(0)
  const isUnwritten = info.readBigUInt64LE(sentAt) === 0n
  // The end of what the other side sends counts as a byte.
  return isUnwritten && ((state === states.established && read === 0) || (state === states.closeWait && read === 1))
}
