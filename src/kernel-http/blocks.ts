/** Runs of neighbouring places in an array of fixed size; a run that was given back is the last to be taken again. */
export class Blocks {
  readonly #size: number
  /** First place to how many, ascending. */
  readonly #taken = new Map<number, number>()
  #next = 0

  constructor(size: number) {
    this.#size = size
  }

  /** @returns the first of `count` places, undefined when there is no such run */
  take(count: number): number | undefined {
    const wanted = Math.max(1, count)
    const runs = [...this.#taken].toSorted(([a], [b]) => a - b)
    for (const start of [this.#next, 0]) {
      const first = firstGap(runs, start, wanted)
      if (first + wanted > this.#size) continue
      this.#taken.set(first, wanted)
      this.#next = first + wanted
      return first
    }
    return undefined
  }

  give(first: number): void {
    this.#taken.delete(first)
  }
}

function firstGap(runs: readonly (readonly [number, number])[], start: number, wanted: number): number {
  let at = start
  for (const [first, count] of runs) {
    if (first + count <= at) continue
    if (first - at >= wanted) return at
    at = first + count
  }
  return at
}
