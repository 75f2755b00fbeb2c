import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hashText } from './keyed-hash.ts'

// Published with the reference implementation: key 00 01 … 07, message 00 01 … of so many bytes.
const vectors: readonly (readonly [bytes: number, hash: string])[] = [
  [0, '218d1f59b9b83cc8'],
  [2, '064f39ef7c50eb57'],
  [4, 'd5e78a175be52ea1'],
  [6, 'ce3e9135 8aa2bc25'],
]

function hash(text: string, keyLow = 0x03020100, keyHigh = 0x07060504): string {
  const result = { low: 0, high: 0 }
  hashText(text, keyLow, keyHigh, result)
  const bytes = Buffer.alloc(8)
  bytes.writeUInt32LE(result.low, 0)
  bytes.writeUInt32LE(result.high, 4)
  return bytes.toString('hex')
}

for (const [length, expected] of vectors) {
  test(`hashText() gives the published value for ${length} bytes`, () => {
    const bytes = Buffer.from(Array.from({ length }, (_, index) => index))
    assert.equal(hash(bytes.toString('utf16le')), expected.replace(' ', ''))
  })
}

test('hashText() depends on both halves of the key', () => {
  assert.notEqual(hash('10.0.0.1'), hash('10.0.0.1', 1))
  assert.notEqual(hash('10.0.0.1'), hash('10.0.0.1', 0x03020100, 1))
})
