import { afInet, afInet6 } from './calls.ts'
import type { SocketCalls } from './calls.ts'

const ipv4Bytes = 16
const ipv6Bytes = 28
const textBytes = 64

export interface SocketAddress {
  readonly address: string
  readonly port: number
}

/**
 * A struct sockaddr that calls read and fill, with the length beside it. One
 * for all sockets of a thread: what stands in it is used before the next call.
 */
export class AddressMemory {
  readonly pointer: bigint
  readonly lengthPointer: bigint
  readonly #calls: SocketCalls
  readonly #bytes: Buffer = Buffer.from(new ArrayBuffer(128))
  readonly #length: Uint32Array = new Uint32Array(new ArrayBuffer(4))
  readonly #text: Buffer = Buffer.from(new ArrayBuffer(textBytes))
  readonly #textPointer: bigint

  constructor(calls: SocketCalls) {
    this.#calls = calls
    this.pointer = calls.pointerTo(this.#bytes)
    this.lengthPointer = calls.pointerTo(this.#length)
    this.#textPointer = calls.pointerTo(this.#text)
  }

  /** How long what stands in it is. */
  get length(): number {
    return this.#length[0] ?? 0
  }

  /** AF_INET or AF_INET6. */
  get family(): number {
    return this.#bytes.readUInt16LE(0)
  }

  /** 127.0.0.0/8 or ::1. */
  get isLoopback(): boolean {
    if (this.family === afInet) return this.#bytes[4] === 127
    return this.#bytes.subarray(8, 23).every(byte => byte === 0) && this.#bytes[23] === 1
  }

  /** 0.0.0.0 or ::. */
  get isWildcard(): boolean {
    const [from, to] = this.family === afInet ? [4, 8] : [8, 24]
    return this.#bytes.subarray(from, to).every(byte => byte === 0)
  }

  /** Makes it ready to be filled by a call. */
  empty(): void {
    this.#length[0] = this.#bytes.length
  }

  /**
   * Puts an IP address in, `10.0.0.1`, `::1`, `fe80::1%eth0`, `fe80::1%2`.
   * @returns false when it is none, or there is no such interface
   */
  put(address: string, port: number): boolean {
    const percent = address.indexOf('%')
    const plain = percent < 0 ? address : address.slice(0, percent)
    const family = plain.includes(':') ? afInet6 : afInet
    if (!this.#putText(plain)) return false
    this.#bytes.fill(0)
    this.#bytes.writeUInt16LE(family, 0)
    this.#bytes.writeUInt16BE(port, 2)
    const at = this.pointer + (family === afInet ? 4n : 8n)
    if (this.#calls.call.inet_pton(family, this.#textPointer, at) !== 1) return false
    if (percent >= 0) {
      const zone = this.#zone(address.slice(percent + 1))
      if (family !== afInet6 || zone === 0) return false
      this.#bytes.writeUInt32LE(zone, 24)
    }
    this.#length[0] = family === afInet ? ipv4Bytes : ipv6Bytes
    return true
  }

  /** Number of an interface that is told by name or number; 0 when there is none. */
  #zone(text: string): number {
    if (/^[1-9][0-9]{0,8}$/.test(text)) return Number(text)
    return this.#putText(text) ? this.#calls.call.if_nametoindex(this.#textPointer) : 0
  }

  /** What a call has put in. */
  take(): SocketAddress {
    const bytes = this.#bytes
    const port = bytes.readUInt16BE(2)
    if (this.family === afInet) return { address: `${bytes[4]}.${bytes[5]}.${bytes[6]}.${bytes[7]}`, port }
    if (this.family !== afInet6) return { address: '', port: 0 }
    this.#calls.call.inet_ntop(afInet6, this.pointer + 8n, this.#textPointer, textBytes)
    return { address: this.#text.toString('latin1', 0, this.#text.indexOf(0)), port }
  }

  #putText(text: string): boolean {
    if (text.length >= textBytes || text.includes('\0')) return false
    this.#text[this.#text.write(text, 'latin1')] = 0
    return true
  }
}
