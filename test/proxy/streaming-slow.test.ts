import assert from 'node:assert/strict'
import net from 'node:net'
import { describe, it } from 'node:test'
import { ManualClock } from '../../src/core/index.ts'
import { defaultLimits } from '../../src/proxy/index.ts'
import { ProxyProcess } from '../support/clients-process.ts'
import { buildSnapshot, ProxyUnderTest } from '../support/proxy.ts'
import { connectSink, MessageSink, Noise, pour, serve } from '../support/clients-stream.ts'
import { freePort } from '../support/ports.ts'

const mib = 1024 * 1024
/** Garbage between collections and code that is compiled meanwhile. */
const slackBytes = 48 * mib
/** One write that the kernel did not take keeps the worker's output buffer. */
const outputBytes = 192 * 1024
const readBytes = 64 * 1024
/** The most that one direction of one exchange may hold. */
const perExchangeBytes = defaultLimits.backlogBytes + outputBytes + readBytes

interface Slow {
  readonly socket: net.Socket
  readonly sink: MessageSink
}

async function ask(port: number, request: string): Promise<Slow> {
  const sink = new MessageSink()
  const socket = await connectSink(port, bytes => void sink.take(bytes))
  socket.on('error', () => {})
  socket.pause()
  socket.write(request)
  return { socket, sink }
}

/** Counts the messages of one connection. */
class AnswerCount {
  count = 0
  #sink = new MessageSink()

