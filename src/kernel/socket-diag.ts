import { constants } from 'node:os'
import { sockCloexec, socketFunctions } from './socket-functions.ts'
import { callFailed, NativeCalls } from './syscall.ts'

/** One end of a socket: 4 or 16 bytes, as the socket's family has it. */
export interface SocketEnd {
  readonly address: Uint8Array
  readonly port: number
}

/** What the kernel tells of an open socket. */
export interface DiagnosedSocket {
  /** Never given to another socket. */
  readonly cookie: bigint
  readonly local: SocketEnd
  /** Port 0 for one that is not connected. */
  readonly remote: SocketEnd
}

/** Of IP. */
export type DiagnosedProtocol = 6 | 17

const definitions = {
  socket: socketFunctions.socket,
  send: { return: 'int32', arguments: ['int32', 'uint64', 'uint32', 'int32'] },
  recv: { return: 'int32', arguments: ['int32', 'uint64', 'uint32', 'int32'] },
  close: socketFunctions.close,
} as const

const afNetlink = 16
const sockRaw = 3
const netlinkSockDiag = 4
const afInet = 2
const afInet6 = 10

/** linux/netlink.h, linux/sock_diag.h */
const messages = { none: 1, error: 2, done: 3, byFamily: 20, destroy: 21 } as const
const flags = { request: 0x1, acknowledge: 0x4, dump: 0x300 } as const

/** struct nlmsghdr and struct inet_diag_req_v2 */
const headerBytes = 16
const requestBytes = headerBytes + 56
/** In struct inet_diag_req_v2, and the same in struct inet_diag_msg behind 4 bytes: two ports, two addresses, … */
const idAt = 8
const cookieAt = 40
/** TCP_ESTABLISHED, which connected datagram sockets are in, too. */
const establishedOnly = 1 << 1
const answerBytes = 64 * 1024

/**
 * Asks the kernel about sockets of this network namespace, and closes them, by NETLINK_SOCK_DIAG. Calls take some 10 µs
 * and are made at once, on the calling thread.
 *
 * @see sock_diag(7)
 */
export class SocketDiag implements Disposable {
  readonly #native = new NativeCalls(definitions)
  readonly #fd: number
  readonly #request = Buffer.allocUnsafeSlow(requestBytes)
  /** Of the last request: what is left of an answer that broke off is passed over. */
  #serial = 0
  readonly #answer = Buffer.allocUnsafeSlow(answerBytes)

