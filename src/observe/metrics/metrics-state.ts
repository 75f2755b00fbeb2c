import { MeshError } from '../../core/index.ts'
import { metrics } from '../../model/index.ts'
import type { MetricDefinition } from '../../model/index.ts'

/** All series of one registry, or of several merged, as plain data that crosses threads by structured clone. */
export interface MetricsState {
  readonly metrics: readonly MetricState[]
}

/** The series of one metric of `model/metrics.ts`, in columns, since a state is copied every second. */
export interface MetricState {
  readonly name: string
  /** Label values of each series, in the order of the metric's definition. */
  readonly series: readonly (readonly string[])[]
  /**
   * `strideOf(name)` numbers per series. A counter or gauge has one, its value;
   * a histogram has its buckets (each by itself, not cumulative, the last one
   * without bound) and then the sum of what was recorded.
   */
  readonly values: Float64Array
}

/** Says of a series whether to keep it; `labels` in the order of the metric's definition. */
export type SeriesPredicate = (name: string, labels: readonly string[]) => boolean

/** @throws MeshError MESH_METRIC_UNKNOWN */
export function definitionOf(name: string): MetricDefinition {
  const definition = Object.hasOwn(metrics, name) ? metrics[name] : undefined
  if (definition === undefined) {
    throw new MeshError('MESH_METRIC_UNKNOWN', `metric ${name} is not in the table of metrics`, { source: 'internal' })
  }
  return definition
}

/** How many numbers a series of the metric takes in `MetricState.values`. */
export function strideOf(definition: MetricDefinition): number {
  return definition.type === 'histogram' ? (definition.buckets?.length ?? 0) + 2 : 1
}

/** Names a series within its metric; NUL cannot occur in the names of resources. */
export function seriesKey(labels: readonly string[]): string {
  return labels.join('\0')
}

/** Keeps the series of a predicate that looks at one label: true where the metric lacks that label or has another value. */
export function withoutLabel(label: string, value: string): SeriesPredicate {
  return (name, labels) => {
    const index = definitionOf(name).labels.indexOf(label)
    return index === -1 || labels[index] !== value
  }
}
