import { fine, streamError } from './expectations.ts'
import { data, get, headers, ok, post, type RawField } from './frames-for-tests.ts'
import type { Http2Problem } from './problems.ts'
import type { ConformanceCase } from './run-case.ts'

const method: RawField = [':method', 'GET']
const scheme: RawField = [':scheme', 'http']
const path: RawField = [':path', '/']
const authority: RawField = [':authority', 'a.example']
const connect: RawField = [':method', 'CONNECT']
const connectTo: RawField = [':authority', 'a.example:443']

function withField(name: string, value: string): RawField[] {
  return [...get, [name, value]]
}

function withPath(value: string): RawField[] {
  return [method, scheme, [':path', value], authority]
}

function withAuthority(value: string): RawField[] {
  return [method, scheme, path, [':authority', value]]
}

type Malformed = readonly [name: string, fields: readonly RawField[], problem: Http2Problem]

const malformedRequests: readonly Malformed[] = [
  ['8.2 a field name with a capital letter', withField('X-Test', '1'), 'uppercase-field-name'],
  ['8.2.1 an empty field name', withField('', '1'), 'invalid-field-name'],
  ['8.2.1 a field name with a space', withField('x test', '1'), 'invalid-field-name'],
  ['8.2.1 a field name with NUL', withField('x\0', '1'), 'invalid-field-name'],
  ['8.2.1 a field name with DEL', withField('x\x7f', '1'), 'invalid-field-name'],
  ['8.2.1 a field name above 0x7F', withField('x\xe9', '1'), 'invalid-field-name'],
  ['8.2.1 a field name with a colon', withField('x:y', '1'), 'invalid-field-name'],
  ['8.2.1 a field value with NUL', withField('x', 'a\0b'), 'invalid-field-value'],
  ['8.2.1 a field value with LF', withField('x', 'a\nb'), 'invalid-field-value'],
  ['8.2.1 a field value with CR', withField('x', 'a\rb'), 'invalid-field-value'],
  ['8.2.1 a field value that begins with a space', withField('x', ' a'), 'invalid-field-value'],
  ['8.2.1 a field value that ends with a tab', withField('x', 'a\t'), 'invalid-field-value'],
  ['8.2.1 a field value of one space', withField('x', ' '), 'invalid-field-value'],
  ['8.2.1 a pseudo-header field with LF', withPath('/a\nb'), 'invalid-field-value'],
  ['8.2.2 Connection', withField('connection', 'keep-alive'), 'connection-specific-field'],
  ['8.2.2 Proxy-Connection', withField('proxy-connection', 'keep-alive'), 'connection-specific-field'],
  ['8.2.2 Keep-Alive', withField('keep-alive', 'timeout=5'), 'connection-specific-field'],
  ['8.2.2 Transfer-Encoding', withField('transfer-encoding', 'chunked'), 'connection-specific-field'],
  ['8.2.2 Upgrade', withField('upgrade', 'h2c'), 'connection-specific-field'],
  ['8.2.2 TE other than trailers', withField('te', 'trailers, deflate'), 'invalid-te'],
  ['8.3 an unknown pseudo-header field', [...get, [':test', '1']], 'unknown-pseudo-field'],
  ['8.3 an unknown pseudo-header field in its place', [[':test', '1'], ...get], 'unknown-pseudo-field'],
  ['8.3 a pseudo-header field of responses', [...get, [':status', '200']], 'unknown-pseudo-field'],
  ['8.3 a pseudo-header field after a regular one', [method, scheme, ['x', 'y'], path, authority], 'late-pseudo-field'],
  ['8.3 method twice', [method, ...get], 'duplicate-pseudo-field'],
  ['8.3 scheme twice', [scheme, ...get], 'duplicate-pseudo-field'],
  ['8.3 path twice', [path, ...get], 'duplicate-pseudo-field'],
  ['8.3 authority twice', [authority, ...get], 'duplicate-pseudo-field'],
  ['8.3.1 no method', [scheme, path, authority], 'missing-pseudo-field'],
  ['8.3.1 no scheme', [method, path, authority], 'missing-pseudo-field'],
  ['8.3.1 no path', [method, scheme, authority], 'missing-pseudo-field'],
  ['8.3.1 no fields at all', [], 'missing-pseudo-field'],
  ['8.3.1 an empty path', withPath(''), 'invalid-path'],
  ['8.3.1 a path without slash', withPath('a'), 'invalid-path'],
  ['8.3.1 an absolute URI as path', withPath('http://a.example/'), 'invalid-path'],
  ['8.3.1 a path with a space', withPath('/a b'), 'invalid-path'],
  ['8.3.1 a path with a fragment', withPath('/a#b'), 'invalid-path'],
  ['8.3.1 a query with a fragment', withPath('/a?b#c'), 'invalid-path'],
  ['8.3.1 a path above 0x7F', withPath('/\xe9'), 'invalid-path'],
  ['8.3.1 a path with an incomplete escape', withPath('/%4'), 'invalid-path'],
  ['8.3.1 a path with an escaped NUL', withPath('/%00'), 'invalid-path'],
  ['8.3.1 the path * of another method than OPTIONS', withPath('*'), 'invalid-path'],
  ['8.3.1 an empty method', [[':method', ''], scheme, path, authority], 'invalid-method'],
  ['8.3.1 a method with a space', [[':method', 'GET /'], scheme, path, authority], 'invalid-method'],
  ['8.3.1 an empty scheme', [method, [':scheme', ''], path, authority], 'invalid-scheme'],
  ['8.3.1 a scheme with a slash', [method, [':scheme', 'http://a'], path, authority], 'invalid-scheme'],
  ['8.3.1 an authority with userinfo', withAuthority('user@a.example'), 'invalid-authority'],
  ['8.3.1 an empty authority', withAuthority(''), 'invalid-authority'],
  ['8.3.1 an authority with a path', withAuthority('a.example/x'), 'invalid-authority'],
  ['8.3.1 an authority with a port out of range', withAuthority('a.example:65536'), 'invalid-authority'],
  ['8.3.1 neither authority nor Host', [method, scheme, path], 'missing-authority'],
  ['8.3.1 a Host that differs from the authority', withField('host', 'b.example'), 'host-conflict'],
  ['8.3.1 a Host with another port', withField('host', 'a.example:8080'), 'host-conflict'],
  ['8.3.1 Host twice', [...get, ['host', 'a.example'], ['host', 'a.example']], 'host-conflict'],
  ['8.3.1 an invalid Host', [method, scheme, path, ['host', 'a b']], 'invalid-authority'],
  ['8.1.1 a Content-Length that is no number', withField('content-length', 'five'), 'invalid-content-length'],
  ['8.1.1 a Content-Length with a sign', withField('content-length', '+5'), 'invalid-content-length'],
  ['8.1.1 an empty Content-Length', withField('content-length', ''), 'invalid-content-length'],
  ['8.1.1 a Content-Length above 2^53-1', withField('content-length', '9007199254740992'), 'invalid-content-length'],
  ['8.1.1 Content-Length twice', [...get, ['content-length', '0'], ['content-length', '0']], 'invalid-content-length'],
  [
    '8.1.1 END_STREAM although Content-Length announces content',
    withField('content-length', '5'),
    'content-length-mismatch',
  ],
  ['8.5 CONNECT with scheme and path', [connect, scheme, path, connectTo], 'invalid-connect'],
  ['8.5 CONNECT without authority', [connect], 'invalid-connect'],
  ['8.5 CONNECT with another Host', [connect, connectTo, ['host', 'b.example:443']], 'host-conflict'],
  ['8.5 CONNECT without port', [connect, authority], 'invalid-connect'],
  [
    'RFC 8441 4 protocol without CONNECT',
    [method, [':protocol', 'websocket'], scheme, path, authority],
    'invalid-protocol',
  ],
  [
    'RFC 8441 4 extended CONNECT without path',
    [connect, [':protocol', 'websocket'], scheme, authority],
    'missing-pseudo-field',
  ],
  ['RFC 8441 4 an empty protocol', [connect, [':protocol', ''], scheme, path, authority], 'invalid-protocol'],
]

