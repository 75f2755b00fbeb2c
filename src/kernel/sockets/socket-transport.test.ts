import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import type { AddressInfo } from 'node:net'
import { describe, it, test } from 'node:test'
import { SystemCallFailure } from '../syscall.ts'
import { accept, nodeClient, nodeServer, openTestTransport, turns, Watcher } from './testing.ts'

const ignore = { onConnection: () => {}, onError: () => {} }

describe('connect()', () => {
  const places = [
    ['IPv4', '127.0.0.1', '127.0.0.1', '127.0.0.1'],
    ['IPv6', '::1', '::1', '::1'],
    ['IPv6 with a zone', '::1%lo', '::1', '::1'],
    ['IPv6 with the number of a zone', '::1%1', '::1', '::1'],
    ['IPv4 written as IPv6', '::ffff:127.0.0.1', '127.0.0.1', '::ffff:127.0.0.1'],
    ['another loopback address', '127.9.8.7', '127.9.8.7', '127.0.0.1'],
  ] as const
  for (const [name, address, listening, local] of places) {
    it(`reaches ${name}, and both ends agree who they are`, async t => {
      const transport = openTestTransport(t)
      const server = await nodeServer(t, listening)
      const watcher = new Watcher()
      const socket = transport.connect(address, server.port, watcher, watcher.onConnect)
      assert.deepEqual(watcher.events, [])
      const peer = await server.next()
      await watcher.until(() => watcher.has('connect'))
      assert.equal(socket.remoteAddress, address)
      assert.equal(socket.remotePort, server.port)
      assert.equal(socket.localAddress, local)
      assert.equal(socket.localPort, peer.remotePort)
      peer.destroy()
      await watcher.until(() => watcher.has('end'))
      socket.destroy()
      assert.equal(watcher.count('close'), 0)
      await watcher.closed()
      assert.equal(socket.localAddress, '')
      assert.equal(watcher.error, undefined)
    })
  }

  it('fails with the name of the system where nobody listens', async t => {
    const transport = openTestTransport(t)
    const server = net.createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    server.close()
    await once(server, 'close')
    const watcher = new Watcher()
    transport.connect('127.0.0.1', port, watcher, watcher.onConnect)
    assert.deepEqual(watcher.events, [])
    await watcher.closed()
    assert.deepEqual(watcher.events, ['close'])
    assert.equal(watcher.error?.code, 'ECONNREFUSED')
    assert.equal(watcher.error?.message, 'connect: ECONNREFUSED')
  })

  for (const address of [
    'localhost',
    '',
    '1.2.3',
    '1.2.3.4.5',
    ':::',
    '127.0.0.1\0',
    '1'.repeat(100),
    '::1%',
    '::1%none',
    '127.0.0.1%lo',
    'ü',
  ]) {
    it(`fails later and with EINVAL for what is no address: ${JSON.stringify(address.slice(0, 20))}`, async t => {
      const transport = openTestTransport(t)
      const watcher = new Watcher()
      const socket = transport.connect(address, 80, watcher, watcher.onConnect)
      assert.deepEqual(watcher.events, [])
      socket.write(Buffer.from('nobody reads it'), 5)
      socket.end()
      socket.destroy()
      await watcher.closed()
      await turns(3)
      assert.deepEqual(watcher.events, ['close'])
      assert.ok(watcher.error instanceof SystemCallFailure)
      assert.equal(watcher.error.code, 'EINVAL')
    })
  }

  it('to an address that takes no connection waits until it is told to stop', async t => {
    const transport = openTestTransport(t)
    // A queue that is full: the kernel answers nothing.
    const python = spawn('python3', [
      '-c',
      `
import socket, sys
server = socket.socket(); server.bind(('127.0.0.1', 0)); server.listen(0)
filling = []
for _ in range(4):
    one = socket.socket(); one.setblocking(False); one.connect_ex(server.getsockname()); filling.append(one)
print(server.getsockname()[1], flush=True)
sys.stdin.read()`,
    ])
    t.after(() => python.kill())
    const [printed] = (await once(python.stdout, 'data')) as [Buffer]
    const watcher = new Watcher()
    const socket = transport.connect('127.0.0.1', Number(printed.toString()), watcher, watcher.onConnect)
    socket.write(Buffer.from('waits'), 5)
    socket.end()
    await turns(20)
    assert.deepEqual(watcher.events, [])
    assert.equal(socket.backlog, 5)
    socket.destroy()
    await watcher.closed()
    assert.equal(watcher.error, undefined)
    python.stdin.end()
    await once(python, 'exit')
  })

  it('fails with ECANCELED once the transport is gone', async t => {
    const transport = openTestTransport(t)
    transport[Symbol.dispose]()
    const watcher = new Watcher()
    transport.connect('127.0.0.1', 80, watcher, watcher.onConnect)
    assert.deepEqual(watcher.events, [])
    await watcher.closed()
    assert.equal(watcher.error?.code, 'ECANCELED')
    await assert.rejects(transport.listen({ address: '127.0.0.1', port: 0, ...ignore }), { code: 'ECANCELED' })
  })
})

