import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TurnHeap } from './turn-heap.ts'

function takeTurns(weights: readonly number[], turns: number): number[] {
  const heap = new TurnHeap(weights.length)
  weights.forEach((weight, member) => heap.push(member, 1 / weight))
  return Array.from({ length: turns }, () => {
    const member = heap.top
    heap.advance(1 / (weights[member] ?? 1))
    return member
  })
}

test('turns come exactly in proportion to the weights', () => {
  for (const weights of [[1], [1, 1, 1], [4, 1], [5, 3, 2], [1, 2, 4, 8, 16], [1000, 1]]) {
    const total = weights.reduce((sum, weight) => sum + weight, 0)
    const counts = weights.map(() => 0)
    for (const member of takeTurns(weights, 7 * total)) counts[member] = (counts[member] ?? 0) + 1
    assert.deepEqual(
      counts,
      weights.map(weight => weight * 7),
    )
  }
})

test('turns of a heavy member are spread, not bunched', () => {
  const turns = takeTurns([2, 1, 1], 40).join('')
  assert.ok(!turns.includes('000'), turns)
})

test('turns keep their proportions when virtual time is rebased', () => {
  const heap = new TurnHeap(2)
  heap.push(0, 2 ** 20)
  heap.push(1, 2 ** 20)
  let heavy = 0
  for (let i = 0; i < 3_000; i++) {
    const member = heap.top
    if (member === 0) heavy++
    heap.advance(member === 0 ? 0.5 : 1)
  }
  assert.ok(heap.nowVirtual < 2 ** 20)
  assert.ok(Math.abs(heavy - 2_000) <= 1, String(heavy))
})
