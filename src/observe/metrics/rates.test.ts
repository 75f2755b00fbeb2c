import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Counter } from '../../core/index.ts'
import { quantileOf } from './buckets.ts'
import { MetricRegistry } from './metric-registry.ts'
import { RateWindow } from './rate-window.ts'
import { summarize } from './rates.ts'

/** A mesh under traffic: requests are counted as the proxy counts them. */
class Traffic {
  readonly registry = new MetricRegistry()

  send(route: string, backend: string, count: number, options: { status?: string; seconds?: number } = {}): void {
    const labels = { virtual_host: 'Gateway shop/web/http', route, backend }
    const { status = '2xx', seconds = 0.002 } = options
    this.registry.counter('http_server_requests_total', { ...labels, status_class: status }).value += count
    const histogram = this.registry.histogram('http_server_request_duration_seconds', labels)
    for (let i = 0; i < count; i++) histogram.record(seconds)
    this.registry.counter('heddle_upstream_requests_total', {
      backend,
      endpoint: '127.0.0.1:9001',
      status_class: status,
    }).value += count
  }
}

test('quantileOf() interpolates within the bucket', () => {
  const bounds = [1, 2, 4]
  const cases: readonly [number, readonly number[], number | null][] = [
    [0.5, [0, 0, 0, 0], null],
    [0.5, [10, 0, 0, 0], 0.5],
    [1, [10, 0, 0, 0], 1],
    [0.5, [5, 5, 0, 0], 1],
    [0.75, [5, 5, 0, 0], 1.5],
    [0.9, [0, 0, 10, 0], 3.8],
    [0.99, [1, 0, 0, 99], 4],
    [0, [0, 3, 0, 0], 1],
  ]
  for (const [quantile, counts, expected] of cases) {
    const actual = quantileOf(quantile, bounds, counts)
    if (expected === null || actual === null) assert.equal(actual, expected)
    else assert.ok(Math.abs(actual - expected) < 1e-9, `${quantile} of ${counts.join(' ')} is ${actual}`)
  }
})

test("summarize() counts calls of gRPC that failed on the server's side as errors", () => {
  const traffic = new Traffic()
  const labels = { virtual_host: 'Gateway shop/web/http', route: 'r', backend: 'b' }
  const calls = (grpc_status: string): Counter =>
    traffic.registry.counter('rpc_server_requests_total', { ...labels, grpc_status })
  calls('unavailable').value += 3
  traffic.send('r', 'b', 3)
  const before = traffic.registry.export()
  traffic.send('r', 'b', 20)
  calls('ok').value += 10
  calls('not-found').value += 5
  calls('unavailable').value += 4
  calls('internal').value += 1
  const [flow] = summarize(before, traffic.registry.export(), 1)
  assert.equal(flow?.errorRatio, 0.25)
})

test('summarize() gives the rates between two states', () => {
  const traffic = new Traffic()
  traffic.send('r', 'b', 1000, { seconds: 5 })
  traffic.send('quiet', 'b', 1)
  const before = traffic.registry.export()
  traffic.send('r', 'b', 15)
  traffic.send('r', 'b', 5, { status: '5xx', seconds: 0.2 })
  traffic.send('new', 'c', 4, { status: '4xx' })
  const flows = summarize(before, traffic.registry.export(), 2)
  assert.deepEqual(
    flows.map(flow => [flow.virtualHost, flow.route, flow.backend, flow.requestsPerSecond, flow.errorRatio]),
    [
      ['Gateway shop/web/http', 'r', 'b', 10, 0.25],
      ['Gateway shop/web/http', 'new', 'c', 2, 0],
    ],
  )
  const p50 = flows[0]?.p50 ?? 0
  const p99 = flows[0]?.p99 ?? 0
  assert.ok(p50 > 0.001 && p50 < 0.0025, `p50 ${p50}`)
  assert.ok(p99 > 0.1 && p99 < 0.25, `p99 ${p99}`)
})

