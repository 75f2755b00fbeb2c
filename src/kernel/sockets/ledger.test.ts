import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import net from 'node:net'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { closeAbandoned, DescriptorLedger } from './ledger.ts'
import { closing } from './testing.ts'

const url = (name: string): string => new URL(name, import.meta.url).href
const openCount = (): number => readdirSync('/proc/self/fd').length

/** A thread that listens and echoes; it tells its port, and then does as it is told. */
function startEcho(ledger: DescriptorLedger): Worker {
  const script = `
    const { parentPort, workerData } = await import('node:worker_threads')
    const { systemClock } = await import('${url('../../core/index.ts')}')
    const { SocketTransport } = await import('${url('socket-transport.ts')}')
    const { DescriptorLedger } = await import('${url('ledger.ts')}')
    const ledger = new DescriptorLedger(workerData)
    const transport = new SocketTransport({ clock: systemClock, ledger, readBufferBytes: 1024 })
    const listener = await transport.listen({
      address: '127.0.0.1', port: 0,
      onConnection(socket) {
        socket.handler = {
          onBytes(bytes, length) {
            const text = bytes.toString('latin1', 0, length)
            if (text === 'throw') throw new Error('a handler is broken')
            if (text === 'spin') for (;;);
            if (text === 'exit') process.exit(3)
            if (text === 'exhaust') for (const all = []; ; ) all.push(new Array(100_000).fill(text + all.length))
            socket.write(bytes, length)
          },
          onEnd() {}, onWritable() {}, onClose() {},
        }
      },
      onError() {},
    })
    parentPort.on('message', () => {
      transport[Symbol.dispose]()
      parentPort.close()
    })
    parentPort.postMessage(listener.port)`
  return new Worker(new URL(`data:text/javascript,${encodeURIComponent(script)}`), {
    workerData: ledger.shared,
    resourceLimits: { maxOldGenerationSizeMb: 64 },
    stderr: true,
  })
}

async function connectTo(port: number): Promise<net.Socket> {
  const socket = net.connect({ port, host: '127.0.0.1' })
  await once(socket, 'connect')
  return socket.on('error', () => {})
}

const ends = [
  ['throws in a handler', 'throw'],
  ['leaves by process.exit()', 'exit'],
  ['uses up its memory', 'exhaust'],
  ['is terminated while it is idle', undefined],
  ['is terminated while it spins in a handler', 'spin'],
] as const
for (const [name, word] of ends) {
  test(`of a thread that ${name} no descriptor remains, and its connections end`, async () => {
    const before = openCount()
    const ledger = new DescriptorLedger()
    const worker = startEcho(ledger)
    // Of a thread that crashes; the process lives on.
    worker.on('error', () => {})
    const ended = new Promise(resolve => worker.once('exit', resolve))
    const [port] = (await once(worker, 'message')) as [number]
    const clients = await Promise.all(Array.from({ length: 10 }, () => connectTo(port)))
    for (const client of clients) {
      client.write('hello')
      const [answer] = (await once(client, 'data')) as [Buffer]
      assert.equal(answer.toString(), 'hello')
    }
    clients[0]?.write(word ?? 'hello')
    if (word === undefined || word === 'spin') {
      if (word === undefined) await once(clients[0] as net.Socket, 'data')
      await worker.terminate()
    }
    await ended
    // Ten connections, the listener and the set of what is watched.
    assert.equal(closeAbandoned(ledger), 12)
    assert.equal(closeAbandoned(ledger), 0)
    await Promise.all(clients.map(async client => closing(client.resume())))
    const late = net.connect({ port, host: '127.0.0.1' }).on('error', () => {})
    await closing(late)
    assert.equal(openCount(), before)
  })
}

test('a thread that stops in order leaves nothing to be closed', async () => {
  const before = openCount()
  const ledger = new DescriptorLedger()
  const worker = startEcho(ledger)
  const [port] = (await once(worker, 'message')) as [number]
  const client = await connectTo(port)
  client.write('hello')
  await once(client, 'data')
  worker.postMessage('stop')
  await Promise.all([once(worker, 'exit'), closing(client.resume())])
  assert.equal(closeAbandoned(ledger), 0)
  assert.equal(openCount(), before)
})

test('threads come and go, and the process is as it was', async () => {
  const before = openCount()
  for (let round = 0; round < 8; round++) {
    const ledger = new DescriptorLedger()
    const worker = startEcho(ledger).on('error', () => {})
    const [port] = (await once(worker, 'message')) as [number]
    const client = await connectTo(port)
    client.write('hello')
    // A thread terminated between its accept and the note of it would leave that connection open.
    await once(client, 'data')
    if (round % 2 === 0) client.write('hello')
    await worker.terminate()
    closeAbandoned(ledger)
    await closing(client.resume())
  }
  assert.equal(openCount(), before)
})

test('a ledger tells each open descriptor once, and none that was closed', () => {
  const ledger = new DescriptorLedger(new SharedArrayBuffer(16))
  assert.equal(ledger.capacity, 16)
  for (const fd of [0, 3, 7, 15]) ledger.opened(fd)
  ledger.closing(7)
  assert.deepEqual([...new DescriptorLedger(ledger.shared).takeOpen()], [0, 3, 15])
  assert.deepEqual([...ledger.takeOpen()], [])
})
