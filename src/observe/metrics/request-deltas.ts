import { grpcStatuses, httpStatusOfGrpc } from '../../codec/index.ts'
import type { GrpcStatusName } from '../../codec/index.ts'
import { definitionOf, seriesKey, strideOf } from './metrics-state.ts'
import type { MetricsState, MetricState } from './metrics-state.ts'

/** What was counted of one series of requests between two states. */
export interface RequestDelta {
  /** Virtual host, route and backend; or backend and endpoint. */
  readonly labels: readonly string[]
  requests: number
  /** Those answered with 5xx, or with a gRPC status that means the like; these have an HTTP status of 200. */
  errors: number
  /** By duration, as `requestBounds`; all zero where no duration is measured. */
  readonly buckets: Float64Array
}

const requests = 'http_server_requests_total'
const durations = 'http_server_request_duration_seconds'
const calls = 'rpc_server_requests_total'
const sessions = 'heddle_stream_sessions_total'
const tries = 'heddle_upstream_requests_total'
const grpcTries = 'heddle_upstream_grpc_requests_total'

/** Bounds of the durations of requests, in seconds. */
export const requestBounds: readonly number[] = definitionOf(durations).buckets ?? []

/** Visits the virtual hosts' series that had requests between the states; a session of TCP, TLS or UDP is one when it begins. */
export function forEachDelta(
  previous: MetricsState,
  current: MetricsState,
  visit: (key: string, delta: RequestDelta) => void,
): void {
  const deltas = countDeltas(find(previous, requests), find(current, requests))
  addFailedCalls(deltas, find(previous, calls), find(current, calls))
  addDurations(deltas, find(previous, durations), find(current, durations))
  for (const [key, delta] of deltas) visit(key, delta)
  const [before, now] = [find(previous, sessions), find(current, sessions)]
  for (const [key, delta] of countDeltas(before, now, { hasClass: false })) visit(key, delta)
}

/** Visits the endpoints' series (backend, endpoint) that had tries between the states. */
export function forEachEndpointDelta(
  previous: MetricsState,
  current: MetricsState,
  visit: (key: string, delta: RequestDelta) => void,
): void {
  const deltas = countDeltas(find(previous, tries), find(current, tries))
  addFailedCalls(deltas, find(previous, grpcTries), find(current, grpcTries))
  for (const [key, delta] of deltas) visit(key, delta)
}

export function addDeltas(sum: RequestDelta, delta: RequestDelta): void {
  sum.requests += delta.requests
  sum.errors += delta.errors
  for (let i = 0; i < sum.buckets.length; i++) sum.buckets[i]! += delta.buckets[i] ?? 0
}

/** @param options.hasClass  the status class is the last label; the labels before it name the series. @default true */
function countDeltas(
  previous: MetricState | undefined,
  current: MetricState | undefined,
  { hasClass = true }: { readonly hasClass?: boolean } = {},
): Map<string, RequestDelta> {
  const deltas = new Map<string, RequestDelta>()
  if (current === undefined) return deltas
  const before = valuesByKey(previous)
  current.series.forEach((labels, index) => {
    const count = growth(current.values[index] ?? 0, before.get(seriesKey(labels)))
    if (count === 0) return
    const name = hasClass ? labels.slice(0, -1) : labels
    const key = seriesKey(name)
    let delta = deltas.get(key)
    if (delta === undefined) {
      delta = { labels: name, requests: 0, errors: 0, buckets: new Float64Array(requestBounds.length + 1) }
      deltas.set(key, delta)
    }
    delta.requests += count
    if (hasClass && labels.at(-1) === '5xx') delta.errors += count
  })
  return deltas
}

/** The gRPC status is the last label. */
function addFailedCalls(
  deltas: ReadonlyMap<string, RequestDelta>,
  previous: MetricState | undefined,
  current: MetricState | undefined,
): void {
  if (current === undefined) return
  const before = valuesByKey(previous)
  current.series.forEach((labels, index) => {
    const code = grpcStatuses[labels.at(-1) as GrpcStatusName] ?? grpcStatuses.unknown
    if (httpStatusOfGrpc(code) < 500) return
    const delta = deltas.get(seriesKey(labels.slice(0, -1)))
    if (delta !== undefined) delta.errors += growth(current.values[index] ?? 0, before.get(seriesKey(labels)))
  })
}

function addDurations(
  deltas: ReadonlyMap<string, RequestDelta>,
  previous: MetricState | undefined,
  current: MetricState | undefined,
): void {
  if (current === undefined) return
  const stride = strideOf(definitionOf(durations))
  const before = new Map<string, number>()
  previous?.series.forEach((labels, index) => before.set(seriesKey(labels), index * stride))
  current.series.forEach((labels, index) => {
    const key = seriesKey(labels)
    const delta = deltas.get(key)
    if (delta === undefined) return
    const from = before.get(key)
    for (let i = 0; i < delta.buckets.length; i++) {
      const old = from === undefined ? undefined : previous?.values[from + i]
      delta.buckets[i] = growth(current.values[index * stride + i] ?? 0, old)
    }
  })
}

/** A value that fell began anew: its series was removed and made again. */
function growth(now: number, before: number | undefined): number {
  return before === undefined || now < before ? now : now - before
}

function valuesByKey(metric: MetricState | undefined): Map<string, number> {
  const values = new Map<string, number>()
  metric?.series.forEach((labels, index) => values.set(seriesKey(labels), metric.values[index] ?? 0))
  return values
}

function find(state: MetricsState, name: string): MetricState | undefined {
  return state.metrics.find(metric => metric.name === name)
}
