import assert from 'node:assert/strict'
import { createHash, X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { TestAuthority } from '../support/certificates.ts'
import type { Connection } from '../../src/proxy/transport/connection.ts'
import { certificateAttribute, idOf } from '../../src/proxy/plugins/connection-attributes.ts'

/** All that is asked of it. */
function connectionOf(peer: X509Certificate | undefined, own?: X509Certificate): Connection {
  const tls = { version: 'TLSv1.3', cipher: '', isResumed: false, serverName: '', peer, own }
  return { tls } as Connection
}

test('idOf() gives each connection a number of its own, always the same', () => {
  const [one, other] = [connectionOf(undefined), connectionOf(undefined)]
  assert.equal(idOf(one), idOf(one))
  assert.notEqual(idOf(one), idOf(other))
})

test('certificateAttribute() tells what the certificate of either side says, and nothing without one', () => {
  using authority = new TestAuthority()
  const certificateOf = (name: string, subject: string): X509Certificate =>
    new X509Certificate(authority.issue({ names: [`${name}.example`], uris: [`spiffe://mesh/${name}`], subject }).chain)
  const peer = certificateOf('cart', '/O=Shop/CN=cart')
  const own = certificateOf('items', '/O=Shop/CN=items')
  const told = (name: string): unknown => certificateAttribute(connectionOf(peer, own), name)
  assert.equal(told('subject_peer_certificate'), 'CN=cart,O=Shop')
  assert.equal(told('dns_san_peer_certificate'), 'cart.example')
  assert.equal(told('uri_san_peer_certificate'), 'spiffe://mesh/cart')
  assert.equal(told('sha256_peer_certificate_digest'), createHash('sha256').update(peer.raw).digest('hex'))
  assert.equal(decodeURIComponent(String(told('peer_certificate'))), peer.toString())
  assert.equal(told('subject_local_certificate'), 'CN=items,O=Shop')
  assert.equal(told('dns_san_local_certificate'), 'items.example')
  assert.equal(told('uri_san_local_certificate'), 'spiffe://mesh/items')
  assert.equal(told('email_san_peer_certificate'), undefined)
  assert.equal(told('toString'), undefined)
  for (const name of ['subject_peer_certificate', 'subject_local_certificate']) {
    assert.equal(certificateAttribute(connectionOf(undefined), name), undefined)
    assert.equal(certificateAttribute(undefined, name), undefined)
  }
})