const wellFormedRequests: readonly (readonly [name: string, fields: readonly RawField[]])[] = [
  ['8.2.1 an empty field value', withField('x', '')],
  ['8.2.1 a field value above 0x7F', withField('x', '\xff')],
  ['8.2.1 a field value with a tab inside', withField('x', 'a\tb')],
  ['8.2.2 TE: trailers', withField('te', 'trailers')],
  ['8.3.1 OPTIONS *', [[':method', 'OPTIONS'], scheme, [':path', '*'], authority]],
  ['8.3.1 Host without authority', [method, scheme, path, ['host', 'a.example']]],
  ['8.3.1 Host like the authority but for case and default port', withField('host', 'A.example:80')],
  ['8.3.1 pseudo-header fields in any order', [authority, path, scheme, method]],
  ['8.3.1 an unusual method', [[':method', 'M-SEARCH'], scheme, path, authority]],
  ['8.3.1 a scheme that is not http', [method, [':scheme', 'coap+tcp'], path, authority]],
  ['8.3.1 a query with %, [ and ?', withPath('/a?b=100%&c[]=?')],
  ['8.3.1 an IPv6 authority', withAuthority('[::1]:8080')],
  ['8.1.1 Content-Length: 0', withField('content-length', '0')],
  ['8.2.3 Cookie in several fields', [...get, ['cookie', 'a=1'], ['cookie', 'b=2']]],
]

