import assert from 'node:assert/strict'
import { once } from 'node:events'
import http from 'node:http'
import http2 from 'node:http2'
import net from 'node:net'
import type { AddressInfo } from 'node:net'
import { suite, test } from 'node:test'
import { defaultBackendSettings } from '../../src/model/index.ts'
import { ask, contentOf, Http2Server } from '../support/http2-server.ts'
import type { Told } from '../support/http2-server.ts'
import { startProxy } from '../support/proxy.ts'
import type { BackendSketch, RuleSketch, TestProxy } from '../support/proxy.ts'

const { NGHTTP2_CANCEL, NGHTTP2_INTERNAL_ERROR, NGHTTP2_REFUSED_STREAM } = http2.constants

async function proxyFor(backend: BackendSketch, rule: RuleSketch = {}): Promise<TestProxy> {
  return startProxy({ rules: [{ backends: ['a:80'], ...rule }], backends: { 'a:80': { protocol: 'h2c', ...backend } } })
}

function reasonOf({ status, headers }: Told): string {
  return `${status} ${String(headers['x-heddle-reason'])}`
}

function answer(stream: http2.ServerHttp2Stream, content = 'ok'): void {
  stream.respond({ ':status': 200 })
  stream.end(content)
}

function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index))
}

suite('an endpoint by HTTP/2 gives up a request', () => {
  test('before its answer: the client is told, nothing is repeated, other requests go on', async () => {
    await using server = await Http2Server.start((stream, headers) => {
      if (headers[':path'] === '/bad') stream.close(NGHTTP2_INTERNAL_ERROR)
      else answer(stream)
    })
    await using proxy = await proxyFor({ ports: [server.port] })
    for (const method of ['GET', 'POST']) {
      assert.equal(reasonOf(await ask(proxy.port, { path: '/bad', method })), '502 upstream-reset')
    }
    assert.equal(server.streams, 2)
    assert.equal((await ask(proxy.port)).status, 200)
    assert.equal(server.connections, 1)
  })

  test('in its answer: the client sees that it is not whole', async () => {
    await using server = await Http2Server.start(stream => {
      stream.respond({ ':status': 200 })
      stream.write('half', () => stream.destroy(new Error('given up')))
    })
    await using proxy = await proxyFor({ ports: [server.port] })
    await assert.rejects(ask(proxy.port), { code: 'ECONNRESET' })
  })

  test('by REFUSED_STREAM: it is tried again, whatever its method, with its body', async () => {
    let refused = 0
    await using server = await Http2Server.start(stream => {
      if (refused < 2) {
        refused++
        stream.close(NGHTTP2_REFUSED_STREAM)
      } else {
        void contentOf(stream).then(content => answer(stream, content.toString()))
      }
    })
    await using proxy = await proxyFor({ ports: [server.port] })
    const told = await ask(proxy.port, { method: 'POST', body: 'payload' })
    assert.equal(told.body.toString(), 'payload')
    assert.equal(refused, 2)
    assert.equal(proxy.log[0]?.retries, 2)
  })

  test('by an answer that the policy repeats: the next one is passed on', async () => {
    let tries = 0
    await using server = await Http2Server.start(stream => {
      if (++tries < 3) stream.respond({ ':status': 503 })
      else answer(stream)
    })
    const retry = { attempts: 3, backoffMs: 1, codes: [503], grpcCodes: [] }
    await using proxy = await proxyFor({ ports: [server.port] }, { retry })
    assert.equal((await ask(proxy.port)).status, 200)
    assert.equal(tries, 3)
    assert.equal(server.connections, 1)
  })

  for (const [name, length, content] of [
    ['shorter', 10, 'short'],
    ['longer', 3, 'longer'],
  ] as const) {
    test(`an answer ${name} than its Content-Length is cut off, and the connection stays`, async () => {
      await using server = await Http2Server.start((stream, headers) => {
        if (headers[':path'] === '/') {
          answer(stream)
          return
        }
        stream.respond({ ':status': 200, 'content-length': length })
        stream.end(content)
      })
      await using proxy = await proxyFor({ ports: [server.port] })
      const told = await ask(proxy.port, { path: '/bad' }).catch((error: unknown) => error)
      // Of the longer one the client gets what was promised: it has no way to tell.
      if (told instanceof Error) assert.equal(name, 'shorter')
      else assert.equal((told as Told).body.toString(), 'lon')
      assert.equal(proxy.log[0]?.flags, 'UC')
      assert.equal((await ask(proxy.port)).status, 200)
      assert.equal(server.connections, 1)
    })
  }
})

