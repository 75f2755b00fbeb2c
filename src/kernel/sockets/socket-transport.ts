import { constants } from 'node:os'
import type { Clock } from '../../core/index.ts'
import { SystemCallFailure } from '../syscall.ts'
import { ipprotoTcp, sockCloexec, sockNonblock, sockStream, tcpNodelay } from './calls.ts'
import { askSilentPeer } from './keep-alive.ts'
import type { SocketAddress } from './address-memory.ts'
import type { DescriptorLedger } from './ledger.ts'
import { Poller } from './poller.ts'
import { Socket, socketEvents } from './socket.ts'
import type { SocketHandler } from './socket.ts'
import { openListening, useReno } from './open-listening.ts'
import { SocketListener, unhandled } from './socket-listener.ts'
import type { SocketListenOptions } from './socket-listener.ts'

const { ECANCELED, EINPROGRESS, EINVAL, EMFILE } = constants.errno

export interface SocketTransportOptions {
  readonly clock: Clock
  /** Where this thread's descriptors are noted. */
  readonly ledger: DescriptorLedger
  /** One read takes at most this much. */
  readonly readBufferBytes: number
}

export interface OpenListening {
  readonly port: number
  close(): void
}

/** TCP connections of one thread, without Node in between. */
export class SocketTransport implements Disposable {
  readonly #poller: Poller
  readonly #clock: Clock

  /** @throws MeshError MESH_KERNEL_UNSUPPORTED when this machine or this Node can't do it */
  constructor(options: SocketTransportOptions) {
    this.#clock = options.clock
    this.#poller = new Poller(options.ledger, options.readBufferBytes)
  }

  /** What its sockets are watched by. */
  get poller(): Poller {
    return this.#poller
  }

  /**
   * Listens with SO_REUSEPORT, so that several threads can on the same port, or with sockets that listen already.
   * @throws SystemCallFailure  `bind: EADDRINUSE`, with the name in `code`
   */
  async listen(options: SocketListenOptions): Promise<OpenListening> {
    const { address, calls } = this.#poller
    if (this.#poller.isClosed) throw new SystemCallFailure('socket', ECANCELED)
    if (options.kept !== undefined) {
      const listeners = options.kept.descriptors.map(fd => this.#accept(options, fd))
      const close = (): void => listeners.forEach(listener => listener.close())
      return { port: listeners[0]?.port ?? options.port, close }
    }
    if (!address.put(options.address, options.port)) throw new SystemCallFailure('bind', EINVAL)
    return this.#accept(options, openListening(calls, address))
  }

  #accept(options: SocketListenOptions, fd: number): SocketListener {
    const { address, calls } = this.#poller
    if (!this.#poller.own(fd)) throw new SystemCallFailure('socket', EMFILE)
    try {
      address.empty()
      if (calls.call.getsockname(fd, address.pointer, address.lengthPointer) < 0)
        throw new SystemCallFailure('getsockname', calls.errno)
      return new SocketListener(this.#poller, this.#clock, options, { fd, port: address.take().port })
    } catch (error) {
      this.#poller.closeOwned(fd)
      throw error
    }
  }

  /** `handler.onClose` tells a failure, `onConnect` success; neither is called before this returns. */
  connect(address: string, port: number, handler: SocketHandler, onConnect: () => void): Socket {
    const { address: memory, calls } = this.#poller
    const remote = { address, port }
    if (this.#poller.isClosed) return this.#failed(remote, handler, 'socket', ECANCELED)
    if (!memory.put(address, port)) return this.#failed(remote, handler, 'connect', EINVAL)
    const { family, length } = memory
    let fd: number
    try {
      fd = this.#openSocket(family)
    } catch (error) {
      if (!(error instanceof SystemCallFailure)) throw error
      return this.#failed(remote, handler, error.call, error.errno)
    }
    const socket = new Socket(this.#poller, fd, remote, handler, onConnect)
    this.#setOption(fd, ipprotoTcp, tcpNodelay, 1)
    askSilentPeer((level, option, value) => this.#setOption(fd, level, option, value))
    if (memory.isLoopback) useReno(calls, fd)
    if (calls.call.connect(fd, memory.pointer, length) < 0 && calls.errno !== EINPROGRESS) {
      socket.fail('connect', calls.errno)
      return socket
    }
    const errno = this.#poller.watch(socket, socketEvents)
    if (errno !== 0) socket.fail('epoll_ctl', errno)
    return socket
  }

  /**
   * A connection that somebody else of this process has accepted; its descriptor belongs to this from now on.
   * @throws SystemCallFailure; the descriptor is closed then
   */
  adopt(fd: number, remote: SocketAddress): Socket {
    if (!this.#poller.own(fd)) {
      this.#poller.calls.call.close(fd)
      throw new SystemCallFailure('socket', EMFILE)
    }
    const socket = new Socket(this.#poller, fd, remote, unhandled, undefined)
    const errno = this.#poller.watch(socket, socketEvents)
    if (errno === 0) return socket
    socket.destroy()
    throw new SystemCallFailure('epoll_ctl', errno)
  }

  #failed(remote: { address: string; port: number }, handler: SocketHandler, call: string, errno: number): Socket {
    const socket = new Socket(this.#poller, -1, remote, handler, undefined)
    socket.fail(call, errno)
    return socket
  }

  #openSocket(family: number): number {
    const { calls } = this.#poller
    const fd = calls.call.socket(family, sockStream | sockNonblock | sockCloexec, 0)
    if (fd < 0) throw new SystemCallFailure('socket', calls.errno)
    if (!this.#poller.own(fd)) throw new SystemCallFailure('socket', EMFILE)
    return fd
  }

  #setOption(fd: number, level: number, option: number, value: number): void {
    const { calls, option: memory, optionPointer } = this.#poller
    memory[0] = value
    calls.call.setsockopt(fd, level, option, optionPointer, 4)
  }

  /** Closes everything that is still open, at once; handlers hear of it. Whatever is opened afterwards fails. */
  [Symbol.dispose](): void {
    this.#poller.close()
  }
}
