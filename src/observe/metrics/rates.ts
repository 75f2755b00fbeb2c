import { quantileOf } from './buckets.ts'
import { addDeltas, forEachDelta, requestBounds } from './request-deltas.ts'
import type { RequestDelta } from './request-deltas.ts'
import type { MetricsState } from './metrics-state.ts'

/** How much and how fast, over the last few seconds. */
export interface Rates {
  readonly requestsPerSecond: number
  /** Share of answers with a status of 500 and above, 0 to 1; 0 without requests. */
  readonly errorRatio: number
  /** Seconds; null without requests or where no latency is measured. */
  readonly p50: number | null
  readonly p90: number | null
  readonly p99: number | null
}

export interface LiveRates extends Rates {
  /** Requests per second of each of the last 60 seconds, oldest first; shorter while the agent is young. */
  readonly recent: readonly number[]
}

/** The rates of one series of requests: which virtual host, route and backend. */
export interface Flow extends Rates {
  readonly virtualHost: string
  readonly route: string
  readonly backend: string
}

/** What nobody asked for. */
export const noRates: LiveRates = { requestsPerSecond: 0, errorRatio: 0, p50: null, p90: null, p99: null, recent: [] }

/** Rates between two states that were taken `seconds` apart; only of series with requests in between. */
export function summarize(previous: MetricsState, current: MetricsState, seconds: number): Flow[] {
  const totals = new Map<string, RequestDelta>()
  forEachDelta(previous, current, (key, delta) => totals.set(key, delta))
  return Array.from(totals.values(), delta => ({ ...namesOf(delta), ...ratesOf(delta, seconds) }))
}

/** @param seconds over which the requests were counted; 0 gives no rates */
export function ratesOf(delta: RequestDelta, seconds: number): Rates {
  const answered = delta.requests
  return {
    requestsPerSecond: seconds > 0 ? answered / seconds : 0,
    errorRatio: answered > 0 ? Math.min(1, delta.errors / answered) : 0,
    p50: quantileOf(0.5, requestBounds, delta.buckets),
    p90: quantileOf(0.9, requestBounds, delta.buckets),
    p99: quantileOf(0.99, requestBounds, delta.buckets),
  }
}

export function namesOf(delta: { readonly labels: readonly string[] }): {
  virtualHost: string
  route: string
  backend: string
} {
  const [virtualHost = '', route = '', backend = ''] = delta.labels
  return { virtualHost, route, backend }
}

/** Several series as one. */
export function sumDeltas(deltas: Iterable<RequestDelta>): RequestDelta {
  const sum: RequestDelta = { labels: [], requests: 0, errors: 0, buckets: new Float64Array(requestBounds.length + 1) }
  for (const delta of deltas) addDeltas(sum, delta)
  return sum
}
