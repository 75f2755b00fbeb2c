import { MeshError } from '../core/index.ts'
import { afUnix, msgNosignal } from './keeper/calls.ts'
import { sockCloexec, socketFunctions } from './socket-functions.ts'
import { NativeCalls } from './syscall.ts'

const sockDgram = 2
const msgDontwait = 0x40
/** struct sockaddr_un: two bytes of family, then the path. */
const pathBytes = 108

/**
 * Sends one message to a Unix socket of datagrams, which Node has none of.
 *
 * @param path  of a file, or with @ as its first letter of the abstract namespace (unix(7))
 * @throws MeshError MESH_KERNEL_SYSCALL when nobody is there or the path is too long, MESH_KERNEL_UNSUPPORTED without FFI
 */
export function sendDatagram(path: string, text: string): void {
  using native = new NativeCalls({
    socket: socketFunctions.socket,
    close: socketFunctions.close,
    sendto: { return: 'int32', arguments: ['int32', 'pointer', 'uint32', 'int32', 'pointer', 'uint32'] },
  })
  const name = Buffer.from(path)
  if (name.length >= pathBytes)
    throw new MeshError('MESH_KERNEL_SYSCALL', `sendto: ENAMETOOLONG (${path})`, { source: 'kernel' })
  const isAbstract = name[0] === 0x40
  if (isAbstract) name[0] = 0
  const address = Buffer.alloc(2 + pathBytes)
  address.writeUInt16LE(afUnix, 0)
  name.copy(address, 2)
  // An abstract name has no zero at its end.
  const length = 2 + name.length + (isAbstract ? 0 : 1)
  const fd = native.call.socket(afUnix, sockDgram | sockCloexec, 0)
  if (fd < 0) throw native.failure('socket')
  try {
    const message = Buffer.allocUnsafeSlow(Buffer.byteLength(text))
    message.write(text)
    const to = [native.pointerTo(address), length] as const
    const flags = msgNosignal | msgDontwait
    if (native.call.sendto(fd, native.pointerTo(message), message.length, flags, ...to) < 0)
      throw native.failure('sendto', path)
  } finally {
    native.call.close(fd)
  }
}