type MalformedResponse = readonly [name: string, fields: readonly RawField[], problem: Http2Problem]

const malformedResponses: readonly MalformedResponse[] = [
  ['8.3.2 no status', [['x', 'y']], 'missing-pseudo-field'],
  ['8.3.2 status twice', [...ok, ...ok], 'duplicate-pseudo-field'],
  ['8.3.2 a status of two digits', [[':status', '20']], 'invalid-status'],
  ['8.3.2 a status of four digits', [[':status', '2000']], 'invalid-status'],
  ['8.3.2 a status below 100', [[':status', '099']], 'invalid-status'],
  ['8.3.2 a status of 600', [[':status', '600']], 'invalid-status'],
  ['8.3.2 a status with letters', [[':status', '2O0']], 'invalid-status'],
  ['8.3 a pseudo-header field of requests', [...ok, [':path', '/']], 'unknown-pseudo-field'],
  ['8.3 a status after a regular field', [['x', 'y'], ...ok], 'late-pseudo-field'],
  ['8.6 status 101', [[':status', '101']], 'invalid-status'],
  ['8.2.2 TE', [...ok, ['te', 'trailers']], 'invalid-te'],
  ['8.2.2 Connection', [...ok, ['connection', 'close']], 'connection-specific-field'],
  ['8.2 a capital letter', [...ok, ['X', 'y']], 'uppercase-field-name'],
  ['8.2.1 a value with LF', [...ok, ['x', 'a\n']], 'invalid-field-value'],
]

const malformedTrailers: readonly MalformedResponse[] = [
  ['8.1 a pseudo-header field in trailers', [[':status', '200']], 'pseudo-field-in-trailers'],
  ['8.1 a path in trailers', [[':path', '/']], 'pseudo-field-in-trailers'],
  ['8.1 an unknown pseudo-header field in trailers', [[':x', '/']], 'unknown-pseudo-field'],
  ['8.2 a capital letter in trailers', [['X', 'y']], 'uppercase-field-name'],
  ['8.2.2 Connection in trailers', [['connection', 'close']], 'connection-specific-field'],
  ['RFC 9110 6.5.1 Content-Length in trailers', [['content-length', '0']], 'forbidden-trailer'],
  ['RFC 9110 6.5.1 Host in trailers', [['host', 'a.example']], 'forbidden-trailer'],
  ['RFC 9110 6.5.1 Set-Cookie in trailers', [['set-cookie', 'a=1']], 'forbidden-trailer'],
]

