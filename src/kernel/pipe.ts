import { NativeCalls } from './syscall.ts'

const oCloexec = 0o2000000
/** fcntl(2), F_DUPFD_CLOEXEC. */
const fDupfdCloexec = 1030

/** The two ends of a pipe (pipe(2)); the caller owns both. */
export interface Pipe {
  readonly readEnd: number
  readonly writeEnd: number
}

/**
 * A pipe, where Node makes pairs of sockets for programs that it starts: short lines fill a socket's buffer after a few
 * kilobytes, a pipe takes 64 of them.
 *
 * @throws MeshError MESH_KERNEL_UNSUPPORTED, MESH_KERNEL_SYSCALL
 */
export function openPipe(): Pipe {
  using native = new NativeCalls({ pipe2: { return: 'int32', arguments: ['pointer', 'int32'] } })
  const ends = new Int32Array(new ArrayBuffer(8))
  if (native.call.pipe2(native.pointerTo(ends), oCloexec) < 0) throw native.failure('pipe2')
  return { readEnd: ends[0] ?? -1, writeEnd: ends[1] ?? -1 }
}

/** A descriptor of its own for the same thing, which the caller owns. @throws MeshError MESH_KERNEL_SYSCALL */
export function copyDescriptor(fd: number): number {
  using native = new NativeCalls({ fcntl: { return: 'int32', arguments: ['int32', 'int32', 'int32'] } })
  const copy = native.call.fcntl(fd, fDupfdCloexec, 0)
  if (copy < 0) throw native.failure('fcntl')
  return copy
}
