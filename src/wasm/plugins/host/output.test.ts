import assert from 'node:assert/strict'
import { test } from 'node:test'
import { maxWriteBytes, Output } from './output.ts'

test('Output makes lines of what is written in pieces, keeps the order, and holds no more than a line', () => {
  const lines: string[] = []
  const output = new Output((fd, text) => lines.push(`${fd} ${text}`))
  for (const piece of ['goroutine ', '1', ' [', 'running', ']:\n']) output.write(2, piece)
  assert.deepEqual(lines.splice(0), ['2 goroutine 1 [running]:'])
  output.write(1, 'half')
  output.write(2, 'an error\n')
  output.write(1, '\n')
  assert.deepEqual(lines.splice(0), ['1 half', '2 an error'])
  output.write(1, 'the rest')
  assert.deepEqual(lines, [])
  output.flush()
  output.flush()
  assert.deepEqual(lines.splice(0), ['1 the rest'])
  output.write(1, 'x'.repeat(maxWriteBytes + 1))
  assert.equal(lines.length, 1)
})
