import assert from 'node:assert/strict'
import type net from 'node:net'
import { describe, it } from 'node:test'
import { ProxyProcess } from '../support/clients-process.ts'
import { connectSink, MessageSink, Noise, pour, serve } from '../support/clients-stream.ts'

const mib = 1024 * 1024
/** What may be in use beyond the buffers of one exchange: garbage between collections, code that is compiled meanwhile. */
const slackBytes = 64 * mib

type Framing = 'Content-Length' | 'chunked' | 'until close'

/** Answers each request head with `totalBytes` of noise. */
async function source(
  totalBytes: number,
  framing: Framing,
): Promise<{ server: Awaited<ReturnType<typeof serve>>; sent: Noise[] }> {
  const sent: Noise[] = []
  const server = await serve(socket => {
    let received = ''
    socket.on('data', chunk => {
      received += chunk.toString('latin1')
      if (!received.endsWith('\r\n\r\n')) return
      received = ''
      const noise = new Noise(totalBytes)
      sent.push(noise)
      socket.write(`HTTP/1.1 200 OK\r\n${framingLine(framing, totalBytes)}\r\n`)
      void pour(socket, noise, framing === 'chunked' ? 'chunked' : 'plain').then(() => {
        if (framing === 'until close') socket.end()
      })
    })
  })
  return { server, sent }
}

function framingLine(framing: Framing, totalBytes: number): string {
  switch (framing) {
    case 'Content-Length':
      return `Content-Length: ${totalBytes}\r\n`
    case 'chunked':
      return 'Transfer-Encoding: chunked\r\n'
    case 'until close':
      return ''
  }
}

/** Takes whole requests and answers each with nothing. */
async function drainServer(): Promise<{ server: Awaited<ReturnType<typeof serve>>; sinks: MessageSink[] }> {
  const sinks: MessageSink[] = []
  const server = await serve(socket => {
    let sink: MessageSink | undefined
    socket.on('data', (chunk: Buffer) => {
      let at = 0
      while (at < chunk.length) {
        if (sink === undefined) {
          sink = new MessageSink()
          sinks.push(sink)
        }
        at += sink.take(chunk.subarray(at))
        if (!sink.isDone) continue
        sink = undefined
        socket.write('HTTP/1.1 204 No Content\r\n\r\n')
      }
    })
  })
  return { server, sinks }
}

async function sketchFor(port: number): Promise<ProxyProcess> {
  return ProxyProcess.start({ rules: [{ backends: ['a:80'] }], backends: { 'a:80': { ports: [port] } } })
}

async function download(proxy: ProxyProcess, version: '1.0' | '1.1' = '1.1'): Promise<MessageSink> {
  const sink = new MessageSink()
  const socket = await connectSink(proxy.port, bytes => void sink.take(bytes))
  socket.on('end', () => sink.end())
  socket.write(`GET / HTTP/${version}\r\nHost: a\r\n\r\n`)
  await sink.finished
  socket.destroy()
  return sink
}

async function upload(proxy: ProxyProcess, totalBytes: number, framing: Framing): Promise<Noise> {
  const answer = new MessageSink()
  const noise = new Noise(totalBytes)
  const socket: net.Socket = await connectSink(proxy.port, bytes => void answer.take(bytes))
  socket.write(`PUT / HTTP/1.1\r\nHost: a\r\n${framingLine(framing, totalBytes)}Connection: close\r\n\r\n`)
  await pour(socket, noise, framing === 'chunked' ? 'chunked' : 'plain')
  await new Promise<void>(resolve => socket.once('close', () => resolve()))
  assert.match(answer.head, /^HTTP\/1\.1 204 /)
  return noise
}

const gib = 1024 * mib
const sizes: readonly [Framing, number][] = [
  ['Content-Length', gib],
  ['chunked', 256 * mib],
  ['until close', 256 * mib],
]

describe('proxy streams answers', { timeout: 60_000 }, () => {
  for (const [framing, totalBytes] of sizes) {
    it(`of ${totalBytes / mib} MiB, ${framing}: every byte arrives and memory stays`, async t => {
      const { server, sent } = await source(totalBytes, framing)
      await using _server = server
      await using proxy = await sketchFor(server.port)
      const before = await proxy.figures()
      const got = await download(proxy)
      const after = await proxy.figures()
      assert.equal(got.bodyBytes, totalBytes)
      assert.equal(got.checksum, sent[0]?.checksum)
      if (framing === 'until close') assert.match(got.head, /\r\ntransfer-encoding: chunked\r\n/)
      t.diagnostic(`peak grew by ${((after.peakRssBytes - before.peakRssBytes) / mib).toFixed(1)} MiB`)
      assert.ok(after.peakRssBytes - before.peakRssBytes < slackBytes)
      assert.equal(after.activeRequests, 0)
      await proxy.until(figures => figures.arrayBufferBytes - before.arrayBufferBytes < mib)
    })
  }

  it('to a client of HTTP/1.0, until the connection closes', async () => {
    const { server, sent } = await source(64 * mib, 'chunked')
    await using _server = server
    await using proxy = await sketchFor(server.port)
    const got = await download(proxy, '1.0')
    assert.doesNotMatch(got.head, /transfer-encoding/i)
    assert.equal(got.bodyBytes, 64 * mib)
    assert.equal(got.checksum, sent[0]?.checksum)
  })
})

describe('proxy streams requests', { timeout: 60_000 }, () => {
  for (const [framing, totalBytes] of sizes) {
    if (framing === 'until close') continue
    it(`of ${totalBytes / mib} MiB, ${framing}: every byte arrives and memory stays`, async t => {
      const { server, sinks } = await drainServer()
      await using _server = server
      await using proxy = await sketchFor(server.port)
      const before = await proxy.figures()
      const noise = await upload(proxy, totalBytes, framing)
      const after = await proxy.figures()
      assert.equal(sinks[0]?.bodyBytes, totalBytes)
      assert.equal(sinks[0].checksum, noise.checksum)
      t.diagnostic(`peak grew by ${((after.peakRssBytes - before.peakRssBytes) / mib).toFixed(1)} MiB`)
      assert.ok(after.peakRssBytes - before.peakRssBytes < slackBytes)
      assert.equal(after.activeRequests, 0)
    })
  }
})
