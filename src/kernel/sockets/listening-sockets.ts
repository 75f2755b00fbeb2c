import { constants } from 'node:os'
import { SystemCallFailure } from '../syscall.ts'
import { AddressMemory } from './address-memory.ts'
import { afInet, afInet6, fDupfdCloexec, openSocketCalls, shutRd, sockCloexec, sockStream } from './calls.ts'
import { openDatagrams, openListening } from './open-listening.ts'
import type { Sharing } from './open-listening.ts'

/** Where a socket takes connections or datagrams. */
export interface SocketPlace {
  readonly transport: 'tcp' | 'udp'
  readonly address: string
  readonly port: number
}

/** Sockets that one thread opens and others accept from: descriptors are numbers of the whole process. */
export class ListeningSockets implements Disposable {
  readonly #calls = openSocketCalls()
  readonly #memory = new AddressMemory(this.#calls)

  /**
   * Connections wait from now on until somebody accepts them.
   * @returns a descriptor; the caller owns it
   * @throws SystemCallFailure  `bind: EADDRINUSE`, with the name in `code`
   */
  open({ transport, address, port }: SocketPlace): number {
    if (!this.#memory.put(address, port)) throw new SystemCallFailure('bind', constants.errno.EINVAL)
    return transport === 'tcp' ? openListening(this.#calls, this.#memory) : openDatagrams(this.#calls, this.#memory)
  }

  /**
   * As `open`, but at a place that nobody else has or gets, unless it is shared, and port 0 for a free one.
   * @throws SystemCallFailure
   */
  openAt(
    { transport, address, port }: SocketPlace,
    sharing: Sharing = 'alone',
  ): { readonly fd: number; readonly port: number } {
    if (!this.#memory.put(address, port)) throw new SystemCallFailure('bind', constants.errno.EINVAL)
    const opened = transport === 'tcp' ? openListening : openDatagrams
    const fd = opened(this.#calls, this.#memory, sharing)
    this.#memory.empty()
    this.#calls.call.getsockname(fd, this.#memory.pointer, this.#memory.lengthPointer)
    return { fd, port: this.#memory.take().port }
  }

  /** A socket of TCP that is nowhere yet, for an address of that family; the caller owns it. @throws SystemCallFailure */
  openUnbound(address: string): number {
    const fd = this.#calls.call.socket(address.includes(':') ? afInet6 : afInet, sockStream | sockCloexec, 0)
    if (fd < 0) throw new SystemCallFailure('socket', this.#calls.errno)
    return fd
  }

  /** A descriptor of its own for the same socket; the caller owns it. @throws SystemCallFailure */
  copy(fd: number): number {
    const copy = this.#calls.call.fcntl(fd, fDupfdCloexec, 0)
    if (copy < 0) throw new SystemCallFailure('fcntl', this.#calls.errno)
    return copy
  }

  /** Nobody can connect any more, whoever else holds the socket; what waits is reset. */
  endListening(fd: number): void {
    this.#calls.call.shutdown(fd, shutRd)
  }

  close(fd: number): void {
    this.#calls.call.close(fd)
  }

  [Symbol.dispose](): void {
    this.#calls[Symbol.dispose]()
  }
}
