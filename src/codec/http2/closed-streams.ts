const remembered = 128

/** How a stream ended, as far as later frames on it matter. */
export const closures = {
  /** Nobody used it, or it was forgotten. */
  unknown: 0,
  /** We reset or refused it: the peer may not know yet (RFC 9113 section 5.1). */
  reset: 1,
  /** The peer ended or reset it and may send no more. */
  ended: 2,
} as const

/**
 * The streams that were closed last. Of the older ones it knows only whether
 * any that we reset might be among them, which is enough to never blame a peer
 * for frames that crossed our reset.
 */
export class ClosedStreams {
  readonly #ids: Int32Array = new Int32Array(remembered)
  readonly #closures: Uint8Array = new Uint8Array(remembered)
  #next: number = 0
  #highestForgottenReset: number = 0

  add(id: number, closure: number): void {
    const slot = this.#next
    if (this.#closures[slot] === closures.reset) {
      this.#highestForgottenReset = Math.max(this.#highestForgottenReset, this.#ids[slot] as number)
    }
    this.#ids[slot] = id
    this.#closures[slot] = closure
    this.#next = (slot + 1) & (remembered - 1)
  }

  find(id: number): number {
    const slot = this.#ids.indexOf(id)
    if (slot !== -1) return this.#closures[slot] as number
    return id <= this.#highestForgottenReset ? closures.reset : closures.unknown
  }
}
