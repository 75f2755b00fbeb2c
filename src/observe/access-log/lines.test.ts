import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AccessRecord, TlsRecord } from '../../model/index.ts'
import { accessLogKeys, JsonLine } from './json-line.ts'
import { KnownParts } from './known-parts.ts'
import { LineBytes, TimestampBytes } from './line-bytes.ts'
import { jsonText, maxLineBytes, quotable, word } from './line-parts.ts'
import { sampleRecord } from './sample-record.ts'
import { TextLine } from './text-line.ts'

/** Written in the middle of bytes that must stay as they are. */
function written(format: TextLine | JsonLine, record: AccessRecord): string {
  const bytes = Buffer.alloc(maxLineBytes + 20, 0xff)
  const end = format.write(record, bytes, 10)
  assert.ok(bytes.subarray(0, 10).every(byte => byte === 0xff) && bytes[end] === 0xff)
  return bytes.toString('latin1', 10, end)
}

const text = (changes: Partial<AccessRecord> = {}): string => written(new TextLine(), sampleRecord(changes))
const json = (changes: Partial<AccessRecord> = {}): Record<string, unknown> =>
  JSON.parse(written(new JsonLine(), sampleRecord(changes))) as Record<string, unknown>

const tlsKeys = Object.keys(accessLogKeys).filter(key => /tls|client_uris/.test(key))

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
      'host=shop.example listener="Gateway shop/web/http" route="HTTPRoute shop/cart" ' +
      'rule=0 backend=shop/cart:8080 endpoint=127.0.0.1:9001 id=0198c7de-94a5-7c3e-a1b2-6d5f4e3c2b1a ' +
      'trace=4bf92f3577b34da6a3ce929d0e0e4736 agent="curl/8.9.1"\n',
  )
})

test('an id that is there as bytes is written like one that is a string', () => {
  const requestIdBytes = Buffer.from('0198c7de-94a5-7c3e-a1b2-6d5f4e3c2b1a')
  assert.equal(text({ requestIdBytes }), text())
  assert.deepEqual(json({ requestIdBytes }), json())
})

test('text line of an answer of our own', () => {
  assert.equal(
    text(localReply),
    '2026-09-12T10:11:12.345Z 127.0.0.1:51034 "GET /cart?item=7 HTTP/1.1" 404 0 61 3.413ms ' +
      'flags=NR reason=no-route host=shop.example listener="Gateway shop/web/http" ' +
      'id=0198c7de-94a5-7c3e-a1b2-6d5f4e3c2b1a\n',
  )
})

const forwarded: Partial<AccessRecord> = {
  method: 'TCP',
  authority: '',
  target: '',
  version: 0,
  status: -1,
  requestId: '',
  traceId: '',
  userAgent: '',
}

test('text line of a connection that was forwarded as bytes', () => {
  assert.equal(
    text(forwarded),
    '2026-09-12T10:11:12.345Z 127.0.0.1:51034 "TCP - -" - 0 5321 3.413ms upstream=3.100ms ' +
      'listener="Gateway shop/web/http" route="HTTPRoute shop/cart" rule=0 backend=shop/cart:8080 endpoint=127.0.0.1:9001\n',
  )
})

test('JSON line of a connection that was forwarded as bytes has null for what it has not', () => {
  const line = json(forwarded)
  assert.deepEqual(
    ['http.request.method', 'network.protocol.version', 'http.response.status_code'].map(key => line[key]),
    ['TCP', null, null],
  )
})

const handshake: TlsRecord = {
  version: 'TLSv1.3',
  cipher: 'TLS_AES_256_GCM_SHA384',
  serverName: 'shop.example',
  protocol: 'h2',
  isResumed: false,
  peerSubject: 'CN=anna,O=Shop "A"',
  peerUris: 'spiffe://mesh/anna',
  peerHash: 'ab'.repeat(32),
}

test('text line of a request by TLS, from a client with a certificate, to an endpoint by TLS', () => {
  assert.ok(
    text({ tls: handshake, upstreamTls: 'TLSv1.2' }).endsWith(
      ' trace=4bf92f3577b34da6a3ce929d0e0e4736 tls=TLSv1.3 cipher=TLS_AES_256_GCM_SHA384 sni=shop.example alpn=h2 ' +
        `resumed=no peer="CN=anna,O=Shop \\"A\\"" peer-uris=spiffe://mesh/anna peer-sha256=${'ab'.repeat(32)} ` +
        'upstream-tls=TLSv1.2 agent="curl/8.9.1"\n',
    ),
  )
})

