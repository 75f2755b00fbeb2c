import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { formatIpAddress, parseIpAddress } from './ip-address.ts'
import { encodeProxyHeader, maxProxyHeaderBytes, parseProxyHeader } from './proxy-protocol.ts'
import type { ProxyAddresses, ProxyHeaderOutcome } from './proxy-protocol.ts'

const parse = (bytes: Buffer): ProxyHeaderOutcome => parseProxyHeader(bytes, bytes.length)
const pair = (source: string, destination: string): ProxyAddresses => ({
  source: { address: source, port: 56_324 },
  destination: { address: destination, port: 443 },
})

const signature = Buffer.from('0d0a0d0a000d0a515549540a', 'hex')
const binary = (hex: string): Buffer => Buffer.concat([signature, Buffer.from(hex.replaceAll(' ', ''), 'hex')])

const v4 = pair('192.168.0.1', '192.168.0.11')
const v6 = pair('2001:db8::1', 'fe80::2')

const good: readonly [what: string, header: Buffer, addresses: ProxyAddresses | undefined, version: 1 | 2][] = [
  ['TCP4', Buffer.from('PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n'), v4, 1],
  ['TCP6', Buffer.from('PROXY TCP6 2001:DB8:0:0::1 fe80::2 56324 443\r\n'), v6, 1],
  ['UNKNOWN', Buffer.from('PROXY UNKNOWN\r\n'), undefined, 1],
  ['UNKNOWN with addresses', Buffer.from('PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n'), undefined, 1],
  ['v2 TCP over IPv4', binary('21 11 000c c0a80001 c0a8000b dc04 01bb'), v4, 2],
  ['v2 UDP over IPv4', binary('21 12 000c c0a80001 c0a8000b dc04 01bb'), v4, 2],
  ['v2 TCP over IPv6', binary(`21 21 0024 20010db8${'0'.repeat(22)}01 fe80${'0'.repeat(26)}02 dc04 01bb`), v6, 2],
  ['v2 with extensions behind', binary('21 11 0013 c0a80001 c0a8000b dc04 01bb 01 0004 61626364'), v4, 2],
  ['v2 LOCAL', binary('20 00 0000'), undefined, 2],
  ['v2 LOCAL with addresses to skip', binary('20 11 000c c0a80001 c0a8000b dc04 01bb'), undefined, 2],
  ['v2 of an unknown family', binary('21 00 0003 010203'), undefined, 2],
  ['v2 of Unix sockets', Buffer.concat([binary('21 31 00d8'), Buffer.alloc(216)]), undefined, 2],
]

const bad: readonly [what: string, header: Buffer, reason: RegExp][] = [
  ['something else', Buffer.from('GET / HTTP/1.1\r\n'), /no PROXY/],
  ['a wrong keyword', Buffer.from('PROXI TCP4'), /no PROXY/],
  ['a line without end', Buffer.from(`PROXY TCP4 ${'1'.repeat(110)}`), /does not end/],
  ['a line above 107 bytes', Buffer.from(`PROXY UNKNOWN ${'x'.repeat(100)}\r\n`), /does not end/],
  ['another family', Buffer.from('PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n'), /unknown form/],
  ['too few parts', Buffer.from('PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n'), /unknown form/],
  ['two spaces', Buffer.from('PROXY TCP4  1.1.1.1 2.2.2.2 1 2\r\n'), /unknown form/],
  ['an address of the other family', Buffer.from('PROXY TCP4 ::1 ::2 1 2\r\n'), /address that is none/],
  ['an address that is none', Buffer.from('PROXY TCP4 1.1.1.256 2.2.2.2 1 2\r\n'), /address that is none/],
  ['a port above 65535', Buffer.from('PROXY TCP4 1.1.1.1 2.2.2.2 65536 2\r\n'), /address that is none/],
  ['a port with a leading zero', Buffer.from('PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n'), /address that is none/],
  ['a line feed in the signature', Buffer.from('\r\n\r\n\0\r\nQUIT\r'), /no PROXY/],
  ['v2 of version 3', binary('31 11 000c'), /unknown version/],
  ['v2 with an unknown command', binary('22 11 000c'), /unknown version/],
  ['v2 too short for its addresses', binary('21 11 000b c0a80001 c0a8000b dc04 01'), /too short/],
  ['v2 that is too long', binary('21 11 ffff'), /too long/],
]

