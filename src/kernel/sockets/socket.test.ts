import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import type net from 'node:net'
import { describe, it, test } from 'node:test'
import type { TestContext } from 'node:test'
import { NativeCalls } from '../syscall.ts'
import type { Socket } from './socket.ts'
import type { SocketTransport } from './socket-transport.ts'
import { accept, closing, nodeClient, nodeServer, openTestTransport, pattern, turns, Watcher } from './testing.ts'

interface Pair {
  readonly socket: Socket
  readonly watcher: Watcher
  readonly peer: net.Socket
}

/** A socket of ours, opened or accepted, and one of Node's at the other end. */
async function pair(t: TestContext, transport: SocketTransport, side: 'opened' | 'accepted'): Promise<Pair> {
  if (side === 'accepted') {
    const accepting = await accept(transport)
    const peer = await nodeClient(t, accepting.port)
    accepting.listener.close()
    return { ...(await accepting.next()), peer }
  }
  const server = await nodeServer(t)
  const watcher = new Watcher()
  const socket = transport.connect('127.0.0.1', server.port, watcher, watcher.onConnect)
  const peer = await server.next()
  await watcher.until(() => watcher.has('connect'))
  watcher.events.length = 0
  return { socket, watcher, peer }
}

const mib = 1024 * 1024
const send = (socket: Socket, text: string): boolean => socket.write(Buffer.from(text), Buffer.byteLength(text))

/** All that a socket of Node's reads until the end. */
async function readAll(peer: net.Socket): Promise<{ length: number; digest: string }> {
  const hash = createHash('sha256')
  let length = 0
  peer.on('data', (chunk: Buffer) => {
    hash.update(chunk)
    length += chunk.length
  })
  // After an error there is no end.
  await new Promise<void>(resolve =>
    peer
      .once('end', resolve)
      .once('close', () => resolve())
      .resume(),
  )
  return { length, digest: hash.digest('hex') }
}

