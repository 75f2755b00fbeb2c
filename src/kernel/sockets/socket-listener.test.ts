import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { Socket } from './socket.ts'
import { accept, closing, nodeClient, openTestTransport, turns, Watcher } from './testing.ts'

function connectMany(t: TestContext, port: number, count: number): net.Socket[] {
  return Array.from({ length: count }, () => {
    const socket = net.connect({ port, host: '127.0.0.1' }).on('error', () => {})
    t.after(() => socket.destroy())
    return socket
  })
}

test('a thousand connections that come at once are all accepted and answered', async t => {
  const transport = openTestTransport(t)
  const accepting = await accept(transport, {
    onConnection: (socket, watcher) => {
      watcher.on.bytes = bytes => socket.write(Buffer.from(bytes), bytes.length)
      watcher.on.end = () => socket.end()
    },
  })
  const clients = connectMany(t, accepting.port, 1_000)
  const answers = clients.map(async (client, index) => {
    client.end(`client ${index}`)
    let text = ''
    client.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
    await closing(client)
    return text
  })
  assert.deepEqual(
    await Promise.all(answers),
    clients.map((_, index) => `client ${index}`),
  )
  assert.deepEqual(accepting.errors, [])
})

test('a listener that closes takes the connections that have come already, and no other', async t => {
  const transport = openTestTransport(t)
  const taken: Socket[] = []
  const accepting = await accept(transport, { onConnection: socket => void taken.push(socket) })
  const filler = spawnSync(
    'python3',
    [
      '-c',
      `
import socket, sys
for _ in range(300):
    one = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
    one.sendall(b'x')
    one.detach()`,
      String(accepting.port),
    ],
    { encoding: 'utf8' },
  )
  assert.equal(filler.stderr, '')
  assert.equal(taken.length, 0)
  accepting.listener.close()
  accepting.listener.close()
  assert.equal(taken.length, 300)
  await turns(2)
  const [refused] = connectMany(t, accepting.port, 1)
  await closing(refused as net.Socket)
  assert.equal(taken.length, 300)
})

test('a connection destroyed in onConnection ends, and the next one is taken', async t => {
  const transport = openTestTransport(t)
  let isFirst = true
  const accepting = await accept(transport, {
    onConnection: socket => {
      if (isFirst) socket.destroy()
      isFirst = false
    },
  })
  const { port } = accepting
  const first = await nodeClient(t, port)
  const { watcher } = await accepting.next()
  await Promise.all([watcher.closed(), once(first.resume(), 'end')])
  assert.deepEqual(watcher.events, ['close'])
  const second = await nodeClient(t, port)
  second.end('hello')
  const next = await accepting.next()
  await next.watcher.until(() => next.watcher.has('end'))
  next.socket.destroy()
})

test('a listener closed in onConnection keeps the connection', async t => {
  const transport = openTestTransport(t)
  const accepting = await accept(transport, { onConnection: () => accepting.listener.close() })
  const peer = await nodeClient(t, accepting.port)
  const { socket, watcher } = await accepting.next()
  peer.end('hello')
  await watcher.until(() => watcher.has('end'))
  assert.equal(watcher.text, 'hello')
  socket.destroy()
})

test('without descriptors connections wait until there are some, and opening one fails with EMFILE', t => {
  const url = (name: string): string => new URL(name, import.meta.url).href
  const script = `
    const { readdirSync, openSync, closeSync } = await import('node:fs')
    const { systemClock } = await import('${url('../../core/index.ts')}')
    const { SocketTransport } = await import('${url('socket-transport.ts')}')
    const { DescriptorLedger } = await import('${url('ledger.ts')}')
    const ledger = new DescriptorLedger()
    const transport = new SocketTransport({ clock: systemClock, ledger, readBufferBytes: 1024 })
    const errors = []
    let answered = 0
    const handler = socket => ({
      onBytes() { socket.write(Buffer.from('y'), 1) },
      onEnd() { socket.destroy() }, onWritable() {}, onClose() {},
    })
    let heard
    const listener = await transport.listen({
      address: '127.0.0.1', port: 0,
      onConnection(socket) { socket.handler = handler(socket) },
      onError(error) { errors.push(error.code); heard?.() },
    })
    // The client has its descriptor; none is left for the other end.
    let onAnswer
    const answer = new Promise(resolve => { onAnswer = resolve })
    const client = transport.connect('127.0.0.1', listener.port, {
      onBytes(bytes, length) { onAnswer(bytes.toString('latin1', 0, length)) },
      onEnd() {}, onWritable() {}, onClose() {},
    }, () => client.write(Buffer.from('x'), 1))
    const filling = []
    try { for (;;) filling.push(openSync('/dev/null')) } catch {}
    await new Promise(resolve => { heard = resolve })
    const failed = await new Promise(resolve => {
      transport.connect('127.0.0.1', listener.port, { onBytes() {}, onEnd() {}, onWritable() {}, onClose: resolve }, () => {})
    })
    const refused = await transport.listen({ address: '127.0.0.1', port: 0 }).then(() => 'no error', error => error.code)
    for (const fd of filling) closeSync(fd)
    console.log([...new Set(errors)].join(), failed.code, failed.call, refused, await answer)
    client.destroy()
    listener.close()
    transport[Symbol.dispose]()
    console.log([...ledger.takeOpen()].length)`
  const args = ['--nofile=100', process.execPath, '--input-type=module', '-e', script]
  const limited = spawnSync('prlimit', args, { encoding: 'utf8', timeout: 20_000 })
  t.diagnostic(limited.stderr)
  assert.equal(limited.stdout, 'EMFILE EMFILE socket EMFILE y\n0\n')
})

test('what listens, and what is closed, hears nothing more', async t => {
  const transport = openTestTransport(t)
  const accepting = await accept(transport)
  const watcher = new Watcher()
  const socket = transport.connect('127.0.0.1', accepting.port, watcher, watcher.onConnect)
  const { watcher: accepted } = await accepting.next()
  transport[Symbol.dispose]()
  transport[Symbol.dispose]()
  accepting.listener.close()
  assert.equal(socket.isClosed, true)
  assert.equal(socket.write(Buffer.from('x'), 1), false)
  socket.destroy()
  await turns(5)
  assert.equal(watcher.count('close'), 1)
  assert.equal(accepted.count('close'), 1)
})
