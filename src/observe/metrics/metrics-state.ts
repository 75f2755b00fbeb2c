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
   * `stride` numbers per series. A counter or gauge has one, its value; a
   * histogram has its buckets (each by itself, not cumulative, the last one
   * without bound) and then the sum of what was recorded.
   */
  readonly values: Float64Array
}
