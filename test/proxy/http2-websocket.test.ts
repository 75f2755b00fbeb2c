import assert from 'node:assert/strict'
import { once } from 'node:events'
import http from 'node:http'
import http2 from 'node:http2'
import net from 'node:net'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { suite, test } from 'node:test'
import { WebSocket, WebSocketServer } from 'ws'
import { ask, Http2Server } from '../support/http2-server.ts'
import { startProxy } from '../support/proxy.ts'
import type { TestProxy } from '../support/proxy.ts'

async function proxyFor(port: number, protocol: 'http1' | 'h2c'): Promise<TestProxy> {
  return startProxy({ rules: [{ backends: ['a:80'] }], backends: { 'a:80': { ports: [port], protocol } } })
}

/** A WebSocket server that sends back what it gets, by either version. */
async function echoes(protocol: 'http1' | 'h2c'): Promise<AsyncDisposable & { readonly port: number }> {
  if (protocol === 'http1') {
    const server = http.createServer()
    const sockets = new WebSocketServer({ server })
    sockets.on('connection', (socket: WebSocket) => {
      socket.on('message', (message: Buffer, isBinary: boolean) => socket.send(message, { binary: isBinary }))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return {
      port: (server.address() as AddressInfo).port,
      [Symbol.asyncDispose]: async () => {
        sockets.close()
        for (const socket of sockets.clients) socket.terminate()
        await new Promise(resolve => server.close(resolve))
      },
    }
  }
  return Http2Server.start(
    (stream, headers) => {
      assert.equal(headers[':method'], 'CONNECT')
      assert.equal(headers[':protocol'], 'websocket')
      assert.equal(headers['sec-websocket-key'], undefined)
      assert.equal(headers['sec-websocket-version'], '13')
      stream.respond({ ':status': 200 })
      serveFrames(stream)
    },
    { settings: { enableConnectProtocol: true } },
  )
}

/** Sends back short frames, without their mask (RFC 6455 section 5.2); ends after a frame that closes. */
function serveFrames(stream: Duplex): void {
  stream.on('data', (frame: Buffer) => {
    for (let at = 0; at < frame.length;) {
      const length = (frame[at + 1] ?? 0) & 0x7f
      const key = frame.subarray(at + 2, at + 6)
      const payload = Buffer.from(frame.subarray(at + 6, at + 6 + length)).map((byte, i) => byte ^ (key[i % 4] ?? 0))
      stream.write(Buffer.concat([Buffer.from([frame[at] ?? 0, length]), payload]))
      if (((frame[at] ?? 0) & 0x0f) === 8) stream.end()
      at += 6 + length
    }
  })
  stream.on('error', () => {})
}

suite('WebSocket over both versions of HTTP', () => {
  for (const protocol of ['http1', 'h2c'] as const) {
    test(`a client by HTTP/1.1, an endpoint by ${protocol}`, async () => {
      await using endpoint = await echoes(protocol)
      await using proxy = await proxyFor(endpoint.port, protocol)
      const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}/chat`, { perMessageDeflate: false })
      await once(socket, 'open')
      for (const text of ['one', 'two']) {
        socket.send(text)
        const [message] = (await once(socket, 'message')) as [Buffer]
        assert.equal(message.toString(), text)
      }
      const closed = once(socket, 'close')
      socket.close(1000)
      const [code] = (await closed) as [number]
      assert.equal(code, 1000)
      while (proxy.log.length === 0) await new Promise(resolve => setImmediate(resolve))
      assert.equal(proxy.log[0]?.status, 101)
    })

    test(`a client by HTTP/2, an endpoint by ${protocol}`, async () => {
      await using endpoint = await echoes(protocol)
      await using proxy = await proxyFor(endpoint.port, protocol)
      const client = http2.connect(`http://127.0.0.1:${proxy.port}`)
      await once(client, 'remoteSettings')
      const stream = client.request({
        ':method': 'CONNECT',
        ':protocol': 'websocket',
        ':path': '/chat',
        ':scheme': 'http',
        'sec-websocket-version': '13',
      })
      const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders]
      assert.equal(headers[':status'], 200)
      assert.equal(headers['sec-websocket-accept'], undefined)
      // `hi`, masked with zeros.
      stream.write(Buffer.from('818200000000' + Buffer.from('hi').toString('hex'), 'hex'))
      const [echo] = (await once(stream, 'data')) as [Buffer]
      assert.deepEqual(echo, Buffer.from('8102' + Buffer.from('hi').toString('hex'), 'hex'))
      const ended = once(stream, 'end')
      stream.resume()
      // Close, status 1000.
      stream.end(Buffer.from('88820000000003e8', 'hex'))
      await ended
      client.close()
      await once(client, 'close')
    })
  }

  test('an endpoint by HTTP/2 that does not offer it', async () => {
    await using server = await Http2Server.start(stream => {
      stream.respond({ ':status': 200 })
      stream.end('plain')
    })
    await using proxy = await proxyFor(server.port, 'h2c')
    const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}/`)
    const [error] = (await once(socket, 'error')) as [Error]
    assert.match(error.message, /502/)
    assert.equal((await ask(proxy.port)).body.toString(), 'plain')
  })

  test('an endpoint by HTTP/2 that refuses', async () => {
    await using server = await Http2Server.start(
      stream => {
        stream.respond({ ':status': 403 })
        stream.end('no')
      },
      { settings: { enableConnectProtocol: true } },
    )
    await using proxy = await proxyFor(server.port, 'h2c')
    const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}/`)
    const [error] = (await once(socket, 'error')) as [Error]
    assert.match(error.message, /403/)
  })

  test('bytes that a client by HTTP/2 sends early are never read as a request by the endpoint', async () => {
    const received: string[] = []
    const server = net.createServer(socket => {
      socket.on('data', chunk => {
        received.push(chunk.toString('latin1'))
        if (received.length === 1) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno')
      })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const proxy = await proxyFor((server.address() as AddressInfo).port, 'http1')
    const client = http2.connect(`http://127.0.0.1:${proxy.port}`)
    await once(client, 'remoteSettings')
    const fields = { ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/', ':scheme': 'http' }
    const stream = client.request(fields)
    stream.write('GET /admin HTTP/1.1\r\nHost: a\r\n\r\n')
    stream.on('error', () => {})
    const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders]
    assert.equal(headers[':status'], 502)
    assert.match(received[0] ?? '', /^GET \/ HTTP\/1\.1\r\n/)
    assert.match(received[0] ?? '', /\r\nupgrade: websocket\r\n/)
    assert.equal(received.length, 1)
    client.destroy()
    await proxy[Symbol.asyncDispose]()
    await new Promise(resolve => server.close(resolve))
  })
})
