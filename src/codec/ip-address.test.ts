import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatIpAddress, parseCidr, parseIpAddress, unmapIpAddress } from './ip-address.ts'

const networks: readonly (readonly [text: string, network: string | undefined, hadHostBits?: boolean])[] = [
  ['10.0.0.0/8', '10.0.0.0/8'],
  ['10.1.2.3/8', '10.0.0.0/8', true],
  ['10.1.2.255/25', '10.1.2.128/25', true],
  ['255.255.255.255/32', '255.255.255.255/32'],
  ['1.2.3.4/0', '0.0.0.0/0', true],
  ['0.0.0.0/0', '0.0.0.0/0'],
  ['fd00::/8', 'fd00::/8'],
  ['fd12:3456::1/20', 'fd12:3000::/20', true],
  ['::/0', '::/0'],
  ['::1/128', '::1/128'],
  ['10.0.0.0/33', undefined],
  ['::/129', undefined],
  ['10.0.0.0', undefined],
  ['10.0.0.0/', undefined],
  ['10.0.0.0/08', undefined],
  ['10.0.0.0/+8', undefined],
  ['10.0.0.0/-1', undefined],
  ['010.0.0.0/8', undefined],
  ['10.0.0/8', undefined],
  ['10.0.0.0/8/8', undefined],
  ['fe80::%eth0/64', undefined],
  ['', undefined],
  ['/', undefined],
]
for (const [text, expected, hadHostBits = false] of networks) {
  test(`parseCidr() of ${JSON.stringify(text)}`, () => {
    const parsed = parseCidr(text)
    assert.equal(parsed && `${formatIpAddress(parsed.bytes)}/${parsed.prefixLength}`, expected)
    if (parsed !== undefined) assert.equal(parsed.hadHostBits, hadHostBits)
  })
}

test('unmapIpAddress() gives the IPv4 address of an IPv4-mapped one, and others as they are', () => {
  const plain = (text: string): string => formatIpAddress(unmapIpAddress(parseIpAddress(text) ?? new Uint8Array()))
  assert.equal(plain('::ffff:192.0.2.1'), '192.0.2.1')
  assert.equal(plain('::ffff:c000:201'), '192.0.2.1')
  for (const text of ['192.0.2.1', '::192.0.2.1', '::fffe:c000:201', '1::ffff:c000:201']) {
    assert.equal(plain(text), formatIpAddress(parseIpAddress(text) ?? new Uint8Array()))
  }
})