test('text line of a request by TLS leaves out what the handshake had not', () => {
  const nobody = { ...handshake, serverName: '', protocol: '', isResumed: true, peerSubject: '', peerUris: '' }
  assert.ok(
    text({ tls: { ...nobody, peerHash: '' }, userAgent: '' }).endsWith(
      ' tls=TLSv1.3 cipher=TLS_AES_256_GCM_SHA384 resumed=yes\n',
    ),
  )
})

test('text line says how often a request was tried again', () => {
  assert.match(text({ retries: 2, flags: 'URX' }), / upstream=3\.100ms retries=2 flags=URX host=/)
  assert.doesNotMatch(text(), /retries|flags|reason|grpc|caller/)
})

test('JSON line of a request by TLS, with null for what its handshake had not', () => {
  const known = json({ tls: handshake, upstreamTls: 'TLSv1.3' })
  assert.deepEqual(Object.keys(known), Object.keys(accessLogKeys))
  const told = tlsKeys.map(key => known[key])
  assert.deepEqual(told, [
    '1.3',
    'TLS_AES_256_GCM_SHA384',
    'shop.example',
    'h2',
    false,
    'CN=anna,O=Shop "A"',
    'spiffe://mesh/anna',
    'ab'.repeat(32),
    '1.3',
  ])
  const nobody = { ...handshake, serverName: '', protocol: '', isResumed: true, peerSubject: '', peerUris: '' }
  const unknown = json({ tls: { ...nobody, peerHash: '' } })
  assert.deepEqual(
    tlsKeys.map(key => unknown[key]),
    ['1.3', 'TLS_AES_256_GCM_SHA384', null, null, true, null, null, null, undefined],
  )
})

test('lines of different handshakes through one writer are those of a fresh one', () => {
  const [textLine, jsonLine] = [new TextLine(), new JsonLine()]
  for (let round = 0; round < 200; round++) {
    const tls = {
      ...handshake,
      version: round % 2 === 0 ? 'TLSv1.2' : 'TLSv1.3',
      cipher: round % 3 === 0 ? 'A' : 'B',
      serverName: round % 5 === 0 ? '' : 'a.example',
      protocol: round % 7 === 0 ? '' : 'http/1.1',
      isResumed: round % 11 === 0,
      peerSubject: `CN=${round % 4}`,
      peerHash: `${round % 4}`,
    }
    const record = sampleRecord({ tls })
    assert.equal(written(textLine, record), written(new TextLine(), record))
    assert.equal(written(jsonLine, record), written(new JsonLine(), record))
  }
})

test('either line tells the Service that called', () => {
  assert.match(text({ clientService: 'shop/checkout' }), / upstream=3\.100ms caller=shop\/checkout host=/)
  assert.equal(json({ clientService: 'shop/checkout' })['heddle.client_service'], 'shop/checkout')
  assert.equal(json({ clientWorkload: 'shop/checkout-1' })['heddle.client_workload'], 'shop/checkout-1')
  const hostile = { clientService: 'a b"\n' }
  assert.match(text(hostile), /^[ -~]+\n$/)
  assert.equal(json(hostile)['heddle.client_service'], 'a b"\n')
})

test('JSON line has exactly the documented keys in their order', () => {
  const plain = Object.keys(accessLogKeys).filter(key => !tlsKeys.includes(key))
  assert.deepEqual(Object.keys(json()), plain)
  assert.deepEqual(Object.keys(json(localReply)), plain)
})