describe('listen()', () => {
  for (const [address, client, remote] of [
    ['127.0.0.1', '127.0.0.1', '127.0.0.1'],
    ['::1', '::1', '::1'],
    ['::', '127.0.0.1', '::ffff:127.0.0.1'],
    ['::', '::1', '::1'],
    ['0.0.0.0', '127.0.0.1', '127.0.0.1'],
  ] as const) {
    it(`on ${address} takes a client of ${client}, and both ends agree who they are`, async t => {
      const transport = openTestTransport(t)
      const accepting = await accept(transport, { address })
      const peer = await nodeClient(t, accepting.port, client)
      const { socket, watcher } = await accepting.next()
      assert.equal(socket.remoteAddress, remote)
      assert.equal(socket.remotePort, peer.localPort)
      assert.equal(socket.localAddress, remote)
      assert.equal(socket.localPort, accepting.port)
      peer.end('hello')
      await watcher.until(() => watcher.has('end'))
      assert.equal(watcher.text, 'hello')
      socket.destroy()
      await watcher.closed()
      accepting.listener.close()
    })
  }

  it('shares a port with others that share it, and with nobody else', async t => {
    const transport = openTestTransport(t)
    const first = await accept(transport)
    const second = await transport.listen({ address: '127.0.0.1', port: first.port, ...ignore })
    assert.equal(second.port, first.port)
    const server = net.createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    await assert.rejects(transport.listen({ address: '127.0.0.1', port, ...ignore }), {
      code: 'EADDRINUSE',
      message: /EADDRINUSE/,
    })
    server.close()
  })

  it('fails with the name of the system for addresses that are none or not of this machine', async t => {
    const transport = openTestTransport(t)
    for (const [address, code] of [
      ['192.0.2.1', 'EADDRNOTAVAIL'],
      ['localhost', 'EINVAL'],
      ['', 'EINVAL'],
    ]) {
      await assert.rejects(transport.listen({ address: address as string, port: 0, ...ignore }), { code })
    }
  })

  it('fails with EACCES where this user may not', t => {
    const script = `
      const { SocketTransport } = await import('${new URL('socket-transport.ts', import.meta.url).href}')
      const { DescriptorLedger } = await import('${new URL('ledger.ts', import.meta.url).href}')
      const ledger = new DescriptorLedger()
      const transport = new SocketTransport({ clock: undefined, ledger, readBufferBytes: 1024 })
      // Without the right to ports that are the machine's own, whoever runs this.
      try { process.setgroups([]); process.setgid(65534); process.setuid(65534) } catch {}
      await transport.listen({ address: '127.0.0.1', port: 1, onConnection() {}, onError() {} })
        .catch(error => console.log(error.code))
      transport[Symbol.dispose]()
      console.log([...ledger.takeOpen()].length)`
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
    t.diagnostic(stderr)
    assert.equal(stdout, 'EACCES\n0\n')
  })
})

test('connections within the machine use reno, whatever the machine prefers', async t => {
  const transport = openTestTransport(t)
  const accepting = await accept(transport)
  const watcher = new Watcher()
  const socket = transport.connect('127.0.0.1', accepting.port, watcher, watcher.onConnect)
  const { socket: accepted } = await accepting.next()
  for (const [local, remote] of [
    [socket.localPort, accepting.port],
    [accepting.port, socket.localPort],
  ]) {
    const { stdout, error } = spawnSync('ss', ['-Htin', `sport = :${local} and dport = :${remote}`], {
      encoding: 'utf8',
    })
    // Of iproute2, which not every machine has.
    if ((error as NodeJS.ErrnoException | undefined)?.code === 'ENOENT') t.diagnostic('no ss here')
    else assert.match(stdout, /\breno\b/)
  }
  accepted.destroy()
})