for (const side of ['opened', 'accepted'] as const) {
  describe(`a socket that was ${side}`, () => {
    it('hears bytes, the end, and the close after both ends, each once', async t => {
      const { socket, watcher, peer } = await pair(t, openTestTransport(t), side)
      peer.end('hello')
      await watcher.until(() => watcher.has('end'))
      assert.equal(watcher.text, 'hello')
      send(socket, 'bye')
      socket.end()
      assert.equal((await readAll(peer)).length, 3)
      await watcher.closed()
      await turns(5)
      assert.deepEqual(watcher.events, ['bytes', 'end', 'close'])
      assert.equal(watcher.error, undefined)
      assert.equal(socket.isClosed, true)
      assert.equal(socket.isOpen, false)
    })

    it('ends first and still reads what the peer says until its end', async t => {
      const { socket, watcher, peer } = await pair(t, openTestTransport(t), side)
      send(socket, 'question')
      socket.end()
      assert.equal(send(socket, 'too late'), false)
      assert.equal((await readAll(peer)).length, 8)
      const { bytes, digest } = pattern(mib)
      peer.end(bytes)
      await watcher.closed()
      assert.deepEqual(watcher.events, ['bytes', 'end', 'close'])
      assert.equal(watcher.received, mib)
      assert.equal(watcher.digest(), digest)
      assert.equal(watcher.error, undefined)
    })

    it('reset() is seen as ECONNRESET by the peer', async t => {
      const { socket, watcher, peer } = await pair(t, openTestTransport(t), side)
      const failed = new Promise<NodeJS.ErrnoException>(resolve => peer.once('error', resolve))
      peer.resume()
      socket.reset()
      assert.deepEqual(watcher.events, [])
      await watcher.closed()
      assert.equal(watcher.error, undefined)
      assert.equal((await failed).code, 'ECONNRESET')
    })

    it('a reset by the peer closes with ECONNRESET', async t => {
      const { watcher, peer } = await pair(t, openTestTransport(t), side)
      peer.resetAndDestroy()
      await watcher.closed()
      assert.deepEqual(watcher.events, ['close'])
      assert.equal(watcher.error?.code, 'ECONNRESET')
    })

    it('a reset by the peer after its end closes with an error', async t => {
      const { watcher, peer } = await pair(t, openTestTransport(t), side)
      peer.end()
      await watcher.until(() => watcher.has('end'))
      peer.resetAndDestroy()
      await watcher.closed()
      assert.deepEqual(watcher.events, ['end', 'close'])
      assert.match(watcher.error?.code ?? '', /^(ECONNRESET|EPIPE)$/)
    })

    it('what the peer sent before it reset is read before the close when a write finds out', async t => {
      const { socket, watcher, peer } = await pair(t, openTestTransport(t), side)
      // An answer that nobody waits for the rest of the question of: 413, then a close with bytes unread.
      peer.pause()
      send(socket, 'a long question')
      await turns(3)
      await new Promise<void>(resolve => peer.write('too long', () => resolve()))
      peer.destroy()
      await closing(peer)
      for (let turn = 0; turn < 50 && !watcher.has('close'); turn++) {
        send(socket, 'more')
        await turns(1)
      }
      await watcher.closed()
      assert.equal(watcher.text, 'too long')
      assert.match(watcher.error?.code ?? '', /^(ECONNRESET|EPIPE)$/)
      assert.equal(watcher.count('close'), 1)
    })

    it('sends what a slow reader leaves, in order, and ends after it', async t => {
      const { socket, watcher, peer } = await pair(t, openTestTransport(t), side)
      peer.pause()
      const { bytes, digest } = pattern(12 * mib)
      // Of many sizes, from memory that is used anew each time.
      const own = Buffer.allocUnsafeSlow(100_000)
      for (let at = 0, step = 1; at < bytes.length; step = (step * 7 + 13) % 99_991) {
        const length = Math.min(step + 1, bytes.length - at)
        bytes.copy(own, 0, at, at + length)
        assert.equal(socket.write(own, length), false)
        own.fill(0)
        at += length
      }
      assert.ok(socket.backlog > 0)
      socket.end()
      assert.deepEqual(await readAll(peer), { length: bytes.length, digest })
      peer.end()
      await watcher.closed()
      assert.equal(watcher.has('writable'), false)
      assert.equal(socket.backlog, 0)
    })

    it('tells once when a backlog has left, and takes more then', async t => {
      const { socket, watcher, peer } = await pair(t, openTestTransport(t), side)
      const { bytes } = pattern(8 * mib)
      let rounds = 3
      watcher.on.writable = () => {
        assert.equal(socket.backlog, 0)
        if (--rounds > 0) socket.write(bytes, bytes.length)
        else socket.end()
      }
      socket.write(bytes, bytes.length)
      const { length } = await readAll(peer)
      assert.equal(length, 3 * bytes.length)
      assert.equal(watcher.count('writable'), 3)
      peer.end()
      await watcher.closed()
    })

    it('destroy() with a backlog closes at once', async t => {
      const { socket, watcher, peer } = await pair(t, openTestTransport(t), side)
      const { bytes } = pattern(8 * mib)
      socket.write(bytes, bytes.length)
      assert.ok(socket.backlog > 0)
      socket.destroy()
      assert.equal(socket.isOpen, false)
      assert.equal(socket.backlog, 0)
      assert.equal(socket.write(bytes, bytes.length), false)
      socket.destroy()
      socket.reset()
      socket.end()
      socket.pause()
      socket.resume()
      assert.deepEqual(watcher.events, [])
      await watcher.closed()
      await turns(5)
      assert.deepEqual(watcher.events, ['close'])
      assert.ok((await readAll(peer)).length < bytes.length)
    })

    it('reads nothing while it is paused, and everything afterwards', async t => {
      const { socket, watcher, peer } = await pair(t, openTestTransport(t), side)
      socket.pause()
      const { bytes, digest } = pattern(4 * mib)
      peer.end(bytes)
      await turns(50)
      assert.deepEqual(watcher.events, [])
      socket.resume()
      await watcher.until(() => watcher.has('end'))
      assert.equal(watcher.received, bytes.length)
      assert.equal(watcher.digest(), digest)
      socket.end()
      await watcher.closed()
    })

    it('pauses after every read and in onEnd', async t => {
      const { socket, watcher, peer } = await pair(t, openTestTransport(t, 4096), side)
      const { bytes, digest } = pattern(512 * 1024)
      let pauses = 0
      const holdOn = (): void => {
        pauses++
        socket.pause()
        const before = watcher.received
        setImmediate(() => {
          assert.equal(watcher.received, before)
          socket.resume()
        })
      }
      watcher.on.bytes = holdOn
      watcher.on.end = holdOn
      peer.end(bytes)
      await watcher.until(() => watcher.has('end'))
      await turns(3)
      assert.ok(pauses > bytes.length / 4096)
      assert.equal(watcher.digest(), digest)
      assert.deepEqual(watcher.events, ['bytes', 'end'])
      socket.end()
      await watcher.closed()
    })

    it('paused and resumed within one callback, it goes on', async t => {
      const { socket, watcher, peer } = await pair(t, openTestTransport(t, 1024), side)
      watcher.on.bytes = () => {
        socket.pause()
        socket.resume()
      }
      peer.end(pattern(100_000).bytes)
      await watcher.until(() => watcher.has('end'))
      assert.equal(watcher.received, 100_000)
      socket.end()
      await watcher.closed()
    })

    it('a reset by the peer while it is paused is heard after resume()', async t => {
      const { socket, watcher, peer } = await pair(t, openTestTransport(t), side)
      socket.pause()
      peer.resetAndDestroy()
      await closing(peer)
      await turns(5)
      assert.deepEqual(watcher.events, [])
      socket.resume()
      await watcher.closed()
      assert.equal(watcher.error?.code, 'ECONNRESET')
    })

    it('a write to a peer that is gone closes it, paused or not', async t => {
      const { socket, watcher, peer } = await pair(t, openTestTransport(t), side)
      socket.pause()
      peer.resetAndDestroy()
      await closing(peer)
      for (let turn = 0; turn < 50 && socket.isOpen; turn++) {
        send(socket, 'anybody there?')
        await turns(1)
      }
      await watcher.closed()
      assert.match(watcher.error?.code ?? '', /^(ECONNRESET|EPIPE)$/)
    })

    it('a write that fails for another reason than the peer closes it, too', async t => {
      const { socket, watcher } = await pair(t, openTestTransport(t), side)
      using native = new NativeCalls({ shutdown: { return: 'int32', arguments: ['int32', 'int32'] } })
      native.call.shutdown(socket.fd, 1)
      send(socket, 'no way out')
      assert.deepEqual(watcher.events, [])
      await watcher.closed()
      assert.equal(watcher.error?.code, 'EPIPE')
    })

    it('a handler that takes over in mid-connection hears everything from there', async t => {
      const { socket, watcher, peer } = await pair(t, openTestTransport(t, 16), side)
      const second = new Watcher()
      watcher.on.bytes = () => {
        socket.handler = second
      }
      peer.end('0123456789abcdef and what comes after it')
      await second.until(() => second.has('end'))
      assert.equal(watcher.text, '0123456789abcdef')
      assert.equal(second.text, ' and what comes after it')
      socket.end()
      await second.closed()
      assert.deepEqual(watcher.events, ['bytes'])
      assert.deepEqual(second.events, ['bytes', 'end', 'close'])
    })

    for (const where of ['bytes', 'end', 'writable', 'close'] as const) {
      for (const how of ['destroy', 'reset'] as const) {
        it(`${how}() in ${where} closes once, after it`, async t => {
          const { socket, watcher, peer } = await pair(t, openTestTransport(t, 1024), side)
          watcher.on[where] = () => {
            socket[how]()
            if (where === 'close') return
            assert.equal(watcher.has('close'), false)
            // Whatever else is called now has no effect.
            send(socket, 'nothing')
            socket.pause()
            socket.resume()
            socket.end()
            socket[how]()
          }
          peer.resume()
          if (where === 'bytes') peer.write(pattern(50_000).bytes)
          if (where === 'end') peer.end()
          if (where === 'writable') socket.write(pattern(8 * mib).bytes, 8 * mib)
          if (where === 'close') socket.destroy()
          await watcher.closed()
          await turns(5)
          assert.deepEqual(watcher.events, where === 'close' ? ['close'] : [where, 'close'])
          assert.equal(watcher.error, undefined)
          if (where === 'bytes') assert.equal(watcher.received, 1024)
        })
      }
    }
  })
}

