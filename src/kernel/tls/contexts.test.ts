import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { nodeServer } from '../sockets/testing.ts'
import type { ServerContext } from './server-context.ts'
import { clientPair, connectTls, partFrom, send, serverPair, TestTls } from './testing.ts'
import type { AcceptedTls, TlsListener } from './testing.ts'

// Of both ends: what a server decides, and what a client keeps.

/** One connection, with a byte from the server, behind which tickets of TLS 1.3 have come. @returns whether it was resumed */
async function visit(listener: TlsListener, connected: AcceptedTls): Promise<boolean> {
  const accepted = await listener.next()
  send(accepted.socket, '.')
  await connected.watcher.until(() => connected.watcher.text === '.')
  const isResumed = connected.socket.tls?.isResumed === true
  assert.equal(accepted.socket.tls?.isResumed, isResumed)
  await partFrom(accepted, connected)
  return isResumed
}

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  test(`${version}: sessions are resumed by every context with the same keys and the same session context`, async t => {
    const tls = new TestTls(t)
    const first = tls.server()
    let server: ServerContext = first
    const listener = await tls.listen(() => server)
    const sessions = new Map<string, Buffer>()
    const client = tls.client({ minVersion: version, maxVersion: version }, sessions)
    const again = (): Promise<boolean> => visit(listener, connectTls(client, listener.port))
    assert.equal(await again(), false)
    assert.equal(await again(), true)
    const kept = sessions.get(`127.0.0.1 ${listener.port}`)
    assert.ok(kept)
    const resume = (on: ServerContext): Promise<boolean> => {
      server = on
      sessions.set(`127.0.0.1 ${listener.port}`, kept)
      return again()
    }
    assert.equal(await resume(tls.server()), true, 'another worker')
    assert.equal(await resume(tls.server({ sessionContext: 'other' })), false)
    assert.equal(await resume(tls.server({ ticketKeys: Buffer.alloc(48, 8) })), false)
    first.setTicketKeys(Buffer.alloc(48, 9))
    assert.equal(await resume(first), false, 'the keys have changed')
    assert.equal(await again(), true)
    first[Symbol.dispose]()
    first.setTicketKeys(Buffer.alloc(48, 10))
  })
}

test('a session that is no such thing is not taken, and one that fails is forgotten', async t => {
  const tls = new TestTls(t)
  const server = tls.server()
  const listener = await tls.listen(() => server)
  const sessions = new Map([[`127.0.0.1 ${listener.port}`, Buffer.from('no session')]])
  assert.equal(await visit(listener, connectTls(tls.client({}, sessions), listener.port)), false)
  assert.equal(sessions.size, 1, 'a new one')
  const { watcher } = connectTls(tls.client({ judge: () => new Error('judged') }, sessions), listener.port)
  await watcher.closed()
  await listener.next().then(
    ({ socket }) => socket.destroy(),
    () => {},
  )
  assert.equal(sessions.size, 0)
})

test('a server that agrees on no protocol: none asked for, none offered in common, none wanted', async t => {
  const tls = new TestTls(t)
  const refusing = tls.server({ chooseAlpn: offered => offered.find(name => name === 'a') })
  const indifferent = tls.server()
  let server: ServerContext = refusing
  for (const [on, offered, outcome] of [
    [refusing, ['b', 'a'], 'a'],
    [refusing, ['b'], 'refused'],
    [indifferent, ['b', 'a'], ''],
    [refusing, ['x'.repeat(255), 'a'], 'a'],
  ] as const) {
    server = on
    const listener = await tls.listen(() => server, offered)
    const { socket, watcher } = connectTls(tls.client(), listener.port, offered)
    const accepted = await listener.next().catch(() => undefined)
    await watcher.until(() => watcher.has(accepted === undefined ? 'close' : 'connect'))
    assert.equal(accepted === undefined ? 'refused' : socket.alpn, outcome, offered.join())
    if (accepted !== undefined) await partFrom(accepted, { socket, watcher })
  }
})

test('clients with a certificate, with one of somebody else, and without', async t => {
  const tls = new TestTls(t)
  const rows: readonly (readonly [mode: 'require' | 'fallback', shows: 'known' | 'other' | 'none', outcome: string])[] =
    [
      ['require', 'known', 'URI:spiffe://mesh/client'],
      ['require', 'other', 'ERR_SSL_CERTIFICATE_VERIFY_FAILED'],
      ['require', 'none', 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE'],
      ['fallback', 'known', 'URI:spiffe://mesh/client'],
      ['fallback', 'other', 'nobody'],
      ['fallback', 'none', 'nobody'],
    ]
  for (const [mode, shows, outcome] of rows) {
    // The authority of the middle has signed no client.
    const authorities = shows === 'other' ? middleOf(serverPair.chain) : tls.authority
    const server = tls.server({ clients: { authorities, mode } })
    const listener = await tls.listen(() => server)
    const client = tls.client({ certificate: shows === 'none' ? undefined : clientPair })
    const connected = connectTls(client, listener.port)
    const accepted = await listener.next().catch((error: unknown) => String(Reflect.get(Object(error), 'code')))
    if (typeof accepted === 'string') {
      assert.equal(accepted, outcome)
      connected.socket.destroy()
      await connected.watcher.closed()
    } else {
      assert.equal(accepted.socket.tls?.peer?.subjectAltName ?? 'nobody', outcome)
      await partFrom(accepted, connected)
    }
  }
})

function middleOf(chain: string): string {
  return chain.slice(chain.lastIndexOf('-----BEGIN'))
}

test('what stands before TLS is sent first, as plain text', async t => {
  const tls = new TestTls(t)
  const server = await nodeServer(t)
  const { watcher } = connectTls(tls.client(), server.port)
  const bare = await server.next()
  const [hello] = (await once(bare.resume(), 'data')) as [Buffer]
  assert.equal(hello[0], 22)
  bare.destroy()
  await watcher.closed()
  const preface = Buffer.from('PROXY UNKNOWN\r\n')
  const socket = tls.client().connect({ address: '127.0.0.1', port: server.port, alpn: [], preface }, watcher, () => {})
  const peer = await server.next()
  let came = Buffer.alloc(0)
  while (came.length <= preface.length) {
    const [chunk] = (await once(peer.resume(), 'data')) as [Buffer]
    came = Buffer.concat([came, chunk])
  }
  assert.equal(came.toString('latin1', 0, preface.length), preface.toString())
  assert.equal(came[preface.length], 22)
  socket.destroy()
})
