/** Bits of a record's header (linux/bpf.h). */
const busyBit = 0x8000_0000
const discardBit = 0x4000_0000
const lengthMask = 0x3fff_ffff
const headerBytes = 8

/** The shared memory of a ring buffer, as words. */
export interface RingMemory {
  /** Position of the consumer, low and high word; written here. */
  readonly consumer: BigUint64Array
  /** Position of the producer, low and high word. */
  readonly producer: Uint32Array
  /** Records; twice in a row in memory, so that none is broken at the end. */
  readonly records: Buffer
  readonly headers: Uint32Array
  /** Bytes of the ring, a power of two. */
  readonly size: number
}

/**
 * Takes records out of a ring that programs of the kernel fill.
 * @see https://docs.kernel.org/bpf/ringbuf.html
 */
export class RingRecords {
  readonly #memory: RingMemory
  /** Whole position; below 2^53 for 285 years at a gigabyte a second. */
  #position: number

  constructor(memory: RingMemory) {
    this.#memory = memory
    this.#position = Number(Atomics.load(memory.consumer, 0))
  }

  /**
   * Hands over what is there: bytes within the ring, which are overwritten once this returns.
   *
   * Ends at a record that a program has reserved and not submitted yet. When the handler throws, its record counts as
   * taken.
   *
   * @param most  records at most
   * @returns how many were handed over
   */
  take(handle: (record: Buffer) => void, most: number): number {
    let count = 0
    try {
      for (;;) {
        const before = this.#position
        while (count < most && this.#isReady()) if (this.#takeOne(handle)) count++
        if (count >= most || this.#position === before) return count
        // Only after the position is published may a program skip to wake us: look once more.
        this.#publish()
      }
    } finally {
      this.#publish()
    }
  }

  #isReady(): boolean {
    const { producer, headers, size } = this.#memory
    const waiting = (Atomics.load(producer, 0) - this.#position) | 0
    if (waiting === 0) return false
    return (Atomics.load(headers, (this.#position % size) >>> 2) & busyBit) === 0
  }

  #takeOne(handle: (record: Buffer) => void): boolean {
    const { headers, records, size } = this.#memory
    const at = this.#position % size
    const header = headers[at >>> 2] ?? 0
    const length = header & lengthMask
    this.#position += (headerBytes + length + 7) & ~7
    if ((header & discardBit) !== 0) return false
    handle(records.subarray(at + headerBytes, at + headerBytes + length))
    return true
  }

  #publish(): void {
    Atomics.store(this.#memory.consumer, 0, BigInt(this.#position))
  }
}
