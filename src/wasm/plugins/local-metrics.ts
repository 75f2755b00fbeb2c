import type { PluginMetricKind } from './abi.ts'
import { defaultPluginLimits } from './limits.ts'
import type { PluginMetric, PluginMetrics } from './ports.ts'

/** Metrics by name, for one thread. */
export class LocalMetrics implements PluginMetrics {
  readonly #metrics = new Map<string, LocalMetric>()
  readonly #limit: number

  constructor(limit: number = defaultPluginLimits.metrics) {
    this.#limit = limit
  }

  define(kind: PluginMetricKind, name: string): PluginMetric | undefined {
    const known = this.#metrics.get(name)
    if (known !== undefined) return known.kind === kind ? known : undefined
    if (this.#metrics.size >= this.#limit) return undefined
    const metric = new LocalMetric(kind)
    this.#metrics.set(name, metric)
    return metric
  }

  /** Values of counters and gauges, and sums of histograms. */
  *[Symbol.iterator](): IterableIterator<readonly [name: string, metric: LocalMetric]> {
    yield* this.#metrics
  }
}

export class LocalMetric implements PluginMetric {
  readonly kind: PluginMetricKind
  value = 0n
  /** Of a histogram. */
  count = 0

  constructor(kind: PluginMetricKind) {
    this.kind = kind
  }

  record(value: bigint): void {
    this.value += value
    this.count++
  }
}
