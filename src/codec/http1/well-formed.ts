/** A request that looks odd and must be accepted. */
export interface WellFormedRequest {
  readonly name: string
  /** One character per byte (latin1); one whole message. */
  readonly input: string
  readonly framing: 'none' | 'length' | 'chunked'
  /** The content without its framing. */
  readonly body: string
  /** Whether another request may follow. */
  readonly keepAlive: boolean
}

type Row = readonly [name: string, input: string, body?: string, keepAlive?: boolean]

const host = 'Host: a.example\r\n'

function line(requestLine: string): string {
  return `${requestLine}\r\n${host}\r\n`
}

function get(fields: string): string {
  return `GET / HTTP/1.1\r\n${host}${fields}\r\n`
}

function withHost(value: string): string {
  return `GET / HTTP/1.1\r\nHost: ${value}\r\n\r\n`
}

const withoutContent: readonly Row[] = [
  ['the smallest request', line('GET / HTTP/1.1')],
  ['an unknown method', line('BREW /pot HTTP/1.1')],
  ['a lower-case method', line('get / HTTP/1.1')],
  ['a method of all token signs', line("!#$%&'*+-.^_`|~09 / HTTP/1.1")],
  ['a method of the greatest length', line(`${'A'.repeat(32)} / HTTP/1.1`)],
  ['empty path segments', line('GET //a///b HTTP/1.1')],
  ['dot segments', line('GET /a/../b/./c HTTP/1.1')],
  ['sub-delims in the path', line("GET /a!$&'()*+,;=:@b HTTP/1.1")],
  ['brackets and bars in the path', line('GET /a[0]|b HTTP/1.1')],
  ['percent-encoding', line('GET /%41%2F%c3%A9 HTTP/1.1')],
  ['an empty query', line('GET /? HTTP/1.1')],
  ['question marks in the query', line('GET /?a?b HTTP/1.1')],
  ['a raw percent in the query', line('GET /?q=100%&r=%zz HTTP/1.1')],
  ['JSON in the query', line('GET /?q={"a":["b",<1>]}|^`\\ HTTP/1.1')],
  ['OPTIONS of the server', line('OPTIONS * HTTP/1.1')],
  ['OPTIONS of a path', line('OPTIONS /a HTTP/1.1')],
  ['an absolute target', line('GET http://a.example/b?c HTTP/1.1')],
  ['an absolute target in capitals', line('GET HTTP://A.EXAMPLE/ HTTP/1.1')],
  ['an absolute target without path', line('GET http://a.example HTTP/1.1')],
  ['an absolute target with a query and no path', line('GET http://a.example?b HTTP/1.1')],
  ['an absolute target with the usual port', line('GET http://a.example:80/ HTTP/1.1')],
  ['an absolute https target', line('GET https://a.example:443/ HTTP/1.1')],
  ['CONNECT with the port in Host', 'CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n'],
  ['CONNECT without a port in Host', 'CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n'],
  ['CONNECT to IPv6', 'CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n\r\n'],
  ['TRACE', line('TRACE / HTTP/1.1')],
  ['Host in other case', 'GET / HTTP/1.1\r\nhOsT: a.example\r\n\r\n'],
  ['Host without space', 'GET / HTTP/1.1\r\nHost:a.example\r\n\r\n'],
  ['Host with whitespace around', 'GET / HTTP/1.1\r\nHost: \t a.example \t \r\n\r\n'],
  ['Host after other fields', 'GET / HTTP/1.1\r\nX-A: b\r\nHost: a.example\r\n\r\n'],
  ['Host with port', withHost('a.example:8080')],
  ['Host with the greatest port', withHost('a.example:65535')],
  ['Host with a final dot', withHost('a.example.')],
  ['Host with underscores', withHost('my_service.ns')],
  ['Host of one letter', withHost('a')],
  ['Host of the greatest length', withHost('a'.repeat(255))],
  ['Host of IPv4', withHost('127.0.0.1:80')],
  ['Host of digits', withHost('1')],
  ['Host of IPv6', withHost('[::1]')],
  ['Host of any IPv6', withHost('[::]:80')],
  ['Host of IPv6 in full', withHost('[2001:DB8:0:0:0:0:0:1]:80')],
  ['Host of IPv6 with a gap at the end', withHost('[1:2:3:4:5:6:7::]')],
  ['Host of IPv6 with a gap within', withHost('[1:2::7:8]')],
  ['Host of IPv4 in IPv6', withHost('[::ffff:192.0.2.1]')],
  ['Host of IPv4 after six groups', withHost('[1:2:3:4:5:6:192.0.2.1]')],
  ['an empty value', get('X-A:\r\n')],
  ['a value of whitespace', get('X-A: \t \r\n')],
  ['a tab in a value', get('X-A: b\tc\r\n')],
  ['obs-text in a value', get('X-A: caf\xe9 \x80\xff\r\n')],
  ['colons in a value', get('X-A: b: c::d\r\n')],
  ['a name of all token signs', get("!#$%&'*+-.^_`|~09: b\r\n")],
  ['the same field often', get('X-A: b\r\nx-a: c\r\nX-A: b\r\n')],
  ['64 fields', get('X-A: b\r\n'.repeat(63))],
  [
    'names that nearly are known',
    get('Content-Lengt: 5\r\nContent-Lengthh: 5\r\nTransfer_Encoding: chunked\r\nHos: x\r\n'),
  ],
  ['length 0', get('Content-Length: 0\r\n')],
  ['length of zeros', get('Content-Length: 000\r\n')],
  ['an expectation without content', get('Expect: 100-continue\r\n')],
  ['Connection with empty elements', get('Connection: , keep-alive ,, x-a\t,\r\n')],
  ['an empty Connection', get('Connection:\r\n')],
  ['Connection of keep-alive', get('Connection: Keep-Alive\r\n')],
  ['Connection of close', get('Connection: Close\r\n'), '', false],
  ['Connection of close within a list', get('Connection: x-a, close , te\r\n'), '', false],
  ['close in a second Connection', get('Connection: keep-alive\r\nConnection: close\r\n'), '', false],
  ['Connection of a word with close in it', get('Connection: xclose, closed\r\n')],
  ['an upgrade', get('Connection: Upgrade\r\nUpgrade: websocket\r\n')],
  ['HTTP/1.0', 'GET / HTTP/1.0\r\nHost: a.example\r\n\r\n', '', false],
  ['HTTP/1.0 without Host', 'GET / HTTP/1.0\r\n\r\n', '', false],
  ['HTTP/1.0 that wants to persist', 'GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n', '', true],
  ['HTTP/1.0 that cannot decide', 'GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n', '', false],
]

