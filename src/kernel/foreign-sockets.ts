import { readdirSync, readlinkSync } from 'node:fs'
import { NativeCalls } from './syscall.ts'

/** pidfd_open(2) and pidfd_getfd(2), the same on x86-64 and arm64. */
const pidfdOpen = 434
const pidfdGetfd = 438
const solSocket = 1
const soDomain = 39
const inetDomains: readonly number[] = [2, 10]

const definitions = {
  // Four arguments, as everywhere: one way to declare it for a process.
  syscall: { return: 'int32', arguments: ['int32', 'int32', 'pointer', 'uint32'] },
  getsockopt: { return: 'int32', arguments: ['int32', 'int32', 'int32', 'pointer', 'pointer'] },
  close: { return: 'int32', arguments: ['int32'] },
} as const

/**
 * Sockets of IP that another process has open. Needs what ptrace(2) needs: the same user, or CAP_SYS_PTRACE; Linux 5.6.
 * Belongs to the thread that made it.
 */
export class ForeignSockets implements Disposable {
  readonly #native = new NativeCalls(definitions)
  readonly #option = new Int32Array(new ArrayBuffer(4))
  readonly #length = new Uint32Array(new ArrayBuffer(4))

  /**
   * Calls `use` with each, by a descriptor of this process that is closed right after.
   * @returns how many there were; 0 for a process that has ended
   * @throws MeshError MESH_KERNEL_SYSCALL, EPERM for a process that may not be looked into
   */
  each(pid: number, use: (fd: number) => void): number {
    const { call } = this.#native
    const numbers = socketsOf(pid)
    if (numbers.length === 0) return 0
    const process = call.syscall(pidfdOpen, pid, 0n, 0)
    if (process < 0) return this.#unlessGone('pidfd_open', pid)
    try {
      return numbers.reduce((count, number) => count + this.#one(process, { pid, number }, use), 0)
    } finally {
      call.close(process)
    }
  }

  [Symbol.dispose](): void {
    this.#native[Symbol.dispose]()
  }

  /** @returns 1 for one of IP */
  #one(process: number, { pid, number }: { pid: number; number: number }, use: (fd: number) => void): number {
    const fd = this.#native.call.syscall(pidfdGetfd, process, BigInt(number), 0)
    if (fd < 0) return this.#unlessGone('pidfd_getfd', pid)
    try {
      if (!this.#isInet(fd)) return 0
      use(fd)
      return 1
    } finally {
      this.#native.call.close(fd)
    }
  }

  #isInet(fd: number): boolean {
    this.#length[0] = 4
    const pointers = [this.#native.pointerTo(this.#option), this.#native.pointerTo(this.#length)] as const
    if (this.#native.call.getsockopt(fd, solSocket, soDomain, ...pointers) < 0) return false
    return inetDomains.includes(this.#option[0] ?? 0)
  }

  /** The process, or its descriptor, may have gone since it was listed: ESRCH, EBADF. */
  #unlessGone(name: string, pid: number): 0 {
    const gone = [3, 9]
    if (gone.includes(this.#native.errno)) return 0
    throw this.#native.failure(name, `process ${pid}`)
  }
}

/** Numbers of descriptors. */
function socketsOf(pid: number): readonly number[] {
  try {
    const folder = `/proc/${pid}/fd`
    return readdirSync(folder).flatMap(name => (isSocket(`${folder}/${name}`) ? [Number(name)] : []))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

function isSocket(path: string): boolean {
  try {
    return readlinkSync(path).startsWith('socket:')
  } catch {
    return false
  }
}
