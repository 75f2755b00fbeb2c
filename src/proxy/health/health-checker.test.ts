import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import type { RequestListener } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { ManualClock, silentLogger } from '../../core/index.ts'
import { defaultBackendSettings } from '../../model/index.ts'
import type { Backend, Endpoint, HealthCheck } from '../../model/index.ts'
import { HealthChecker } from './health-checker.ts'
import type { HealthCheckerOptions } from './health-checker.ts'

const httpCheck: HealthCheck = {
  kind: 'HTTP',
  path: '/healthz?deep=1',
  host: '',
  expected: [[200, 299]],
  intervalMs: 1_000,
  timeoutMs: 400,
  healthyThreshold: 2,
  unhealthyThreshold: 3,
}
const tcpCheck: HealthCheck = {
  kind: 'TCP',
  intervalMs: 1_000,
  timeoutMs: 400,
  healthyThreshold: 1,
  unhealthyThreshold: 1,
}
const key = 'shop/reviews:80'

function makeEndpoint(port: number, changes: Partial<Endpoint> = {}): Endpoint {
  const address = '127.0.0.1'
  const id = `${address}:${port}`
  return { id, address, port, weight: 1, zone: '', workload: '', healthy: true, draining: false, ...changes }
}

function makeBackend(endpoints: readonly Endpoint[], healthCheck: HealthCheck | undefined): Backend {
  return {
    key,
    namespace: 'shop',
    service: 'reviews',
    port: 80,
    portName: '',
    protocol: 'http1',
    tls: undefined,
    endpoints,
    settings: { ...defaultBackendSettings, healthCheck },
  }
}

/** A server on loopback that counts its sockets; closed at the end of the test, when all must be gone. */
class TestServer {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  accepted = 0

  constructor(server: Server) {
    this.#server = server
    server.on('connection', (socket: Socket) => {
      this.accepted++
      this.#sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => this.#sockets.delete(socket))
    })
  }

