import { definitionOf, seriesKey, strideOf, withoutLabel } from './metrics-state.ts'
import type { MetricsState, MetricState, SeriesPredicate } from './metrics-state.ts'

/**
 * The states of several threads as one: counters and histograms are added, and
 * so are gauges, which all count things that belong to one thread each.
 * Metrics and series keep the order in which they are first met.
 */
export function mergeStates(states: readonly MetricsState[]): MetricsState {
  const byName = new Map<string, MetricState[]>()
  for (const state of states) {
    for (const metric of state.metrics) {
      const parts = byName.get(metric.name)
      if (parts === undefined) byName.set(metric.name, [metric])
      else parts.push(metric)
    }
  }
  return { metrics: Array.from(byName, ([name, parts]) => mergeMetric(name, parts)) }
}

/** The state without the series of which the predicate says no. */
export function retainSeries(state: MetricsState, predicate: SeriesPredicate): MetricsState {
  const metrics: MetricState[] = []
  for (const metric of state.metrics) {
    const stride = strideOf(definitionOf(metric.name))
    const kept: number[] = []
    metric.series.forEach((labels, index) => {
      if (predicate(metric.name, labels)) kept.push(index)
    })
    if (kept.length === metric.series.length) {
      metrics.push(metric)
      continue
    }
    if (kept.length === 0) continue
    const values = new Float64Array(kept.length * stride)
    kept.forEach((from, to) => values.set(metric.values.subarray(from * stride, (from + 1) * stride), to * stride))
    metrics.push({ name: metric.name, series: kept.map(index => metric.series[index] ?? []), values })
  }
  return { metrics }
}

/**
 * The last state of every worker. What a worker that died had counted stays in
 * the totals, so that no counter ever falls; what it had open is gone.
 */
export class MetricsAggregator {
  readonly #states = new Map<number, MetricsState>()
  #retired: MetricsState = { metrics: [] }

  /** Replaces what is known of a worker. */
  set(workerId: number, state: MetricsState): void {
    this.#states.set(workerId, state)
  }

  /** The worker is gone; its id may be given to another one. */
  retire(workerId: number): void {
    const state = this.#states.get(workerId)
    if (state === undefined) return
    this.#states.delete(workerId)
    const lasting = retainSeries(state, name => definitionOf(name).type !== 'gauge')
    this.#retired = mergeStates([this.#retired, lasting])
  }

  /** Forgets series of things that are gone, in the last states and in what dead workers left. */
  retain(predicate: SeriesPredicate): void {
    this.#retired = retainSeries(this.#retired, predicate)
    for (const [workerId, state] of this.#states) this.#states.set(workerId, retainSeries(state, predicate))
  }

  /** As `MetricRegistry.drop`. */
  drop(label: string, value: string): void {
    this.retain(withoutLabel(label, value))
  }

  total(): MetricsState {
    return mergeStates([this.#retired, ...this.#states.values()])
  }
}

function mergeMetric(name: string, parts: readonly MetricState[]): MetricState {
  const [first] = parts
  if (first !== undefined && parts.length === 1) return first
  const stride = strideOf(definitionOf(name))
  const places = new Map<string, number>()
  const series: (readonly string[])[] = []
  for (const part of parts) {
    for (const labels of part.series) {
      const key = seriesKey(labels)
      if (places.has(key)) continue
      places.set(key, series.length)
      series.push(labels)
    }
  }
  const values = new Float64Array(series.length * stride)
  for (const part of parts) {
    part.series.forEach((labels, index) => {
      const to = (places.get(seriesKey(labels)) ?? 0) * stride
      for (let i = 0; i < stride; i++) values[to + i]! += part.values[index * stride + i] ?? 0
    })
  }
  return { name, series, values }
}