suite('a connection by HTTP/2 to an endpoint ends', () => {
  test('by GOAWAY while requests are under way: none is lost', async () => {
    let served = 0
    await using server = await Http2Server.start((stream, _headers, self) => {
      if (++served % 50 === 0) for (const session of self.sessions) session.close()
      setImmediate(() => answer(stream))
    })
    await using proxy = await proxyFor({ ports: [server.port] })
    const agent = new http.Agent({ keepAlive: true, maxSockets: 20 })
    const told = await Promise.all(times(500, async () => ask(proxy.port, { agent, method: 'POST', body: 'x' })))
    agent.destroy()
    assert.deepEqual(new Set(told.map(({ status }) => status)), new Set([200]))
    assert.ok(server.connections > 5)
  })

  test('by GOAWAY that names no request: all are tried elsewhere, whatever their method', async () => {
    await using server = await Http2Server.start(stream => answer(stream))
    let connections = 0
    // The first connection reads requests and processes none; the others are the server's.
    const front = net.createServer(socket => {
      if (++connections > 1) {
        const behind = net.connect(server.port, '127.0.0.1')
        socket.pipe(behind).pipe(socket)
        return
      }
      socket.write(Buffer.from('000000040000000000', 'hex'))
      let received = 0
      socket.on('data', chunk => {
        received += chunk.length
        if (received > 500 && socket.writable) socket.end(Buffer.from('0000080700000000000000000000000000', 'hex'))
      })
    })
    front.listen(0, '127.0.0.1')
    await once(front, 'listening')
    const proxy = await proxyFor({ ports: [(front.address() as AddressInfo).port] })
    const told = await Promise.all(times(20, async () => ask(proxy.port, { method: 'POST', body: 'x' })))
    assert.deepEqual(new Set(told.map(({ status }) => status)), new Set([200]))
    assert.equal(connections, 2)
    assert.equal(server.streams, 20)
    await proxy[Symbol.asyncDispose]()
    await new Promise(resolve => front.close(resolve))
  })

  test('killed before the answer: GET is repeated, POST is not', async () => {
    await using server = await Http2Server.start((stream, _headers, self) => {
      if (self.connections % 2 === 1) stream.session?.socket?.destroy()
      else answer(stream)
    })
    await using proxy = await proxyFor({ ports: [server.port] })
    assert.equal((await ask(proxy.port)).status, 200)
    for (const session of server.sessions) session.destroy()
    assert.equal(reasonOf(await ask(proxy.port, { method: 'POST', body: 'x' })), '502 upstream-reset')
  })

  test('killed under forty requests, after it had answered others: all are repeated, beyond the budget of retries', async () => {
    let waiting = 0
    await using server = await Http2Server.start((stream, headers, self) => {
      if (headers[':path'] === '/' || self.connections > 1) answer(stream)
      else if (++waiting === 40) for (const session of self.sessions) session.destroy()
    })
    await using proxy = await proxyFor({ ports: [server.port] })
    assert.equal((await ask(proxy.port)).status, 200)
    const told = await Promise.all(times(40, async () => ask(proxy.port, { path: '/waits' })))
    assert.deepEqual(new Set(told.map(({ status }) => status)), new Set([200]))
    assert.equal(server.connections, 2)
  })

  test('killed in the answers: every client sees that its own is not whole', async () => {
    await using server = await Http2Server.start((stream, _headers, self) => {
      stream.respond({ ':status': 200 })
      stream.write('half')
      if (self.streams === 10) setImmediate(() => stream.session?.destroy())
    })
    await using proxy = await proxyFor({ ports: [server.port] })
    const outcomes = await Promise.allSettled(times(10, async () => ask(proxy.port)))
    assert.deepEqual(new Set(outcomes.map(({ status }) => status)), new Set(['rejected']))
    assert.equal(proxy.proxy.endpointStates()[0]?.activeRequests, 0)
  })

  test('refused: as with any endpoint', async () => {
    const server = await Http2Server.start(stream => answer(stream))
    const { port } = server
    await server[Symbol.asyncDispose]()
    await using proxy = await proxyFor({ ports: [port] })
    assert.equal(reasonOf(await ask(proxy.port)), '502 connect-failed')
  })

  test('because the endpoint speaks HTTP/1.1', async () => {
    const server = http.createServer((_request, response) => response.end())
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    await using proxy = await proxyFor({ ports: [(server.address() as AddressInfo).port] })
    const told = await ask(proxy.port)
    assert.equal(reasonOf(told), '502 connect-failed')
    assert.match(told.body.toString(), /does not speak HTTP\/2|before it spoke HTTP\/2/)
    server.closeAllConnections()
    await new Promise(resolve => server.close(resolve))
  })

  test('because the endpoint says nothing: after the connect timeout', async () => {
    const sockets: net.Socket[] = []
    const server = net.createServer(socket => sockets.push(socket))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const settings = { connectTimeoutMs: 50 }
    await using proxy = await proxyFor({ ports: [(server.address() as AddressInfo).port], settings })
    assert.equal(reasonOf(await ask(proxy.port)), '504 connect-timeout')
    for (const socket of sockets) socket.destroy()
    await new Promise(resolve => server.close(resolve))
  })
})

