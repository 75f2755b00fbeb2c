import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { chooseWeighted, isMirrored, weightTable } from './choose-weighted.ts'

const tableOf = (...weights: readonly number[]) => weightTable(weights.map((weight, at) => ({ weight, at })))

describe('chooseWeighted()', () => {
  const cases: readonly (readonly [weights: readonly number[], random01: number, chosen: number | undefined])[] = [
    [[], 0.5, undefined],
    [[0], 0.5, undefined],
    [[0, 0], 0, undefined],
    [[7], 0.99, 0],
    [[0, 3], 0, 1],
    [[1, 1], 0, 0],
    [[1, 1], 0.499, 0],
    [[1, 1], 0.5, 1],
    [[1, 1], 0.999, 1],
    [[1, 0, 1], 0.5, 2],
    [[90, 10], 0.899, 0],
    [[90, 10], 0.9, 1],
    [[1, 2, 3, 4], 0.1, 1],
    [[1, 2, 3, 4], 0.299, 1],
    [[1, 2, 3, 4], 0.3, 2],
    [[1, 2, 3, 4], 0.6, 3],
    [[1000000, 1], 0.9999999, 1],
  ]
  for (const [weights, random01, chosen] of cases) {
    it(`[${weights.join()}] at ${random01} → ${chosen}`, () => {
      assert.equal(chooseWeighted(tableOf(...weights), random01)?.at, chosen)
    })
  }

  it('gives each backend its share', () => {
    const table = tableOf(70, 0, 20, 10)
    const counts = [0, 0, 0, 0]
    for (let draw = 0; draw < 1000; draw++) {
      const at = chooseWeighted(table, draw / 1000)?.at ?? 1
      counts[at] = (counts[at] ?? 0) + 1
    }
    assert.deepEqual(counts, [700, 0, 200, 100])
  })
})

describe('isMirrored()', () => {
  it('takes all, none, or the fraction', () => {
    assert.deepEqual(
      [isMirrored(1, 0.999), isMirrored(0, 0), isMirrored(0.2, 0.19), isMirrored(0.2, 0.2)],
      [true, false, true, false],
    )
  })
})
