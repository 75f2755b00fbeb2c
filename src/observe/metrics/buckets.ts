import type { Histogram } from '../../core/index.ts'

/**
 * One series of a histogram: a count per bucket and the sum. Recording is a
 * search in a short typed array and two additions; nothing is allocated.
 */
export class BucketHistogram implements Histogram {
  readonly #bounds: Float64Array
  readonly #counts: Float64Array
  #sum = 0

  /** @param bounds upper bounds, inclusive, ascending; one more bucket without bound follows */
  constructor(bounds: Float64Array) {
    this.#bounds = bounds
    this.#counts = new Float64Array(bounds.length + 1)
  }

  record(value: number): void {
    const bounds = this.#bounds
    let low = 0
    let high = bounds.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (value <= bounds[middle]!) high = middle
      else low = middle + 1
    }
    this.#counts[low]!++
    this.#sum += value
  }

  /** Records that were counted elsewhere. @param counts  one more than bounds, not cumulative */
  recordAll(counts: readonly number[], sum: number): void {
    counts.forEach((count, at) => (this.#counts[at]! += count))
    this.#sum += sum
  }

  isEmpty(): boolean {
    return this.#counts.every(count => count === 0)
  }

  /** Writes the counts and then the sum, `bounds.length + 2` numbers. */
  copyTo(target: Float64Array, offset: number): void {
    target.set(this.#counts, offset)
    target[offset + this.#counts.length] = this.#sum
  }
}

/**
 * The value below which the share `quantile` of the records lies, by linear
 * interpolation within its bucket, as Prometheus' histogram_quantile does; in
 * the bucket without bound the answer is the largest bound. Null without records.
 *
 * @param quantile 0 to 1
 * @param counts   one more than bounds, not cumulative
 */
export function quantileOf(quantile: number, bounds: readonly number[], counts: ArrayLike<number>): number | null {
  let total = 0
  for (let i = 0; i <= bounds.length; i++) total += counts[i] ?? 0
  if (total <= 0) return null
  const rank = quantile * total
  let below = 0
  for (let i = 0; i < bounds.length; i++) {
    const count = counts[i] ?? 0
    if (count > 0 && below + count >= rank) {
      const lower = i === 0 ? 0 : (bounds[i - 1] ?? 0)
      const upper = bounds[i] ?? lower
      return lower + (upper - lower) * Math.max(0, (rank - below) / count)
    }
    below += count
  }
  return bounds.at(-1) ?? null
}