const exchanges: readonly ConformanceCase[] = [
  {
    name: '8.1 a second HEADERS without END_STREAM: stream error PROTOCOL_ERROR',
    steps: [headers(1, post), headers(1, [['x', 'y']])],
    expected: streamError('PROTOCOL_ERROR', 'unfinished-trailers'),
  },
  {
    name: '8.1 trailers after content: fine',
    steps: [headers(1, post), data(1, 'abc'), headers(1, [['x', 'y']], { endStream: true })],
    expected: {
      kind: 'fine',
      events: ['head 1 :method=POST :scheme=http :path=/ :authority=a.example', 'data 1 abc', 'trailers 1 x=y'],
    },
  },
  {
    name: '8.1 a second final response: stream error PROTOCOL_ERROR',
    side: 'client',
    steps: [headers(1, ok), headers(1, ok)],
    expected: streamError('PROTOCOL_ERROR', 'unfinished-trailers'),
  },
  {
    name: '8.1 informational responses before the final one: fine',
    side: 'client',
    steps: [headers(1, [[':status', '103']]), headers(1, [[':status', '100']]), headers(1, ok, { endStream: true })],
    expected: { kind: 'fine', events: ['head 1 :status=103', 'head 1 :status=100', 'head 1 :status=200 end'] },
  },
  {
    name: '8.1 an informational response with END_STREAM: stream error PROTOCOL_ERROR',
    side: 'client',
    steps: [headers(1, [[':status', '103']], { endStream: true })],
    expected: streamError('PROTOCOL_ERROR', 'informational-ends-stream'),
  },
  {
    name: '8.1 DATA before a response: stream error PROTOCOL_ERROR',
    side: 'client',
    steps: [data(1, 'x')],
    expected: streamError('PROTOCOL_ERROR', 'unexpected-content'),
  },
  {
    name: '8.1 DATA after an informational response: stream error PROTOCOL_ERROR',
    side: 'client',
    steps: [headers(1, [[':status', '100']]), data(1, 'x')],
    expected: streamError('PROTOCOL_ERROR', 'unexpected-content'),
  },
  {
    name: '8.1.1 less DATA than Content-Length: stream error PROTOCOL_ERROR',
    steps: [headers(1, [...post, ['content-length', '5']]), data(1, 'ab'), data(1, 'cd', true)],
    expected: streamError('PROTOCOL_ERROR', 'content-length-mismatch'),
  },
  {
    name: '8.1.1 more DATA than Content-Length: stream error PROTOCOL_ERROR',
    steps: [headers(1, [...post, ['content-length', '5']]), data(1, 'abc'), data(1, 'def')],
    expected: streamError('PROTOCOL_ERROR', 'content-length-mismatch'),
  },
  {
    name: '8.1.1 trailers before the announced content is complete: stream error PROTOCOL_ERROR',
    steps: [
      headers(1, [...post, ['content-length', '5']]),
      data(1, 'abc'),
      headers(1, [['x', 'y']], { endStream: true }),
    ],
    expected: streamError('PROTOCOL_ERROR', 'content-length-mismatch'),
  },
  {
    name: '8.1.1 DATA as long as Content-Length: fine',
    steps: [headers(1, [...post, ['content-length', '5']]), data(1, 'abc'), data(1, 'de'), data(1, '', true)],
    expected: fine,
  },
  {
    name: '8.1.1 a response with less DATA than Content-Length: stream error PROTOCOL_ERROR',
    side: 'client',
    steps: [headers(1, [...ok, ['content-length', '5']]), data(1, 'abc', true)],
    expected: streamError('PROTOCOL_ERROR', 'content-length-mismatch'),
  },
  {
    name: '8.1.1 a response without content but with Content-Length: stream error PROTOCOL_ERROR',
    side: 'client',
    steps: [headers(1, [...ok, ['content-length', '5']], { endStream: true })],
    expected: streamError('PROTOCOL_ERROR', 'content-length-mismatch'),
  },
  {
    name: '8.1.1 Content-Length in the answer to HEAD: fine',
    side: 'client',
    method: 'HEAD',
    steps: [headers(1, [...ok, ['content-length', '5']], { endStream: true })],
    expected: fine,
  },
  {
    name: '8.1.1 content in the answer to HEAD: stream error PROTOCOL_ERROR',
    side: 'client',
    method: 'HEAD',
    steps: [headers(1, ok), data(1, 'x', true)],
    expected: streamError('PROTOCOL_ERROR', 'unexpected-content'),
  },
  {
    name: '8.1.1 Content-Length in 304: fine',
    side: 'client',
    steps: [
      headers(1, [
        [':status', '304'],
        ['content-length', '5'],
      ]),
      data(1, '', true),
    ],
    expected: fine,
  },
  {
    name: '8.1.1 content in 204: stream error PROTOCOL_ERROR',
    side: 'client',
    steps: [headers(1, [[':status', '204']]), data(1, 'x')],
    expected: streamError('PROTOCOL_ERROR', 'unexpected-content'),
  },
  {
    name: '8.5 CONNECT with host and port: fine',
    steps: [headers(1, [connect, connectTo]), data(1, 'abc')],
    expected: { kind: 'fine', events: ['head 1 :method=CONNECT :authority=a.example:443', 'data 1 abc'] },
  },
  {
    name: '8.5 Content-Length of a CONNECT says nothing of the tunnel: fine',
    steps: [headers(1, [connect, connectTo, ['content-length', '1']]), data(1, 'abc')],
    expected: fine,
  },
  {
    name: '8.5 HEADERS of a client on a connected stream: stream error PROTOCOL_ERROR',
    steps: [headers(1, [connect, connectTo]), headers(1, [['x', 'y']], { endStream: true })],
    expected: streamError('PROTOCOL_ERROR', 'fields-in-tunnel'),
  },
  {
    name: '8.5 HEADERS of a server on a connected stream: stream error PROTOCOL_ERROR',
    side: 'client',
    method: 'CONNECT',
    steps: [headers(1, ok), data(1, 'abc'), headers(1, [['x', 'y']], { endStream: true })],
    expected: streamError('PROTOCOL_ERROR', 'fields-in-tunnel'),
  },
  {
    name: '8.5 Content-Length in the answer to CONNECT says nothing of the tunnel: fine',
    side: 'client',
    method: 'CONNECT',
    steps: [headers(1, [...ok, ['content-length', '1']]), data(1, 'abc')],
    expected: fine,
  },
  {
    name: 'RFC 8441 4 extended CONNECT: fine',
    steps: [headers(1, [connect, [':protocol', 'websocket'], scheme, path, authority]), data(1, 'abc')],
    expected: fine,
  },
  {
    name: 'RFC 8441 3 extended CONNECT that we do not announce: stream error PROTOCOL_ERROR',
    options: { settings: { enableConnectProtocol: false } },
    steps: [headers(1, [connect, [':protocol', 'websocket'], scheme, path, authority])],
    expected: streamError('PROTOCOL_ERROR', 'invalid-protocol'),
  },
  {
    name: '10.5.1 fields above SETTINGS_MAX_HEADER_LIST_SIZE in a request: the owner may answer 431',
    options: { limits: { fieldSectionBytes: 200 } },
    steps: [headers(1, [...get, ['x', 'y'.repeat(100)]], { endStream: true })],
    expected: { kind: 'fine', events: ['too large 1 end'] },
  },
  {
    name: '10.5.1 fields above SETTINGS_MAX_HEADER_LIST_SIZE in a response: stream error ENHANCE_YOUR_CALM',
    side: 'client',
    options: { limits: { fieldSectionBytes: 100 } },
    steps: [headers(1, [...ok, ['x', 'y'.repeat(100)]])],
    expected: streamError('ENHANCE_YOUR_CALM', 'field-section-too-large'),
  },
  {
    name: '10.5.1 trailers above the limit: stream error ENHANCE_YOUR_CALM',
    options: { limits: { fieldCount: 4 } },
    steps: [headers(1, post), headers(1, Array<RawField>(5).fill(['x', 'y']), { endStream: true })],
    expected: streamError('ENHANCE_YOUR_CALM', 'field-section-too-large'),
  },
]

