import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RestartBudget } from './restart-budget.ts'

test('RestartBudget lets starts take a tenth of the time, with some saved up', () => {
  let nowMs = 0
  const budget = new RestartBudget(() => nowMs)
  let starts = 0
  for (; nowMs < 100_000; nowMs++) {
    if (!budget.allows) continue
    starts++
    budget.started(5)
  }
  // 500 ms saved, and 10 s of 100: 5 ms each.
  assert.ok(starts >= 2095 && starts <= 2105, `${starts} starts`)
})

test('RestartBudget waits longer after each start that failed, up to a minute', () => {
  let nowMs = 0
  const budget = new RestartBudget(() => nowMs)
  const pauses: number[] = []
  for (let index = 0; index < 8; index++) {
    budget.failedToStart()
    const beganMs = nowMs
    while (!budget.allows) nowMs += 500
    pauses.push((nowMs - beganMs) / 1000)
  }
  assert.deepEqual(pauses, [1, 2, 4, 8, 16, 32, 60, 60])
  budget.started(1)
  budget.failedToStart()
  nowMs += 1000
  assert.ok(budget.allows)
})
