import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatDuration, parseDuration } from './duration.ts'

const readings: readonly (readonly [string, number | undefined])[] = [
  ['0s', 0],
  ['500ms', 500],
  ['10s', 10_000],
  ['1h30m', 5_400_000],
  ['30m1h', 5_400_000],
  ['1s1s', 2_000],
  ['99999h', 359_996_400_000],
  ['1h1m1s1ms', 3_661_001],
  ['', undefined],
  ['0', undefined],
  ['10', undefined],
  ['1.5s', undefined],
  ['-1s', undefined],
  ['1d', undefined],
  ['1 s', undefined],
  ['100000s', undefined],
  ['1s1s1s1s1s', undefined],
]

for (const [text, ms] of readings) {
  test(`parseDuration() reads "${text}" as ${ms}`, () => {
    assert.equal(parseDuration(text), ms)
  })
}

test('formatDuration() writes the shortest form that reads back', () => {
  for (const ms of [0, 1, 999, 1000, 60_000, 5_400_000, 3_661_001]) {
    assert.equal(parseDuration(formatDuration(ms)), ms)
  }
  assert.equal(formatDuration(5_400_000), '1h30m')
  assert.equal(formatDuration(0), '0s')
})
