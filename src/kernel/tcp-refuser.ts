import { constants } from 'node:os'
import type { SocketEnd } from './socket-diag.ts'
import { sockCloexec, socketFunctions, solSocket } from './socket-functions.ts'
import { NativeCalls } from './syscall.ts'

const definitions = {
  socket: socketFunctions.socket,
  bind: socketFunctions.bind,
  connect: socketFunctions.connect,
  setsockopt: { return: 'int32', arguments: ['int32', 'int32', 'int32', 'pointer', 'uint32'] },
  close: socketFunctions.close,
} as const

const families = { 4: { family: 2, bytes: 16 }, 16: { family: 10, bytes: 28 } } as const
const sockStream = 1
const sockNonblock = 0o4000
const soLinger = 13
const ipprotoTcp = 6
/** linux/tcp.h */
const [tcpRepair, tcpRepairQueue, tcpQueueSequence] = [19, 20, 21]
const repair = { on: 1, offWithoutProbe: -1 } as const
const receiveQueue = 1
/** 0.0.0.0 to nobody is one that cannot be addressed. */
const refusedErrnos: readonly number[] = [constants.errno.EADDRNOTAVAIL, constants.errno.ENETUNREACH]

/**
 * Answers a SYN that was dropped as if nobody listened there: whoever called connect() gets ECONNREFUSED, on whatever
 * machine. For a moment there is a socket in TCP's repair mode that is what the listener's connection would have been,
 * and is given up with a reset. Needs CAP_NET_ADMIN; calls take some 20 µs and are made at once.
 *
 * @see tcp(7); Documentation of TCP_REPAIR: LWN 495304
 */
export class TcpRefuser implements Disposable {
  readonly #native = new NativeCalls(definitions)
  readonly #address = Buffer.allocUnsafeSlow(families[16].bytes)
  readonly #option = Buffer.allocUnsafeSlow(8)

  /**
   * @param local  where nobody is to seem to listen, on this machine
   * @param remote  whoever asked, by as many bytes
   * @param nextSequence  of TCP, after the SYN's
   * @returns false where this network namespace has no such address, or no way to `remote`
   * @throws MeshError MESH_KERNEL_SYSCALL
   */
  refuse(local: SocketEnd, remote: SocketEnd, nextSequence: number): boolean {
    const { family } = families[local.address.length === 4 ? 4 : 16]
    const { call } = this.#native
    const fd = call.socket(family, sockStream | sockCloexec | sockNonblock, 0)
    if (fd < 0) throw this.#native.failure('socket', 'TCP')
    try {
      this.#set(fd, ipprotoTcp, tcpRepair, [repair.on])
      this.#set(fd, ipprotoTcp, tcpRepairQueue, [receiveQueue])
      this.#set(fd, ipprotoTcp, tcpQueueSequence, [nextSequence | 0])
      if (!this.#has(call.bind(fd, this.#pointerTo(local), this.#lengthOf(local)), 'bind')) return false
      if (!this.#has(call.connect(fd, this.#pointerTo(remote), this.#lengthOf(remote)), 'connect')) return false
      this.#set(fd, ipprotoTcp, tcpRepair, [repair.offWithoutProbe])
      // Closed with what it has not sent, which is said by a reset.
      this.#set(fd, solSocket, soLinger, [1, 0])
      return true
    } finally {
      call.close(fd)
    }
  }

  [Symbol.dispose](): void {
    this.#native[Symbol.dispose]()
  }

  #has(result: number, name: string): boolean {
    if (result >= 0) return true
    if (refusedErrnos.includes(this.#native.errno)) return false
    throw this.#native.failure(name, 'a socket of TCP in repair mode')
  }

  #set(fd: number, level: number, name: number, values: readonly number[]): void {
    for (const [at, value] of values.entries()) this.#option.writeInt32LE(value, at * 4)
    const pointer = this.#native.pointerTo(this.#option)
    if (this.#native.call.setsockopt(fd, level, name, pointer, values.length * 4) < 0) {
      throw this.#native.failure('setsockopt', `option ${name} of a socket of TCP`)
    }
  }

  #lengthOf({ address }: SocketEnd): number {
    return families[address.length === 4 ? 4 : 16].bytes
  }

  /** struct sockaddr_in or sockaddr_in6 */
  #pointerTo({ address, port }: SocketEnd): bigint {
    const bytes = this.#address.fill(0)
    bytes.writeUInt16LE(families[address.length === 4 ? 4 : 16].family, 0)
    bytes.writeUInt16BE(port, 2)
    bytes.set(address, address.length === 4 ? 4 : 8)
    return this.#native.pointerTo(bytes)
  }
}
