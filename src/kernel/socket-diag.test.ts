import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import type { Socket } from 'node:dgram'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { kernelSkip } from './ebpf/testing.ts'
import { SocketDiag } from './socket-diag.ts'

const loopback = { 4: Uint8Array.of(127, 0, 0, 1), 6: Uint8Array.of(...Array.from({ length: 15 }, () => 0), 1) }
const families = [
  [4, '127.0.0.1', loopback[4]],
  [6, '::1', loopback[6]],
] as const

async function datagrams(t: TestContext, family: 4 | 6, host: string, remote?: number): Promise<Socket> {
  const socket = createSocket(`udp${family}`)
  socket.on('error', () => {})
  t.after(() => socket.close())
  socket.bind(0, host)
  await once(socket, 'listening')
  if (remote === undefined) return socket
  socket.connect(remote, host)
  await once(socket, 'connect')
  return socket
}

for (const [family, host, address] of families) {
  test(`SocketDiag finds sockets of IPv${family} by their ends, and only those`, async t => {
    using diag = new SocketDiag()
    const server = createServer(socket => socket.on('error', () => {})).listen(0, host)
    t.after(() => server.close())
    await once(server, 'listening')
    const remote = { address, port: (server.address() as AddressInfo).port }
    const client = connect(remote.port, host)
    t.after(() => client.destroy())
    await once(client, 'connect')
    const local = { address, port: client.localPort ?? 0 }
    const [one, other] = [diag.find(6, local, remote), diag.find(6, remote, local)]
    assert.ok(one !== undefined && other !== undefined && one !== other)
    assert.equal(diag.find(6, local, { address, port: remote.port === 1 ? 2 : 1 }), undefined)

    const receiver = await datagrams(t, family, host)
    const sender = await datagrams(t, family, host, receiver.address().port)
    const ends = [sender, receiver].map(socket => ({ address, port: socket.address().port }))
    const [from, to] = ends
    assert.ok(from !== undefined && to !== undefined)
    const found = diag.find(17, from, to)
    const row = diag.connected(17, family === 4 ? 4 : 16).find(({ cookie }) => cookie === found)
    assert.deepEqual(row, { cookie: found, local: from, remote: to })
  })

  test(`SocketDiag.destroy() ends a connected datagram socket of IPv${family}`, { skip: kernelSkip() }, async t => {
    using diag = new SocketDiag()
    const receiver = await datagrams(t, family, host)
    const sender = await datagrams(t, family, host, receiver.address().port)
    const row = diag
      .connected(17, family === 4 ? 4 : 16)
      .find(({ local, remote }) => local.port === sender.address().port && remote.port === receiver.address().port)
    assert.ok(row !== undefined)
    assert.equal(diag.destroy(17, row), true)
    const [error] = (await once(sender, 'error')) as [NodeJS.ErrnoException]
    assert.equal(error.code, 'ECONNABORTED')
    assert.equal(diag.destroy(17, row), false)
  })
}
