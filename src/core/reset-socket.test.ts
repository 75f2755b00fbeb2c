import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { resetSocket } from './reset-socket.ts'

async function pair(t: TestContext): Promise<readonly [Socket, Socket]> {
  const server = createServer({ allowHalfOpen: true })
  t.after(() => server.close())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const accepted = once(server, 'connection') as Promise<[Socket]>
  const socket = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true })
  await once(socket, 'connect')
  const [peer] = await accepted
  t.after(() => void peer.destroy())
  return [socket, peer]
}

test('resetSocket() ends a connection with a RST', async t => {
  const [socket, peer] = await pair(t)
  const failed = once(peer.resume(), 'error')
  resetSocket(socket)
  const [error] = (await failed) as [NodeJS.ErrnoException]
  assert.equal(error.code, 'ECONNRESET')
})

test('resetSocket() closes a socket whose end is on its way, rather than lose it', async t => {
  const [socket, peer] = await pair(t)
  const ended = once(peer.resume(), 'end')
  const closed = once(socket, 'close')
  socket.end('last')
  resetSocket(socket)
  await closed
  await ended
})
