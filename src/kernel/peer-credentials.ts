import { socketFunctions, solSocket } from './socket-functions.ts'
import { NativeCalls } from './syscall.ts'

/** Who opened a connection of a Unix socket. */
export interface PeerCredentials {
  /** As this process's PID namespace numbers it; 0 for a process that can't be seen from here. */
  readonly pid: number
  readonly uid: number
}

const soPeerCredentials = 17
/** struct ucred: pid, uid and gid of 32 bits each. */
const credentialBytes = 12

/**
 * Asks the kernel who opened a connection of a Unix socket, which the other side
 * can't make up.
 *
 * @param fd  of the accepted socket; borrowed
 * @returns undefined when there is no FFI, or the descriptor is no connected Unix socket
 * @see unix(7), SO_PEERCRED
 */
export function readPeerCredentials(fd: number): PeerCredentials | undefined {
  const option = Buffer.allocUnsafeSlow(credentialBytes)
  const length = new Uint32Array([credentialBytes])
  try {
    using native = new NativeCalls({ getsockopt: socketFunctions.getsockopt })
    const pointers = [native.pointerTo(option), native.pointerTo(length)] as const
    if (native.call.getsockopt(fd, solSocket, soPeerCredentials, ...pointers) < 0) return undefined
  } catch {
    // Without FFI nothing can be asked.
    return undefined
  }
  // A TCP socket answers with pid 0 and uid -1.
  const uid = option.readUInt32LE(4)
  return length[0] === credentialBytes && uid !== 0xffff_ffff ? { pid: option.readInt32LE(0), uid } : undefined
}
