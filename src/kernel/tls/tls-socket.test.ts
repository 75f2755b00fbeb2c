import assert from 'node:assert/strict'
import net from 'node:net'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { nodeClient, nodeServer, turns } from '../sockets/testing.ts'
import { clientPair, connectTls, partFrom, send, TestTls } from './testing.ts'
import type { AcceptedTls } from './testing.ts'

const judged = new Error('judged')

test('what is written before the handshake has ended is sent after it, and so is the end', async t => {
  const tls = new TestTls(t)
  const server = tls.server()
  const listener = await tls.listen(() => server)
  const { socket, watcher } = connectTls(tls.client(), listener.port)
  send(socket, 'early ')
  send(socket, 'bird')
  assert.equal(socket.backlog, 'early bird'.length)
  socket.end()
  send(socket, 'too late')
  const accepted = await listener.next()
  await accepted.watcher.until(() => accepted.watcher.has('end'))
  assert.equal(accepted.watcher.text, 'early bird')
  assert.deepEqual(watcher.events, ['connect'])
  // The other direction is open still.
  send(accepted.socket, 'worm')
  accepted.socket.end()
  await watcher.closed()
  assert.deepEqual([watcher.text, watcher.error, tls.held.SSL], ['worm', undefined, 0])
})

test('facts of the handshake stay when the connection has gone, if they were asked for', async t => {
  const tls = new TestTls(t)
  const clients = { authorities: tls.authority, mode: 'require' } as const
  const server = tls.server({ clients, chooseAlpn: ([first]) => first })
  const listener = await tls.listen(() => server, ['h2'])
  const connected = connectTls(tls.client({ certificate: clientPair }), listener.port, ['h2'])
  assert.equal(connected.socket.tls, undefined, 'not yet')
  const accepted = await listener.next()
  await connected.watcher.until(() => connected.watcher.has('connect'))
  const facts = accepted.socket.tls
  assert.equal(facts?.peer?.subjectAltName, 'URI:spiffe://mesh/client')
  assert.deepEqual([facts.isResumed, facts.serverName, accepted.socket.alpn], [false, 'a.example', 'h2'])
  await partFrom(accepted, connected)
  assert.equal(accepted.socket.tls, facts)
  assert.equal(accepted.socket.alpn, 'h2')
  assert.equal(connected.socket.tls, undefined, 'nobody has asked in time')
})

test('who judges the peer ends the connection before anything of ours has left', async t => {
  const tls = new TestTls(t)
  const clients = { authorities: tls.authority, mode: 'require' } as const
  const server = tls.server({ clients })
  const listener = await tls.listen(() => server)
  const client = tls.client({ certificate: clientPair, judge: () => judged })
  const { socket, watcher } = connectTls(client, listener.port)
  send(socket, 'a secret')
  const failed = assert.rejects(listener.next())
  await watcher.closed()
  assert.deepEqual([watcher.events, watcher.error], [['close'], judged])
  await failed
  assert.equal(tls.held.SSL, 0)
})

test('a connection that ends in its handshake fails, on either side, and frees what it had', async t => {
  const tls = new TestTls(t)
  const server = tls.server()
  const listener = await tls.listen(() => server)
  // A client that sends half of a hello.
  const cut = await nodeClient(t, listener.port)
  cut.end(Buffer.from([22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]))
  await assert.rejects(listener.next(), { code: 'ECONNRESET' })
  const reset = await nodeClient(t, listener.port)
  reset.write(Buffer.from([22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]), () => reset.resetAndDestroy())
  await assert.rejects(listener.next(), { code: 'ECONNRESET' })
  // One that speaks something else.
  const other = await nodeClient(t, listener.port)
  other.write('GET / HTTP/1.1\r\n\r\n')
  await assert.rejects(listener.next(), { code: /^ERR_SSL_/ })
  // A server that ends at once, and one that answers nonsense.
  for (const answer of ['', 'SSH-2.0-server\r\n']) {
    const plain = await nodeServer(t)
    const { watcher } = connectTls(tls.client(), plain.port)
    const peer = await plain.next()
    peer.end(answer)
    await watcher.closed()
    assert.match(String(Reflect.get(watcher.error ?? {}, 'code')), answer === '' ? /^ECONNRESET$/ : /^ERR_SSL_/)
    assert.deepEqual(watcher.events, ['close'])
  }
  assert.equal(tls.held.SSL, 0)
})

/** A connection whose bytes towards the server pass `forward`, which says what becomes of them. */
async function throughMiddle(
  t: TestContext,
  tls: TestTls,
  forward: (chunk: Buffer, to: net.Socket) => void,
): Promise<{ connected: AcceptedTls; accepted: AcceptedTls }> {
  const server = tls.server()
  const listener = await tls.listen(() => server)
  const middle = await nodeServer(t)
  const connected = connectTls(tls.client(), middle.port)
  const [left, right] = [await middle.next(), net.connect(listener.port, '127.0.0.1')]
  t.after(() => right.destroy())
  left.resume().on('data', (chunk: Buffer) => forward(chunk, right))
  right.pipe(left)
  const accepted = await listener.next()
  await connected.watcher.until(() => connected.watcher.has('connect'))
  return { connected, accepted }
}

