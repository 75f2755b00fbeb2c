import assert from 'node:assert/strict'
import http2 from 'node:http2'
import { describe, it } from 'node:test'
import { http2Frames as frames } from '../../src/codec/testing.ts'
import { BookMeter } from '../support/clients-meter.ts'
import { ProxyProcess } from '../support/clients-process.ts'
import { Http2Client, RawHttp2Client } from '../support/http2-client.ts'
import { startProxy } from '../support/proxy.ts'
import type { MeshSketch } from '../support/proxy.ts'
import { RawServer } from '../support/raw.ts'

const { NGHTTP2_ENHANCE_YOUR_CALM: calm, NGHTTP2_PROTOCOL_ERROR: protocolError } = http2.constants
const mib = 1024 * 1024

const routed = (port: number): MeshSketch => ({
  rules: [{ prefix: '/shop', backends: ['a:80'] }],
  backends: { 'a:80': { ports: [port] } },
})

const nothing: MeshSketch = { rules: [], backends: {} }

describe('answers of our own to clients by HTTP/2', { timeout: 20_000 }, () => {
  const cases = [
    { name: 'no route', ask: { path: '/else' }, status: 404, reason: 'no-route' },
    { name: 'no route for a body', ask: { method: 'POST', path: '/else', body: 'x' }, status: 404, reason: 'no-route' },
    { name: 'a path that hides dots', ask: { path: '/shop/..%2fx' }, status: 400, reason: 'bad-request' },
  ]
  for (const { name, ask, status, reason } of cases) {
    it(`${name}: ${status} ${reason}`, async () => {
      await using server = await RawServer.open(() => {})
      await using proxy = await startProxy(routed(server.port))
      await using client = await Http2Client.open(proxy.port)
      const answer = await client.ask(ask)
      assert.equal(answer.status, status)
      assert.equal(answer.headers['x-heddle-reason'], reason)
      assert.equal(answer.body.toString(), `${reason}\n`)
      assert.equal(Number(answer.headers['content-length']), answer.body.length)
      assert.equal(proxy.log[0]?.reason, reason)
      assert.equal(server.connections.length, 0)
    })
  }

  it('to HEAD have no content', async () => {
    await using proxy = await startProxy(nothing)
    await using client = await Http2Client.open(proxy.port)
    const answer = await client.ask({ method: 'HEAD' })
    assert.equal(answer.status, 404)
    assert.equal(answer.body.length, 0)
    assert.ok(Number(answer.headers['content-length']) > 0)
  })

  it('redirects and CORS preflights', async () => {
    await using proxy = await startProxy({
      rules: [
        {
          filters: [
            { kind: 'redirect', status: 302, scheme: 'https', hostname: 'b.example', port: undefined, path: undefined },
          ],
        },
      ],
      backends: {},
    })
    await using client = await Http2Client.open(proxy.port)
    const answer = await client.ask({ path: '/x?y=1' })
    assert.equal(answer.status, 302)
    assert.equal(answer.headers.location, 'https://b.example/x?y=1')
    assert.equal(answer.headers['content-length'], '0')
  })

  it('CONNECT: 501', async () => {
    await using proxy = await startProxy(nothing)
    await using client = await RawHttp2Client.open(proxy.port)
    client.write(
      frames.headers(1, [
        [':method', 'CONNECT'],
        [':authority', 'a.example:80'],
      ]),
    )
    await client.until(({ frames: seen }) => seen.some(({ type }) => type === 0))
    assert.equal(client.content(1).toString(), 'method-not-supported\n')
    assert.equal(proxy.log[0]?.status, 501)
  })

  it('more fields than allowed: 431, and the connection goes on', async () => {
    const meter = new BookMeter()
    await using proxy = await startProxy(nothing, { meter })
    await using client = await RawHttp2Client.open(proxy.port)
    const many = Array.from({ length: 200 }, (_, index) => [`x-${index}`, 'y'] as const)
    client.write(frames.headers(1, [...frames.get, ...many], { endStream: true }))
    await client.until(() => client.content(1).length > 0)
    assert.match(client.content(1).toString(), /^headers-too-large: /)
    client.write(frames.headers(3, frames.get, { endStream: true }))
    await client.until(() => client.content(3).length > 0)
    assert.deepEqual(
      proxy.log.map(({ status, version }) => [status, version]),
      [
        [431, 20],
        [404, 20],
      ],
    )
  })

  it('a malformed request resets its stream alone, and is counted', async () => {
    const meter = new BookMeter()
    await using proxy = await startProxy(nothing, { meter })
    await using client = await RawHttp2Client.open(proxy.port)
    client.write(frames.headers(1, [...frames.get, ['Upper', 'x']], { endStream: true }))
    client.write(frames.headers(3, frames.get, { endStream: true }))
    await client.until(() => client.content(3).length > 0)
    const reset = client.frames.find(({ type, streamId }) => type === 3 && streamId === 1)
    assert.equal(reset?.payload.readUInt32BE(0), protocolError)
    assert.equal(meter.total('heddle_http2_problems_total'), 1)
  })

  it('content that breaks its length resets the stream, and the endpoint sees no end', async t => {
    let seen = ''
    await using server = await RawServer.open((_socket, received) => {
      seen = received
    })
    await using proxy = await startProxy(routed(server.port))
    await using client = await RawHttp2Client.open(proxy.port)
    const post = frames.post.map(([name, value]) => [name, name === ':path' ? '/shop' : value] as const)
    client.write(frames.headers(1, [...post, ['content-length', '10']]))
    client.write(frames.data(1, 'abc'))
    await t.waitFor(() => assert.ok(seen.endsWith('abc')))
    client.write(frames.data(1, 'x', true))
    await t.waitFor(() => assert.equal(proxy.log[0]?.flags, 'DPE'))
    assert.equal(proxy.log[0]?.status, 400)
    assert.ok(client.frames.some(({ type }) => type === 3))
  })
})