test('summarize() takes a counter that fell for one that began anew', () => {
  const before = new Traffic()
  before.send('r', 'b', 100)
  const after = new Traffic()
  after.send('r', 'b', 3)
  assert.equal(summarize(before.registry.export(), after.registry.export(), 1)[0]?.requestsPerSecond, 3)
})

test('RateWindow shows rates of the last seconds and a minute of history', () => {
  const traffic = new Traffic()
  const window = new RateWindow()
  traffic.send('r', 'b', 500)
  window.add(traffic.registry.export(), 0)
  assert.deepEqual(window.total().recent, [])
  for (let second = 1; second <= 3; second++) {
    traffic.send('r', 'b', 10 * second)
    traffic.send('s', 'b', 2)
    window.add(traffic.registry.export(), second * 1000)
  }
  assert.deepEqual(window.by('route').get('r')?.recent, [10, 20, 30])
  assert.equal(window.by('route').get('r')?.requestsPerSecond, 20)
  assert.deepEqual(window.by('backend').get('b')?.recent, [12, 22, 32])
  assert.equal(window.total().requestsPerSecond, 22)
  assert.equal(window.flows().length, 2)
  assert.equal(window.endpoint('b', '127.0.0.1:9001').requestsPerSecond, 22)
  assert.equal(window.endpoint('b', '127.0.0.1:9001').p50, null)
  assert.equal(window.endpoint('b', 'unknown').requestsPerSecond, 0)
})

test('RateWindow lets rates fall to zero at once after the last seconds and forgets after a minute', () => {
  const traffic = new Traffic()
  const window = new RateWindow()
  window.add(traffic.registry.export(), 0)
  traffic.send('r', 'b', 50)
  for (let second = 1; second <= 5; second++) window.add(traffic.registry.export(), second * 1000)
  assert.equal(window.total().requestsPerSecond, 10)
  window.add(traffic.registry.export(), 6000)
  assert.equal(window.total().requestsPerSecond, 0)
  assert.equal(window.total().p50, null)
  assert.deepEqual(window.by('route').get('r')?.recent, [50, 0, 0, 0, 0, 0])
  for (let second = 7; second <= 60; second++) window.add(traffic.registry.export(), second * 1000)
  assert.equal(window.total().recent.length, 60)
  assert.equal(window.total().recent[0], 50)
  window.add(traffic.registry.export(), 61_000)
  assert.equal(window.total().recent.length, 60)
  assert.deepEqual([...window.by('route').keys()], [])
})

test('RateWindow does not show what a slot held a round before', () => {
  const traffic = new Traffic()
  const window = new RateWindow()
  window.add(traffic.registry.export(), 0)
  for (let second = 1; second <= 150; second++) {
    if (second % 50 === 1) traffic.send('r', 'b', second)
    window.add(traffic.registry.export(), second * 1000)
  }
  const recent = window.by('route').get('r')?.recent ?? []
  assert.deepEqual(
    recent.filter(rate => rate > 0),
    [101],
  )
})

test('RateWindow divides by the time that really passed and ignores a state of no later time', () => {
  const traffic = new Traffic()
  const window = new RateWindow()
  window.add(traffic.registry.export(), 1000)
  traffic.send('r', 'b', 30)
  window.add(traffic.registry.export(), 1000)
  window.add(traffic.registry.export(), 4000)
  assert.deepEqual(window.total().recent, [10])
  assert.equal(window.total().requestsPerSecond, 10)
})

test('summarize() counts a session of TCP, TLS or UDP when it begins', () => {
  const registry = new MetricRegistry()
  const before = registry.export()
  const labels = { virtual_host: 'Gateway shop/l4/db', route: 'TCPRoute shop/db', backend: 'shop/db:5432' }
  registry.counter('heddle_stream_sessions_total', labels).value += 6
  const [flow, ...rest] = summarize(before, registry.export(), 3)
  assert.deepEqual(rest, [])
  assert.deepEqual(
    [flow?.virtualHost, flow?.route, flow?.backend, flow?.requestsPerSecond, flow?.errorRatio, flow?.p50],
    ['Gateway shop/l4/db', 'TCPRoute shop/db', 'shop/db:5432', 2, 0, null],
  )
})
