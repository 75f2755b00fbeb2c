import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mergeStates, MetricsAggregator } from './merge.ts'
import { MetricRegistry } from './metric-registry.ts'
import { renderPrometheus } from './prometheus.ts'
import type { MetricsState } from './metrics-state.ts'

/** A worker that made `retries` retries to each backend and has `open` connections. */
function worker(retries: Record<string, number>, open = 0): MetricsState {
  const registry = new MetricRegistry()
  for (const [backend, count] of Object.entries(retries)) {
    registry.counter('heddle_upstream_retries_total', { backend }).value = count
    registry.histogram('heddle_upstream_request_duration_seconds', { backend }).record(0.001 * count)
  }
  registry.gauge('heddle_downstream_connections', { listener: 'l' }).value = open
  return registry.export()
}

function valueOf(state: MetricsState, name: string, label: string): number | undefined {
  const metric = state.metrics.find(candidate => candidate.name === name)
  const index = metric?.series.findIndex(labels => labels[0] === label) ?? -1
  return index === -1 ? undefined : metric?.values[index]
}

test('mergeStates() adds the same series and keeps those that only one has', () => {
  const merged = mergeStates([worker({ a: 1, b: 2 }, 3), worker({ b: 5, c: 7 }, 4)])
  const read = (label: string) => valueOf(merged, 'heddle_upstream_retries_total', label)
  assert.deepEqual([read('a'), read('b'), read('c')], [1, 7, 7])
  assert.equal(valueOf(merged, 'heddle_downstream_connections', 'l'), 7)
  const text = renderPrometheus(merged)
  assert.match(text, /duration_seconds_count\{backend="b"\} 2\n/)
  assert.match(text, /duration_seconds_sum\{backend="b"\} 0\.007\n/)
})

test('mergeStates() leaves its arguments as they are', () => {
  const states = [worker({ a: 1 }), worker({ a: 2 })]
  const before = structuredClone(states)
  mergeStates(states)
  assert.deepEqual(states, before)
})

test('mergeStates() of nothing is empty', () => {
  assert.deepEqual(mergeStates([]), { metrics: [] })
})

test('a retired worker leaves its counters in the totals and takes its gauges along', () => {
  const aggregator = new MetricsAggregator()
  aggregator.set(1, worker({ a: 10 }, 5))
  aggregator.set(2, worker({ a: 1 }, 2))
  aggregator.retire(1)
  assert.equal(valueOf(aggregator.total(), 'heddle_upstream_retries_total', 'a'), 11)
  assert.equal(valueOf(aggregator.total(), 'heddle_downstream_connections', 'l'), 2)

  // Its successor under the same id starts from nothing, and may die as well.
  aggregator.set(1, worker({ a: 4 }, 1))
  assert.equal(valueOf(aggregator.total(), 'heddle_upstream_retries_total', 'a'), 15)
  aggregator.retire(1)
  aggregator.retire(1)
  assert.equal(valueOf(aggregator.total(), 'heddle_upstream_retries_total', 'a'), 15)
  assert.equal(valueOf(aggregator.total(), 'heddle_downstream_connections', 'l'), 2)
})

test('set() replaces the last state of a worker', () => {
  const aggregator = new MetricsAggregator()
  aggregator.set(1, worker({ a: 10 }))
  aggregator.set(1, worker({ a: 12 }))
  assert.equal(valueOf(aggregator.total(), 'heddle_upstream_retries_total', 'a'), 12)
})

test('drop() forgets a series in live and in retired states', () => {
  const aggregator = new MetricsAggregator()
  aggregator.set(1, worker({ a: 10, b: 1 }))
  aggregator.retire(1)
  aggregator.set(2, worker({ a: 5, b: 2 }))
  aggregator.drop('backend', 'a')
  assert.equal(valueOf(aggregator.total(), 'heddle_upstream_retries_total', 'a'), undefined)
  assert.equal(valueOf(aggregator.total(), 'heddle_upstream_retries_total', 'b'), 3)
  assert.match(renderPrometheus(aggregator.total()), /_bucket\{backend="b",le="\+Inf"\} 2\n/)
})