suite('streams towards an endpoint', () => {
  for (const limit of [1, 100]) {
    test(`500 requests at once where a connection takes ${limit}: all are answered, none is refused`, async () => {
      let mostOfOne = 0
      const open = new Map<http2.Http2Session, number>()
      await using server = await Http2Server.start(
        stream => {
          const { session } = stream
          if (session === undefined) return
          const now = (open.get(session) ?? 0) + 1
          open.set(session, now)
          mostOfOne = Math.max(mostOfOne, now)
          stream.on('close', () => open.set(session, (open.get(session) ?? 1) - 1))
          setImmediate(() => answer(stream))
        },
        { settings: { maxConcurrentStreams: limit } },
      )
      await using proxy = await proxyFor({ ports: [server.port] })
      const told = await Promise.all(times(500, async () => ask(proxy.port, { method: 'POST', body: 'x' })))
      assert.deepEqual(new Set(told.map(({ status }) => status)), new Set([200]))
      assert.equal(server.streams, 500)
      assert.ok(mostOfOne <= limit)
      assert.deepEqual(new Set(proxy.log.map(({ retries }) => retries)), new Set([0]))
    })
  }

  test('wait in the queue where there may be no further connection', async () => {
    await using server = await Http2Server.start(stream => setImmediate(() => answer(stream)), {
      settings: { maxConcurrentStreams: 2 },
    })
    const circuitBreaker = { ...defaultBackendSettings.circuitBreaker, maxConnections: 1 }
    await using proxy = await proxyFor({ ports: [server.port], settings: { circuitBreaker } })
    const told = await Promise.all(times(100, async () => ask(proxy.port)))
    assert.deepEqual(new Set(told.map(({ status }) => status)), new Set([200]))
    assert.equal(server.connections, 1)
    assert.ok(server.peak <= 2)
  })

  test('find no place: the client is told', async () => {
    await using server = await Http2Server.start(() => {}, { settings: { maxConcurrentStreams: 1 } })
    const circuitBreaker = { ...defaultBackendSettings.circuitBreaker, maxConnections: 1, maxPending: 1 }
    await using proxy = await proxyFor({ ports: [server.port], settings: { circuitBreaker } })
    const controller = new AbortController()
    const held = ask(proxy.port, { signal: controller.signal }).catch(() => {})
    while (server.streams === 0) await new Promise(resolve => setImmediate(resolve))
    const queued = ask(proxy.port, { signal: controller.signal }).catch(() => {})
    // Which of the two that come now waits in the queue is not told: one must be turned away.
    assert.equal(reasonOf(await Promise.race([ask(proxy.port), ask(proxy.port)])), '503 overloaded')
    controller.abort()
    await Promise.all([held, queued])
  })

  test('are given up when the client goes, and the connection stays', async () => {
    const codes: number[] = []
    await using server = await Http2Server.start((stream, headers) => {
      stream.on('close', () => codes.push(stream.rstCode))
      if (headers[':path'] !== '/slow') answer(stream)
    })
    await using proxy = await proxyFor({ ports: [server.port] })
    const client = net.connect(proxy.port, '127.0.0.1')
    client.write('GET /slow HTTP/1.1\r\nHost: a\r\n\r\n')
    while (server.streams === 0) await new Promise(resolve => setImmediate(resolve))
    client.resetAndDestroy()
    while (codes.length === 0) await new Promise(resolve => setImmediate(resolve))
    assert.deepEqual(codes, [NGHTTP2_CANCEL])
    assert.equal((await ask(proxy.port)).status, 200)
    assert.equal(server.connections, 1)
  })

  test('are given up when their time is over', async () => {
    const codes: number[] = []
    await using server = await Http2Server.start(stream => void stream.on('close', () => codes.push(stream.rstCode)))
    await using proxy = await proxyFor({ ports: [server.port] }, { requestTimeoutMs: 50 })
    assert.equal(reasonOf(await ask(proxy.port)), '504 upstream-timeout')
    while (codes.length === 0) await new Promise(resolve => setImmediate(resolve))
    assert.deepEqual(codes, [NGHTTP2_CANCEL])
  })

  test('follow a backend that changes its protocol', async () => {
    await using server = await Http2Server.start(stream => answer(stream, 'two'))
    const old = http.createServer((_request, response) => response.end('one'))
    old.listen(0, '127.0.0.1')
    await once(old, 'listening')
    const { port } = old.address() as AddressInfo
    const rules = [{ backends: ['a:80'] }]
    await using proxy = await startProxy({ rules, backends: { 'a:80': { ports: [port] } } })
    assert.equal((await ask(proxy.port)).body.toString(), 'one')
    await proxy.apply({ rules, backends: { 'a:80': { ports: [server.port], protocol: 'h2c' } } })
    assert.equal((await ask(proxy.port)).body.toString(), 'two')
    await proxy.apply({ rules, backends: { 'a:80': { ports: [port] } } })
    assert.equal((await ask(proxy.port)).body.toString(), 'one')
    while (server.sessions.size > 0) await new Promise(resolve => setImmediate(resolve))
    old.closeAllConnections()
    await new Promise(resolve => old.close(resolve))
  })
})
