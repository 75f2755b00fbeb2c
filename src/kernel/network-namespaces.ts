import { closeSync, openSync, readlinkSync } from 'node:fs'
import { constants } from 'node:os'
import { numberOfNetwork } from './network-number.ts'
import { callFailed, NativeCalls } from './syscall.ts'

const definitions = { setns: { return: 'int32', arguments: ['int32', 'int32'] } } as const
/** linux/sched.h */
const cloneNewnet = 0x40000000
const own = '/proc/thread-self/ns/net'
/** Of a process that has ended. */
const gone: readonly (number | undefined)[] = [constants.errno.ENOENT, constants.errno.ESRCH]

/**
 * Network namespaces that other processes are in. A socket belongs to the one that its thread was in when it was made, so
 * whoever wants one there goes there for a moment. Needs CAP_SYS_ADMIN, and that process's user or CAP_SYS_PTRACE.
 * Belongs to the thread that made it.
 *
 * @see setns(2), network_namespaces(7)
 */
export class NetworkNamespaces implements Disposable {
  readonly #native = new NativeCalls(definitions)
  readonly #home = this.openOwn()

  /**
   * Calls `act` in each network namespace of these processes but our own, until it returns true. It has to be done when
   * it returns: nothing may wait in there.
   * @returns whether one of them did
   * @throws MeshError MESH_KERNEL_SYSCALL
   */
  some(pids: Iterable<number>, act: () => boolean): boolean {
    const seen = new Set([this.own])
    for (const pid of pids) {
      const name = this.nameOf(pid)
      if (name === undefined || seen.has(name)) continue
      seen.add(name)
      if (this.within(pid, act) === true) return true
    }
    return false
  }

  /** Name of our own: `net:[4026531840]`. */
  get own(): string {
    return readlinkSync(own)
  }

  /** Name of a process's; another one may have it once that is gone. @returns undefined for a process that has ended */
  nameOf(pid: number): string | undefined {
    return unlessGone(() => readlinkSync(pathOf(pid)))
  }

  /**
   * Calls `act` in a process's network namespace; likewise.
   * @returns what it does; undefined for a process that has ended
   * @throws MeshError MESH_KERNEL_SYSCALL
   */
  within<T>(pid: number, act: () => T): T | undefined {
    const there = unlessGone(() => openSync(pathOf(pid), 'r'))
    if (there === undefined) return undefined
    try {
      return this.inside(there, act)
    } finally {
      closeSync(there)
    }
  }

  /** A descriptor of the one that this thread is in now, which lasts as long as that is open; the caller owns it. */
  openOwn(): number {
    return openSync(own, 'r')
  }

  /**
   * As `within`, for a descriptor of a network namespace, which is the same one whatever becomes of its processes.
   * @throws MeshError MESH_KERNEL_SYSCALL
   */
  inside<T>(there: number, act: () => T): T {
    if (this.#native.call.setns(there, cloneNewnet) < 0) throw this.#native.failure('setns', whose)
    try {
      return act()
    } finally {
      // A thread that stays there would serve another network than it was started for.
      if (this.#native.call.setns(this.#home, cloneNewnet) < 0) process.abort()
    }
  }

  /**
   * Within another one: what our own is numbered there, for programs that look for sockets of it.
   * @throws MeshError MESH_KERNEL_SYSCALL
   */
  numberOfOwn(): number {
    return numberOfNetwork(this.#home)
  }

  [Symbol.dispose](): void {
    closeSync(this.#home)
    this.#native[Symbol.dispose]()
  }
}

function pathOf(pid: number): string {
  return `/proc/${pid}/ns/net`
}

const whose = 'network namespace of another process'

function unlessGone<T>(look: () => T): T | undefined {
  try {
    return look()
  } catch (error) {
    const { errno = 0, syscall = 'open' } = error as NodeJS.ErrnoException
    if (gone.includes(-errno)) return undefined
    throw callFailed(syscall, -errno, whose)
  }
}