for (const broken of ['broken', 'broken in a record that could not be an alert '.repeat(4)]) {
  test(`${broken.length} bytes that were changed on their way end the connection with an error, and nothing of them is handed on`, async t => {
    const tls = new TestTls(t)
    let isTampering = false
    const { connected, accepted } = await throughMiddle(t, tls, (chunk, to) => {
      if (isTampering) chunk.writeUInt8(chunk.readUInt8(chunk.length - 1) ^ 1, chunk.length - 1)
      to.write(chunk)
    })
    send(connected.socket, 'whole')
    await accepted.watcher.until(() => accepted.watcher.text === 'whole')
    isTampering = true
    send(connected.socket, broken)
    await accepted.watcher.closed()
    assert.equal(Reflect.get(accepted.watcher.error ?? {}, 'code'), 'ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC')
    assert.equal(accepted.watcher.text, 'whole')
    connected.socket.destroy()
    await connected.watcher.closed()
    assert.equal(tls.held.SSL, 0)
  })
}

test('two records, cut at each place, are read as what they were, while another connection reads between the parts', async t => {
  const tls = new TestTls(t)
  const open = async (): Promise<{ connected: AcceptedTls; accepted: AcceptedTls; take: () => Promise<Buffer> }> => {
    const pieces: Buffer[] = []
    let isKeeping = false
    const pair = await throughMiddle(t, tls, (chunk, to) => {
      if (isKeeping) pieces.push(chunk)
      else to.write(chunk)
    })
    isKeeping = true
    const take = async (): Promise<Buffer> => {
      while (pieces.length === 0) await turns(1)
      return Buffer.concat(pieces.splice(0))
    }
    return { ...pair, take }
  }
  const [one, other] = [await open(), await open()]
  const got: Record<'one' | 'other', string> = { one: '', other: '' }
  one.accepted.watcher.on.bytes = bytes => (got.one += bytes.toString())
  other.accepted.watcher.on.bytes = bytes => (got.other += bytes.toString())
  const records = ['a'.repeat(150), 'b'.repeat(200)]
  // Of each record a header, a tag and the type of what is in it (RFC 8446 section 5.2).
  const sealedBytes = records.join('').length + records.length * (5 + 16 + 1)
  for (let cut = 0; cut <= sealedBytes; cut++) {
    for (const record of records) send(one.connected.socket, record)
    send(other.connected.socket, 'c'.repeat(300))
    let sealed = await one.take()
    while (sealed.length < sealedBytes) sealed = Buffer.concat([sealed, await one.take()])
    const between = await other.take()
    assert.equal(sealed.length, sealedBytes)
    for (const [end, piece] of [
      [one, sealed.subarray(0, cut)],
      [other, between],
      [one, sealed.subarray(cut)],
    ] as const) {
      if (piece.length > 0) end.accepted.socket.onBytes(Buffer.from(piece), piece.length)
    }
    assert.deepEqual(got, { one: records.join(''), other: 'c'.repeat(300) }, `cut at ${cut}`)
    got.one = ''
    got.other = ''
  }
  for (const { connected, accepted } of [one, other]) {
    accepted.socket.destroy()
    connected.socket.destroy()
    await accepted.watcher.closed()
    await connected.watcher.closed()
  }
})

test('an end that comes while it is paused is told when it goes on, after the bytes before it', async t => {
  const tls = new TestTls(t)
  const server = tls.server()
  const listener = await tls.listen(() => server)
  const connected = connectTls(tls.client(), listener.port)
  const accepted = await listener.next()
  accepted.socket.pause()
  send(connected.socket, 'last words')
  connected.socket.end()
  await turns(20)
  assert.deepEqual(accepted.watcher.events, [])
  accepted.socket.resume()
  await accepted.watcher.until(() => accepted.watcher.has('end'))
  assert.deepEqual(accepted.watcher.events, ['bytes', 'end'])
  assert.equal(accepted.watcher.text, 'last words')
  await partFrom(accepted, connected)
})

test('nothing is sent by a connection that was destroyed or has ended, and no call is made for it', async t => {
  const tls = new TestTls(t)
  const server = tls.server()
  const listener = await tls.listen(() => server)
  const connected = connectTls(tls.client(), listener.port)
  const accepted = await listener.next()
  await connected.watcher.until(() => connected.watcher.has('connect'))
  accepted.socket.destroy()
  assert.equal(tls.held.SSL, 1, 'freed at once')
  send(accepted.socket, 'x')
  accepted.socket.end()
  accepted.socket.pause()
  accepted.socket.resume()
  accepted.socket.reset()
  assert.deepEqual([accepted.socket.isOpen, accepted.socket.backlog, accepted.socket.isResumed], [false, 0, false])
  assert.deepEqual([accepted.socket.takeSession(), accepted.socket.shownCertificate()], [undefined, undefined])
  await accepted.watcher.closed()
  await connected.watcher.until(() => connected.watcher.has('end'))
  assert.equal(connected.watcher.received, 0)
  connected.socket.reset()
  await connected.watcher.closed()
})
