import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CircuitBreaker as Limits } from '../../model/index.ts'
import { CircuitBreaker } from './circuit-breaker.ts'

const limits: Limits = {
  maxConnections: 5,
  maxPending: 3,
  maxRequests: 10,
  retryBudgetPercent: 20,
  minRetryConcurrency: 1,
}

test('tryAcquire() refuses beyond each limit and grants again after a release', () => {
  for (const [kind, limit] of [
    ['connection', 5],
    ['pending', 3],
    ['request', 10],
  ] as const) {
    const breaker = new CircuitBreaker(limits, 1)
    for (let i = 0; i < limit; i++) assert.ok(breaker.tryAcquire(kind))
    assert.equal(breaker.hasRoom(kind), false)
    assert.equal(breaker.tryAcquire(kind), false)
    assert.equal(breaker.active(kind), limit)
    breaker.release(kind)
    assert.ok(breaker.tryAcquire(kind))
  }
})

test('kinds are counted apart', () => {
  const breaker = new CircuitBreaker({ ...limits, maxConnections: 1, maxPending: 1, maxRequests: 1 }, 1)
  for (const kind of ['connection', 'pending', 'request', 'retry'] as const) assert.ok(breaker.tryAcquire(kind))
  for (const kind of ['connection', 'pending', 'request', 'retry'] as const) assert.equal(breaker.active(kind), 1)
})

test('limits are divided among the workers, rounded up', () => {
  const breaker = new CircuitBreaker(limits, 4)
  assert.deepEqual(
    (['connection', 'pending', 'request', 'retry'] as const).map(kind => breaker.limit(kind)),
    [2, 1, 3, 1],
  )
})

test('the retry budget follows the requests under way and waiting, above its floor', () => {
  const breaker = new CircuitBreaker({ ...limits, maxRequests: 100, maxPending: 100, minRetryConcurrency: 3 }, 1)
  assert.equal(breaker.limit('retry'), 3)
  for (let i = 0; i < 18; i++) breaker.tryAcquire('request')
  assert.equal(breaker.limit('retry'), 3)
  for (let i = 0; i < 7; i++) breaker.tryAcquire('pending')
  assert.equal(breaker.limit('retry'), 5)
  for (let i = 0; i < 5; i++) assert.ok(breaker.tryAcquire('retry'))
  assert.equal(breaker.tryAcquire('retry'), false)
})

test('without a budget and a floor no retry is granted', () => {
  const breaker = new CircuitBreaker({ ...limits, retryBudgetPercent: 0, minRetryConcurrency: 0 }, 2)
  for (let i = 0; i < 5; i++) breaker.tryAcquire('request')
  assert.equal(breaker.tryAcquire('retry'), false)
})

test('update() holds for what comes next', () => {
  const breaker = new CircuitBreaker(limits, 1)
  for (let i = 0; i < 4; i++) breaker.tryAcquire('connection')
  breaker.update({ ...limits, maxConnections: 2 })
  assert.equal(breaker.active('connection'), 4)
  breaker.release('connection')
  breaker.release('connection')
  assert.equal(breaker.tryAcquire('connection'), false)
  breaker.release('connection')
  assert.ok(breaker.tryAcquire('connection'))
})

test('release() never counts below zero', () => {
  const breaker = new CircuitBreaker(limits, 1)
  breaker.release('request')
  assert.equal(breaker.active('request'), 0)
})