const withLength: readonly Row[] = [
  ['a length', `POST / HTTP/1.1\r\n${host}Content-Length: 5\r\n\r\nhello`, 'hello'],
  ['a length with zeros before', `POST / HTTP/1.1\r\n${host}Content-Length: 0005\r\n\r\nhello`, 'hello'],
  ['a length with whitespace around', `POST / HTTP/1.1\r\n${host}Content-Length:\t5 \r\n\r\nhello`, 'hello'],
  ['GET with content', `GET / HTTP/1.1\r\n${host}Content-Length: 5\r\n\r\nhello`, 'hello'],
  [
    'content that looks like a request',
    `POST / HTTP/1.1\r\n${host}Content-Length: 18\r\n\r\nGET / HTTP/1.1\r\n\r\n`,
    'GET / HTTP/1.1\r\n\r\n',
  ],
  ['an expectation', `POST / HTTP/1.1\r\n${host}Expect: 100-Continue\r\nContent-Length: 1\r\n\r\nx`, 'x'],
  ['HTTP/1.0 with a length', `POST / HTTP/1.0\r\nContent-Length: 1\r\n\r\nx`, 'x', false],
]

const chunkedHead = `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n`

const withChunks: readonly Row[] = [
  ['no chunks', `${chunkedHead}0\r\n\r\n`, ''],
  ['one chunk', `${chunkedHead}5\r\nhello\r\n0\r\n\r\n`, 'hello'],
  ['chunks of one byte', `${chunkedHead}1\r\nh\r\n1\r\ni\r\n0\r\n\r\n`, 'hi'],
  ['capital digits', `${chunkedHead}A\r\n0123456789\r\n0\r\n\r\n`, '0123456789'],
  ['zeros before the size', `${chunkedHead}0000000000000005\r\nhello\r\n000\r\n\r\n`, 'hello'],
  ['chunked in capitals', `POST / HTTP/1.1\r\n${host}TRANSFER-ENCODING: ChUnKeD \r\n\r\n0\r\n\r\n`, ''],
  ['data that looks like framing', `${chunkedHead}7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n`, '\r\n0\r\n\r\n'],
  ['extensions', `${chunkedHead}5;a;b=c;d="e;\\"\\\\ \xe4";f\r\nhello\r\n0;last\r\n\r\n`, 'hello'],
  ['trailers', `${chunkedHead}5\r\nhello\r\n0\r\nX-A: b\r\ngrpc-status:0\r\nX-Empty:\r\n\r\n`, 'hello'],
  ['a trailer with a very long name', `${chunkedHead}0\r\n${'x'.repeat(100)}: b\r\n\r\n`, ''],
  ['a trailer whose name begins like a forbidden one', `${chunkedHead}0\r\nHosts: b\r\nContent-Length-: 1\r\n\r\n`, ''],
  ['GET with chunks', `GET / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n`, 'x'],
]

function rowsOf(framing: 'none' | 'length' | 'chunked', rows: readonly Row[]): WellFormedRequest[] {
  return rows.map(([name, input, body, keepAlive]) => ({
    name,
    input,
    framing,
    body: body ?? '',
    keepAlive: keepAlive ?? true,
  }))
}

/** Odd but valid requests that a proxy must not refuse. */
export const wellFormedRequests: readonly WellFormedRequest[] = [
  ...rowsOf('none', withoutContent),
  ...rowsOf('length', withLength),
  ...rowsOf('chunked', withChunks),
]
