import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { ChunkedScanner } from './chunked-scanner.ts'
import { finished, invalid, running } from './codes.ts'
import { defaultChunkLimits } from './limits.ts'

suite('ChunkedScanner', () => {
  test('each step gives one run of data or the trailers, and ends with the body', () => {
    const scanner = new ChunkedScanner(defaultChunkLimits)
    const bytes = Buffer.from('..3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nX-A: b\r\n\r\nGET')
    const steps: unknown[] = []
    let position = 2
    while (scanner.state === running) {
      const next = scanner.next(bytes, position, bytes.length)
      assert.ok(next > position)
      position = next
      steps.push([
        bytes.toString('latin1', scanner.dataStart, scanner.dataEnd),
        bytes.toString('latin1', scanner.trailersStart, scanner.trailersEnd),
      ])
    }
    assert.equal(scanner.state, finished)
    assert.deepEqual(steps, [
      ['abc', ''],
      ['defg', ''],
      ['', 'X-A: b\r\n\r\n'],
    ])
    assert.equal(bytes.toString('latin1', position), 'GET')
    assert.equal(scanner.bodyBytes, 7)
    assert.equal(scanner.next(bytes, position, bytes.length), position)
  })
  test('a chunk larger than the buffer goes on in the next one', () => {
    const scanner = new ChunkedScanner(defaultChunkLimits)
    const head = Buffer.from('1fffffffffffff\r\n')
    assert.equal(scanner.next(head, 0, head.length), head.length)
    assert.equal(scanner.dataStart, scanner.dataEnd)
    const data = Buffer.alloc(100)
    assert.equal(scanner.next(data, 0, 100), 100)
    assert.equal(scanner.dataEnd - scanner.dataStart, 100)
    assert.equal(scanner.next(data, 100, 100), 100)
    assert.equal(scanner.state, running)
    assert.equal(scanner.bodyBytes, 100)
  })
  test('the place of a problem is the offending byte, and the verdict stands until reset()', () => {
    const scanner = new ChunkedScanner(defaultChunkLimits)
    const bytes = Buffer.from('3\r\nabcX0\r\n\r\n')
    assert.equal(scanner.next(bytes, 0, bytes.length), 6)
    assert.equal(scanner.next(bytes, 6, bytes.length), 6)
    assert.equal(scanner.state, invalid)
    assert.equal(scanner.problem, 'missing-chunk-end')
    assert.equal(scanner.problemStatus, 400)
    assert.equal(scanner.next(bytes, 6, bytes.length), 6)
    scanner.reset()
    const good = Buffer.from('0\r\n\r\n')
    assert.equal(scanner.next(good, 0, good.length), good.length)
    assert.equal(scanner.state, finished)
    assert.equal(scanner.problem, undefined)
    assert.equal(scanner.bodyBytes, 0)
  })
  test('extensions are paid for by data', () => {
    const scanner = new ChunkedScanner({ ...defaultChunkLimits, overheadBytes: 10 })
    const fair = Buffer.from('8;abcdefg\r\n12345678\r\n'.repeat(100))
    let position = 0
    while (position < fair.length && scanner.state === running) position = scanner.next(fair, position, fair.length)
    assert.equal(scanner.state, running)
    const greedy = Buffer.from('1;abcdefg\r\nx\r\n'.repeat(2))
    position = 0
    while (position < greedy.length && scanner.state === running) {
      position = scanner.next(greedy, position, greedy.length)
    }
    assert.equal(scanner.problem, 'chunk-extension-too-large')
  })
})