  static async listen(t: TestContext, server: Server): Promise<TestServer> {
    const result = new TestServer(server)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.after(() => result.close())
    return result
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Resolves when the other side has closed every connection; the leak check of these tests. */
  async untilIdle(): Promise<void> {
    for (const socket of this.#sockets) if (!socket.closed) await once(socket, 'close')
  }

  async close(): Promise<void> {
    await this.untilIdle()
    this.#server.close()
    await once(this.#server, 'close')
  }
}

function listenHttp(t: TestContext, handler: RequestListener): Promise<TestServer> {
  return TestServer.listen(t, createHttpServer(handler))
}

/** Accepts, reads and says nothing. */
function listenTcp(t: TestContext): Promise<TestServer> {
  return TestServer.listen(
    t,
    createTcpServer(socket => void socket.resume()),
  )
}

/** Records changes and lets a test wait for the next one. */
class Harness implements Disposable {
  readonly clock = new ManualClock()
  readonly changes: string[] = []
  readonly checker: HealthChecker
  #wake: (() => void) | undefined

  constructor(options: Partial<HealthCheckerOptions> = {}) {
    this.checker = new HealthChecker({
      clock: this.clock,
      logger: silentLogger,
      onChange: (_backend, endpoint, healthy, detail) => {
        this.changes.push(`${endpoint} ${healthy ? 'up' : 'down'} ${detail}`)
        this.#wake?.()
      },
      random: () => 0.5,
      ...options,
    })
  }

  async untilChanges(count: number): Promise<void> {
    while (this.changes.length < count) await new Promise<void>(resolve => (this.#wake = resolve))
  }

  /** Lets the sockets work until no check is under way. */
  async untilSettled(): Promise<void> {
    while (this.checker.running > 0) await new Promise<void>(resolve => setImmediate(resolve))
  }

  /** One whole interval; with the random number above, the second check comes after half of it. */
  async nextCheck(): Promise<void> {
    await this.untilSettled()
    this.clock.advance(1_000)
    await this.untilSettled()
  }

  [Symbol.dispose](): void {
    this.checker[Symbol.dispose]()
  }
}

test('the first result counts at once, whatever the thresholds', async t => {
  const good = await listenHttp(t, (_request, response) => response.end('fine'))
  const bad = await listenHttp(t, (_request, response) => response.writeHead(500).end())
  using harness = new Harness()
  harness.checker.update([makeBackend([makeEndpoint(good.port), makeEndpoint(bad.port)], httpCheck)])
  assert.equal(harness.checker.isHealthy(key, `127.0.0.1:${good.port}`), false)
  assert.equal(harness.checker.status(key).get(`127.0.0.1:${good.port}`)?.lastCheckMs, undefined)
  await harness.untilChanges(2)
  assert.deepEqual(
    harness.changes.toSorted(),
    [`127.0.0.1:${good.port} up HTTP 200`, `127.0.0.1:${bad.port} down HTTP 500`].toSorted(),
  )
  assert.equal(harness.checker.isHealthy(key, `127.0.0.1:${good.port}`), true)
  assert.deepEqual(harness.checker.status(key).get(`127.0.0.1:${bad.port}`), {
    healthy: false,
    lastCheckMs: 0,
    detail: 'HTTP 500',
    consecutiveSuccesses: 0,
    consecutiveFailures: 1,
  })
})

test('a check sends one GET with the path and host, on a connection of its own', async t => {
  const seen: string[] = []
  const server = await listenHttp(t, (request, response) => {
    seen.push(`${request.method} ${request.url} ${request.headers.host} ${request.headers.connection}`)
    response.end()
  })
  using harness = new Harness()
  const endpoint = makeEndpoint(server.port)
  harness.checker.update([makeBackend([endpoint], httpCheck)])
  await harness.untilChanges(1)
  harness.checker.update([makeBackend([endpoint], { ...httpCheck, host: 'reviews.shop' })])
  await harness.untilSettled()
  assert.deepEqual(seen, [
    `GET /healthz?deep=1 127.0.0.1:${server.port} close`,
    'GET /healthz?deep=1 reviews.shop close',
  ])
  assert.equal(server.accepted, 2)
})

for (const [version, header] of [
  ['v1', /^PROXY UNKNOWN\r\nGET /],
  ['v2', /^\r\n\r\n\0\r\nQUIT\n \0\0\0GET /],
] as const) {
  test(`a check of an endpoint that wants a PROXY header ${version} begins with one of nobody`, async t => {
    let heard = ''
    const server = await TestServer.listen(
      t,
      createTcpServer(socket => {
        socket.on('data', chunk => {
          heard += chunk.toString('latin1')
          if (heard.endsWith('\r\n\r\n')) socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')
        })
      }),
    )
    using harness = new Harness()
    const backend = makeBackend([makeEndpoint(server.port)], httpCheck)
    harness.checker.update([{ ...backend, settings: { ...backend.settings, proxyProtocol: version } }])
    await harness.untilChanges(1)
    assert.deepEqual(harness.changes, [`127.0.0.1:${server.port} up HTTP 200`])
    assert.match(heard, header)
  })
}

test('expected ranges decide, both ends included', async t => {
  let status = 0
  const server = await listenHttp(t, (_request, response) => response.writeHead(status).end())
  for (const [answer, healthy] of [
    [199 + 1, true],
    [299, true],
    [300, false],
    [404, true],
    [405, false],
  ] as const) {
    status = answer
    using harness = new Harness()
    harness.checker.update([
      makeBackend([makeEndpoint(server.port)], {
        ...httpCheck,
        expected: [
          [200, 299],
          [404, 404],
        ],
      }),
    ])
    await harness.untilChanges(1)
    assert.equal(harness.checker.isHealthy(key, `127.0.0.1:${server.port}`), healthy, String(answer))
  }
})

test('an endpoint that flaps changes only after whole rows', async t => {
  let isUp = true
  const server = await listenHttp(t, (_request, response) => response.writeHead(isUp ? 204 : 503).end())
  using harness = new Harness()
  harness.checker.update([makeBackend([makeEndpoint(server.port)], httpCheck)])
  await harness.untilChanges(1)
  const answers = [false, false, true, false, false, false, true, false, true, true]
  const states: boolean[] = []
  for (const answer of answers) {
    isUp = answer
    await harness.nextCheck()
    states.push(harness.checker.isHealthy(key, `127.0.0.1:${server.port}`) === true)
  }
  assert.deepEqual(states, [true, true, true, true, true, false, false, false, false, true])
  assert.deepEqual(
    harness.changes.map(change => change.split(' ').slice(1).join(' ')),
    ['up HTTP 204', 'down HTTP 503', 'up HTTP 204'],
  )
})

test('a refused connection is unhealthy, for HTTP and TCP', async () => {
  const gone = createTcpServer().listen(0, '127.0.0.1')
  await once(gone, 'listening')
  const { port } = gone.address() as AddressInfo
  gone.close()
  await once(gone, 'close')
  for (const check of [httpCheck, tcpCheck]) {
    using harness = new Harness()
    harness.checker.update([makeBackend([makeEndpoint(port)], check)])
    await harness.untilChanges(1)
    assert.match(harness.changes[0] ?? '', /down .*ECONNREFUSED/)
  }
})

test('an endpoint that never answers is unhealthy after the timeout and its socket closed', async t => {
  const server = await listenTcp(t)
  using harness = new Harness()
  harness.checker.update([makeBackend([makeEndpoint(server.port)], httpCheck)])
  while (server.accepted === 0) await new Promise<void>(resolve => setImmediate(resolve))
  harness.clock.advance(399)
  assert.deepEqual(harness.changes, [])
  harness.clock.advance(1)
  assert.deepEqual(harness.changes, [`127.0.0.1:${server.port} down no answer within 400 ms`])
  assert.equal(harness.checker.running, 0)
  await server.untilIdle()
})

test('an answer whose body never ends, and bytes that are not HTTP, do not hang a check', async t => {
  const endless = await listenHttp(t, (_request, response) => void response.writeHead(200).write('…'))
  const garbage = await TestServer.listen(
    t,
    createTcpServer(socket => void socket.resume().end('SSH-2.0-server\r\n')),
  )
  using harness = new Harness()
  harness.checker.update([makeBackend([makeEndpoint(endless.port), makeEndpoint(garbage.port)], httpCheck)])
  await harness.untilChanges(2)
  assert.equal(harness.checker.isHealthy(key, `127.0.0.1:${endless.port}`), true)
  assert.equal(harness.checker.isHealthy(key, `127.0.0.1:${garbage.port}`), false)
  await endless.untilIdle()
})

test('a TCP check needs a connection and nothing else', async t => {
  const server = await listenTcp(t)
  using harness = new Harness()
  harness.checker.update([makeBackend([makeEndpoint(server.port)], tcpCheck)])
  await harness.untilChanges(1)
  assert.deepEqual(harness.changes, [`127.0.0.1:${server.port} up connected`])
  await server.untilIdle()
})

test('a path that cannot be sent is reported as unhealthy', async () => {
  using harness = new Harness()
  harness.checker.update([makeBackend([makeEndpoint(1)], { ...httpCheck, path: '/a b' })])
  await harness.untilChanges(1)
  assert.match(harness.changes[0] ?? '', /down/)
})

test('the second check comes after a random part of the interval, later ones about one apart', async t => {
  const server = await listenHttp(t, (_request, response) => response.end())
  const numbers = [0.25, 0, 0.999]
  using harness = new Harness({ random: () => numbers.shift() ?? 0.5 })
  harness.checker.update([makeBackend([makeEndpoint(server.port)], httpCheck)])
  for (const [index, waitMs] of [250, 900, 1_099.8].entries()) {
    await harness.untilSettled()
    assert.equal(server.accepted, index + 1)
    harness.clock.advance(waitMs - 1)
    assert.equal(harness.checker.running, 0)
    harness.clock.advance(1)
    assert.equal(harness.checker.running, 1)
  }
})

test('update() keeps what did not change, starts what is new and stops what went', async t => {
  const first = await listenHttp(t, (_request, response) => response.end())
  const second = await listenHttp(t, (_request, response) => response.end())
  using harness = new Harness()
  const a = makeEndpoint(first.port)
  const b = makeEndpoint(second.port)
  harness.checker.update([makeBackend([a], httpCheck)])
  await harness.untilChanges(1)

  // The owner writes the result into the endpoint: the same check goes on.
  harness.checker.update([makeBackend([{ ...a, healthy: false }, b], { ...httpCheck })])
  assert.equal(harness.checker.running, 1)
  await harness.untilChanges(2)
  assert.equal(first.accepted, 1)

  harness.checker.update([makeBackend([{ ...a, draining: true }, b], httpCheck)])
  assert.equal(harness.checker.isHealthy(key, a.id), undefined)
  assert.deepEqual([...harness.checker.status(key).keys()], [b.id])

  harness.checker.update([makeBackend([a, b], undefined)])
  assert.equal(harness.checker.status(key).size, 0)
  assert.equal(harness.clock.pending, 0)

  harness.checker.update([makeBackend([b], httpCheck)])
  harness.checker.update([])
  assert.equal(harness.checker.running, 0)
  assert.equal(harness.clock.pending, 0)
  assert.equal(harness.changes.length, 2)
})

test('a changed check asks again at once and keeps what is known meanwhile', async t => {
  const server = await listenHttp(t, (request, response) =>
    response.writeHead(request.url === '/new' ? 404 : 200).end(),
  )
  using harness = new Harness()
  const endpoint = makeEndpoint(server.port)
  harness.checker.update([makeBackend([endpoint], httpCheck)])
  await harness.untilChanges(1)
  harness.checker.update([makeBackend([endpoint], { ...httpCheck, path: '/new', unhealthyThreshold: 1 })])
  assert.equal(harness.checker.isHealthy(key, endpoint.id), true)
  assert.equal(harness.checker.running, 1)
  await harness.untilChanges(2)
  assert.equal(harness.checker.isHealthy(key, endpoint.id), false)
})

test('no more checks run at once than allowed, and all have their turn', async t => {
  let most = 0
  const server = await listenHttp(t, (_request, response) => {
    most = Math.max(most, harness.checker.running)
    setImmediate(() => response.end())
  })
  using harness = new Harness({ maxConcurrent: 3 })
  const endpoints = Array.from({ length: 40 }, (_, index) => ({ ...makeEndpoint(server.port), id: `e${index}` }))
  harness.checker.update([makeBackend(endpoints, httpCheck)])
  assert.equal(harness.checker.running, 3)
  await harness.untilChanges(40)
  assert.equal(server.accepted, 40)
  assert.equal(most, 3)
  assert.equal(new Set(harness.changes.map(change => change.split(' ')[0])).size, 40)
})

test('dispose() ends checks under way and waiting, closes their sockets and says nothing more', async t => {
  const server = await listenTcp(t)
  const harness = new Harness({ maxConcurrent: 2 })
  const endpoints = Array.from({ length: 10 }, (_, index) => ({ ...makeEndpoint(server.port), id: `e${index}` }))
  harness.checker.update([makeBackend(endpoints, httpCheck)])
  while (server.accepted < 2) await new Promise<void>(resolve => setImmediate(resolve))
  harness[Symbol.dispose]()
  assert.equal(harness.checker.running, 0)
  assert.equal(harness.clock.pending, 0)
  await server.untilIdle()
  harness.clock.advance(10_000)
  assert.equal(server.accepted, 2)
  assert.deepEqual(harness.changes, [])
})

test('onChange may update the checker', async t => {
  const server = await listenHttp(t, (_request, response) => response.end())
  const endpoint = makeEndpoint(server.port)
  const done = Promise.withResolvers<void>()
  using checker = new HealthChecker({
    clock: new ManualClock(),
    logger: silentLogger,
    onChange() {
      checker.update([])
      done.resolve()
    },
  })
  checker.update([makeBackend([endpoint], httpCheck)])
  await done.promise
  assert.equal(checker.status(key).size, 0)
  assert.equal(checker.running, 0)
})
