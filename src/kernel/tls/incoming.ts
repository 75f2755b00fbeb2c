import { PointerMemo } from '../pointer-memo.ts'
import { bioGetMemory, bioSetEndOfMemory } from './calls.ts'
import type { OpenSslCalls } from './calls.ts'

/** BUF_MEM of buffer.h, words of 32 bits on a little-endian machine: length, data, max, each 64 bits. */
const bufMemBytes = 24
const lengthWord = 0
const dataWord = 2
const maxWord = 4

/**
 * Bytes that a connection reads, where they are: a BIO over somebody else's memory, whose BUF_MEM (BIO_s_mem(3)) is
 * told what to read by four stores, where BIO_write would be a call and a copy.
 */
export class Incoming {
  readonly bio: bigint
  readonly #bufMem: Uint32Array
  readonly #address = new BigUint64Array(new ArrayBuffer(8))
  readonly #addressWords = new Uint32Array(this.#address.buffer)
  readonly #memo: PointerMemo
  #bytes: Buffer | undefined = undefined
  #fed = 0

  /** @param bio  of BIO_new_mem_buf(3), over nothing yet; who made it frees it */
  constructor(calls: OpenSslCalls, bio: bigint) {
    this.#memo = new PointerMemo(calls)
    this.bio = bio
    // That nothing is left is no end: more comes.
    calls.call.BIO_ctrl(this.bio, bioSetEndOfMemory, -1n, 0n)
    calls.call.BIO_ctrl(this.bio, bioGetMemory, 0n, calls.pointerTo(this.#address))
    const { buffer, byteOffset } = calls.viewAt(this.#address[0] as bigint, bufMemBytes)
    this.#bufMem = new Uint32Array(buffer, byteOffset, bufMemBytes / 4)
  }

  /** How much nobody has read. */
  get left(): number {
    return this.#bufMem[lengthWord] as number
  }

  /** Gives `bytes[0, length)` to the connection that reads next, which does so at once; nothing may be left. */
  feed(bytes: Buffer, length: number): void {
    if (bytes !== this.#bytes) {
      this.#bytes = bytes
      this.#address[0] = this.#memo.of(bytes)
    }
    this.#fed = length
    const words = this.#bufMem
    words[lengthWord] = length
    words[maxWord] = length
    words[dataWord] = this.#addressWords[0] as number
    words[dataWord + 1] = this.#addressWords[1] as number
  }

  /** Takes out what nobody has read; undefined when that is nothing. */
  take(): Buffer | undefined {
    const { left } = this
    if (left === 0 || this.#bytes === undefined) return undefined
    this.#bufMem[lengthWord] = 0
    return Buffer.from(this.#bytes.subarray(this.#fed - left, this.#fed))
  }
}
