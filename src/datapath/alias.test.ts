import assert from 'node:assert/strict'
import { test } from 'node:test'
import { aliasSlots } from './alias.ts'

const rows: readonly (readonly number[])[] = [
  [1],
  [1_000_000],
  [1, 1],
  [1, 3],
  [1, 1, 1],
  [1, 2, 3, 4, 5],
  [1, 1_000_000],
  [7, 7, 7, 7, 7, 7, 7],
  Array.from({ length: 1000 }, (_, at) => 1 + ((at * 7919) % 1000)),
]

for (const weights of rows) {
  test(`aliasSlots() of ${weights.slice(0, 5).join()} gives each its share`, () => {
    const slots = aliasSlots(weights)
    assert.equal(slots.length, weights.length)
    const shares = weights.map(() => 0)
    for (const { first, second, firstShare } of slots) {
      assert.ok(firstShare >= 0 && firstShare < 2 ** 32 && Number.isInteger(firstShare))
      const share = firstShare / 2 ** 32
      shares[first] = (shares[first] ?? 0) + share / slots.length
      shares[second] = (shares[second] ?? 0) + (1 - share) / slots.length
    }
    const sum = weights.reduce((total, weight) => total + weight, 0)
    for (const [at, weight] of weights.entries()) assert.ok(Math.abs((shares[at] ?? 0) - weight / sum) < 1e-8)
  })
}

test('aliasSlots() of nothing is nothing', () => assert.deepEqual(aliasSlots([]), []))
