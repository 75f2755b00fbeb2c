import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { RateLimitAttribute } from '../../model/index.ts'
import { clientNetwork, rateLimitKey, type RateLimitFacts } from './key.ts'

function facts(changes: Partial<RateLimitFacts> & { headers?: Record<string, string> } = {}): RateLimitFacts {
  const { headers = {} } = changes
  return {
    clientAddress: '10.0.0.1',
    callerNamespace: 'shop',
    callerService: 'cart',
    header: name => headers[name],
    ...changes,
  }
}

describe('rateLimitKey()', () => {
  const apiKey: RateLimitAttribute = { kind: 'header', name: 'x-api-key' }
  const user: RateLimitAttribute = { kind: 'header', name: 'x-user' }

  test('is the same for all without attributes', () => {
    assert.equal(rateLimitKey([], facts()), rateLimitKey([], facts({ clientAddress: '10.0.0.2' })))
  })

  const parts: readonly (readonly [RateLimitAttribute, RateLimitFacts, RateLimitFacts])[] = [
    [{ kind: 'client-address' }, facts(), facts({ clientAddress: '10.0.0.2' })],
    [apiKey, facts({ headers: { 'x-api-key': 'a' } }), facts({ headers: { 'x-api-key': 'b' } })],
    [apiKey, facts({ headers: { 'x-api-key': '' } }), facts()],
    [{ kind: 'caller-namespace' }, facts(), facts({ callerNamespace: 'other' })],
    [{ kind: 'caller-service' }, facts(), facts({ callerService: 'web' })],
    [{ kind: 'caller-service' }, facts(), facts({ callerNamespace: 'other' })],
  ]
  for (const [index, [attribute, one, other]] of parts.entries()) {
    test(`parts requests by ${attribute.kind} (${index})`, () => {
      assert.notEqual(rateLimitKey([attribute], one), rateLimitKey([attribute], other))
      assert.equal(rateLimitKey([attribute], one), rateLimitKey([attribute], one))
    })
  }

  test('takes requests without the header as one client', () => {
    assert.equal(rateLimitKey([apiKey], facts()), rateLimitKey([apiKey], facts({ clientAddress: '10.9.9.9' })))
  })

  test('does not mix up the values of two headers', () => {
    const one = facts({ headers: { 'x-api-key': 'ab', 'x-user': 'c' } })
    const other = facts({ headers: { 'x-api-key': 'a', 'x-user': 'bc' } })
    assert.notEqual(rateLimitKey([apiKey, user], one), rateLimitKey([apiKey, user], other))
  })
})

describe('clientNetwork()', () => {
  const cases: readonly (readonly [address: string, network: string])[] = [
    ['10.0.0.1', '10.0.0.1'],
    ['::ffff:10.0.0.1', '10.0.0.1'],
    ['::FFFF:10.0.0.1', '10.0.0.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:0DB8:0001:2::', '2001:db8:1:2::/64'],
    ['2001:db8::5:6', '2001:db8:0:0::/64'],
    ['2001:db8:1:2::6', '2001:db8:1:2::/64'],
    ['1::2:3:4:5:6', '1:0:0:2::/64'],
    ['::1', '0:0:0:0::/64'],
    ['::', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['64:ff9b::192.0.2.33', '64:ff9b:0:0::/64'],
    ['unix', 'unix'],
  ]
  for (const [address, network] of cases) {
    test(`${address} belongs to ${network}`, () => assert.equal(clientNetwork(address), network))
  }
})
