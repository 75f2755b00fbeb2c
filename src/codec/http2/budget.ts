/**
 * How often a peer may do something that costs us and serves nobody: a burst,
 * which time and useful work fill again. Never more than the burst.
 */
export class Budget {
  /** What is left. */
  tokens: number
  readonly #burst: number
  readonly #perMs: number
  #refilledMs: number = -1

  constructor(burst: number, perSecond: number) {
    this.tokens = burst
    this.#burst = burst
    this.#perMs = perSecond / 1_000
  }

  /** Adds what time earned. */
  refill(nowMs: number): void {
    if (this.#refilledMs !== -1 && nowMs > this.#refilledMs) this.earn((nowMs - this.#refilledMs) * this.#perMs)
    this.#refilledMs = nowMs
  }

  earn(tokens: number): void {
    this.tokens = Math.min(this.#burst, this.tokens + tokens)
  }

  /** Takes one; false when there is none. */
  spend(): boolean {
    if (this.tokens < 1) return false
    this.tokens--
    return true
  }
}
