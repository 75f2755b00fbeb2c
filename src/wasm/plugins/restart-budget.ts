/** Starts after failures may take this share of the time, so that the streams that work are hardly slowed down. */
const share = 0.1
/** Starts that may be made in a row: as long as they would take in a quiet time before. */
const burstMs = 500
/** After a start that failed: from the first to the longest pause. */
const firstPauseMs = 1000
const longestPauseMs = 60_000

/**
 * Decides when a failed plugin may start again.
 *
 * A trap is one stream's; the next stream should find an instance, so there is no
 * pause after a trap. What has to be limited is the time that starts take, which
 * somebody who can make a plugin trap takes from everybody: a tenth of the time,
 * with some saved up. A plugin that does not even start is tried after pauses
 * that double, from one second to a minute.
 */
export class RestartBudget {
  readonly #nowMs: () => number
  #savedMs = burstMs
  #savedAtMs: number
  #pauseMs = 0
  #notBeforeMs = -Infinity

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
    this.#savedAtMs = nowMs()
  }

  get allows(): boolean {
    this.#save()
    return this.#savedMs > 0 && this.#nowMs() >= this.#notBeforeMs
  }

  started(tookMs: number): void {
    this.#save()
    this.#savedMs -= tookMs
    this.#pauseMs = 0
  }

  failedToStart(): void {
    this.#pauseMs = Math.min(longestPauseMs, Math.max(firstPauseMs, this.#pauseMs * 2))
    this.#notBeforeMs = this.#nowMs() + this.#pauseMs
  }

  #save(): void {
    const nowMs = this.#nowMs()
    this.#savedMs = Math.min(burstMs, this.#savedMs + (nowMs - this.#savedAtMs) * share)
    this.#savedAtMs = nowMs
  }
}
