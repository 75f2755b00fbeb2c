import { constants } from 'node:os'
import { SystemCallFailure } from '../syscall.ts'
import { Backlog } from './backlog.ts'
import {
  epollEdge,
  epollErr,
  epollHup,
  epollIn,
  epollOut,
  epollRdhup,
  shutWr,
  soError,
  soLinger,
  solSocket,
} from './calls.ts'
import type { SocketAddress } from './address-memory.ts'
import type { Poller, Watched } from './poller.ts'

const { EAGAIN, EINTR, ENOBUFS } = constants.errno

/** Full reads of one socket in a row; then the others have their turn. */
const readsInARow = 4

/** What a connection is watched for, once and for all: each change of any of it is told once. */
export const socketEvents: number = epollIn | epollOut | epollRdhup | epollEdge
const endEvents = epollRdhup | epollHup | epollErr
const readEvents = epollIn | endEvents

/** What happens on a socket. */
export interface SocketHandler {
  /** `bytes[0, length)` are valid until this returns. */
  onBytes(bytes: Buffer, length: number): void
  /** The peer has closed its sending side. */
  onEnd(): void
  /** Everything written has left after a backlog. */
  onWritable(): void
  /** Last call, exactly once, and never before the call that closed has returned. An error has the system's name in `code`. */
  onClose(error: Error | undefined): void
}

/**
 * One TCP connection. A message costs one read or one write and nothing else:
 * the socket is watched edge-triggered for everything from its first moment
 * to its last, so pausing, resuming and a full send buffer need no call.
 *
 * Edge-triggered means that the kernel tells a change once. So a socket reads
 * until it knows that nothing is left: until a read gives less than the buffer
 * holds (epoll(7): then a stream is drained, unless its end was told, which
 * one more read fetches). What is told while it is paused is kept in
 * `#untold` for `resume`.
 *
 * What `write` is given is the kernel's or copied when it returns.
 */
export class Socket implements Watched {
  fd: number
  handler: SocketHandler
  isPaused = false
  isClosed = false
  isOpen = true
  readonly #poller: Poller
  readonly #remote: SocketAddress
  #onConnect: (() => void) | undefined
  #backlog: Backlog | undefined = undefined
  /** Events that came while it was paused or were put off. */
  #untold = 0
  #isReady = false
  #hasEnded = false
  #isEnding = false
  #error: SystemCallFailure | undefined = undefined

  /** @param onConnect  called once when a connection that is being opened stands; undefined for an accepted one */
  constructor(
    poller: Poller,
    fd: number,
    remote: SocketAddress,
    handler: SocketHandler,
    onConnect: (() => void) | undefined,
  ) {
    this.#poller = poller
    this.fd = fd
    this.#remote = remote
    this.handler = handler
    this.#onConnect = onConnect
  }

  /** There is no TLS on these sockets. */
  get alpn(): string {
    return ''
  }

  get tls(): undefined {
    return undefined
  }

  get remoteAddress(): string {
    return this.#remote.address
  }

  get remotePort(): number {
    return this.#remote.port
  }

  get localAddress(): string {
    return this.#local().address
  }

  get localPort(): number {
    return this.#local().port
  }

