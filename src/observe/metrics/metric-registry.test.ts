import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MetricRegistry, overflowLabel } from './metric-registry.ts'
import type { MetricsState } from './metrics-state.ts'

const route = { virtual_host: 'Gateway shop/web/http', route: 'HTTPRoute shop/cart', backend: 'shop/cart:80' }
const requests = 'http_server_requests_total'

function seriesOf(state: MetricsState, name: string): Record<string, number[]> {
  const metric = state.metrics.find(candidate => candidate.name === name)
  if (metric === undefined) return {}
  const stride = metric.values.length / metric.series.length
  return Object.fromEntries(
    metric.series.map((labels, i) => [labels.join('|'), [...metric.values.subarray(i * stride, (i + 1) * stride)]]),
  )
}

test('counter() gives the same series for the same labels in any order', () => {
  const registry = new MetricRegistry()
  const first = registry.counter(requests, { ...route, status_class: '2xx' })
  const second = registry.counter(requests, { status_class: '2xx', ...route })
  first.value += 2
  second.value += 3
  assert.equal(first, second)
  assert.deepEqual(seriesOf(registry.export(), requests), {
    'Gateway shop/web/http|HTTPRoute shop/cart|shop/cart:80|2xx': [5],
  })
})

test('resolving refuses what is not in the table of metrics', () => {
  const registry = new MetricRegistry()
  const cases: readonly [string, string, () => unknown][] = [
    ['unknown name', 'MESH_METRIC_UNKNOWN', () => registry.counter('http_requests', {})],
    ['name of a prototype member', 'MESH_METRIC_UNKNOWN', () => registry.counter('constructor', {})],
    ['missing label', 'MESH_METRIC_MISUSED', () => registry.counter(requests, route)],
    [
      'unknown label',
      'MESH_METRIC_MISUSED',
      () => registry.counter(requests, { ...route, status_class: '2xx', path: '/' }),
    ],
    ['a counter as a gauge', 'MESH_METRIC_MISUSED', () => registry.gauge(requests, { ...route, status_class: '2xx' })],
    [
      'a histogram as a counter',
      'MESH_METRIC_MISUSED',
      () => registry.counter('http_server_request_duration_seconds', route),
    ],
    ['a gauge as a histogram', 'MESH_METRIC_MISUSED', () => registry.histogram('heddle_config_version', {})],
  ]
  for (const [name, code, resolve] of cases) assert.throws(resolve, { name: 'MeshError', code }, name)
})

test('record() counts a value in the bucket whose bound it does not exceed', () => {
  const registry = new MetricRegistry()
  const histogram = registry.histogram('http_server_request_duration_seconds', route)
  for (const value of [0, 0.0005, 0.00051, 10, 10.1, 1e9]) histogram.record(value)
  const values = Object.values(seriesOf(registry.export(), 'http_server_request_duration_seconds'))[0] ?? []
  assert.deepEqual(values.slice(0, -1), [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2])
  assert.equal(values.at(-1), 1e9 + 20.10101)
})

test('export() leaves out labelled counters and histograms that never counted, but no gauge', () => {
  const registry = new MetricRegistry()
  registry.counter(requests, { ...route, status_class: '5xx' })
  registry.histogram('http_server_request_duration_seconds', route)
  registry.counter('heddle_worker_restarts_total', {})
  registry.gauge('heddle_downstream_connections', { listener: '127.0.0.1:80' })
  assert.deepEqual(
    registry.export().metrics.map(metric => metric.name),
    ['heddle_worker_restarts_total', 'heddle_downstream_connections'],
  )
})

test('export() is a copy that survives a structured clone', () => {
  const registry = new MetricRegistry()
  const counter = registry.counter('heddle_worker_restarts_total', {})
  counter.value = 1
  const state = registry.export()
  counter.value = 2
  assert.deepEqual(structuredClone(state), state)
  assert.deepEqual(seriesOf(state, 'heddle_worker_restarts_total'), { '': [1] })
})

test('a metric at its limit of series counts further ones together and says so', () => {
  const registry = new MetricRegistry({ seriesLimit: 2 })
  for (let i = 0; i < 5; i++) registry.counter('heddle_upstream_retries_total', { backend: `shop/s${i}:80` }).value = 1
  // A series that exists already is found as before.
  registry.counter('heddle_upstream_retries_total', { backend: 'shop/s1:80' }).value++
  registry.counter('heddle_upstream_retries_total', { backend: 'shop/s9:80' }).value += 10
  const state = registry.export()
  assert.deepEqual(seriesOf(state, 'heddle_upstream_retries_total'), {
    'shop/s0:80': [1],
    'shop/s1:80': [2],
    [overflowLabel]: [11],
  })
  assert.deepEqual(seriesOf(state, 'heddle_metrics_overflow_total'), { heddle_upstream_retries_total: [4] })
})

test('drop() removes the series of a label value everywhere and makes room for others', () => {
  const registry = new MetricRegistry({ seriesLimit: 2 })
  const kept = registry.counter('heddle_upstream_retries_total', { backend: 'shop/kept:80' })
  const gone = registry.counter('heddle_upstream_retries_total', { backend: 'shop/gone:80' })
  registry.histogram('heddle_upstream_request_duration_seconds', { backend: 'shop/gone:80' }).record(1)
  registry.gauge('heddle_config_version', {}).value = 7
  registry.drop('backend', 'shop/gone:80')
  kept.value = 1
  gone.value = 1
  registry.counter('heddle_upstream_retries_total', { backend: 'shop/new:80' }).value = 3
  const state = registry.export()
  assert.deepEqual(seriesOf(state, 'heddle_upstream_retries_total'), { 'shop/kept:80': [1], 'shop/new:80': [3] })
  assert.deepEqual(seriesOf(state, 'heddle_upstream_request_duration_seconds'), {})
  assert.deepEqual(seriesOf(state, 'heddle_config_version'), { '': [7] })
})

test('retain() asks with the name and the labels in the order of the definition', () => {
  const registry = new MetricRegistry()
  registry.counter('heddle_upstream_overloaded_total', { limit: 'pending', backend: 'shop/a:80' }).value = 1
  registry.counter('heddle_upstream_overloaded_total', { limit: 'requests', backend: 'shop/a:80' }).value = 1
  registry.retain((name, labels) => name !== 'heddle_upstream_overloaded_total' || labels[1] === 'pending')
  assert.deepEqual(seriesOf(registry.export(), 'heddle_upstream_overloaded_total'), { 'shop/a:80|pending': [1] })
})
