import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { methodCodes } from './codes.ts'
import type { Http1Problem } from './problems.ts'
import { readMessage } from './read-message.ts'

interface Accepted {
  readonly name: string
  readonly input: string
  readonly method?: number
  readonly status: number
  readonly reason?: string
  readonly framing: 'none' | 'length' | 'chunked' | 'untilClose'
  readonly contentLength?: number
  readonly keepAlive?: boolean
  readonly upgrade?: boolean
}

const { HEAD, CONNECT } = methodCodes

const accepted: readonly Accepted[] = [
  {
    name: 'a length',
    input: '200 OK\r\nContent-Length: 5',
    status: 200,
    reason: 'OK',
    framing: 'length',
    contentLength: 5,
  },
  { name: 'length 0', input: '200 OK\r\nContent-Length: 0', status: 200, reason: 'OK', framing: 'none' },
  { name: 'chunked', input: '200 OK\r\nTransfer-Encoding: Chunked', status: 200, reason: 'OK', framing: 'chunked' },
  { name: 'nothing said', input: '200 OK', status: 200, reason: 'OK', framing: 'untilClose', keepAlive: false },
  {
    name: 'nothing said, keep-alive',
    input: '200 OK\r\nConnection: keep-alive',
    status: 200,
    reason: 'OK',
    framing: 'untilClose',
    keepAlive: false,
  },
  { name: 'no reason', input: '204 ', status: 204, framing: 'none' },
  { name: 'no reason and no space', input: '204', status: 204, framing: 'none' },
  {
    name: 'a reason of several words',
    input: '404 Not \t Found',
    status: 404,
    reason: 'Not \t Found',
    framing: 'untilClose',
    keepAlive: false,
  },
  { name: 'a reason with obs-text', input: '204 \xe4', status: 204, reason: '\xe4', framing: 'none' },
  { name: '100', input: '100 Continue', status: 100, reason: 'Continue', framing: 'none' },
  {
    name: '103 with fields',
    input: '103 Early Hints\r\nLink: </a>',
    status: 103,
    reason: 'Early Hints',
    framing: 'none',
  },
  {
    name: '101',
    input: '101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket',
    status: 101,
    reason: 'Switching Protocols',
    framing: 'none',
    upgrade: true,
  },
  {
    name: '204 with length 0',
    input: '204 No Content\r\nContent-Length: 0',
    status: 204,
    reason: 'No Content',
    framing: 'none',
  },
  { name: '205 with length 0', input: '205 x\r\nContent-Length: 0', status: 205, reason: 'x', framing: 'none' },
  {
    name: '304 with a length',
    input: '304 x\r\nContent-Length: 9',
    status: 304,
    reason: 'x',
    framing: 'none',
    contentLength: 9,
  },
  { name: '304 with chunked', input: '304 x\r\nTransfer-Encoding: chunked', status: 304, reason: 'x', framing: 'none' },
  {
    name: 'an answer to HEAD with a length',
    input: '200 x\r\nContent-Length: 9',
    method: HEAD,
    status: 200,
    reason: 'x',
    framing: 'none',
    contentLength: 9,
  },
  {
    name: 'an answer to HEAD with chunked',
    input: '200 x\r\nTransfer-Encoding: chunked',
    method: HEAD,
    status: 200,
    reason: 'x',
    framing: 'none',
  },
  {
    name: 'an answer to HEAD with nothing said',
    input: '200 x',
    method: HEAD,
    status: 200,
    reason: 'x',
    framing: 'none',
  },
  {
    name: 'a success of CONNECT',
    input: '200 x\r\nContent-Length: 9',
    method: CONNECT,
    status: 200,
    reason: 'x',
    framing: 'none',
    contentLength: 9,
  },
  {
    name: 'a failure of CONNECT',
    input: '403 x\r\nContent-Length: 9',
    method: CONNECT,
    status: 403,
    reason: 'x',
    framing: 'length',
    contentLength: 9,
  },
  {
    name: 'close',
    input: '200 x\r\nContent-Length: 1\r\nConnection: close',
    status: 200,
    reason: 'x',
    framing: 'length',
    contentLength: 1,
    keepAlive: false,
  },
  { name: '599', input: '599 x\r\nContent-Length: 0', status: 599, reason: 'x', framing: 'none' },
  {
    name: 'two of an unrelated field',
    input: '200 x\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 0',
    status: 200,
    reason: 'x',
    framing: 'none',
  },
  {
    name: 'two Host fields, which mean nothing here',
    input: '204 x\r\nHost: a\r\nHost: b',
    status: 204,
    reason: 'x',
    framing: 'none',
  },
]