/** What RFC 9113 section 8 demands of requests, responses and trailers. */
export const conformanceOfMessages: readonly ConformanceCase[] = [
  ...malformedRequests.map(([name, fields, problem]): ConformanceCase => ({
    name: `${name}: stream error PROTOCOL_ERROR`,
    steps: [headers(1, fields, { endStream: true })],
    expected: streamError('PROTOCOL_ERROR', problem),
  })),
  ...wellFormedRequests.map(([name, fields]): ConformanceCase => ({
    name: `${name}: fine`,
    steps: [headers(1, fields, { endStream: true })],
    expected: {
      kind: 'fine',
      events: [`head 1 ${fields.map(([field, value]) => `${field}=${value}`).join(' ')} end`],
    },
  })),
  ...malformedResponses.map(([name, fields, problem]): ConformanceCase => ({
    name: `${name} in a response: stream error PROTOCOL_ERROR`,
    side: 'client',
    steps: [headers(1, fields)],
    expected: streamError('PROTOCOL_ERROR', problem),
  })),
  ...malformedTrailers.map(([name, fields, problem]): ConformanceCase => ({
    name: `${name}: stream error PROTOCOL_ERROR`,
    steps: [headers(1, post), headers(1, fields, { endStream: true })],
    expected: streamError('PROTOCOL_ERROR', problem),
  })),
  ...exchanges,
]