test('JSON line of a request that was passed on, and of an answer of our own', () => {
  const passed = {
    time: '2026-09-12T10:11:12.345Z',
    'client.address': '127.0.0.1',
    'client.port': 51034,
    'heddle.client_service': null,
    'heddle.client_workload': null,
    'http.request.method': 'GET',
    'http.request.target': '/cart?item=7',
    'http.request.authority': 'shop.example',
    'network.protocol.version': '1.1',
    'http.response.status_code': 200,
    'rpc.response.status_code': null,
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

test('lines of a call of gRPC name its status', () => {
  assert.match(text({ grpcStatus: 4 }), / upstream=3.100ms grpc=deadline-exceeded host=/)
  assert.match(text({ grpcStatus: 0 }), / grpc=ok /)
  assert.equal(json({ grpcStatus: 14 })['rpc.response.status_code'], 'unavailable')
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
  assert.match(written(new JsonLine(), sampleRecord({ target: hostile })), /^[\x20-\x7e]+\n$/)
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

test('KnownParts give the bytes of the text at hand, also when others fall into its place', () => {
  const known = new KnownParts(word)
  const texts = ['', 'a', '127.0.0.1:51034', 'x'.repeat(300), 'a b', ...Array.from({ length: 600 }, (_, n) => `t${n}`)]
  for (let round = 0; round < 3; round++) {
    for (const part of texts) assert.equal(Buffer.from(known.of(part)).toString('latin1'), word(part))
  }
})

test('a plain word is written only if it needs no escape and is not cut', () => {
  const line = new LineBytes()
  const bytes = Buffer.alloc(300)
  for (const plain of ['x', '0198c7de-94a5', '!#~', 'x'.repeat(64)]) {
    line.begin(bytes, 0)
    assert.ok(line.plainWord(plain))
    assert.equal(bytes.toString('latin1', 0, line.end), plain)
  }
  for (const other of ['', 'a b', 'a"', 'a\\', 'a\x7f', 'a\n', 'caf\u00e9', '\u2028', 'x'.repeat(65)]) {
    line.begin(bytes, 0)
    assert.ok(!line.plainWord(other) && line.end === 0, other)
  }
})

test('long fields are cut, and the longest line there can be fits', () => {
  const endless = '\u0001'.repeat(100_000)
  const record: { -readonly [Key in keyof AccessRecord]: AccessRecord[Key] } = sampleRecord()
  for (const key of Object.keys(record) as (keyof AccessRecord)[]) {
    if (typeof record[key] === 'string') Object.assign(record, { [key]: endless })
  }
  record.reason = endless as never
  const texts = Object.entries(handshake).filter(([, value]) => typeof value === 'string')
  record.tls = { ...handshake, ...Object.fromEntries(texts.map(([key]) => [key, endless])) }
  for (const format of [new TextLine(), new JsonLine()]) {
    const line = written(format, record)
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
    [99, '99', 99],
    [100, '100', 100],
    [5.9, '5', 5],
    [999_999_999, '999999999', 999_999_999],
    [2 ** 30 - 1, '1073741823', 2 ** 30 - 1],
    [2 ** 30, '1073741824', 2 ** 30],
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
  assert.ok(text({ durationMs: 12.5, upstreamMs: 12.5 }).includes(' 12.500ms upstream=12.500ms host='))
  assert.ok(text({ durationMs: -1, upstreamMs: -1 }).includes(' 5321 - host='))
  assert.ok(text({ durationMs: 2.0499 }).includes(' 2.050ms '))
  assert.ok(text({ durationMs: 86_400_000.5 }).includes(' 86400000.500ms '))
  assert.equal(json({ durationMs: 59_999.9999 })['http.server.request.duration'], 60)
  assert.equal(json({ durationMs: 12_003.0456 })['http.server.request.duration'], 12.003046)
})

test('time follows the record, also backwards, and a senseless one does not throw', () => {
  const timestamps = new TimestampBytes()
  const cases: readonly [number, string][] = [
    [0, '1970-01-01T00:00:00.000Z'],
    [1_789_207_872_999.7, '2026-09-12T10:11:12.999Z'],
    [1_789_207_873_000, '2026-09-12T10:11:13.000Z'],
    [1_789_207_872_001, '2026-09-12T10:11:12.001Z'],
    [Number.NaN, '1970-01-01T00:00:00.000Z'],
    [1e300, '1970-01-01T00:00:00.000Z'],
  ]
  for (const [ms, expected] of cases) assert.equal(Buffer.from(timestamps.at(ms)).toString('latin1'), expected)
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
    assert.equal(written(textLine, record), written(new TextLine(), record))
    assert.equal(written(jsonLine, record), written(new JsonLine(), record))
  }
})

test('lines of every version of HTTP', () => {
  for (const [version, text, json] of [
    [10, 'HTTP/1.0', '1.0'],
    [11, 'HTTP/1.1', '1.1'],
    [20, 'HTTP/2', '2'],
  ] as const) {
    const record = sampleRecord({ version })
    assert.ok(written(new TextLine(), record).includes(` ${text}" 200 `))
    assert.ok(written(new JsonLine(), record).includes(`"network.protocol.version":"${json}"`))
  }
})

test('lines with the figures of the last are those of a fresh writer, whatever changes in between', () => {
  const changes: readonly Partial<AccessRecord>[] = [
    { version: 20 },
    { status: 404 },
    { requestBytes: 12 },
    { responseBytes: 0 },
    { durationMs: 3.4136 },
    { upstreamMs: 3.2 },
    { grpcStatus: 0 },
    { retries: 1 },
    { flags: 'UT' },
    { reason: 'no-route' },
    { clientService: 'shop/checkout' },
    { durationMs: Number.NaN },
  ]
  const writer = new TextLine()
  for (const change of [{}, ...changes.flatMap(one => [one, {}])]) {
    for (const target of ['/a', '/b', '/a/longer/one', '/c']) {
      const record = sampleRecord({ ...change, target })
      assert.equal(written(writer, record), written(new TextLine(), record))
    }
  }
})