const refused: readonly (readonly [name: string, input: string, problem: Http1Problem, method?: number])[] = [
  ['an empty line first', '\r\nHTTP/1.1 200 OK\r\n\r\n', 'leading-empty-line'],
  ['the rest of another body', 'hello HTTP/1.1 200 OK\r\n\r\n', 'invalid-version'],
  ['lower case', 'http/1.1 200 OK\r\n\r\n', 'invalid-version'],
  ['no version', '200 OK\r\n\r\n', 'invalid-version'],
  ['another protocol', 'ICY 200 OK\r\n\r\n', 'invalid-version'],
  ['two minor digits', 'HTTP/1.11 200 OK\r\n\r\n', 'invalid-version'],
  ['HTTP/2.0', 'HTTP/2.0 200 OK\r\n\r\n', 'unsupported-version'],
  ['HTTP/1.2', 'HTTP/1.2 200 OK\r\n\r\n', 'unsupported-version'],
  ['HTTP/0.9', 'HTTP/0.9 200 OK\r\n\r\n', 'unsupported-version'],
  ['a tab before the status', 'HTTP/1.1\t200 OK\r\n\r\n', 'invalid-version'],
  ['two spaces before the status', 'HTTP/1.1  200 OK\r\n\r\n', 'invalid-status'],
  ['two digits', 'HTTP/1.1 20 OK\r\n\r\n', 'invalid-status'],
  ['four digits', 'HTTP/1.1 2000 OK\r\n\r\n', 'invalid-status'],
  ['no status', 'HTTP/1.1 \r\n\r\n', 'invalid-status'],
  ['a signed status', 'HTTP/1.1 +20 OK\r\n\r\n', 'invalid-status'],
  ['a status of letters', 'HTTP/1.1 2x0 OK\r\n\r\n', 'invalid-status'],
  ['a status below 100', 'HTTP/1.1 099 OK\r\n\r\n', 'invalid-status'],
  ['a status above 599', 'HTTP/1.1 600 OK\r\n\r\n', 'invalid-status'],
  ['a tab after the status', 'HTTP/1.1 200\tOK\r\n\r\n', 'invalid-status'],
  ['LF after the status', 'HTTP/1.1 200\n\r\n', 'bare-lf'],
  ['LF after the reason', 'HTTP/1.1 200 OK\n\r\n', 'bare-lf'],
  ['CR in the reason', 'HTTP/1.1 200 O\rK\r\n\r\n', 'bare-cr'],
  ['NUL in the reason', 'HTTP/1.1 200 O\0K\r\n\r\n', 'invalid-reason'],
  ['a folded field', 'HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n', 'obs-fold'],
  ['a space before the colon', 'HTTP/1.1 200 OK\r\nX : a\r\n\r\n', 'whitespace-before-colon'],
  [
    'a length and chunked',
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n',
    'content-length-with-transfer-encoding',
  ],
  [
    'a length and chunked to HEAD',
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n',
    'content-length-with-transfer-encoding',
    HEAD,
  ],
  [
    'the same length twice',
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n',
    'duplicate-content-length',
  ],
  ['a list of lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n', 'invalid-content-length'],
  ['identity', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n', 'invalid-transfer-encoding'],
  ['gzip, chunked', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n', 'unsupported-transfer-coding'],
  ['chunked in HTTP/1.0', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', 'transfer-encoding-in-http10'],
  ['100 with a length', 'HTTP/1.1 100 x\r\nContent-Length: 5\r\n\r\n', 'unexpected-content'],
  ['101 with chunked', 'HTTP/1.1 101 x\r\nTransfer-Encoding: chunked\r\n\r\n', 'unexpected-content'],
  ['204 with a length', 'HTTP/1.1 204 x\r\nContent-Length: 5\r\n\r\n', 'unexpected-content'],
  ['204 with chunked', 'HTTP/1.1 204 x\r\nTransfer-Encoding: chunked\r\n\r\n', 'unexpected-content'],
  [
    'Connection that names Content-Length',
    'HTTP/1.1 200 x\r\nConnection: content-length\r\n\r\n',
    'forbidden-connection-option',
  ],
]

function assertSameUnderSplits(input: string, method: number): void {
  const bytes = Buffer.from(input, 'latin1')
  const whole = readMessage('response', [bytes], { requestMethod: method })
  for (let cut = 0; cut <= bytes.length; cut++) {
    assert.deepEqual(
      readMessage('response', [bytes.subarray(0, cut), bytes.subarray(cut)], { requestMethod: method }),
      whole,
    )
  }
  assert.deepEqual(
    readMessage(
      'response',
      Array.from(bytes, byte => Uint8Array.of(byte)),
      { requestMethod: method },
    ),
    whole,
  )
}

suite('responses', () => {
  for (const { name, input, method, ...expected } of accepted) {
    test(`${name} is accepted`, () => {
      const wire = `HTTP/1.1 ${input}\r\n\r\n`
      const { head, problem } = readMessage('response', [Buffer.from(wire, 'latin1')], { requestMethod: method ?? 0 })
      assert.equal(problem, undefined)
      assert.ok(head !== undefined)
      const { status, reason, framing, contentLength, keepAlive, upgrade, length } = head
      assert.deepEqual(
        { status, reason, framing, contentLength, keepAlive, upgrade, length },
        { reason: '', contentLength: 0, keepAlive: true, upgrade: false, length: wire.length, ...expected },
      )
      assertSameUnderSplits(wire, method ?? 0)
    })
  }
  for (const [name, input, problem, method] of refused) {
    test(`${name} is refused as ${problem}`, () => {
      assert.equal(
        readMessage('response', [Buffer.from(input, 'latin1')], { requestMethod: method ?? 0 }).problem,
        problem,
      )
      assertSameUnderSplits(input, method ?? 0)
    })
  }
  test('an HTTP/1.0 answer persists only when it says so', () => {
    const read = (fields: string): unknown =>
      readMessage('response', [Buffer.from(`HTTP/1.0 200 OK\r\nContent-Length: 0\r\n${fields}\r\n`)]).head?.[
        'keepAlive'
      ]
    assert.equal(read(''), false)
    assert.equal(read('Connection: keep-alive\r\n'), true)
    assert.equal(read('Connection: close, keep-alive\r\n'), false)
  })
})
