import { endianness } from 'node:os'
import { MeshError } from '../../core/index.ts'
import { PointerMemo } from '../pointer-memo.ts'
import { AddressMemory } from './address-memory.ts'
import { epollCloexec, epollCtlAdd, epollCtlDel, epollCtlMod, openSocketCalls } from './calls.ts'
import { PieceMemory } from './backlog.ts'
import type { SocketCalls } from './calls.ts'
import type { DescriptorLedger } from './ledger.ts'
import { LoopWatch } from './loop-watch.ts'

/** Events taken from the kernel at once; more stay there until the next turn. */
const eventsPerTurn = 512

/** struct epoll_event in words of 32 bits: packed on x86-64, aligned elsewhere (epoll_ctl(2)). */
const eventWords = process.arch === 'x64' ? 3 : 4
const dataWord = process.arch === 'x64' ? 1 : 2

/** Wants to go on in the next turn. */
export interface Ready {
  /** It asked for another look by `makeReady`. */
  onReady(): void
}

/** What a descriptor that is watched belongs to. */
export interface Watched extends Ready {
  readonly fd: number
  /** May come although it was closed in this turn. */
  onEvents(events: number): void
  /** Calls `closeSoon`, unless it has done so. */
  destroy(): void
  /** The descriptor has been closed, after `closeSoon`. */
  onClosed(): void
}

/**
 * All descriptors of one thread, in one epoll set that wakes the thread's
 * event loop. Everything that is ready is handled in one turn, an immediate.
 *
 * Descriptors are closed at the end of the turn (outside of one: at the end of
 * the present callback), so that a number never stands for two connections
 * within a turn, and nobody hears of a close before the call that closed has
 * returned.
 */
export class Poller {
  readonly calls: SocketCalls
  readonly address: AddressMemory
  /** A word for options and results of calls. */
  readonly option: Int32Array = new Int32Array(new ArrayBuffer(8))
  readonly optionPointer: bigint
  /** For the backlogs of all connections. */
  readonly pieces: PieceMemory = new PieceMemory()
  /** One for all connections: bytes in it are used before the next read. */
  readonly readBuffer: Buffer
  readonly readPointer: bigint
  /** Of buffers that are written from. */
  readonly written: PointerMemo
  readonly #ledger: DescriptorLedger
  readonly #epoll: number
  readonly #watch: LoopWatch
  readonly #watched: (Watched | undefined)[] = []
  /**
   * By descriptor, the mark that its events carry. A process that forks keeps what this thread closes open until it
   * runs its program, and so do its events; they must not reach a connection that has got the number by then.
   */
  readonly #marks: number[] = []
  #lastMark = 0
  #watchedCount = 0
  readonly #events: Int32Array = new Int32Array(new ArrayBuffer(eventsPerTurn * eventWords * 4))
  readonly #eventsPointer: bigint
  readonly #event: Int32Array = new Int32Array(new ArrayBuffer(eventWords * 4))
  readonly #eventPointer: bigint
  #immediate: NodeJS.Immediate
  #ready: Ready[] = []
  readonly #closing: Watched[] = []
  /** How many of them are closed already. */
  #closedCount = 0
  #isTurning = false
  #isSettling = false
  #isClosed = false