describe('an HTTP/2 preface that comes in pieces', { timeout: 20_000 }, () => {
  for (const size of [1, 5, 13, 23]) {
    it(`of ${size} bytes`, async () => {
      await using proxy = await startProxy(nothing)
      await using slow = await RawHttp2Client.connect(proxy.port)
      const bytes = Buffer.concat([
        frames.preface,
        frames.settings(),
        frames.headers(1, frames.get, { endStream: true }),
      ])
      for (let at = 0; at < bytes.length; at += size) {
        slow.write(bytes.subarray(at, at + size))
        await new Promise(resolve => setImmediate(resolve))
      }
      await slow.until(() => slow.content(1).length > 0)
      assert.equal(slow.content(1).toString(), 'no-route\n')
    })
  }

  it('that is wrong at its end', async () => {
    await using proxy = await startProxy(nothing)
    await using client = await RawHttp2Client.connect(proxy.port)
    client.write(Buffer.from('PRI * HTTP/2.0\r\n\r\nSX\r\n\r\n'))
    await client.closed()
    assert.ok(!client.text.includes('no-route'))
  })

  // As an external conformance tool does to a listener that speaks both versions.
  it('that is neither one nor a request by HTTP/1.1', async () => {
    const meter = new BookMeter()
    await using proxy = await startProxy(nothing, { meter })
    await using client = await RawHttp2Client.connect(proxy.port)
    client.write(Buffer.from('INVALID CONNECTION PREFACE\r\n\r\n'))
    await client.closed()
    assert.equal(client.goAway, protocolError)
    assert.ok(!client.text.includes('HTTP/1.1'))
    assert.equal(meter.total('heddle_http2_problems_total'), 1)
  })

  for (const line of ['INVALID CONNECTION HTTP/1.x', 'GET / 1.1', 'GET * PREFACE', 'GET a:1 PREFACE', 'PREFACE']) {
    it(`that is a wrong request by HTTP/1.1: ${line}`, async () => {
      await using proxy = await startProxy(nothing)
      await using client = await RawHttp2Client.connect(proxy.port)
      client.write(Buffer.from(`${line}\r\n\r\n`))
      await client.closed()
      assert.match(client.text, /^HTTP\/1\.1 400 /)
    })
  }
})

/**
 * What one client may cost before it is sent away. All of a flood is done in a tenth of this; without a bound on the
 * number of its frames none would end.
 */
const mostCpuMicros = 2_000_000