describe('a connection that is being opened', () => {
  it('keeps what is written, and ends after it', async t => {
    const transport = openTestTransport(t)
    const server = await nodeServer(t)
    const watcher = new Watcher()
    const socket = transport.connect('127.0.0.1', server.port, watcher, watcher.onConnect)
    const { bytes, digest } = pattern(2 * mib)
    socket.write(bytes, 10)
    socket.write(bytes.subarray(10), bytes.length - 10)
    assert.equal(socket.backlog, bytes.length)
    socket.end()
    const peer = await server.next()
    assert.deepEqual(await readAll(peer), { length: bytes.length, digest })
    peer.end()
    await watcher.closed()
    assert.deepEqual(watcher.events, ['connect', 'end', 'close'])
  })

  it('tells the peer at once when it has ended without a word', async t => {
    const transport = openTestTransport(t)
    const server = await nodeServer(t)
    const watcher = new Watcher()
    transport.connect('127.0.0.1', server.port, watcher, watcher.onConnect).end()
    const peer = await server.next()
    assert.equal((await readAll(peer)).length, 0)
    peer.end()
    await watcher.closed()
    assert.deepEqual(watcher.events, ['connect', 'end', 'close'])
  })

  it('loses what was written when it fails', async t => {
    const transport = openTestTransport(t)
    const closed = await accept(transport)
    closed.listener.close()
    await turns(2)
    const watcher = new Watcher()
    const socket = transport.connect('127.0.0.1', closed.port, watcher, watcher.onConnect)
    send(socket, 'lost')
    socket.end()
    await watcher.closed()
    assert.deepEqual(watcher.events, ['close'])
    assert.equal(watcher.error?.code, 'ECONNREFUSED')
    assert.equal(socket.backlog, 0)
  })

  for (const how of ['destroy', 'reset', 'end', 'pause'] as const) {
    it(`${how}() in onConnect does what it says`, async t => {
      const transport = openTestTransport(t)
      const server = await nodeServer(t)
      const watcher = new Watcher()
      const socket = transport.connect('127.0.0.1', server.port, watcher, watcher.onConnect)
      watcher.on.connect = () => {
        assert.equal(watcher.has('close'), false)
        socket[how]()
      }
      const peer = await server.next()
      peer.end('hello')
      if (how === 'pause') {
        await turns(20)
        assert.deepEqual(watcher.events, ['connect'])
        socket.resume()
        await watcher.until(() => watcher.has('end'))
        assert.equal(watcher.text, 'hello')
        socket.end()
      }
      await watcher.closed()
      assert.equal(watcher.count('connect'), 1)
      assert.equal(watcher.count('close'), 1)
      if (how === 'end') assert.equal(watcher.text, 'hello')
    })
  }

  it('is given up before it stands', async t => {
    const transport = openTestTransport(t)
    const server = await nodeServer(t)
    const watcher = new Watcher()
    const socket = transport.connect('127.0.0.1', server.port, watcher, watcher.onConnect)
    socket.destroy()
    await watcher.closed()
    await turns(5)
    assert.deepEqual(watcher.events, ['close'])
  })
})

