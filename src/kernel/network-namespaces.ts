import { closeSync, openSync, readlinkSync } from 'node:fs'
import { constants } from 'node:os'
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
  readonly #home = openSync(own, 'r')

  /**
   * Calls `act` in each network namespace of these processes but our own, until it returns true. It has to be done when
   * it returns: nothing may wait in there.
   * @returns whether one of them did
   * @throws MeshError MESH_KERNEL_SYSCALL
   */
  some(pids: Iterable<number>, act: () => boolean): boolean {
    const seen = new Set([readlinkSync(own)])
    for (const pid of pids) {
      const path = `/proc/${pid}/ns/net`
      const name = unlessGone(() => readlinkSync(path))
      if (name === undefined || seen.has(name)) continue
      seen.add(name)
      if (this.#within(path, act)) return true
    }
    return false
  }

  #within(path: string, act: () => boolean): boolean {
    const there = unlessGone(() => openSync(path, 'r'))
    if (there === undefined) return false
    try {
      if (this.#native.call.setns(there, cloneNewnet) < 0) throw this.#native.failure('setns', whose)
      try {
        return act()
      } finally {
        // A thread that stays there would serve another network than it was started for.
        if (this.#native.call.setns(this.#home, cloneNewnet) < 0) process.abort()
      }
    } finally {
      closeSync(there)
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#home)
    this.#native[Symbol.dispose]()
  }
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
