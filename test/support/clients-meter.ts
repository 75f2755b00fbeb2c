import type { Counter, Gauge, Histogram, Labels, Meter } from '../../src/core/index.ts'

/** A meter that can be read back: series by name and labels. */
export class BookMeter implements Meter {
  readonly #counters = new Map<string, Counter>()
  readonly #gauges = new Map<string, Gauge>()

  counter(name: string, labels: Labels): Counter {
    return seriesOf(this.#counters, name, labels)
  }

  gauge(name: string, labels: Labels): Gauge {
    return seriesOf(this.#gauges, name, labels)
  }

  histogram(): Histogram {
    return { record() {} }
  }

  /** Sum over all series of a counter. */
  total(name: string): number {
    return sumOf(this.#counters, name)
  }

  /** Every gauge by its name, summed over its series. */
  gauges(): Map<string, number> {
    const sums = new Map<string, number>()
    for (const [key, { value }] of this.#gauges) {
      const name = nameOf(key)
      sums.set(name, (sums.get(name) ?? 0) + value)
    }
    return sums
  }
}

function seriesOf(series: Map<string, { value: number }>, name: string, labels: Labels): { value: number } {
  const key = `${name}${JSON.stringify(labels)}`
  let one = series.get(key)
  if (one === undefined) {
    one = { value: 0 }
    series.set(key, one)
  }
  return one
}

function sumOf(series: Map<string, { value: number }>, name: string): number {
  let sum = 0
  for (const [key, { value }] of series) if (nameOf(key) === name) sum += value
  return sum
}

function nameOf(key: string): string {
  return key.slice(0, key.indexOf('{'))
}
