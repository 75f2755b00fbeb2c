import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AccessRecord } from '../../model/index.ts'
import { accessLogKeys, JsonLine } from './json-line.ts'
import { jsonText, KnownTexts, maxLineBytes, quotable, Timestamps, word } from './line-parts.ts'
import { sampleRecord } from './sample-record.ts'
import { TextLine } from './text-line.ts'

const text = (changes: Partial<AccessRecord> = {}): string => new TextLine().format(sampleRecord(changes))
const json = (changes: Partial<AccessRecord> = {}): Record<string, unknown> =>
  JSON.parse(new JsonLine().format(sampleRecord(changes))) as Record<string, unknown>

const localReply: Partial<AccessRecord> = {
  upstreamMs: -1,
  status: 404,
  responseBytes: 61,
  route: '',
  rule: '',
  backend: '',
  endpoint: '',
  traceId: '',
  userAgent: '',
  reason: 'no-route',
  flags: 'NR',
}

test('text line of a request that was passed on', () => {
  assert.equal(
    text(),
    '2026-09-12T10:11:12.345Z 127.0.0.1:51034 "GET /cart?item=7 HTTP/1.1" 200 0 5321 3.413ms upstream=3.100ms ' +
      'retries=0 flags=- reason=- host=shop.example listener="Gateway shop/web/http" route="HTTPRoute shop/cart" ' +
      'rule=0 backend=shop/cart:8080 endpoint=127.0.0.1:9001 id=0198c7de-94a5-7c3e-a1b2-6d5f4e3c2b1a ' +
      'trace=4bf92f3577b34da6a3ce929d0e0e4736 agent="curl/8.9.1"\n',
  )
})

test('text line of an answer of our own', () => {
  assert.equal(
    text(localReply),
    '2026-09-12T10:11:12.345Z 127.0.0.1:51034 "GET /cart?item=7 HTTP/1.1" 404 0 61 3.413ms upstream=- ' +
      'retries=0 flags=NR reason=no-route host=shop.example listener="Gateway shop/web/http" route="-" ' +
      'rule=- backend=- endpoint=- id=0198c7de-94a5-7c3e-a1b2-6d5f4e3c2b1a trace=- agent="-"\n',
  )
})

test('JSON line has exactly the documented keys in their order', () => {
  assert.deepEqual(Object.keys(json()), Object.keys(accessLogKeys))
  assert.deepEqual(Object.keys(json(localReply)), Object.keys(accessLogKeys))
})

test('JSON line of a request that was passed on, and of an answer of our own', () => {
  const passed = {
    time: '2026-09-12T10:11:12.345Z',
    'client.address': '127.0.0.1',
    'client.port': 51034,
    'http.request.method': 'GET',
    'http.request.target': '/cart?item=7',
    'http.request.authority': 'shop.example',
    'network.protocol.version': '1.1',
    'http.response.status_code': 200,
    'http.request.body.size': 0,
    'http.response.body.size': 5321,
    'http.server.request.duration': 0.003413,
    'heddle.upstream.duration': 0.0031,
    'heddle.retries': 0,
    'heddle.flags': null,
    'heddle.reason': null,
    'heddle.virtual_host': 'Gateway shop/web/http',
    'heddle.route': 'HTTPRoute shop/cart',
    'heddle.rule': '0',
    'heddle.backend': 'shop/cart:8080',
    'heddle.endpoint': '127.0.0.1:9001',
    'heddle.request_id': '0198c7de-94a5-7c3e-a1b2-6d5f4e3c2b1a',
    trace_id: '4bf92f3577b34da6a3ce929d0e0e4736',
    'user_agent.original': 'curl/8.9.1',
  }
  assert.deepEqual(json(), passed)
  assert.deepEqual(json(localReply), {
    ...passed,
    'http.response.status_code': 404,
    'http.response.body.size': 61,
    'heddle.upstream.duration': null,
    'heddle.flags': 'NR',
    'heddle.reason': 'no-route',
    'heddle.route': null,
    'heddle.rule': null,
    'heddle.backend': null,
    'heddle.endpoint': null,
    trace_id: null,
    'user_agent.original': null,
  })
})

test('text line escapes whatever could end a field, begin a line or reach a terminal', () => {
  const cases: readonly [string, string][] = [
    ['/a" 200 "', '/a\\" 200 \\"'],
    ['/\\', '/\\\\'],
    ['/\r\n2026-01-01T00:00:00.000Z fake', '/\\x0d\\x0a2026-01-01T00:00:00.000Z fake'],
    ['/\u001b[31mred\u007f', '/\\x1b[31mred\\x7f'],
    ['/caf\u00c3\u00a9', '/caf\\xc3\\xa9'],
    ['/\u2028\u{1F600}', '/\\u2028\\ud83d\\ude00'],
    ['/\0', '/\\x00'],
    ['', '-'],
  ]
  for (const [target, expected] of cases) {
    const line = text({ target })
    assert.ok(line.includes(`"GET ${expected} HTTP/1.1" 200 `), line)
    assert.equal(line.indexOf('\n'), line.length - 1)
  }
})

test('text line keeps its columns when an unquoted field has spaces', () => {
  const line = text({ authority: 'a b="c" flags=DC', requestId: 'x y', client: '1 2' })
  assert.ok(line.includes(' host=a\\x20b=\\"c\\"\\x20flags=DC '), line)
  assert.ok(line.includes(' id=x\\x20y '), line)
  assert.ok(line.includes('Z 1\\x202 "GET'), line)
})

