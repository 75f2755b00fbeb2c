import { MeshError } from '../../core/index.ts'
import type { Counter, Gauge, Labels, Meter, MetricName } from '../../core/index.ts'
import type { MetricDefinition } from '../../model/index.ts'
import { BucketHistogram } from './buckets.ts'
import { definitionOf, seriesKey, strideOf, withoutLabel } from './metrics-state.ts'
import type { MetricsState, MetricState, SeriesPredicate } from './metrics-state.ts'

/**
 * How many series a metric may have. Labels come from configuration, so only
 * whoever writes configuration can make series, and 10,000 routes with five
 * status classes fit. Without a limit one who may write routes in one namespace
 * grows the memory of every worker and the size of every scrape for all.
 */
const defaultSeriesLimit = 50_000

/** Stands in every label of the one series that takes what is over the limit. */
export const overflowLabel = 'other'

const overflowMetric = 'heddle_metrics_overflow_total'

export interface MetricRegistryOptions {
  /** Series per metric. @default 50000 */
  readonly seriesLimit?: number
}

interface Series<Instrument> {
  readonly labels: readonly string[]
  readonly instrument: Instrument
}

interface Family {
  readonly definition: MetricDefinition
  readonly bounds: Float64Array
  readonly scalars: Map<string, Series<Counter>>
  readonly histograms: Map<string, Series<BucketHistogram>>
}

/**
 * The metrics of one thread. A series is resolved once, by name and labels,
 * and then costs a field increment. The same labels give the same series. A
 * series that was removed still takes increments of its holders, unseen.
 */
export class MetricRegistry implements Meter {
  readonly #families = new Map<string, Family>()
  readonly #seriesLimit: number

  constructor(options: MetricRegistryOptions = {}) {
    this.#seriesLimit = options.seriesLimit ?? defaultSeriesLimit
  }

  /**
   * @throws MeshError MESH_METRIC_UNKNOWN when the name is not in the table
   * @throws MeshError MESH_METRIC_MISUSED when type or labels differ from the table
   */
  counter(name: MetricName, labels: Labels): Counter {
    return this.#scalar('counter', name, labels)
  }

  /** @throws MeshError as `counter` */
  gauge(name: MetricName, labels: Labels): Gauge {
    return this.#scalar('gauge', name, labels)
  }

  /** @throws MeshError as `counter` */
  histogram(name: MetricName, labels: Labels): BucketHistogram {
    const family = this.#family('histogram', name)
    const values = labelValues(name, family.definition, labels)
    return this.#resolve(name, family.histograms, values, () => new BucketHistogram(family.bounds))
  }

  /**
   * A copy of all series, except those with labels whose counter or histogram
   * never counted anything: most routes of a large mesh have no traffic, and
   * five series of zeros for each would be most of every scrape.
   */
  export(): MetricsState {
    const states: MetricState[] = []
    for (const [name, family] of this.#families) {
      const state =
        family.definition.type === 'histogram' ? exportHistograms(name, family) : exportScalars(name, family)
      if (state.series.length > 0) states.push(state)
    }
    return { metrics: states }
  }

  /** Removes the series of which the predicate says no: of routes, backends and endpoints that are gone. */
  retain(predicate: SeriesPredicate): void {
    for (const [name, family] of this.#families) {
      for (const table of [family.scalars, family.histograms]) {
        for (const [key, series] of table) if (!predicate(name, series.labels)) table.delete(key)
      }
    }
  }

  /** Removes every series whose label has the value: `drop('backend', 'shop/cart:8080')`. */
  drop(label: string, value: string): void {
    this.retain(withoutLabel(label, value))
  }

  #scalar(type: 'counter' | 'gauge', name: MetricName, labels: Labels): Counter {
    const family = this.#family(type, name)
    return this.#resolve(name, family.scalars, labelValues(name, family.definition, labels), () => ({ value: 0 }))
  }

  #resolve<Instrument>(
    name: string,
    table: Map<string, Series<Instrument>>,
    labels: readonly string[],
    create: () => Instrument,
  ): Instrument {
    const key = seriesKey(labels)
    const known = table.get(key)
    if (known !== undefined) return known.instrument
    if (labels.length > 0 && table.size >= this.#seriesLimit) {
      const other = labels.map(() => overflowLabel)
      // Counts requests for a series, not series: the labels over the limit are not remembered anywhere.
      if (name !== overflowMetric) this.counter(overflowMetric, { metric: name }).value++
      const otherKey = seriesKey(other)
      const shared = table.get(otherKey) ?? { labels: other, instrument: create() }
      table.set(otherKey, shared)
      return shared.instrument
    }
    const series = { labels, instrument: create() }
    table.set(key, series)
    return series.instrument
  }

  #family(type: MetricDefinition['type'], name: string): Family {
    let family = this.#families.get(name)
    if (family === undefined) {
      const definition = definitionOf(name)
      const bounds = Float64Array.from(definition.buckets ?? [])
      family = { definition, bounds, scalars: new Map(), histograms: new Map() }
      this.#families.set(name, family)
    }
    if (family.definition.type !== type) {
      throw misuse(`metric ${name} is a ${family.definition.type}, not a ${type}`)
    }
    return family
  }
}

function labelValues(name: string, definition: MetricDefinition, labels: Labels): string[] {
  const values: string[] = []
  for (const label of definition.labels) {
    const value = Object.hasOwn(labels, label) ? labels[label] : undefined
    if (value === undefined) throw misuse(`metric ${name} lacks label ${label}`)
    values.push(value)
  }
  const unknown = Object.keys(labels).find(label => !definition.labels.includes(label))
  if (unknown !== undefined) throw misuse(`metric ${name} has no label ${unknown}`)
  return values
}

function misuse(message: string): MeshError {
  return new MeshError('MESH_METRIC_MISUSED', message, { source: 'internal' })
}

function exportScalars(name: string, family: Family): MetricState {
  const kept: Series<Counter>[] = []
  for (const series of family.scalars.values()) {
    if (family.definition.type === 'gauge' || series.labels.length === 0 || series.instrument.value !== 0) {
      kept.push(series)
    }
  }
  return {
    name,
    series: kept.map(series => series.labels),
    values: Float64Array.from(kept, series => series.instrument.value),
  }
}

function exportHistograms(name: string, family: Family): MetricState {
  const kept: Series<BucketHistogram>[] = []
  for (const series of family.histograms.values()) {
    if (series.labels.length === 0 || !series.instrument.isEmpty()) kept.push(series)
  }
  const stride = strideOf(family.definition)
  const values = new Float64Array(kept.length * stride)
  kept.forEach((series, index) => series.instrument.copyTo(values, index * stride))
  return { name, series: kept.map(series => series.labels), values }
}
