import assert from 'node:assert/strict'
import { once } from 'node:events'
import http2 from 'node:http2'
import net from 'node:net'
import { describe, it } from 'node:test'
import { http2Frames as frames } from '../../src/codec/testing.ts'
import { BookMeter } from '../support/clients-meter.ts'
import { ProxyProcess } from '../support/clients-process.ts'
import { Http2Client, RawHttp2Client, readAnswer } from '../support/http2-client.ts'
import { startProxy } from '../support/proxy.ts'
import type { MeshSketch } from '../support/proxy.ts'
import { RawServer } from '../support/raw.ts'

const { HTTP2_HEADER_PATH: pathField, NGHTTP2_CANCEL: cancel, NGHTTP2_INTERNAL_ERROR: internalError } = http2.constants
const mib = 1024 * 1024

const sketch = (...ports: number[]): MeshSketch => ({
  rules: [{ backends: ['a:80'] }],
  backends: { 'a:80': { ports } },
})

const get = (streamId: number, path = '/', method = 'GET'): Buffer =>
  frames.headers(
    streamId,
    [
      [':method', method],
      [':scheme', 'http'],
      [':path', path],
      [':authority', 'a.example'],
    ],
    {
      endStream: true,
    },
  )

/** Answers nothing by itself. */
async function silent(): Promise<RawServer> {
  return RawServer.open(() => {})
}

describe('a stream that is reset by its client', { timeout: 20_000 }, () => {
  it('before the head of the answer ends the request alone', async t => {
    let seen = 0
    await using server = await RawServer.open(() => seen++)
    await using proxy = await startProxy(sketch(server.port))
    await using client = await Http2Client.open(proxy.port)
    const lost = client.session.request({ [pathField]: '/lost' })
    const kept = client.session.request({ [pathField]: '/kept' })
    lost.on('error', () => {})
    await t.waitFor(() => assert.equal(server.connections.length, 2))
    const [first, second] = server.connections
    assert.ok(first !== undefined && second !== undefined)
    await t.waitFor(() => assert.equal(seen, 2))
    lost.close(cancel)
    const isFirstLost = once(first, 'close').then(() => 0)
    const isSecondLost = once(second, 'close').then(() => 1)
    const gone = await Promise.race([isFirstLost, isSecondLost])
    server.connections[1 - gone]?.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    assert.equal((await readAnswer(kept)).body.toString(), 'ok')
    await t.waitFor(() => assert.equal(proxy.log.length, 2))
    assert.deepEqual(
      proxy.log.map(({ target, status, flags }) => [target, status, flags]),
      [
        ['/lost', 499, 'DC'],
        ['/kept', 200, '-'],
      ],
    )
    assert.equal(proxy.proxy.endpointStates()[0]?.activeRequests, 0)
  })

  it('in the middle of the answer closes the connection to the endpoint', async t => {
    await using server = await RawServer.open(socket =>
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome'),
    )
    await using proxy = await startProxy(sketch(server.port))
    await using client = await Http2Client.open(proxy.port)
    const stream = client.session.request({ [pathField]: '/' })
    stream.on('error', () => {})
    await once(stream, 'data')
    const closed = once(server.connections[0] ?? assert.fail(), 'close')
    stream.close(cancel)
    await closed
    await t.waitFor(() => assert.equal(proxy.log[0]?.flags, 'DC'))
  })

  it('in the middle of its body closes the connection to the endpoint', async t => {
    let seen = ''
    await using server = await RawServer.open((_socket, received) => {
      seen = received
    })
    await using proxy = await startProxy(sketch(server.port))
    await using client = await RawHttp2Client.open(proxy.port)
    client.write(frames.headers(1, [...frames.post, ['content-length', '1000']]), frames.data(1, 'some'))
    await t.waitFor(() => assert.ok(seen.endsWith('some')))
    const closed = once(server.connections[0] ?? assert.fail(), 'close')
    client.write(frames.reset(1, cancel))
    await closed
    await t.waitFor(() => assert.equal(proxy.log[0]?.status, 499))
  })
})

