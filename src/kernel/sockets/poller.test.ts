import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { describe, it, test } from 'node:test'
import { systemClock } from '../../core/index.ts'
import { NativeCalls } from '../syscall.ts'
import { DescriptorLedger } from './ledger.ts'
import { SocketTransport } from './socket-transport.ts'
import type { Socket } from './socket.ts'
import { accept, nodeClient, nodeServer, openTestTransport, turns, Watcher } from './testing.ts'

const url = (name: string): string => new URL(name, import.meta.url).href
const openCount = (): number => readdirSync('/proc/self/fd').length

/** Runs a script with a transport `transport`, and `handler`, which does nothing; gives what it printed. */
function runAlone(
  script: string,
  ...flags: readonly string[]
): { code: number | null; stdout: string; stderr: string } {
  const text = `
    const { systemClock } = await import('${url('../../core/index.ts')}')
    const { SocketTransport } = await import('${url('socket-transport.ts')}')
    const { DescriptorLedger } = await import('${url('ledger.ts')}')
    const ledger = new DescriptorLedger()
    const transport = new SocketTransport({ clock: systemClock, ledger, readBufferBytes: 64 * 1024 })
    const handler = { onBytes() {}, onEnd() {}, onWritable() {}, onClose() {} }
    ${script}`
  const args = [...flags, '--input-type=module', '-e', text]
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 50_000 })
  return { code: status, stdout, stderr }
}

describe('the event loop', () => {
  it('ends when nothing is open, though the transport is', () => {
    assert.deepEqual(runAlone(`process.on('exit', () => console.log('ended'))`), {
      code: 0,
      stdout: 'ended\n',
      stderr: '',
    })
  })

  it('lasts as long as something is open, and ends after the last close', () => {
    const result = runAlone(`
      const listener = await transport.listen({
        address: '127.0.0.1', port: 0,
        onConnection(socket) { socket.handler = { ...handler, onEnd() { socket.end(); console.log('served') } } },
        onError() {},
      })
      const socket = transport.connect('127.0.0.1', listener.port, {
        ...handler,
        onEnd() { listener.close() },
        onClose() { console.log('closed') },
      }, () => socket.end())
      process.on('exit', () => console.log('ended'))`)
    assert.deepEqual(result, { code: 0, stdout: 'served\nclosed\nended\n', stderr: '' })
  })

  it('lasts while one waits to be told that it failed', () => {
    const result = runAlone(`
      transport.connect('nowhere', 1, { ...handler, onClose(error) { console.log(error.code) } }, () => {})`)
    assert.deepEqual(result, { code: 0, stdout: 'EINVAL\n', stderr: '' })
  })
})

describe('dispose() of the transport', () => {
  for (const where of ['bytes', 'end', 'close', 'connect'] as const) {
    it(`in ${where} closes all others, each told once`, async () => {
      const ledger = new DescriptorLedger()
      const transport = new SocketTransport({ clock: systemClock, ledger, readBufferBytes: 16 })
      const watchers: Watcher[] = []
      const accepting = await accept(transport, {
        onConnection: (socket, watcher) => {
          watchers.push(watcher)
          socket.write(Buffer.from('12345678901234567890'), 20)
          if (where !== 'close') socket.end()
        },
      })
      for (let count = 0; count < 5; count++) {
        const watcher = new Watcher()
        watchers.push(watcher)
        const socket = transport.connect('127.0.0.1', accepting.port, watcher, watcher.onConnect)
        watcher.on[where] = () => transport[Symbol.dispose]()
        if (where === 'close') watcher.on.bytes = () => void (watcher.received === 20 && socket.destroy())
      }
      for (const watcher of watchers) await watcher.closed()
      await turns(5)
      for (const watcher of watchers) assert.equal(watcher.count('close'), 1)
      assert.deepEqual([...ledger.takeOpen()], [])
    })
  }

  it('fails what handlers open when they hear of it', async () => {
    const ledger = new DescriptorLedger()
    const transport = new SocketTransport({ clock: systemClock, ledger, readBufferBytes: 16 })
    const accepting = await accept(transport)
    const first = new Watcher()
    const second = new Watcher()
    transport.connect('127.0.0.1', accepting.port, first, first.onConnect)
    first.on.close = () => transport.connect('127.0.0.1', accepting.port, second, second.onConnect)
    transport[Symbol.dispose]()
    assert.deepEqual(first.events, ['close'])
    assert.deepEqual(second.events, [])
    await second.closed()
    assert.equal(second.error?.code, 'ECANCELED')
    assert.deepEqual([...ledger.takeOpen()], [])
  })
})

