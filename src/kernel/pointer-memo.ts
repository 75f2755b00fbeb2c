/** `NativeCalls`. */
interface Addresses {
  pointerTo(bytes: Buffer): bigint
}

/**
 * Addresses of the buffers that were asked for last: a thread writes from the same few again and again, and what it has
 * encrypted and what it passes on as it is take turns.
 */
export class PointerMemo {
  readonly #calls: Addresses
  #last: Buffer | undefined = undefined
  #lastPointer = 0n
  #other: Buffer | undefined = undefined
  #otherPointer = 0n

  constructor(calls: Addresses) {
    this.#calls = calls
  }

  of(bytes: Buffer): bigint {
    if (bytes === this.#last) return this.#lastPointer
    if (bytes === this.#other) return this.#otherPointer
    this.#other = this.#last
    this.#otherPointer = this.#lastPointer
    this.#last = bytes
    this.#lastPointer = this.#calls.pointerTo(bytes)
    return this.#lastPointer
  }
}
