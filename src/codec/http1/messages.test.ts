import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { malformedRequests } from './malformed.ts'
import { http1Problems } from './problems.ts'
import { readMessage, type Reading } from './read-message.ts'
import { wellFormedRequests } from './well-formed.ts'

function bytesOf(input: string): Buffer {
  return Buffer.from(input, 'latin1')
}

/** Every cut for small inputs; for large ones every cut near both ends and some between. */
function cutsOf(length: number): number[] {
  const cuts: number[] = []
  for (let cut = 0; cut <= length; cut++) {
    if (length < 2_000 || cut < 120 || cut > length - 40 || cut % 4_093 === 0) cuts.push(cut)
  }
  return cuts
}

function assertSameUnderSplits(input: string, whole: Reading): void {
  const bytes = bytesOf(input)
  for (const cut of cutsOf(bytes.length)) {
    const split = readMessage('request', [bytes.subarray(0, cut), bytes.subarray(cut)])
    assert.deepEqual(split, whole, `cut at ${cut}`)
  }
  if (bytes.length > 2_000) return
  const single = Array.from(bytes, byte => Uint8Array.of(byte))
  assert.deepEqual(readMessage('request', single), whole, 'byte by byte')
}

suite('malformed requests', () => {
  test('there are at least 170, each with its own name and input', () => {
    assert.ok(malformedRequests.length >= 170)
    assert.equal(new Set(malformedRequests.map(each => each.name)).size, malformedRequests.length)
    assert.equal(new Set(malformedRequests.map(each => each.input)).size, malformedRequests.length)
  })
  test('cover every problem that a request can have', () => {
    const responsesOnly: readonly string[] = ['invalid-status', 'invalid-reason']
    const covered = new Set<string>(malformedRequests.map(each => each.problem))
    assert.deepEqual(
      Object.keys(http1Problems).filter(problem => !covered.has(problem)),
      responsesOnly,
    )
  })
  for (const { name, input, problem, status, part } of malformedRequests) {
    test(`${name} is refused as ${problem}`, () => {
      const reading = readMessage('request', [bytesOf(input)])
      assert.deepEqual(
        { outcome: reading.outcome, problem: reading.problem, status: reading.status },
        { outcome: 'refused', problem, status },
      )
      assert.equal(reading.head === undefined ? 'head' : 'body', part)
    })
  }
  test('are refused alike wherever they are split', () => {
    for (const { input } of malformedRequests) {
      assertSameUnderSplits(input, readMessage('request', [bytesOf(input)]))
    }
  })
})

suite('well-formed requests', () => {
  for (const { name, input, framing, body, keepAlive } of wellFormedRequests) {
    test(`${name} is accepted`, () => {
      const reading = readMessage('request', [bytesOf(input)])
      assert.deepEqual(
        {
          outcome: reading.outcome,
          problem: reading.problem,
          framing: reading.head?.['framing'],
          body: reading.body,
          keepAlive: reading.head?.['keepAlive'],
          at: reading.at,
        },
        { outcome: 'complete', problem: undefined, framing, body, keepAlive, at: input.length },
      )
    })
  }
  test('are read alike wherever they are split, and do not touch the next message', () => {
    for (const { input } of wellFormedRequests) {
      const whole = readMessage('request', [bytesOf(input)])
      assertSameUnderSplits(input, whole)
      assert.deepEqual(readMessage('request', [bytesOf(`${input}GET /next HTTP/1.1\r\n`)]), whole)
    }
  })
  test('need more as long as a byte is missing', () => {
    for (const { input } of wellFormedRequests) {
      const bytes = bytesOf(input)
      for (const cut of cutsOf(bytes.length - 1)) {
        assert.equal(readMessage('request', [bytes.subarray(0, cut)]).outcome, 'incomplete')
      }
    }
  })
})
