import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sourceMapUrlOf, withSourceMapUrl } from './source-map-url.ts'

const header = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]
/** With a length in five bytes, as linkers write it: what is written anew would be shorter. */
const code = [0x0a, 0x81, 0x80, 0x80, 0x80, 0x00, 0x00]
const name = [...Buffer.from('sourceMappingURL')]
const mapped = [0x00, 0x13, 0x10, ...name, 0x01, 0x61]
const other = [0x00, 0x02, 0x01, 0x78]

test('withSourceMapUrl() moves no byte that stands before the URL', () => {
  const module = Uint8Array.from([...header, ...code, ...mapped, ...other])
  assert.equal(sourceMapUrlOf(module), 'a')
  const changed = withSourceMapUrl(module, 'data:,b')
  assert.equal(sourceMapUrlOf(changed), 'data:,b')
  assert.deepEqual([...changed].slice(0, 8 + code.length + other.length), [...header, ...code, ...other])
})

test('withSourceMapUrl() adds a URL where there is none', () => {
  const module = Uint8Array.from([...header, ...code])
  assert.equal(sourceMapUrlOf(module), undefined)
  const changed = withSourceMapUrl(module, 'a'.repeat(200))
  assert.equal(sourceMapUrlOf(changed), 'a'.repeat(200))
})
