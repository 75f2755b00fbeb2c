/**
 * Port for metrics. A series is resolved once (when configuration is compiled or
 * a connection opens) and then costs a field increment, so that the data path
 * never builds labels.
 */
export interface Meter {
  counter(name: MetricName, labels: Labels): Counter
  gauge(name: MetricName, labels: Labels): Gauge
  histogram(name: MetricName, labels: Labels): Histogram
}

/** A name of the one table of metrics, `model/metrics.ts`. */
export type MetricName = string

/** Label values come only from configuration and fixed sets, never from what a client sent. */
export type Labels = Readonly<Record<string, string>>

export interface Counter {
  /** Only ever grows. Write `counter.value += n` on hot paths. */
  value: number
}

export interface Gauge {
  value: number
}

export interface Histogram {
  /** @param value in the metric's unit: seconds or bytes */
  record(value: number): void
}

/** Counts nothing that anyone sees; for tests and embedding. */
export const silentMeter: Meter = {
  counter: () => ({ value: 0 }),
  gauge: () => ({ value: 0 }),
  histogram: () => ({ record() {} }),
}