  #local(): SocketAddress {
    const { address, calls } = this.#poller
    address.empty()
    if (!this.isOpen || calls.call.getsockname(this.fd, address.pointer, address.lengthPointer) < 0)
      return { address: '', port: 0 }
    return address.take()
  }

  /** Bytes written that the kernel has not taken yet. */
  get backlog(): number {
    return this.#backlog === undefined ? 0 : this.#backlog.length
  }

  /** Sends `bytes[0, length)`. @returns false: the memory is the caller's again */
  write(bytes: Buffer, length: number): boolean {
    if (!this.isOpen || this.#isEnding || this.#error !== undefined) return false
    if (this.#backlog !== undefined || this.#onConnect !== undefined) {
      this.#keep(bytes, 0, length)
      return false
    }
    const { calls } = this.#poller
    const sent = calls.call.write(this.fd, this.#poller.written.of(bytes), length)
    if (sent === length) return false
    if (sent >= 0) this.#keep(bytes, sent, length)
    else if (isFull(calls.errno)) this.#keep(bytes, 0, length)
    else this.#sendFailed(calls.errno)
    return false
  }

  #keep(bytes: Buffer, start: number, end: number): void {
    this.#backlog ??= new Backlog(this.#poller.pieces)
    this.#backlog.append(bytes, start, end)
  }

  /**
   * The peer is gone. What it sent before may be an answer that tells why, so
   * it is read first; the end behind it closes with this error.
   */
  #sendFailed(errno: number): void {
    this.#backlog?.clear()
    this.#backlog = undefined
    this.#error = new SystemCallFailure('write', errno)
    if (this.isPaused || this.#hasEnded) this.destroy()
    else this.#readLater(epollIn | epollErr)
  }

  /** Closes the sending side once everything written has left. */
  end(): void {
    if (!this.isOpen || this.#isEnding) return
    this.#isEnding = true
    if (this.#backlog === undefined && this.#onConnect === undefined) this.#shutdown()
  }

  #shutdown(): void {
    // With both sides done nothing is left to happen.
    if (this.#hasEnded) this.destroy()
    else this.#poller.calls.call.shutdown(this.fd, shutWr)
  }

  /** Closes at once; what was written and has not left is lost. */
  destroy(): void {
    if (!this.isOpen) return
    this.isOpen = false
    this.#backlog?.clear()
    this.#backlog = undefined
    this.#poller.closeSoon(this)
  }

  /** Closes with a reset, so that the peer can't take a broken message for a complete one. */
  reset(): void {
    if (!this.isOpen) return
    const { calls, option, optionPointer } = this.#poller
    option[0] = 1
    option[1] = 0
    calls.call.setsockopt(this.fd, solSocket, soLinger, optionPointer, 8)
    this.destroy()
  }

  pause(): void {
    this.isPaused = true
  }

  resume(): void {
    if (!this.isPaused) return
    this.isPaused = false
    if (this.#untold !== 0) this.#readLater(0)
  }

  /** Fails it from outside: a connection that could not even be started. */
  fail(call: string, errno: number): void {
    this.#error ??= new SystemCallFailure(call, errno)
    this.destroy()
  }

  onEvents(events: number): void {
    if (!this.isOpen) return
    if (this.#onConnect !== undefined) {
      this.#connected(events)
      if (!this.isOpen) return
    }
    if (this.#backlog !== undefined && (events & epollOut) !== 0) {
      this.#flush()
      if (!this.isOpen) return
    }
    if ((events & readEvents) === 0) return
    if (this.isPaused) this.#untold |= events
    else this.#read(events)
  }

  #connected(events: number): void {
    const errno = (events & (epollErr | epollHup)) === 0 ? 0 : this.#takeError()
    if (errno !== 0 || (events & epollOut) === 0) {
      if (errno !== 0 || (events & epollHup) !== 0) this.fail('connect', errno)
      return
    }
    const onConnect = this.#onConnect
    this.#onConnect = undefined
    if (this.#isEnding && this.#backlog === undefined) this.#shutdown()
    onConnect?.()
  }

  #takeError(): number {
    const { address, calls, option, optionPointer } = this.#poller
    address.empty()
    if (calls.call.getsockopt(this.fd, solSocket, soError, optionPointer, address.lengthPointer) < 0) return calls.errno
    return option[0] as number
  }

  #flush(): void {
    const { calls } = this.#poller
    const backlog = this.#backlog as Backlog
    for (let piece = backlog.first; piece !== undefined; piece = backlog.first) {
      const length = piece.end - piece.start
      const pointer = calls.pointerTo(piece.bytes) + BigInt(piece.start)
      const sent = calls.call.write(this.fd, pointer, length)
      if (sent < 0) {
        if (!isFull(calls.errno)) this.#sendFailed(calls.errno)
        return
      }
      backlog.consume(sent)
      if (sent < length) return
    }
    this.#backlog = undefined
    if (this.#isEnding) this.#shutdown()
    else this.handler.onWritable()
  }

  onReady(): void {
    this.#isReady = false
    if (!this.isOpen || this.isPaused) return
    const events = this.#untold
    this.#untold = 0
    this.#read(events)
  }

  #readLater(events: number): void {
    this.#untold |= events
    if (this.#isReady) return
    this.#isReady = true
    this.#poller.makeReady(this)
  }

  #read(events: number): void {
    if (this.#hasEnded) {
      this.#lookForEnd(events)
      return
    }
    const { calls, readBuffer, readPointer } = this.#poller
    const size = readBuffer.length
    const isEndTold = (events & endEvents) !== 0
    for (let reads = 1; ; reads++) {
      const length = calls.call.read(this.fd, readPointer, size)
      if (length <= 0) {
        this.#readEnd(length, events)
        return
      }
      this.handler.onBytes(readBuffer, length)
      if (!this.isOpen || (length < size && !isEndTold)) return
      if (this.isPaused) {
        this.#untold |= events
        return
      }
      if (length === size && reads >= readsInARow) {
        this.#readLater(events)
        return
      }
    }
  }

  /** A read has given no bytes. */
  #readEnd(length: number, events: number): void {
    if (length < 0) {
      const { errno } = this.#poller.calls
      if (errno === EAGAIN) {
        // Nothing to be read, nothing to be written: a connection that has failed has no end to wait for.
        if (this.#error !== undefined) this.destroy()
        return
      }
      if (errno === EINTR) this.#readLater(events)
      else this.fail('read', errno)
      return
    }
    this.#hasEnded = true
    if (this.#error !== undefined) {
      this.destroy()
      return
    }
    this.handler.onEnd()
    if (!this.isOpen) return
    if (this.#isEnding && this.#backlog === undefined) this.destroy()
    else if ((events & (epollErr | epollHup)) !== 0) this.#lookForEnd(events)
  }

  /** After the peer's last byte: it may still break the connection off. */
  #lookForEnd(events: number): void {
    if ((events & (epollErr | epollHup)) === 0) return
    const errno = this.#takeError()
    if (errno !== 0) this.fail('read', errno)
    else if ((events & epollHup) !== 0) this.destroy()
  }

  onClosed(): void {
    this.isClosed = true
    this.fd = -1
    this.handler.onClose(this.#error)
  }
}

/** The send buffer, or the kernel's memory, has no room just now. */
function isFull(errno: number): boolean {
  return errno === EAGAIN || errno === ENOBUFS || errno === EINTR
}
