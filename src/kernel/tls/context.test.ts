import assert from 'node:assert/strict'
import { test } from 'node:test'
import { X509Certificate } from 'node:crypto'
import type { ServerContextOptions } from './server-context.ts'
import { authority, clientPair, connectTls, partFrom, serverPair, TestTls } from './testing.ts'

const refused: readonly [what: string, options: Partial<ServerContextOptions>, error: RegExp][] = [
  ['no certificate', { certificates: [{ ...serverPair, chain: '' }] }, /no start line/],
  ['a text', { certificates: [{ ...serverPair, chain: 'a certificate' }] }, /no start line/],
  ['no key', { certificates: [{ ...serverPair, key: '' }] }, /./],
  ["another certificate's key", { certificates: [{ ...serverPair, key: clientPair.key }] }, /key values mismatch/],
  ['a broken second certificate', { certificates: [{ ...serverPair, chain: `${serverPair.chain}${broken()}` }] }, /./],
  ['an unknown cipher', { ciphers: 'NO-SUCH-CIPHER' }, /no cipher match/],
  ['an unknown cipher of TLS 1.3', { ciphers: 'TLS_NO_SUCH' }, /no cipher match/],
  ['authorities that are none', { clients: { authorities: '', mode: 'require' } }, /no start line/],
  ['a session context that is too long', { sessionContext: 'x'.repeat(33) }, /session id context/],
  ['ticket keys that are too short', { ticketKeys: Buffer.alloc(10) }, /./],
]

function broken(): string {
  return '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'
}

for (const [what, options, error] of refused) {
  test(`a context with ${what} is refused, and leaves nothing`, t => {
    const tls = new TestTls(t)
    const before = tls.held
    assert.throws(() => tls.server(options), error)
    assert.deepEqual(tls.held, before)
    // And the next one is well.
    tls.server()
  })
}

test('a chain is sent whole; a list of ciphers without those of a version switches that off', async t => {
  const tls = new TestTls(t)
  const cases: readonly [ciphers: string | undefined, version: string][] = [
    [undefined, 'TLSv1.3'],
    ['ECDHE-ECDSA-AES256-GCM-SHA384', 'TLSv1.2'],
    ['TLS_AES_128_GCM_SHA256', 'TLSv1.3'],
    ['TLS_AES_128_GCM_SHA256:ECDHE-ECDSA-AES256-GCM-SHA384', 'TLSv1.3'],
  ]
  for (const [ciphers, version] of cases) {
    const server = tls.server({ ciphers })
    const listener = await tls.listen(() => server)
    const { socket, watcher } = connectTls(tls.client(), listener.port)
    const accepted = await listener.next()
    await watcher.until(() => watcher.has('connect'))
    assert.equal(socket.tls?.version, version)
    assert.ok(ciphers === undefined || ciphers.split(':').includes(socket.tls?.cipher ?? ''))
    // The authority has signed the second of the chain only, so that both have come.
    assert.equal(socket.tls?.peer?.subject, 'CN=a.example')
    await partFrom(accepted, { socket, watcher })
  }
})

test('a context can go while connections are open: they go on, and take it with them', async t => {
  const tls = new TestTls(t)
  const [server, client] = [tls.server(), tls.client()]
  const listener = await tls.listen(() => server)
  const { socket, watcher } = connectTls(client, listener.port)
  const accepted = await listener.next()
  await watcher.until(() => watcher.has('connect'))
  server[Symbol.dispose]()
  client[Symbol.dispose]()
  server[Symbol.dispose]()
  assert.throws(() => connectTls(client, listener.port))
  assert.equal(new X509Certificate(authority).subject, 'CN=test authority')
  const bytes = Buffer.from('still')
  accepted.socket.write(bytes, bytes.length)
  await watcher.until(() => watcher.text === 'still')
  await partFrom({ socket, watcher }, accepted)
  assert.equal(tls.held.SSL, 0)
})