describe('floods of clients by HTTP/2: CPU and memory are bounded', { timeout: 60_000 }, () => {
  const request = (streamId: number): Buffer => frames.headers(streamId, frames.get, { endStream: true })
  const open = (streamId: number): Buffer => frames.headers(streamId, frames.post)
  const floods: readonly { name: string; frames: (index: number) => readonly Buffer[]; once?: Buffer }[] = [
    {
      name: 'streams that are opened and reset at once',
      frames: index => [request(2 * index + 1), frames.reset(2 * index + 1, 8)],
    },
    { name: 'PING', frames: () => [frames.ping()] },
    { name: 'SETTINGS', frames: () => [frames.settings([4, 65_535])] },
    { name: 'PRIORITY', frames: () => [frames.priority(1, 3)] },
    { name: 'empty DATA', once: open(1), frames: () => [frames.data(1, '')] },
    { name: 'windows of one byte', once: open(1), frames: () => [frames.windowUpdate(0, 1)] },
    {
      name: 'CONTINUATION',
      once: frames.rawHeaders(1, Buffer.alloc(0), { endHeaders: false }),
      frames: () => [frames.continuation(1, Buffer.from([0x88]), false)],
    },
    { name: 'streams beyond the limit', frames: index => [open(2 * index + 1)] },
  ]
  for (const flood of floods) {
    it(`${flood.name}: GOAWAY`, async () => {
      let asked = 0
      await using server = await RawServer.open(() => asked++)
      await using proxy = await ProxyProcess.start({
        rules: [{ backends: ['a:80'] }],
        backends: { 'a:80': { ports: [server.port] } },
      })
      await using client = await RawHttp2Client.open(proxy.port)
      const before = await proxy.figures()
      if (flood.once !== undefined) client.write(flood.once)
      let index = 0
      const send = (): void => {
        // Below what is read behind GOAWAY: with more it would be lost in a reset.
        if (index >= 10_000 || client.isClosed) return
        const many: Buffer[] = []
        for (let count = 0; count < 500; count++) many.push(...flood.frames(index++))
        client.socket.write(Buffer.concat(many), () => setImmediate(send))
      }
      send()
      await client.until(() => client.goAway !== undefined)
      assert.equal(client.goAway, calm)
      await client.closed()
      let { gauges } = await proxy.gauges()
      while (gauges.heddle_http2_connections !== 0) ({ gauges } = await proxy.gauges())
      assert.equal(gauges.http_server_active_requests, 0)
      const after = await proxy.figures()
      assert.ok(after.arrayBufferBytes - before.arrayBufferBytes < 4 * mib)
      assert.ok(after.peakRssBytes - before.peakRssBytes < 64 * mib)
      assert.ok(after.cpuMicros - before.cpuMicros < mostCpuMicros, `${after.cpuMicros - before.cpuMicros} us of CPU`)
      assert.ok(asked <= 1_000, `${asked} requests reached the endpoint`)
    })
  }

  // Each field costs the client a byte, and would cost us 4 KB: 64 MB by one request.
  it('fields that unfold to gigabytes: 431 for each, and nothing of them is kept', async () => {
    await using server = await RawServer.open(() => {})
    await using proxy = await ProxyProcess.start(routed(server.port))
    await using client = await RawHttp2Client.open(proxy.port)
    const before = await proxy.figures()
    const huge = Buffer.concat([frames.block(frames.get), Buffer.from('4001617f9d1e', 'hex'), Buffer.alloc(3_996, 'x')])
    client.write(frames.rawHeaders(1, huge, { endStream: true }))
    const bombs = 200
    for (let index = 0; index < bombs; index++) {
      const block = Buffer.concat([frames.block(frames.get), Buffer.alloc(16_000, 0xbe)])
      client.write(frames.rawHeaders(3 + 2 * index, block, { endStream: true }))
    }
    await client.until(() => client.frames.filter(({ type, flags }) => type === 0 && (flags & 1) === 1).length > bombs)
    const heads = client.frames.filter(({ type }) => type === 1)
    assert.equal(heads.length, bombs + 1)
    assert.ok(heads[1]?.payload.includes('431'))
    const after = await proxy.figures()
    assert.equal(server.connections.length, 0)
    assert.ok(after.arrayBufferBytes - before.arrayBufferBytes < 4 * mib)
    assert.ok(after.heapBytes - before.heapBytes < 4 * mib)
    assert.ok(after.peakRssBytes - before.peakRssBytes < 64 * mib)
    assert.ok(after.cpuMicros - before.cpuMicros < mostCpuMicros, `${after.cpuMicros - before.cpuMicros} us of CPU`)
  })
})
