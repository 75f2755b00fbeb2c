import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hashBytes, hashString, mix32 } from './hash.ts'

// Published vectors of MurmurHash3 x86 32 bit.
const vectors: readonly (readonly [string, number, number])[] = [
  ['', 0, 0],
  ['', 1, 0x514e28b7],
  ['', 0xffffffff, 0x81f16f39],
  ['test', 0, 0xba6bd213],
  ['test', 0x9747b28c, 0x704b81dc],
  ['Hello, world!', 0, 0xc0363e43],
  ['Hello, world!', 0x9747b28c, 0x24884cba],
  ['The quick brown fox jumps over the lazy dog', 0, 0x2e4ff723],
  ['The quick brown fox jumps over the lazy dog', 0x9747b28c, 0x2fa826cd],
  ['aaa', 0x9747b28c, 0x283e0130],
  ['aa', 0x9747b28c, 0x5d211726],
  ['a', 0x9747b28c, 0x7fa09ea6],
]

test('hashString() agrees with published vectors', () => {
  for (const [value, seed, expected] of vectors) assert.equal(hashString(value, seed), expected, value)
})

test('hashBytes() agrees with hashString() for every length and offset', () => {
  const text = 'a header value with bytes \x80\xff\x00 and more'
  const bytes = Buffer.from(`xx${text}`, 'latin1')
  for (let length = 0; length <= text.length; length++) {
    assert.equal(hashBytes(bytes, 2, 2 + length), hashString(text.slice(0, length)))
  }
})

test('hashString() tells texts beyond Latin-1 apart', () => {
  const hashes = new Set(['日本', '日木', 'Ā', 'ā', '😀', '😁'].map(value => hashString(value)))
  assert.equal(hashes.size, 6)
})

test('hashString() spreads similar values evenly over the low and the high bits', () => {
  for (const shift of [0, 12, 24]) {
    const buckets = new Uint32Array(256)
    for (let i = 0; i < 25_600; i++) {
      const bucket = (hashString(`user-${i}`) >>> shift) & 0xff
      buckets[bucket] = (buckets[bucket] ?? 0) + 1
    }
    // Chi-square with 255 degrees of freedom: 330 is beyond one in a thousand.
    const chiSquare = buckets.reduce((sum, count) => sum + (count - 100) ** 2 / 100, 0)
    assert.ok(chiSquare < 330, `shift ${shift}: ${chiSquare}`)
  }
})

test('mix32() is a permutation in its sample', () => {
  const seen = new Set<number>()
  for (let i = 0; i < 10_000; i++) seen.add(mix32(i))
  assert.equal(seen.size, 10_000)
})
