/**
 * Where all frames of a turn go, so that one write sends them. It grows; it
 * never loses or moves what is written before it is cleared.
 */
export class OutputBuffer {
  /** The first `length` bytes are written. Replaced when it grows; the owner may replace it when it is empty. */
  bytes: Buffer
  length: number = 0
  /** How often it was cleared: tells whether a place in `bytes` is still what it was. */
  round: number = 0
  readonly #initialBytes: number
  readonly #keptBytes: number

  /** @param keptBytes a buffer that grew beyond it is given up when a turn needs less than a quarter of it */
  constructor(initialBytes: number = 4_096, keptBytes: number = 262_144) {
    this.#initialBytes = initialBytes
    this.#keptBytes = keptBytes
    this.bytes = Buffer.allocUnsafeSlow(initialBytes)
  }

  /** Makes sure that so many bytes may be written at `length`. */
  ensure(extra: number): void {
    const needed = this.length + extra
    if (needed <= this.bytes.length) return
    const bytes = Buffer.allocUnsafeSlow(Math.max(needed, this.bytes.length * 2))
    this.bytes.copy(bytes, 0, 0, this.length)
    this.bytes = bytes
  }

  /** What is written, as a view that is good until the next write after `clear`. */
  view(): Buffer {
    return this.bytes.subarray(0, this.length)
  }

  clear(): void {
    const size = this.bytes.length
    const isOversized = size > this.#keptBytes && this.length * 4 < size
    this.length = 0
    this.round++
    if (isOversized) this.bytes = Buffer.allocUnsafeSlow(this.#initialBytes)
  }
}
