/** A gap at the front is closed when it is larger than this and than what is left. */
const wasteBytes = 16 * 1024

/** Bytes that wait in one piece, until somebody takes them from the front. */
export class ByteQueue {
  /** What waits is `bytes[start, end)`. */
  bytes: Buffer = Buffer.alloc(0)
  start = 0
  end = 0

  get length(): number {
    return this.end - this.start
  }

  /** Appends a copy. */
  append(source: Buffer, from: number, to: number): void {
    const length = to - from
    if (this.end + length > this.bytes.length) this.#makeRoom(length)
    source.copy(this.bytes, this.end, from, to)
    this.end += length
  }

  #makeRoom(length: number): void {
    const waiting = this.length
    const needed = waiting + length
    const isRoomy = needed <= this.bytes.length && this.start > Math.max(wasteBytes, waiting)
    const to = isRoomy ? this.bytes : Buffer.allocUnsafeSlow(Math.max(needed * 2, 1024))
    this.bytes.copy(to, 0, this.start, this.end)
    this.bytes = to
    this.start = 0
    this.end = waiting
  }

  /** Takes bytes from the front; the memory goes when none are left. */
  take(length: number): void {
    this.start += length
    if (this.start >= this.end) this.clear()
  }

  clear(): void {
    if (this.bytes.length > 0) this.bytes = Buffer.alloc(0)
    this.start = 0
    this.end = 0
  }
}
