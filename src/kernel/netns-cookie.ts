import { NativeCalls } from './syscall.ts'
import { sockCloexec, socketFunctions, solSocket } from './socket-functions.ts'

const afInet = 2
const sockStream = 1
/** Linux 5.12. */
const soNetnsCookie = 71

/**
 * What the kernel numbers a network namespace by, as programs see it; never used for another one.
 * @param of  a socket of it, borrowed. @default that in which the thread is
 * @throws MeshError MESH_KERNEL_UNSUPPORTED, MESH_KERNEL_SYSCALL
 */
export function netnsCookie(of?: number): bigint {
  using native = new NativeCalls(socketFunctions)
  const fd = of ?? native.call.socket(afInet, sockStream | sockCloexec, 0)
  if (fd < 0) throw native.failure('socket')
  try {
    const value = Buffer.allocUnsafeSlow(8)
    const length = Buffer.allocUnsafeSlow(4)
    length.writeUInt32LE(8)
    const pointers = [native.pointerTo(value), native.pointerTo(length)] as const
    if (native.call.getsockopt(fd, solSocket, soNetnsCookie, ...pointers) < 0) throw native.failure('getsockopt')
    return value.readBigUInt64LE(0)
  } finally {
    if (of === undefined) native.call.close(fd)
  }
}
