import assert from 'node:assert/strict'
import { test } from 'node:test'
import { portPrefix, prefixBits, rangePrefixes } from './port-prefix.ts'

/** Whether a lookup of each shorter prefix finds one. */
function covers(prefixes: ReadonlySet<number>, protocol: number, port: number): number {
  let found = 0
  for (let bits = 0; bits <= prefixBits; bits++) if (prefixes.has(portPrefix(bits, protocol, port))) found++
  return found
}

const cases: readonly (readonly [from: number, to: number, count: number])[] = [
  [80, 80, 1],
  [0, 65_535, 1],
  [1, 65_535, 1],
  [1, 1, 1],
  [1, 2, 2],
  [8000, 9000, 7],
  [2, 65_534, 29],
  [3, 65_534, 29],
  [1024, 65_535, 6],
  [65_535, 65_535, 1],
  [32_767, 32_768, 2],
]
for (const [from, to, count] of cases) {
  test(`rangePrefixes() of ${from} to ${to} are ${count} that cover each port once, and no other`, () => {
    const prefixes = new Set(rangePrefixes('TCP', from, to))
    for (let port = 1; port <= 65_535; port++) {
      const wanted = port >= from && port <= to ? 1 : 0
      if (covers(prefixes, 6, port) !== wanted) assert.fail(`port ${port}`)
    }
    assert.equal(covers(prefixes, 17, from), 0)
    assert.equal(prefixes.size, count)
  })
}

test('portPrefix() clears what lies beyond the prefix', () => {
  assert.equal(portPrefix(0, 132, 65_535), 0)
  assert.equal(portPrefix(8, 6, 65_535), (8 << 24) | (6 << 16))
  assert.equal(portPrefix(24, 132, 65_535), 24 * 2 ** 24 + 132 * 2 ** 16 + 65_535)
  assert.equal(portPrefix(23, 6, 81), portPrefix(23, 6, 80))
  assert.notEqual(portPrefix(24, 6, 80), portPrefix(23, 6, 80))
})
