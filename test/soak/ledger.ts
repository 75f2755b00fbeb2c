/** A failure is forgiven when an endpoint was killed this long before its request began, or later. */
const killGraceMs = 500

const printedLosses = 20

export interface Attempt {
  /** `small GET` */
  readonly kind: string
  /** Whether the proxy must have kept it whatever happens to one endpoint. */
  readonly mustSucceed: boolean
  readonly startMs: number
}

/** Counts what was asked and what became of it. */
export class Ledger {
  readonly asked: Map<string, number> = new Map<string, number>()
  readonly lost: string[] = []
  /** Failures of what could not be repeated, or whose answer had begun, while an endpoint was killed. */
  excused = 0
  readonly #kills: number[] = []

  killed(): void {
    this.#kills.push(performance.now())
  }

  begin(kind: string, mustSucceed: boolean): Attempt {
    this.asked.set(kind, (this.asked.get(kind) ?? 0) + 1)
    return { kind, mustSucceed, startMs: performance.now() }
  }

  failed(attempt: Attempt, problem: string): void {
    const isKill = this.#kills.some(atMs => atMs >= attempt.startMs - killGraceMs)
    if (isKill && !attempt.mustSucceed) this.excused++
    else this.#lose(`${attempt.kind}: ${problem}`)
  }

  #lose(what: string): void {
    this.lost.push(what)
    // At once, so that what else was printed at that time explains it.
    if (this.lost.length <= printedLosses) console.log(`lost: ${what.trimEnd()}`)
  }

  get total(): number {
    return [...this.asked.values()].reduce((sum, count) => sum + count, 0)
  }
}