describe('a descriptor number that is used anew', () => {
  it('within one turn never gets events of the connection before', async t => {
    const transport = openTestTransport(t)
    const server = await nodeServer(t)
    const accepting = await accept(transport)
    const peers = []
    const watchers: Watcher[] = []
    const sockets: Socket[] = []
    for (let count = 0; count < 20; count++) {
      peers.push(await nodeClient(t, accepting.port))
      const { socket, watcher } = await accepting.next()
      sockets.push(socket)
      watchers.push(watcher)
    }
    const numbers = new Set(sockets.map(socket => socket.fd))
    const later: Watcher[] = []
    let isReused = false
    // The first that hears of bytes closes all and opens as many, while the events of the others are still to be told.
    for (const watcher of watchers) {
      watcher.on.bytes = () => {
        if (later.length > 0) return
        for (const socket of sockets) socket.destroy()
        for (const [index] of sockets.entries()) {
          const next = new Watcher()
          later.push(next)
          const open = (): void => {
            const opened = transport.connect('127.0.0.1', server.port, next, next.onConnect)
            isReused ||= numbers.has(opened.fd)
          }
          // Half of them when the numbers are free again, still within this turn.
          if (index % 2 === 0) open()
          else (watchers[index] as Watcher).on.close = open
        }
      }
    }
    for (const peer of peers) peer.write('for the first ones')
    await watchers[0]?.until(() => later.length > 0)
    for (const watcher of watchers) await watcher.closed()
    for (const next of later) await next.until(() => next.has('connect'))
    await turns(10)
    assert.equal(isReused, true)
    assert.equal(watchers.filter(watcher => watcher.received > 0).length, 1)
    for (const next of later) assert.deepEqual(next.events, ['connect'])
  })

  it('gets none either while another process still holds what was closed', async t => {
    const transport = openTestTransport(t)
    using native = new NativeCalls({
      dup: { return: 'int32', arguments: ['int32'] },
      close: { return: 'int32', arguments: ['int32'] },
    })
    const accepting = await accept(transport)
    const peer = await nodeClient(t, accepting.port)
    const old = await accepting.next()
    const number = old.socket.fd
    // As a child does between fork and exec: the kernel goes on to tell of it.
    const held = native.call.dup(number)
    const server = await nodeServer(t)
    old.socket.destroy()
    await old.watcher.closed()
    const watcher = new Watcher()
    const socket = transport.connect('127.0.0.1', server.port, watcher, watcher.onConnect)
    assert.equal(socket.fd, number)
    await watcher.until(() => watcher.has('connect'))
    const other = await server.next()
    other.end()
    await watcher.until(() => watcher.has('end'))
    peer.resetAndDestroy()
    await turns(20)
    native.call.close(held)
    assert.deepEqual(watcher.events, ['connect', 'end'])
    assert.equal(socket.isOpen, true)
    socket.end()
    await watcher.closed()
  })
})

test('20,000 connections opened and closed leave no descriptor and no memory', () => {
  const result = runAlone(
    `
    const { readdirSync } = await import('node:fs')
    let closes = 0
    let toldTwice = 0
    const once = () => { let isTold = false; return () => { if (isTold) toldTwice++; isTold = true; closes++ } }
    let next
    const listener = await transport.listen({
      address: '127.0.0.1', port: 0,
      onConnection(socket) {
        const closed = once()
        socket.handler = {
          onBytes(bytes, length) { socket.write(bytes, length) },
          onEnd() { socket.reset() }, onWritable() {}, onClose: () => { closed(); next?.() },
        }
      },
      onError(error) { throw error },
    })
    const cycle = () => new Promise(resolve => {
      const closed = once()
      const socket = transport.connect('127.0.0.1', listener.port, {
        onBytes() { socket.end() }, onEnd() { socket.destroy() }, onWritable() {},
        onClose() { closed(); resolve() },
      }, () => socket.write(Buffer.from('x'), 1))
    })
    const run = async count => {
      const lane = async () => { for (let at = 0; at < count / 20; at++) await cycle() }
      await Promise.all(Array.from({ length: 20 }, lane))
      while (closes % (2 * count) !== 0) await new Promise(resolve => { next = resolve })
      gc()
      return { descriptors: readdirSync('/proc/self/fd').length, rss: process.memoryUsage().rss, heap: process.memoryUsage().heapUsed }
    }
    await run(2000); closes = 0
    const before = await run(10000)
    closes = 0
    const after = await run(10000)
    console.log(JSON.stringify({
      descriptors: after.descriptors - before.descriptors,
      toldTwice,
      hasGrown: after.heap - before.heap > 1e6 || after.rss - before.rss > 30e6,
    }))
    listener.close()`,
    '--expose-gc',
  )
  assert.deepEqual(result, {
    code: 0,
    stdout: `${JSON.stringify({ descriptors: 0, toldTwice: 0, hasGrown: false })}\n`,
    stderr: '',
  })
})

test('a transport takes two descriptors, and gives them back', () => {
  const before = openCount()
  const ledger = new DescriptorLedger()
  const transport = new SocketTransport({ clock: systemClock, ledger, readBufferBytes: 16 })
  assert.equal(openCount() - before, 1)
  transport[Symbol.dispose]()
  assert.equal(openCount(), before)
})