test('50 MB go both ways at once, of which not a byte is lost', async t => {
  const transport = openTestTransport(t)
  const accepting = await accept(transport)
  const size = 50_000_000
  const python = spawn(
    'python3',
    [
      '-c',
      `
import hashlib, socket, sys, threading
peer = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
size = int(sys.argv[2])
block = bytes(range(251)) * 1000
def send():
    left = size
    while left > 0:
        left -= peer.send(block[(size - left) % 251:][:left])
    peer.shutdown(socket.SHUT_WR)
sender = threading.Thread(target=send); sender.start()
digest = hashlib.sha256()
while True:
    got = peer.recv(100000)
    if not got: break
    digest.update(got)
sender.join()
print(digest.hexdigest())`,
      String(accepting.port),
      String(size),
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  t.after(() => python.kill())
  let printed = ''
  python.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text))
  const { socket, watcher } = await accepting.next()
  const { bytes, digest } = pattern(1_000_000)
  const hash = createHash('sha256')
  for (let sent = 0; sent < size; sent += bytes.length) {
    hash.update(bytes)
    socket.write(bytes, bytes.length)
    if (socket.backlog > 4 * mib) {
      const before = watcher.count('writable')
      await watcher.until(() => watcher.count('writable') > before)
    }
  }
  socket.end()
  await once(python, 'exit')
  await watcher.closed()
  assert.equal(printed.trim(), hash.digest('hex'))
  assert.notEqual(printed.trim(), digest)
  assert.equal(watcher.received, size)
  const cycle = Buffer.from(Array.from({ length: 251 }, (_, index) => index))
  const expected = createHash('sha256')
  for (let at = 0; at < size; at += 251) expected.update(cycle.subarray(0, Math.min(251, size - at)))
  assert.equal(watcher.digest(), expected.digest('hex'))
})
