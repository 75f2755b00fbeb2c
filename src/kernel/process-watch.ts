import { LoopWatch } from './sockets/loop-watch.ts'
import { openSocketCalls } from './sockets/calls.ts'
import type { SocketCalls } from './sockets/calls.ts'
import { NativeCalls } from './syscall.ts'

/** pidfd_open(2), the same on x86-64 and arm64. */
const pidfdOpen = 434
const pollIn = 0x001
/** struct pollfd: the descriptor, then what is asked and what came. */
const wordsPerPoll = 2

const definitions = {
  // Four arguments, as everywhere: one way to declare it for a process.
  syscall: { return: 'int32', arguments: ['int32', 'int32', 'pointer', 'uint32'] },
  poll: { return: 'int32', arguments: ['pointer', 'uint64', 'int32'] },
  close: { return: 'int32', arguments: ['int32'] },
} as const

interface Watched {
  readonly loop: LoopWatch
  readonly onEnd: () => void
}

/**
 * Ends of processes that need not be children of this one, by descriptors that mean a process and nothing else
 * (pidfd_open(2)): its number may be another's later. Needs Linux 5.3.
 *
 * Belongs to the thread that made it.
 */
export class ProcessWatch implements Disposable {
  readonly #calls = new NativeCalls(definitions)
  readonly #loop: SocketCalls = openSocketCalls()
  readonly #watched = new Map<number, Watched>()
  #polled: Int32Array = new Int32Array(new ArrayBuffer(8))
  #immediate: NodeJS.Immediate | undefined

  /**
   * @returns a descriptor, which the caller owns
   * @throws MeshError MESH_KERNEL_SYSCALL, ESRCH when there is no such process
   */
  open(pid: number): number {
    const fd = this.#calls.call.syscall(pidfdOpen, pid, 0n, 0)
    if (fd < 0) throw this.#calls.failure('pidfd_open', `process ${pid}`)
    return fd
  }

  hasEnded(fd: number): boolean {
    const one = new Int32Array(new ArrayBuffer(8))
    one.set([fd, pollIn])
    return this.#calls.call.poll(this.#calls.pointerTo(one), 1n, 0) > 0
  }

  /**
   * Calls `onEnd` once, when the process has ended, on this thread's event loop, which it keeps alive until then.
   * @param fd  borrowed; it stays open until `unwatch`, or until `onEnd` was called
   */
  watch(fd: number, onEnd: () => void): void {
    this.#watched.set(fd, { loop: new LoopWatch(this.#loop, fd), onEnd })
    this.#arrange()
    this.#immediate ??= setImmediate(this.#turn).unref()
  }

  unwatch(fd: number): void {
    this.#watched.get(fd)?.loop[Symbol.dispose]()
    if (this.#watched.delete(fd)) this.#arrange()
  }

  close(fd: number): void {
    this.#calls.call.close(fd)
  }

  #arrange(): void {
    const fds = [...this.#watched.keys()]
    this.#polled = new Int32Array(new ArrayBuffer(Math.max(1, fds.length) * wordsPerPoll * 4))
    for (const [index, fd] of fds.entries()) this.#polled.set([fd, pollIn], index * wordsPerPoll)
  }

  /** The loop comes here after each wake-up, and whenever it turns for another reason. */
  readonly #turn = (): void => {
    this.#immediate = undefined
    if (this.#watched.size === 0) return
    this.#immediate = setImmediate(this.#turn).unref()
    const polled = this.#polled
    const count = this.#watched.size
    if (this.#calls.call.poll(this.#calls.pointerTo(polled), BigInt(count), 0) <= 0) return
    for (let index = 0; index < count; index++) {
      // What came back stands in the upper half.
      if ((polled[index * wordsPerPoll + 1] ?? 0) >>> 16 === 0) continue
      const fd = polled[index * wordsPerPoll] ?? -1
      const watched = this.#watched.get(fd)
      this.unwatch(fd)
      watched?.onEnd()
    }
  };

  [Symbol.dispose](): void {
    if (this.#immediate !== undefined) clearImmediate(this.#immediate)
    for (const { loop } of this.#watched.values()) loop[Symbol.dispose]()
    this.#watched.clear()
    this.#loop[Symbol.dispose]()
    this.#calls[Symbol.dispose]()
  }
}
