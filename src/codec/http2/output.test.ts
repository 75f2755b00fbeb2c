import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OutputBuffer } from './output.ts'

test('OutputBuffer keeps what is written when it grows, and gives up what is too large', () => {
  const output = new OutputBuffer(16, 64)
  output.ensure(16)
  output.length += output.bytes.write('0123456789abcdef')
  const before = output.bytes
  output.ensure(1)
  assert.notEqual(output.bytes, before)
  output.length += output.bytes.write('g', output.length)
  assert.equal(output.view().toString(), '0123456789abcdefg')
  const grown = output.bytes
  output.clear()
  assert.equal(output.bytes, grown, '32 bytes are kept')
  output.ensure(1_000)
  output.length = 250
  output.clear()
  assert.equal(output.bytes.length, 1_000, 'a busy connection keeps it')
  output.length = 249
  output.clear()
  assert.equal(output.bytes.length, 16)
})
