import assert from 'node:assert/strict'
import { createHash, X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { TestAuthority } from '../support/certificates.ts'
import type { Connection } from '../../src/proxy/transport/connection.ts'
import { idOf, peerAttribute } from '../../src/proxy/plugins/connection-attributes.ts'

/** All that is asked of it. */
function connectionOf(peer: X509Certificate | undefined): Connection {
  const tls = { version: 'TLSv1.3', cipher: '', isResumed: false, serverName: '', peer }
  return { tls } as Connection
}

test('idOf() gives each connection a number of its own, always the same', () => {
  const [one, other] = [connectionOf(undefined), connectionOf(undefined)]
  assert.equal(idOf(one), idOf(one))
  assert.notEqual(idOf(one), idOf(other))
})

test('peerAttribute() tells what the certificate of a client says, and nothing without one', () => {
  using authority = new TestAuthority()
  const uris = ['spiffe://mesh/cart']
  const { chain } = authority.issue({ names: ['cart.example'], uris, subject: '/O=Shop/CN=cart' })
  const certificate = new X509Certificate(chain)
  const connection = connectionOf(certificate)
  const told = (name: string): unknown => peerAttribute(connection, `connection.${name}`)
  assert.equal(told('subject_peer_certificate'), 'CN=cart,O=Shop')
  assert.equal(told('dns_san_peer_certificate'), 'cart.example')
  assert.equal(told('uri_san_peer_certificate'), 'spiffe://mesh/cart')
  assert.equal(told('sha256_peer_certificate_digest'), createHash('sha256').update(certificate.raw).digest('hex'))
  assert.equal(decodeURIComponent(String(told('peer_certificate'))), certificate.toString())
  assert.equal(told('email_san_peer_certificate'), undefined)
  assert.equal(peerAttribute(connectionOf(undefined), 'connection.subject_peer_certificate'), undefined)
})