  /** @throws MeshError MESH_KERNEL_UNSUPPORTED, or MESH_KERNEL_SYSCALL without descriptors */
  constructor(ledger: DescriptorLedger, readBufferBytes: number) {
    if (endianness() !== 'LE') {
      throw new MeshError('MESH_KERNEL_UNSUPPORTED', 'sockets of our own need a little-endian machine', {
        source: 'kernel',
      })
    }
    const calls = openSocketCalls()
    this.calls = calls
    this.#ledger = ledger
    this.address = new AddressMemory(calls)
    this.optionPointer = calls.pointerTo(this.option)
    this.readBuffer = Buffer.allocUnsafeSlow(readBufferBytes)
    this.readPointer = calls.pointerTo(this.readBuffer)
    this.written = new PointerMemo(calls)
    this.#eventsPointer = calls.pointerTo(this.#events)
    this.#eventPointer = calls.pointerTo(this.#event)
    this.#epoll = calls.call.epoll_create1(epollCloexec)
    if (this.#epoll < 0) throw calls.failure('epoll_create1')
    ledger.opened(this.#epoll)
    try {
      this.#watch = new LoopWatch(calls, this.#epoll)
    } catch (error) {
      this.#close(this.#epoll)
      throw error
    }
    this.#watch.unref()
    this.#immediate = setImmediate(this.#turn).unref()
  }

  /** Whether `close` was called: nothing may be opened any more. */
  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Takes a descriptor that was just opened. @returns false when there is no room: it has been closed */
  own(fd: number): boolean {
    if (fd < this.#ledger.capacity) {
      this.#ledger.opened(fd)
      return true
    }
    this.calls.call.close(fd)
    return false
  }

  /** Watches a descriptor that is owned. @returns 0, or the errno why it can't be watched */
  watch(watched: Watched, events: number): number {
    this.#lastMark = (this.#lastMark + 1) | 0
    this.#marks[watched.fd] = this.#lastMark
    const errno = this.#control(epollCtlAdd, watched.fd, events)
    if (errno !== 0) return errno
    this.#watched[watched.fd] = watched
    if (this.#watchedCount++ === 0) this.#watch.ref()
    return 0
  }

  /** Watches it for something else. */
  rewatch(watched: Watched, events: number): void {
    this.#control(epollCtlMod, watched.fd, events)
  }

  /** Before the close of a socket that somebody else has open, too: events would come for as long as that is so. */
  unwatch(watched: Watched): void {
    this.#control(epollCtlDel, watched.fd, 0)
  }

  #control(operation: number, fd: number, events: number): number {
    this.#event[0] = events
    this.#event[dataWord] = fd
    this.#event[dataWord + 1] = this.#marks[fd] as number
    return this.calls.call.epoll_ctl(this.#epoll, operation, fd, this.#eventPointer) < 0 ? this.calls.errno : 0
  }

  /** Calls `onReady` in the next turn, which comes at once. */
  makeReady(watched: Ready): void {
    this.#ready.push(watched)
    this.#immediate.ref()
  }

  /** Closes the descriptor and calls `onClosed`, both soon; only once for each. */
  closeSoon(watched: Watched): void {
    if (this.#isClosed) {
      // Failed from the start, as everything does now.
      process.nextTick(() => watched.onClosed())
      return
    }
    this.#closing.push(watched)
    if (this.#isTurning || this.#isSettling) return
    this.#isSettling = true
    process.nextTick(this.#settle)
  }

  readonly #turn = (): void => {
    if (this.#isClosed) return
    this.#isTurning = true
    try {
      const ready = this.#ready
      if (ready.length > 0) {
        this.#ready = []
        for (const watched of ready) watched.onReady()
      }
      if (!this.#isClosed) this.#poll()
    } finally {
      this.#isTurning = false
      if (this.#closing.length > 0) this.#settle()
      if (!this.#isClosed) {
        this.#immediate = setImmediate(this.#turn)
        if (this.#ready.length === 0) this.#immediate.unref()
      }
    }
  }

  #poll(): void {
    const events = this.#events
    const count = this.calls.call.epoll_wait(this.#epoll, this.#eventsPointer, eventsPerTurn, 0)
    for (let index = 0, at = 0; index < count; index++, at += eventWords) {
      const fd = events[at + dataWord] as number
      if (events[at + dataWord + 1] === this.#marks[fd]) this.#watched[fd]?.onEvents(events[at] as number)
    }
  }

  readonly #settle = (): void => {
    this.#isSettling = true
    const closing = this.#closing
    // Handlers close others, and may close all of this: then these are done when that returns.
    while (this.#closedCount < closing.length) {
      const watched = closing[this.#closedCount++] as Watched
      if (this.#watched[watched.fd] === watched) {
        this.#watched[watched.fd] = undefined
        if (--this.#watchedCount === 0) this.#watch.unref()
      }
      if (watched.fd >= 0) this.#close(watched.fd)
      watched.onClosed()
    }
    closing.length = 0
    this.#closedCount = 0
    this.#isSettling = false
  }

  /** Closes a descriptor that is owned and was never watched. */
  closeOwned(fd: number): void {
    this.#close(fd)
  }

  #close(fd: number): void {
    this.#ledger.closing(fd)
    this.calls.call.close(fd)
  }

  /** Closes what is still open and stops; nothing here may be called afterwards. */
  close(): void {
    if (this.#isClosed) return
    for (const watched of this.#watched) watched?.destroy()
    this.#isClosed = true
    this.#settle()
    clearImmediate(this.#immediate)
    this.#watch[Symbol.dispose]()
    this.#close(this.#epoll)
    this.calls[Symbol.dispose]()
  }
}
