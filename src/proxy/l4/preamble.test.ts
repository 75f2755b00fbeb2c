import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeProxyHeader } from '../../codec/index.ts'
import { Preamble } from './preamble.ts'
import type { PreambleNeeds } from './preamble.ts'

const addresses = {
  source: { address: '2001:db8::7', port: 4711 },
  destination: { address: '2001:db8::1', port: 443 },
}

/** RFC 8446 section 4.1.2, with nothing but the name a.example. */
function hello(): Buffer {
  const name = Buffer.from('a.example')
  const extension = Buffer.concat([
    Buffer.from([0, 0, 0, name.length + 5, 0, name.length + 3, 0, 0, name.length]),
    name,
  ])
  const body = Buffer.concat([
    Buffer.from([3, 3]),
    Buffer.alloc(32, 1),
    Buffer.from([0, 0, 2, 0x13, 0x01, 1, 0, 0, extension.length]),
    extension,
  ])
  return Buffer.concat([Buffer.from([22, 3, 1, 0, body.length + 4, 1, 0, 0, body.length]), body])
}

const both: PreambleNeeds = { proxyHeader: true, serverName: true }

for (const version of ['v1', 'v2'] as const) {
  test(`a PROXY header ${version} and a hello are read alike at every cut in two`, () => {
    const start = Buffer.concat([encodeProxyHeader(version, addresses), hello()])
    const whole = Buffer.concat([start, Buffer.from('more')])
    for (let cut = 0; cut <= start.length; cut++) {
      const preamble = new Preamble(both)
      const first = preamble.read(whole.subarray(0, cut), cut)
      assert.equal(first, cut === start.length ? 'complete' : 'need-more', `cut at ${cut}`)
      const rest = whole.subarray(cut)
      if (cut < start.length) assert.equal(preamble.read(rest, rest.length), 'complete', `cut at ${cut}`)
      assert.deepEqual(preamble.addresses, addresses)
      assert.equal(preamble.serverName, 'a.example')
      const kept = cut === start.length ? hello() : Buffer.concat([hello(), Buffer.from('more')])
      assert.deepEqual(preamble.rest, kept, `cut at ${cut}`)
    }
  })
}

test('byte by byte it is complete with the last byte that it needs', () => {
  const start = Buffer.concat([encodeProxyHeader('v2', addresses), hello()])
  const preamble = new Preamble(both)
  start.forEach((byte, at) => {
    const expected = at === start.length - 1 ? 'complete' : 'need-more'
    assert.equal(preamble.read(Buffer.from([byte]), 1), expected, `byte ${at}`)
  })
})

test('without a need for a name everything behind the header is kept as it is', () => {
  const preamble = new Preamble({ proxyHeader: true, serverName: false })
  const bytes = Buffer.concat([encodeProxyHeader('v1', addresses), Buffer.from('GET /')])
  assert.equal(preamble.read(bytes, bytes.length), 'complete')
  assert.equal(preamble.rest.toString(), 'GET /')
  assert.equal(preamble.serverName, undefined)
})

test('bytes after the given length are not looked at', () => {
  const preamble = new Preamble({ proxyHeader: true, serverName: false })
  const bytes = Buffer.concat([encodeProxyHeader('v1', addresses), Buffer.from('stale')])
  assert.equal(preamble.read(bytes, bytes.length - 5), 'complete')
  assert.equal(preamble.rest.length, 0)
})

for (const [what, bytes, needs, problem] of [
  ['HTTP where a PROXY header must be', 'GET / HTTP/1.1', both, 'no PROXY protocol header'],
  ['HTTP where TLS must be', 'GET / HTTP/1.1', { proxyHeader: false, serverName: true }, 'not a TLS handshake'],
  ['HTTP behind a PROXY header', 'PROXY UNKNOWN\r\nGET /', both, 'not a TLS handshake'],
] as const) {
  test(`${what} is invalid, with the reason`, () => {
    const preamble = new Preamble(needs)
    assert.equal(preamble.read(Buffer.from(bytes), bytes.length), 'invalid')
    assert.equal(preamble.problem, problem)
  })
}
