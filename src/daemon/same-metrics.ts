import type { MetricsState } from '../observe/index.ts'

/**
 * Whether nothing was counted between two exports of one registry. Labels are
 * compared by identity: a registry keeps them, and a series that was removed and
 * made again is another one.
 */
export function isSameMetrics(a: MetricsState, b: MetricsState): boolean {
  return (
    a.metrics.length === b.metrics.length &&
    a.metrics.every((metric, at) => {
      const other = b.metrics[at]
      return other?.name === metric.name && isSame(metric.series, other.series) && isSame(metric.values, other.values)
    })
  )
}

function isSame(a: ArrayLike<unknown>, b: ArrayLike<unknown>): boolean {
  if (a.length !== b.length) return false
  for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return false
  return true
}
