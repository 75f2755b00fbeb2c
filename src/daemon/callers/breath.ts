import type { Clock } from '../../core/index.ts'

/** Work of the main thread that takes longer lets others in: health checks, a configuration, questions. */
const sliceMs = 4

/**
 * Lets a long piece of work breathe: `take` is called between its steps, and
 * gives the loop a turn when the slice is used up. To call it costs little
 * before that, since there is nothing to wait for.
 *
 *     const turn = breath.take()
 *     if (turn !== undefined) await turn
 */
export class Breath {
  readonly #clock: Clock
  #startMs: number
  #earlierMs = 0

  constructor(clock: Clock) {
    this.#clock = clock
    this.#startMs = clock.nowMs()
  }

  /** How long the work has had the thread, without the turns of others. */
  get workedMs(): number {
    return this.#earlierMs + this.#clock.nowMs() - this.#startMs
  }

  take(): Promise<void> | undefined {
    const workedMs = this.#clock.nowMs() - this.#startMs
    if (workedMs < sliceMs) return undefined
    this.#earlierMs += workedMs
    return new Promise<void>(resolve =>
      setImmediate(() => {
        this.#startMs = this.#clock.nowMs()
        resolve()
      }),
    )
  }
}
