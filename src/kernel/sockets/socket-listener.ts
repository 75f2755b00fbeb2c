import { constants } from 'node:os'
import type { Clock, Timer } from '../../core/index.ts'
import { SystemCallFailure } from '../syscall.ts'
import { epollIn, sockCloexec, sockNonblock } from './calls.ts'
import type { Poller, Watched } from './poller.ts'
import { Socket, socketEvents } from './socket.ts'
import type { SocketHandler } from './socket.ts'

const { EAGAIN, EINTR, ECONNABORTED, EMFILE, ENFILE, ENOBUFS, ENOMEM } = constants.errno

/** Connections that may wait to be accepted; the kernel's own limit is lower on most machines. */
export const listenBacklog = 4096
/** Connections accepted in a row; then those that are open have their turn. */
const acceptsInARow = 64
/** Without descriptors or memory accepting pauses, for the kernel would tell of the waiting connection again and again. */
const restMs = 100

export interface SocketListenOptions {
  readonly address: string
  /** 0 for any free one. */
  readonly port: number
  /** Sockets that listen there already. @default one is opened */
  readonly kept?: KeptListening | undefined
  /** A connection has come; it gets its handler, or is destroyed, before this returns. */
  onConnection(socket: Socket): void
  /** A connection could not be accepted; what is open goes on, and so does accepting, after a pause if need be. */
  onError(error: Error): void
}

/** Sockets that somebody else holds, too. */
export interface KeptListening {
  /** At least one; they belong to whoever listens with them. */
  readonly descriptors: readonly number[]
  /** Whether somebody else will accept what comes after this. */
  goesOn(): boolean
  /** Ends the listening for everybody who holds the socket. */
  endListening(descriptor: number): void
}

/** Accepts connections on a descriptor that already listens. */
export class SocketListener implements Watched {
  readonly fd: number
  readonly port: number
  readonly #poller: Poller
  readonly #options: SocketListenOptions
  readonly #clock: Clock
  #isOpen = true
  #rest: Timer | undefined = undefined

  /** @throws SystemCallFailure; the descriptor is then the caller's still */
  constructor(poller: Poller, clock: Clock, options: SocketListenOptions, listening: { fd: number; port: number }) {
    this.fd = listening.fd
    this.port = listening.port
    this.#poller = poller
    this.#options = options
    this.#clock = clock
    const errno = poller.watch(this, epollIn)
    if (errno !== 0) throw new SystemCallFailure('epoll_ctl', errno)
  }

  onEvents(): void {
    if (!this.#isOpen) return
    for (let count = 0; count < acceptsInARow; count++) if (!this.#accept()) return
  }

  onReady(): void {}

  /** @returns whether another connection may be waiting */
  #accept(): boolean {
    const { address, calls } = this.#poller
    address.empty()
    const fd = calls.call.accept4(this.fd, address.pointer, address.lengthPointer, sockNonblock | sockCloexec)
    if (fd < 0) return this.#acceptFailed(calls.errno)
    if (!this.#poller.own(fd)) return this.#acceptFailed(EMFILE)
    const socket = new Socket(this.#poller, fd, address.take(), unhandled, undefined)
    const errno = this.#poller.watch(socket, socketEvents)
    if (errno !== 0) {
      socket.destroy()
      return this.#acceptFailed(errno)
    }
    this.#options.onConnection(socket)
    return this.#isOpen
  }

  #acceptFailed(errno: number): boolean {
    if (errno === EAGAIN) return false
    if (errno === EINTR || errno === ECONNABORTED) return true
    if (errno === EMFILE || errno === ENFILE || errno === ENOBUFS || errno === ENOMEM) {
      this.#poller.rewatch(this, 0)
      this.#rest = this.#clock.after(restMs, () => {
        if (this.#isOpen) this.#poller.rewatch(this, epollIn)
      })
    }
    this.#options.onError(new SystemCallFailure('accept', errno))
    return false
  }

  /**
   * Takes the connections that have come already, which would be reset otherwise, and accepts nothing more. In a socket
   * that is kept and goes on they wait.
   */
  close(): void {
    if (!this.#isOpen) return
    const { kept } = this.#options
    if (kept?.goesOn() !== true) {
      for (let count = 0; count < listenBacklog; count++) if (!this.#accept()) break
      kept?.endListening(this.fd)
    }
    this.destroy()
  }

  destroy(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#rest?.[Symbol.dispose]()
    // It is not closed by being closed here, and would wake this thread for ever.
    if (this.#options.kept !== undefined) this.#poller.unwatch(this)
    this.#poller.closeSoon(this)
  }

  onClosed(): void {}
}

/** Until somebody takes a connection over. */
export const unhandled: SocketHandler = {
  onBytes: () => {},
  onEnd: () => {},
  onWritable: () => {},
  onClose: () => {},
}
