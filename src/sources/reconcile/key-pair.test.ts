import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseKeyPair } from './key-pair.ts'
import { otherPair, shopPair, weakPair } from './test-pairs.ts'

test('parseKeyPair() takes a chain with its key and reads the DNS names', () => {
  const pair = parseKeyPair(shopPair.chain + otherPair.chain, shopPair.key)
  assert.ok(pair.kind === 'valid')
  assert.deepEqual(pair.hostnames, ['shop.example', '*.shop.example'])
  assert.ok(pair.notAfterMs > Date.UTC(2100, 0))
})

const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'

test('parseKeyPair() says which half is wrong', () => {
  const rows: [string, string, RegExp][] = [
    ['', shopPair.key, /^tls\.crt holds no certificate/],
    ['garbage', shopPair.key, /^tls\.crt holds no certificate/],
    [shopPair.chain, '', /^tls\.key holds no private key/],
    [shopPair.chain, 'garbage', /^tls\.key holds no private key/],
    [shopPair.chain, otherPair.key, /^tls\.key is not the key/],
    [weakPair.chain, weakPair.key, /^the certificate can't be used for TLS/],
    [shopPair.chain + broken, shopPair.key, /^the certificate can't be used for TLS/],
  ]
  for (const [chain, key, expected] of rows) {
    const pair = parseKeyPair(chain, key)
    assert.ok(pair.kind === 'invalid')
    assert.match(pair.message, expected)
  }
})