describe('an endpoint that fails', { timeout: 20_000 }, () => {
  it('in the middle of an answer resets that stream, and the others go on', async () => {
    await using server = await RawServer.open((socket, received) => {
      if (received.includes('GET /broken')) socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome')
      else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    })
    await using proxy = await startProxy(sketch(server.port))
    await using client = await Http2Client.open(proxy.port)
    const [broken, fine] = await Promise.all([client.ask({ path: '/broken' }), client.ask({ path: '/fine' })])
    assert.equal(broken.status, 200)
    assert.equal(broken.body.toString(), 'some')
    assert.equal(broken.resetCode, internalError)
    assert.equal(fine.body.toString(), 'ok')
    assert.equal((await client.ask({ path: '/again' })).body.toString(), 'ok')
  })

  it('is told as an answer of our own with its reason', async () => {
    await using server = await RawServer.open(socket => socket.destroy())
    await using proxy = await startProxy(sketch(server.port))
    await using client = await Http2Client.open(proxy.port)
    const answer = await client.ask({ method: 'POST', body: 'x' })
    assert.equal(answer.status, 502)
    assert.equal(answer.headers['x-heddle-reason'], 'upstream-reset')
    assert.match(answer.body.toString(), /^upstream-reset/)
  })

  it('answers early, and the rest of the request is not wanted', async () => {
    await using server = await RawServer.open((socket, received) => {
      if (received.startsWith('POST')) socket.write('HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno')
      else socket.write('HTTP/1.1 204 Nothing\r\n\r\n')
    })
    await using proxy = await startProxy(sketch(server.port))
    await using client = await Http2Client.open(proxy.port)
    const stream = client.session.request({ [pathField]: '/', ':method': 'POST' })
    stream.write('some')
    const answer = await readAnswer(stream)
    assert.equal(answer.status, 413)
    assert.equal(answer.body.toString(), 'no')
    assert.equal(answer.resetCode, 0)
    assert.equal((await client.ask()).status, 204)
  })
})

