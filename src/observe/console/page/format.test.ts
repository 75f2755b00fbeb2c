import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errorLevel, fitText, formatRate, formatSeconds, formatShare, formatUptime, sparkPath } from './format.ts'

test('numbers are short and never say zero for something', () => {
  const cases: readonly [string, string][] = [
    [formatRate(0), '0'],
    [formatRate(0.04), '<0.1'],
    [formatRate(0.2), '0.2'],
    [formatRate(9.96), '10.0'],
    [formatRate(1234.4), '1,234'],
    [formatSeconds(null), '–'],
    [formatSeconds(0.00012), '0.12 ms'],
    [formatSeconds(0.0031), '3.1 ms'],
    [formatSeconds(0.00996), '10 ms'],
    [formatSeconds(0.25), '250 ms'],
    [formatSeconds(0.9996), '1.00 s'],
    [formatSeconds(10), '10.0 s'],
    [formatShare(0), '0%'],
    [formatShare(0.0001), '<0.1%'],
    [formatShare(0.012), '1.2%'],
    [formatShare(1), '100%'],
    [formatUptime(59.9), '59 s'],
    [formatUptime(61), '1 min'],
    [formatUptime(3700), '1 h 1 min'],
    [formatUptime(90_000), '1 d 1 h'],
  ]
  for (const [actual, expected] of cases) assert.equal(actual, expected)
})

test('errorLevel() is good below half a percent and bad from five', () => {
  assert.deepEqual([0, 0.0049, 0.005, 0.049, 0.05, 1].map(errorLevel), ['good', 'good', 'warn', 'warn', 'bad', 'bad'])
})

test('fitText() cuts to the width', () => {
  assert.equal(fitText('storefront', 70, 7), 'storefront')
  assert.equal(fitText('storefronts', 70, 7), 'storefron…')
  assert.equal(fitText('ab', -5, 7), '…')
})

test('sparkPath() ends at the right edge and stays inside the height', () => {
  assert.equal(sparkPath([], 100, 20, 5), '')
  assert.equal(sparkPath([0, 10, 5], 100, 20, 5), 'M50.0 19.0L75.0 1.0L100.0 10.0')
  assert.equal(sparkPath([0, 0.5], 100, 20, 5), 'M75.0 19.0L100.0 10.0', 'little traffic does not look like much')
})
