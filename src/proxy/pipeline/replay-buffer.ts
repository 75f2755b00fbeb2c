/** Keeps the start of a request body, so that the request can be sent again, or sent at all once a connection is there. */
export class ReplayBuffer {
  #bytes: Buffer | undefined = undefined
  #length = 0
  #isWhole = true
  readonly #limit: number

  constructor(limit: number) {
    this.#limit = limit
  }

  /** Everything that came is still here. */
  get isWhole(): boolean {
    return this.#isWhole
  }

  get length(): number {
    return this.#length
  }

  get kept(): Buffer {
    return this.#bytes === undefined ? Buffer.alloc(0) : this.#bytes.subarray(0, this.#length)
  }

  /** More than this and the sender should pause until the body can be passed on. */
  get isFull(): boolean {
    return this.#length >= this.#limit
  }

  /**
   * Appends a copy. Bytes beyond the limit are taken as well: they have left
   * the socket already and must not be lost; the caller pauses when `isFull`.
   */
  append(bytes: Buffer, start: number, end: number): void {
    const needed = this.#length + end - start
    if (this.#bytes === undefined || this.#bytes.length < needed) {
      const grown = Buffer.allocUnsafeSlow(Math.max(needed * 2, 1024))
      this.#bytes?.copy(grown, 0, 0, this.#length)
      this.#bytes = grown
    }
    this.#length += bytes.copy(this.#bytes, this.#length, start, end)
  }

  /** The body grew too long to be kept: from now on there is no second try. */
  giveUp(): void {
    this.#isWhole = false
    this.#bytes = undefined
    this.#length = 0
  }

  reset(): void {
    this.#isWhole = true
    this.#length = 0
    // A large buffer is not worth keeping for a connection's next request.
    if (this.#bytes !== undefined && this.#bytes.length > 4096) this.#bytes = undefined
  }
}