  /** @throws MeshError MESH_KERNEL_SYSCALL, MESH_KERNEL_UNSUPPORTED */
  constructor() {
    this.#fd = this.#native.call.socket(afNetlink, sockRaw | sockCloexec, netlinkSockDiag)
    if (this.#fd < 0) throw this.#native.failure('socket', 'NETLINK_SOCK_DIAG')
  }

  /**
   * The cookie of the socket that has these ends. A datagram socket that is not connected is found by its own end.
   * @returns undefined when there is none
   * @throws MeshError MESH_KERNEL_SYSCALL
   */
  find(protocol: DiagnosedProtocol, local: SocketEnd, remote: SocketEnd): bigint | undefined {
    // For datagrams this request, and no other, has the ends the other way round.
    const isSwapped = protocol === 17
    const ends = isSwapped ? ([remote, local] as const) : ([local, remote] as const)
    const found = this.#ask({ type: messages.byFamily, flags: 0, protocol, ends })
    return found[0]?.cookie
  }

  /**
   * All connected sockets of a family, by 4 or by 16 bytes.
   * @throws MeshError MESH_KERNEL_SYSCALL
   */
  connected(protocol: DiagnosedProtocol, addressBytes: 4 | 16): readonly DiagnosedSocket[] {
    const none = { address: new Uint8Array(addressBytes), port: 0 }
    return this.#ask({ type: messages.byFamily, flags: flags.dump, protocol, ends: [none, none] })
  }

  /**
   * Ends a socket under its program: waits end with ECONNABORTED, and a datagram socket is connected no more. Needs CAP_NET_ADMIN and a kernel with
   * CONFIG_INET_DIAG_DESTROY.
   * @returns false when it was gone
   * @throws MeshError MESH_KERNEL_SYSCALL
   */
  destroy(protocol: DiagnosedProtocol, { cookie, local, remote }: DiagnosedSocket): boolean {
    const request = {
      type: messages.destroy,
      flags: flags.acknowledge,
      protocol,
      ends: [local, remote],
      cookie,
    } as const
    return this.#ask(request) !== noSocket
  }

  [Symbol.dispose](): void {
    this.#native.call.close(this.#fd)
    this.#native[Symbol.dispose]()
  }

  #ask(request: Question): readonly DiagnosedSocket[] {
    this.#write(request)
    const { call } = this.#native
    if (call.send(this.#fd, this.#native.pointerTo(this.#request), requestBytes, 0) < 0) {
      throw this.#native.failure('send', 'NETLINK_SOCK_DIAG')
    }
    const found: DiagnosedSocket[] = []
    const isWhole = (): boolean => request.flags !== flags.dump && found.length > 0
    while (!isWhole()) {
      const length = call.recv(this.#fd, this.#native.pointerTo(this.#answer), answerBytes, 0)
      if (length < 0) throw this.#native.failure('recv', 'NETLINK_SOCK_DIAG')
      const end = readAnswer(this.#answer.subarray(0, length), this.#serial, found)
      if (end === undefined) continue
      if (end === 0) return found
      if (end === constants.errno.ENOENT) return noSocket
      throw callFailed('SOCK_DIAG', end)
    }
    return found
  }

  #write({ type, flags: more, protocol, ends, cookie }: Question): void {
    const bytes = this.#request.fill(0)
    const isIpv4 = ends[0].address.length === 4
    bytes.writeUInt32LE(requestBytes, 0)
    bytes.writeUInt16LE(type, 4)
    bytes.writeUInt16LE(flags.request | more, 6)
    this.#serial = (this.#serial + 1) >>> 0
    bytes.writeUInt32LE(this.#serial, 8)
    const body = bytes.subarray(headerBytes)
    body[0] = isIpv4 ? afInet : afInet6
    body[1] = protocol
    body.writeUInt32LE(more === flags.dump ? establishedOnly : 0xffff_ffff, 4)
    for (const [at, { address, port }] of ends.entries()) {
      body.writeUInt16BE(port, idAt + at * 2)
      body.set(address, idAt + 4 + at * 16)
    }
    // INET_DIAG_NOCOOKIE: whatever it has.
    body.writeBigUInt64LE(cookie ?? 0xffff_ffff_ffff_ffffn, idAt + cookieAt)
  }
}

interface Question {
  readonly type: number
  readonly flags: number
  readonly protocol: DiagnosedProtocol
  readonly ends: readonly [SocketEnd, SocketEnd]
  readonly cookie?: bigint
}

/** Known by its identity: there is no socket like that. */
const noSocket: readonly DiagnosedSocket[] = []

/** @returns undefined when more is to come, 0 for the end, else an errno */
function readAnswer(bytes: Buffer, serial: number, found: DiagnosedSocket[]): number | undefined {
  for (let at = 0; at + headerBytes <= bytes.length;) {
    const length = bytes.readUInt32LE(at)
    const type = bytes.readUInt32LE(at + 8) === serial ? bytes.readUInt16LE(at + 4) : messages.none
    if (type === messages.done) return 0
    if (type === messages.error) return -bytes.readInt32LE(at + headerBytes)
    if (type === messages.byFamily) found.push(readSocket(bytes.subarray(at + headerBytes, at + length)))
    at += Math.max(headerBytes, (length + 3) & ~3)
  }
  return undefined
}

/** struct inet_diag_msg */
function readSocket(message: Buffer): DiagnosedSocket {
  const id = message.subarray(4)
  const addressBytes = message[0] === afInet ? 4 : 16
  const endAt = (at: number): SocketEnd => ({
    address: Uint8Array.from(id.subarray(4 + at * 16, 4 + at * 16 + addressBytes)),
    port: id.readUInt16BE(at * 2),
  })
  return { cookie: id.readBigUInt64LE(cookieAt), local: endAt(0), remote: endAt(1) }
}