test('JSON line gives back every character of every text', () => {
  const hostile = '"},{"\\\r\n\t\0\u001b[2J\u007f\u0080\u00ff\u2028\u{1F600}</script>'
  const line = json({
    method: hostile,
    target: hostile,
    authority: hostile,
    requestId: hostile,
    traceId: hostile,
    userAgent: hostile,
    route: hostile,
  })
  for (const key of ['http.request.method', 'http.request.target', 'http.request.authority', 'heddle.route']) {
    assert.equal(line[key], hostile, key)
  }
  for (const key of ['heddle.request_id', 'trace_id', 'user_agent.original']) assert.equal(line[key], hostile, key)
  assert.match(new JsonLine().format(sampleRecord({ target: hostile })), /^[\x20-\x7e]+\n$/)
})

test('texts are safe as a word, in quotes and in JSON, and cut at their limit', () => {
  assert.equal(word('sixteen letters.'), 'sixteen\\x20letters.')
  assert.equal(quotable('sixteen "letters'), 'sixteen \\"letters')
  assert.equal(jsonText('sixteen "letters'), '"sixteen \\"letters"')
  assert.deepEqual([word(''), quotable(''), jsonText('')], ['-', '-', 'null'])
  assert.equal(quotable('x'.repeat(300)), `${'x'.repeat(256)}...`)
  assert.equal(quotable('y'.repeat(300), 512), 'y'.repeat(300))
  assert.equal(quotable('"'.repeat(256)), '\\"'.repeat(256))
})

test('KnownTexts cut a known text that is longer than a smaller limit', () => {
  const known = new KnownTexts(quotable)
  const long = 'y'.repeat(300)
  assert.equal(known.of(long, 512), long)
  assert.equal(known.of(long), `${'y'.repeat(256)}...`)
  assert.equal(known.of('a"b'), 'a\\"b')
})

test('long fields are cut, and the longest line there can be fits', () => {
  const endless = '\u0001'.repeat(100_000)
  const record = sampleRecord()
  for (const key of Object.keys(record) as (keyof AccessRecord)[]) {
    if (typeof record[key] === 'string') Object.assign(record, { [key]: endless })
  }
  record.reason = endless as never
  for (const format of [new TextLine(), new JsonLine()]) {
    const line = format.format(record)
    assert.ok(line.length <= maxLineBytes && line.endsWith('\n') && line.indexOf('\n') === line.length - 1)
  }
  assert.equal(json({ target: 'x'.repeat(3000) })['http.request.target'], `${'x'.repeat(2048)}...`)
  assert.equal(json({ target: 'x'.repeat(2048) })['http.request.target'], 'x'.repeat(2048))
})

test('client addresses are split at the last colon', () => {
  const cases: readonly [string, string | null, number | null][] = [
    ['[::1]:8080', '::1', 8080],
    ['10.0.0.7:1', '10.0.0.7', 1],
    ['unknown', 'unknown', null],
    ['', null, null],
    ['host:x', 'host', null],
  ]
  for (const [client, address, port] of cases) {
    const line = json({ client })
    assert.deepEqual([line['client.address'], line['client.port']], [address, port], client)
  }
})

test('numbers are written whatever they are', () => {
  const cases: readonly [number, string, number | null][] = [
    [0, '0', 0],
    [9, '9', 9],
    [10, '10', 10],
    [999_999_999, '999999999', 999_999_999],
    [1_000_000_000, '1000000000', 1_000_000_000],
    [2 ** 40, '1099511627776', 2 ** 40],
    [-1, '-', null],
    [Number.NaN, '-', null],
  ]
  for (const [responseBytes, expected, value] of cases) {
    assert.ok(text({ responseBytes }).includes(` 200 0 ${expected} 3.413ms`), expected)
    assert.equal(json({ responseBytes })['http.response.body.size'], value)
  }
  assert.ok(text({ durationMs: 0.0004 }).includes(' 0.000ms '))
  assert.ok(text({ durationMs: 0.9996 }).includes(' 1.000ms '))
  assert.ok(text({ durationMs: 86_400_000.5 }).includes(' 86400000.500ms '))
  assert.equal(json({ durationMs: 59_999.9999 })['http.server.request.duration'], 60)
})

test('time follows the record, also backwards, and a senseless one does not throw', () => {
  const timestamps = new Timestamps()
  const cases: readonly [number, string][] = [
    [0, '1970-01-01T00:00:00.000Z'],
    [1_789_207_872_999.7, '2026-09-12T10:11:12.999Z'],
    [1_789_207_873_000, '2026-09-12T10:11:13.000Z'],
    [1_789_207_872_001, '2026-09-12T10:11:12.001Z'],
    [Number.NaN, '1970-01-01T00:00:00.000Z'],
    [1e300, '1970-01-01T00:00:00.000Z'],
  ]
  for (const [ms, expected] of cases) assert.equal(timestamps.at(ms), expected)
})

test('lines through one writer are those of a fresh one, whatever names came before', () => {
  const [textLine, jsonLine] = [new TextLine(), new JsonLine()]
  const names = ['HTTPRoute shop/cart', 'HTTPRoute shop/"cart"\n', '', 'x', 'HTTPRoute shop/tarc']
  for (let round = 0; round < 200; round++) {
    const record = sampleRecord({
      route: names[round % names.length] ?? '',
      rule: String(round % 3),
      endpoint: `127.0.0.1:${9000 + (round % 7)}`,
      backend: round % 2 === 0 ? 'shop/cart:8080' : 'shop/other:80',
      client: names[(round * 3) % names.length] ?? '',
      userAgent: names[(round * 2) % names.length] ?? '',
      authority: round % 4 === 0 ? 'a.example' : 'b.example',
      virtualHost: round % 11 === 0 ? 'Gateway shop/b/http' : 'Gateway shop/web/http',
    })
    assert.equal(textLine.format(record), new TextLine().format(record))
    assert.equal(jsonLine.format(record), new JsonLine().format(record))
  }
})