describe('flow control towards clients by HTTP/2', { timeout: 60_000 }, () => {
  const body = 'x'.repeat(50)

  for (const window of [0, 1, 7]) {
    it(`with a first window of ${window} bytes`, async () => {
      await using server = await RawServer.open(socket =>
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`),
      )
      await using proxy = await startProxy(sketch(server.port))
      await using client = await RawHttp2Client.open(proxy.port, [4, window])
      client.write(get(1))
      await client.until(({ frames: seen }) => seen.some(({ type, streamId }) => type === 1 && streamId === 1))
      for (let sent = window; sent < body.length; sent++) {
        await client.until(() => client.content(1).length === sent)
        client.write(frames.windowUpdate(1, 1))
      }
      await client.until(({ frames: seen }) => seen.some(f => f.type === 0 && f.streamId === 1 && (f.flags & 1) === 1))
      assert.equal(client.content(1).toString(), body)
    })
  }

  it('a window that shrinks below zero by SETTINGS and comes back', async () => {
    await using server = await RawServer.open(socket =>
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`),
    )
    await using proxy = await startProxy(sketch(server.port))
    await using client = await RawHttp2Client.open(proxy.port, [4, 20])
    client.write(get(1))
    await client.until(() => client.content(1).length === 20)
    client.write(frames.settings([4, 0]), frames.windowUpdate(1, 15), frames.ping())
    await client.until(({ frames: seen }) => seen.some(({ type }) => type === 6))
    assert.equal(client.content(1).length, 20)
    client.write(frames.settings([4, 1000]))
    await client.until(() => client.content(1).length === body.length)
  })

  it('a client that does not open its windows stops its endpoint, and memory stays', async t => {
    let sent = 0
    const piece = Buffer.alloc(64 * 1024)
    await using server = await RawServer.open(socket => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
      const more = (): void => {
        do sent += piece.length
        while (socket.write(`${piece.length.toString(16)}\r\n`) && socket.write(piece) && socket.write('\r\n'))
      }
      socket.on('drain', more).on('error', () => {})
      more()
    })
    await using proxy = await ProxyProcess.start(sketch(server.port))
    await using client = await RawHttp2Client.open(proxy.port)
    const streams = 50
    const before = await proxy.figures()
    for (let index = 0; index < streams; index++) client.write(get(2 * index + 1))
    await proxy.untilStill(() => sent)
    const held = await proxy.figures()
    const heldMib = (held.arrayBufferBytes - before.arrayBufferBytes) / mib
    t.diagnostic(`${heldMib.toFixed(1)} MiB for ${streams} streams that nobody reads`)
    assert.ok(heldMib < streams * 0.5, `${heldMib} MiB`)
    const seen = client.frames.filter(({ type }) => type === 0).reduce((sum, { payload }) => sum + payload.length, 0)
    assert.ok(seen <= 65_535)
    client.socket.destroy()
    await proxy.until(({ gauges }) => gauges.http_server_active_requests === 0)
    await proxy.until(figures => figures.arrayBufferBytes - before.arrayBufferBytes < 8 * mib)
  })

  it('a client that stops opening its windows is cut, and one that opens them slowly is not', async t => {
    await using server = await RawServer.open(socket =>
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`),
    )
    await using proxy = await startProxy(sketch(server.port), { limits: { stallTimeoutMs: 1_500 } })
    await using client = await RawHttp2Client.open(proxy.port, [4, 0])
    client.write(get(1), get(3))
    const timer = setInterval(() => client.write(frames.windowUpdate(3, 1)), 200)
    t.after(() => clearInterval(timer))
    await client.until(({ frames: seen }) => seen.some(({ type, streamId }) => type === 3 && streamId === 1))
    assert.ok(client.content(3).length > 0)
    assert.ok(!client.frames.some(({ type, streamId }) => type === 3 && streamId === 3))
  })

  it('a client with wide windows that does not read its socket stops its endpoint, and memory stays', async () => {
    let sent = 0
    const piece = Buffer.alloc(64 * 1024)
    await using server = await RawServer.open(socket => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      const more = (): void => {
        do sent += piece.length
        while (socket.write(piece))
      }
      socket.on('drain', more).on('error', () => {})
      more()
    })
    await using proxy = await ProxyProcess.start(sketch(server.port))
    await using client = await RawHttp2Client.open(proxy.port, [4, 2 ** 31 - 1])
    const before = await proxy.figures()
    client.socket.pause()
    client.write(frames.windowUpdate(0, 2 ** 31 - 1 - 65_535))
    for (let index = 0; index < 20; index++) client.write(get(2 * index + 1))
    await proxy.untilStill(() => sent)
    const held = await proxy.figures()
    assert.ok(held.arrayBufferBytes - before.arrayBufferBytes < 12 * mib)
    const stopped = sent
    client.socket.resume()
    while (sent < stopped + 20 * mib) await new Promise(resolve => setImmediate(resolve))
  })

  it('an endpoint that does not read stops its client, and other streams go on', async () => {
    await using server = await RawServer.open((socket, received) => {
      if (received.startsWith('POST')) socket.pause()
      else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    })
    await using proxy = await ProxyProcess.start(sketch(server.port))
    await using client = await Http2Client.open(proxy.port)
    const before = await proxy.figures()
    const stream = client.session.request({ [pathField]: '/', ':method': 'POST' })
    stream.on('error', () => {})
    let written = 0
    const more = (): void => {
      do written += mib / 4
      while (stream.write(Buffer.alloc(mib / 4)))
    }
    stream.on('drain', more)
    more()
    await proxy.untilStill(() => written)
    const held = await proxy.figures()
    assert.ok(held.arrayBufferBytes - before.arrayBufferBytes < 4 * mib)
    assert.equal((await client.ask()).body.toString(), 'ok')
  })

  it('a client that asks and reads nothing is not asked any more', async () => {
    await using proxy = await ProxyProcess.start({ rules: [], backends: {} })
    await using client = await RawHttp2Client.open(proxy.port)
    client.socket.pause()
    const before = await proxy.figures()
    let asked = 0
    const most = 400_000
    const ask = (): void => {
      if (asked >= most) return
      const many: Buffer[] = []
      // Answers to HEAD need no window.
      for (let index = 0; index < 1000; index++) many.push(get(2 * asked++ + 1, '/', 'HEAD'))
      client.socket.write(Buffer.concat(many), () => setImmediate(ask))
    }
    ask()
    await proxy.untilStill(() => asked)
    const held = await proxy.figures()
    assert.ok(asked < most, 'the client must be stopped')
    assert.equal(client.isClosed, false)
    assert.ok(held.arrayBufferBytes - before.arrayBufferBytes < 8 * mib)
  })
})

describe('a connection by HTTP/2 that is to end', { timeout: 20_000 }, () => {
  it('loses no request when its listener goes away', async t => {
    await using server = await silent()
    const meter = new BookMeter()
    await using proxy = await startProxy(sketch(server.port), { meter })
    await using client = await RawHttp2Client.open(proxy.port)
    const goAways = (): number[] => client.frames.filter(f => f.type === 7).map(f => f.payload.readUInt32BE(0))
    client.write(get(1, '/before'))
    await t.waitFor(() => assert.equal(server.connections.length, 1))
    const drained = proxy.proxy.drain(10_000)
    // The first GOAWAY announces only: what the client sends before it knows is answered.
    await client.until(() => goAways().length === 1)
    client.write(get(3, '/during'))
    await t.waitFor(() => assert.equal(server.connections.length, 2))
    const ping = client.frames.find(({ type }) => type === 6)
    client.write(frames.ping(ping?.payload.toString('latin1'), 1))
    await client.until(() => goAways().length === 2)
    // The second one named the last: what comes now is left to another connection.
    client.write(get(5, '/after'))
    for (const connection of server.connections) {
      connection.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    }
    await client.closed()
    assert.deepEqual(goAways(), [2 ** 31 - 1, 3])
    assert.equal(client.content(1).toString(), 'ok')
    assert.equal(client.content(3).toString(), 'ok')
    assert.equal(client.content(5).length, 0)
    assert.deepEqual(await drained, { finished: 1, cut: 0 })
    await t.waitFor(() => assert.equal(meter.gauges().get('heddle_http2_connections'), 0))
    assert.equal(server.connections.length, 2)
  })

  it('is closed soon when nothing is under way', async () => {
    await using proxy = await startProxy({ rules: [], backends: {} })
    await using client = await Http2Client.open(proxy.port)
    assert.equal((await client.ask()).status, 404)
    const closed = once(client.session, 'close')
    assert.deepEqual(await proxy.proxy.drain(10_000), { finished: 1, cut: 0 })
    await closed
  })

  it('is cut when its requests take too long', async t => {
    await using server = await silent()
    await using proxy = await startProxy(sketch(server.port))
    await using client = await Http2Client.open(proxy.port)
    const lost = client.ask()
    await t.waitFor(() => assert.equal(server.connections.length, 1))
    assert.deepEqual(await proxy.proxy.drain(50), { finished: 0, cut: 1 })
    assert.equal((await lost).status, 0)
  })

  it('has had enough requests', async () => {
    await using server = await RawServer.open(socket => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'))
    await using proxy = await startProxy(sketch(server.port), { limits: { maxRequestsPerConnection: 3 } })
    await using client = await Http2Client.open(proxy.port)
    const closed = once(client.session, 'close')
    const answers = await Promise.all([1, 2, 3].map(async index => client.ask({ path: `/${index}` })))
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 200, 200],
    )
    await closed
    assert.deepEqual(new Set(client.goAways), new Set([0]))
  })

  it('was not used for long', async () => {
    await using proxy = await startProxy({ rules: [], backends: {} }, { limits: { idleTimeoutMs: 50 } })
    await using client = await Http2Client.open(proxy.port)
    await once(client.session, 'close')
    assert.deepEqual(new Set(client.goAways), new Set([0]))
  })

  it('never said more than its preface', async () => {
    await using proxy = await startProxy({ rules: [], backends: {} }, { limits: { headTimeoutMs: 50 } })
    await using client = new RawHttp2Client(net.connect(proxy.port, '127.0.0.1'))
    client.write(frames.preface)
    await client.closed()
    assert.equal(client.goAway, http2.constants.NGHTTP2_SETTINGS_TIMEOUT)
  })

  it('belongs to a client that has gone without a word', async t => {
    await using server = await silent()
    const limits = { quietClientMs: 1, pongTimeoutMs: 1 }
    await using proxy = await startProxy(sketch(server.port), { limits })
    await using client = await RawHttp2Client.open(proxy.port)
    client.write(get(1))
    // It answers no PING.
    await client.closed()
    assert.ok(client.frames.some(({ type, flags }) => type === 6 && flags === 0))
    await t.waitFor(() => assert.equal(proxy.log[0]?.flags, 'DC'))
  })
})
