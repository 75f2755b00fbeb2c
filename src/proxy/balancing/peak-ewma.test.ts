import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Endpoint } from '../../model/index.ts'
import { EndpointState } from './endpoint-state.ts'
import { LatencyEstimator } from './peak-ewma.ts'

const endpoint: Endpoint = {
  id: '10.0.0.1:80',
  address: '10.0.0.1',
  port: 80,
  weight: 1,
  zone: '',
  workload: '',
  healthy: true,
  draining: false,
}

function makeState(): EndpointState {
  return new EndpointState(endpoint, -Infinity)
}

test('a peak is taken at once and forgotten slowly', () => {
  const estimator = new LatencyEstimator()
  const state = makeState()
  for (let at = 0; at < 100; at++) estimator.observe(state, 10, at, { failed: false })
  assert.equal(Math.round(estimator.estimateMs(state, 100)), 10)
  estimator.observe(state, 500, 100, { failed: false })
  assert.equal(estimator.estimateMs(state, 100), 500)
  estimator.observe(state, 10, 1_100, { failed: false })
  const soon = estimator.estimateMs(state, 1_100)
  assert.ok(soon > 300 && soon < 500, String(soon))
})

test('a faster answer pulls the estimate down', () => {
  const estimator = new LatencyEstimator()
  const state = makeState()
  estimator.observe(state, 100, 0, { failed: false })
  estimator.observe(state, 20, 10_000, { failed: false })
  const estimate = estimator.estimateMs(state, 10_000)
  assert.ok(estimate > 20 && estimate < 60, String(estimate))
})

test('an endpoint without an answer counts as typical', () => {
  const estimator = new LatencyEstimator()
  estimator.observe(makeState(), 40, 0, { failed: false })
  assert.equal(estimator.estimateMs(makeState(), 0), 40)
})

test('a slow endpoint without answers sinks to half the typical latency, never below', () => {
  const estimator = new LatencyEstimator()
  const usual = makeState()
  for (let at = 0; at < 1_000; at++) estimator.observe(usual, 10, at, { failed: false })
  const slow = makeState()
  estimator.observe(slow, 1_000, 1_000, { failed: false })
  assert.ok(estimator.estimateMs(slow, 21_000) > 100)
  assert.equal(estimator.estimateMs(slow, 200_000), estimator.typicalMs / 2)
})

test('failing fast makes an endpoint dearer, within bounds', () => {
  const estimator = new LatencyEstimator()
  const state = makeState()
  estimator.observe(state, 10, 0, { failed: false })
  estimator.observe(state, 0.1, 0, { failed: true })
  assert.ok(estimator.estimateMs(state, 0) >= 20)
  for (let i = 0; i < 100; i++) estimator.observe(state, 0.1, 0, { failed: true })
  assert.ok(estimator.estimateMs(state, 0) <= 30_000)
  assert.equal(estimator.typicalMs, 10)
})

test('a latency of zero counts as measured', () => {
  const estimator = new LatencyEstimator()
  const state = makeState()
  estimator.observe(state, 0, 0, { failed: false })
  assert.ok(state.ewmaMs > 0)
})