describe('parseProxyHeader()', () => {
  for (const [what, header, addresses, version] of good) {
    test(`reads ${what}, and waits for it at every byte`, () => {
      for (let length = 0; length < header.length; length++) {
        assert.equal(parseProxyHeader(header, length).kind, 'need-more', `${length} bytes`)
      }
      const whole = Buffer.concat([header, Buffer.from('the rest')])
      assert.deepEqual(parse(whole), { kind: 'header', version, length: header.length, addresses })
    })
  }

  for (const [what, header, reason] of bad) {
    test(`refuses ${what}`, () => {
      const outcome = parse(header)
      assert.equal(outcome.kind, 'invalid')
      assert.match(outcome.kind === 'invalid' ? outcome.reason : '', reason)
    })
  }

  test('decides about random bytes without a throw, and never beyond its limits', () => {
    let state = 99
    const random = (below: number): number => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
      return Math.floor((state / 2 ** 32) * below)
    }
    for (let round = 0; round < 30_000; round++) {
      const [, header] = good[random(good.length)] ?? []
      assert.ok(header !== undefined)
      const bytes = Buffer.concat([header, Buffer.alloc(random(30), 65)])
      for (let edits = random(4); edits > 0; edits--) bytes[random(bytes.length)] = random(256)
      const outcome = parse(bytes)
      if (outcome.kind === 'header') assert.ok(outcome.length <= Math.min(bytes.length, maxProxyHeaderBytes))
    }
    const endless = Buffer.concat([Buffer.from('PROXY '), Buffer.alloc(10_000, 65)])
    assert.equal(parse(endless).kind, 'invalid')
  })
})

describe('encodeProxyHeader()', () => {
  const rows: readonly [addresses: ProxyAddresses, seen: ProxyAddresses | undefined][] = [
    [v4, v4],
    [v6, v6],
    [pair('::ffff:10.0.0.1', '10.0.0.2'), pair('10.0.0.1', '10.0.0.2')],
    [pair('10.0.0.1', '2001:db8::1'), pair('::ffff:a00:1', '2001:db8::1')],
    [pair('', '10.0.0.2'), undefined],
  ]
  for (const version of ['v1', 'v2'] as const) {
    for (const [addresses, seen] of rows) {
      test(`${version} of ${addresses.source.address || 'nobody'} to ${addresses.destination.address} is read back`, () => {
        const header = encodeProxyHeader(version, addresses)
        const outcome = parse(header)
        assert.equal(outcome.kind, 'header')
        assert.ok(outcome.kind === 'header')
        assert.deepEqual(outcome, {
          kind: 'header',
          version: version === 'v1' ? 1 : 2,
          length: header.length,
          addresses: seen,
        })
      })
    }
  }
})

test('addresses are written and read as RFC 5952 says', () => {
  const rows: readonly [text: string, canonical: string | undefined][] = [
    ['1.2.3.4', '1.2.3.4'],
    ['1.2.3', undefined],
    ['1.2.3.04', undefined],
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['1:0:2:3:4:5:6:7', '1:0:2:3:4:5:6:7'],
    ['::ffff:1.2.3.4', '::ffff:102:304'],
    ['1:2:3:4:5:6:7:8:9', undefined],
    ['1:2:3:4:5:6:7', undefined],
    ['1::2::3', undefined],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['1:2:3:4:5:6:7:8::', undefined],
    ['::1%eth0', undefined],
    ['12345::', undefined],
    ['', undefined],
  ]
  for (const [text, canonical] of rows) {
    const bytes = parseIpAddress(text)
    assert.equal(bytes === undefined ? undefined : formatIpAddress(bytes), canonical, text)
  }
})