  take(bytes: Buffer): void {
    let at = 0
    while (at < bytes.length) {
      at += this.#sink.take(bytes.subarray(at))
      if (!this.#sink.isDone) continue
      this.count++
      this.#sink = new MessageSink()
    }
  }
}

const sketch = (port: number): Parameters<typeof ProxyProcess.start>[0] => ({
  rules: [{ backends: ['a:80'] }],
  backends: { 'a:80': { ports: [port] } },
})

/** A server that answers every head with noise of this size, and what it sent. */
async function source(totalBytes: number): Promise<{ server: Awaited<ReturnType<typeof serve>>; sent: Noise[] }> {
  const sent: Noise[] = []
  const server = await serve(socket => {
    socket.on('data', chunk => {
      if (!chunk.toString('latin1').endsWith('\r\n\r\n')) return
      const noise = new Noise(totalBytes)
      sent.push(noise)
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${totalBytes}\r\n\r\n`)
      void pour(socket, noise, 'plain')
    })
  })
  return { server, sent }
}

describe('proxy holds back', { timeout: 60_000 }, () => {
  it('an endpoint whose client stops reading, and goes on when it reads again', async t => {
    const totalBytes = 64 * mib
    const { server, sent } = await source(totalBytes)
    await using _server = server
    await using proxy = await ProxyProcess.start(sketch(server.port))
    const before = await proxy.figures()
    const { socket, sink } = await ask(proxy.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await proxy.untilStill(() => sent[0]?.sentBytes ?? 0)
    const held = await proxy.figures()
    const [noise] = sent
    assert.ok(noise !== undefined && !noise.isDone, 'the endpoint must be stopped')
    t.diagnostic(`the endpoint got rid of ${(noise.sentBytes / mib).toFixed(1)} MiB, the kernel's buffers included`)
    t.diagnostic(`buffers: ${((held.arrayBufferBytes - before.arrayBufferBytes) / 1024).toFixed(0)} KiB`)
    assert.ok(held.arrayBufferBytes - before.arrayBufferBytes <= perExchangeBytes + mib)
    assert.ok(held.rssBytes - before.rssBytes < slackBytes)
    socket.resume()
    await sink.finished
    assert.equal(sink.bodyBytes, totalBytes)
    assert.equal(sink.checksum, noise.checksum)
    socket.destroy()
  })

  it('a client whose endpoint stops reading, and goes on when it reads again', async t => {
    const totalBytes = 64 * mib
    const received = new MessageSink()
    let resume: (() => void) | undefined
    await using server = await serve(socket => {
      socket.pause()
      resume = () => socket.resume()
      socket.on('data', (chunk: Buffer) => {
        received.take(chunk)
        if (received.isDone) socket.write('HTTP/1.1 204 No Content\r\n\r\n')
      })
    })
    await using proxy = await ProxyProcess.start(sketch(server.port))
    const before = await proxy.figures()
    const { socket, sink } = await ask(proxy.port, `PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: ${totalBytes}\r\n\r\n`)
    socket.resume()
    const noise = new Noise(totalBytes)
    const poured = pour(socket, noise, 'plain')
    await proxy.untilStill(() => noise.sentBytes)
    const held = await proxy.figures()
    assert.ok(!noise.isDone, 'the client must be stopped')
    t.diagnostic(`the client got rid of ${(noise.sentBytes / mib).toFixed(1)} MiB, the kernel's buffers included`)
    assert.ok(held.arrayBufferBytes - before.arrayBufferBytes <= perExchangeBytes + mib)
    assert.ok(held.rssBytes - before.rssBytes < slackBytes)
    resume?.()
    await poured
    await sink.finished
    assert.equal(received.bodyBytes, totalBytes)
    assert.equal(received.checksum, noise.checksum)
    socket.destroy()
  })

  it('200 clients that do not read: memory is what the limits say', async t => {
    const readers = 200
    const { server, sent } = await source(64 * mib)
    await using _server = server
    await using proxy = await ProxyProcess.start(sketch(server.port))
    const before = await proxy.figures()
    const slow: Slow[] = []
    for (let index = 0; index < readers; index++) slow.push(await ask(proxy.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'))
    await proxy.until(figures => figures.activeRequests === readers)
    await proxy.untilStill(() => sent.reduce((sum, noise) => sum + noise.sentBytes, 0))
    const held = await proxy.figures()
    assert.equal(sent.length, readers)
    assert.ok(sent.every(noise => !noise.isDone))
    assert.equal(held.activeRequests, readers)
    const buffers = held.arrayBufferBytes - before.arrayBufferBytes
    t.diagnostic(`${(buffers / readers / 1024).toFixed(0)} KiB of buffers for each, ${perExchangeBytes / 1024} allowed`)
    t.diagnostic(`resident ${((held.rssBytes - before.rssBytes) / mib).toFixed(0)} MiB more`)
    assert.ok(buffers <= readers * perExchangeBytes)
    assert.ok(held.rssBytes - before.rssBytes < readers * perExchangeBytes + slackBytes)
    for (const { socket } of slow) socket.destroy()
    const after = await proxy.until(figures => figures.activeRequests === 0)
    assert.equal(after.gauges.heddle_downstream_connections, 0)
    await proxy.until(figures => figures.gauges.heddle_upstream_connections === 0)
    await proxy.until(figures => figures.arrayBufferBytes - before.arrayBufferBytes < 2 * mib)
  })

  it('a client that pipelines requests and does not read the answers', async t => {
    const body = 'x'.repeat(10_000)
    let answered = 0
    await using server = await serve(socket => {
      socket.on('data', () => {
        answered++
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
      })
    })
    await using proxy = await ProxyProcess.start(sketch(server.port))
    const before = await proxy.figures()
    const requests = 2_000
    const sink = new AnswerCount()
    const socket = await connectSink(proxy.port, bytes => sink.take(bytes))
    socket.pause()
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(requests))
    await proxy.untilStill(() => answered)
    t.diagnostic(`${answered} of ${requests} requests went on, the kernel holds most of their answers`)
    assert.ok(answered < requests, 'the client must be stopped')
    // The memory of collected buffers is freed by a thread of its own, which may be late.
    await proxy.until(held => held.arrayBufferBytes - before.arrayBufferBytes <= perExchangeBytes + mib)
    socket.resume()
    // Every answer comes once the client reads.
    while (sink.count < requests) await new Promise(resolve => setImmediate(resolve))
    assert.equal(answered, requests)
    socket.destroy()
  })

  it('a client that asks for what has no route, and does not read the answers', async () => {
    await using proxy = await ProxyProcess.start({ rules: [], backends: {} })
    const before = await proxy.figures()
    const { socket } = await ask(proxy.port, '')
    const requests = Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(10_000))
    let isStopped = false
    for (let round = 0; round < 40; round++) isStopped = !socket.write(requests)
    await proxy.untilStill(() => socket.writableLength)
    const held = await proxy.figures()
    assert.ok(isStopped && socket.writableLength > 0, 'the client must be stopped')
    assert.ok(held.arrayBufferBytes - before.arrayBufferBytes <= perExchangeBytes + mib)
    socket.destroy()
  })

  it('no end of an answer from a slow reader, though the connection is to close', async () => {
    const clock = new ManualClock()
    const finished = new Set<string>()
    const port = await freePort()
    // Of several sizes, since the kernel may have taken the end of one or the other.
    const sizes = Array.from({ length: 8 }, (_, index) => 24 * mib + index * 150_000)
    const servers = await Promise.all(sizes.map(async size => source(size)))
    await using proxy = new ProxyUnderTest({
      accessLog: { write: record => void finished.add(record.target) },
      clock,
    })
    const rules = sizes.map((size, index) => ({ prefix: `/${size}`, backends: [`a${index}:80`] }))
    const backends = Object.fromEntries(
      servers.map(({ server }, index) => [`a${index}:80`, { ports: [server.port] }] as const),
    )
    await proxy.apply(buildSnapshot({ rules, backends }, port, 1))
    const clients = sizes.map(size => {
      const sink = new MessageSink()
      const socket = net.connect({ port, host: '127.0.0.1' })
      socket.write(`GET /${size} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
      socket.on('data', (chunk: Buffer) => {
        sink.take(chunk)
        // Only as much as makes the proxy hand over the rest: that stays unread.
        socket.pause()
        let turns = 10
        const wait = (): void => {
          if (finished.has(`/${size}`)) return
          if (turns-- === 0) socket.resume()
          else setImmediate(wait)
        }
        wait()
      })
      return { socket, sink }
    })
    while (finished.size < sizes.length) await new Promise(resolve => setImmediate(resolve))
    for (let second = 0; second < 30; second++) clock.advance(1_000)
    await Promise.all(
      clients.map(async ({ socket }) => {
        const reading = setInterval(() => socket.resume(), 0)
        await new Promise<void>(resolve => socket.once('close', () => resolve()))
        clearInterval(reading)
      }),
    )
    for (const [index, { sink }] of clients.entries()) {
      assert.equal(sink.bodyBytes, sizes[index])
      assert.equal(sink.checksum, servers[index]?.sent[0]?.checksum)
    }
    for (const { server } of servers) await server[Symbol.asyncDispose]()
  })
})
