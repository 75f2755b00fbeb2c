import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import http2 from 'node:http2'
import { suite, test } from 'node:test'
import { Metadata, status } from '@grpc/grpc-js'
import { MetricRegistry } from '../../src/observe/index.ts'
import type { RouteMatch } from '../../src/model/index.ts'
import { echoStreams, GrpcClient, GrpcServer, statusOf } from '../support/grpc.ts'
import type { EchoMethods } from '../support/grpc.ts'
import { ask, Http2Server } from '../support/http2-server.ts'
import { startProxy } from '../support/proxy.ts'
import type { MeshSketch, TestProxy } from '../support/proxy.ts'
import { freePort } from '../support/ports.ts'

type Rule = Partial<MeshSketch['rules'][number]>

function sketch(ports: readonly number[], rule: Rule = {}, settings: MeshSketch['backends'][string]['settings'] = {}) {
  return {
    routeKind: 'GRPCRoute',
    rules: [{ backends: ['echo:80'], ...rule }],
    backends: { 'echo:80': { ports, protocol: 'h2c', settings } },
  } satisfies MeshSketch
}

const echo: EchoMethods = {
  ...echoStreams,
  unary(call, done) {
    const trailers = new Metadata()
    for (const value of call.metadata.get('echo-bin')) trailers.add('echo-bin', value)
    for (const value of call.metadata.get('echo')) trailers.add('echo', value)
    done(null, call.request, trailers)
  },
}

const callFields = {
  ':method': 'POST',
  ':path': '/test.Echo/Unary',
  'content-type': 'application/grpc',
  te: 'trailers',
}

/** Waits until the proxy has logged so many requests. */
async function logged(proxy: TestProxy, count: number): Promise<void> {
  while (proxy.log.length < count) await new Promise(resolve => setImmediate(resolve))
}

suite('calls of every form', () => {
  test('unary, with metadata as text and bytes in both directions', async () => {
    await using server = await GrpcServer.start(echo)
    await using proxy = await startProxy(sketch([server.port]))
    using client = new GrpcClient(proxy.port)
    const metadata = new Metadata()
    const binary = randomBytes(40)
    metadata.set('echo-bin', binary)
    metadata.set('echo', 'text')
    const ended = await client.unary(Buffer.from('hello'), metadata)
    assert.equal(ended.code, status.OK)
    assert.equal(ended.message?.toString(), 'hello')
    assert.deepEqual(ended.trailers.get('echo-bin'), [binary])
    assert.deepEqual(ended.trailers.get('echo'), ['text'])
    await logged(proxy, 1)
    assert.equal(proxy.log[0]?.grpcStatus, status.OK)
  })

  test('10 MB in one message, there and back', async () => {
    await using server = await GrpcServer.start(echo)
    await using proxy = await startProxy(sketch([server.port]))
    using client = new GrpcClient(proxy.port)
    const message = randomBytes(10 * 1024 * 1024)
    const ended = await client.unary(message)
    assert.equal(ended.code, status.OK)
    assert.ok(ended.message?.equals(message))
  })

  test('streaming from the client', async () => {
    await using server = await GrpcServer.start(echo)
    await using proxy = await startProxy(sketch([server.port]))
    using client = new GrpcClient(proxy.port)
    const ended = await client.upload(call => {
      for (let index = 0; index < 100; index++) call.write(Buffer.alloc(1000))
      call.end()
    })
    assert.equal(ended.message?.toString(), '100000')
  })

  test('streaming from the server', async () => {
    await using server = await GrpcServer.start(echo)
    await using proxy = await startProxy(sketch([server.port]))
    using client = new GrpcClient(proxy.port)
    const call = client.download(Buffer.from('n'))
    const over = statusOf(call)
    const pieces: string[] = []
    for await (const piece of call) pieces.push(String(piece))
    assert.deepEqual(pieces, ['n 0', 'n 1', 'n 2', 'n 3', 'n 4'])
    assert.equal((await over).code, status.OK)
  })

  test('streaming in both directions, each message answered before the next', async () => {
    await using server = await GrpcServer.start(echo)
    await using proxy = await startProxy(sketch([server.port]))
    using client = new GrpcClient(proxy.port)
    const call = client.both()
    const over = statusOf(call)
    for (let index = 0; index < 20; index++) {
      call.write(Buffer.from(`ping ${index}`))
      const [answer] = (await once(call, 'data')) as [Buffer]
      assert.equal(answer.toString(), `ping ${index}`)
    }
    call.end()
    assert.equal((await over).code, status.OK)
  })

  test('a client that does not read stops the server', async () => {
    let written = 0
    await using server = await GrpcServer.start({
      download(call) {
        const piece = Buffer.alloc(64 * 1024)
        const push = (): void => {
          while (written < 1000) {
            written++
            if (!call.write(piece)) {
              call.once('drain', push)
              return
            }
          }
          call.end()
        }
        push()
      },
    })
    await using proxy = await startProxy(sketch([server.port]))
    // The client of grpc-js reads whatever comes.
    const session = http2.connect(`http://127.0.0.1:${proxy.port}`)
    const request = session.request({ ...callFields, ':path': '/test.Echo/Download' })
    request.end(Buffer.alloc(5))
    await once(request, 'response')
    let before = -1
    while (before !== written) {
      before = written
      await new Promise(resolve => setTimeout(resolve, 200))
    }
    assert.ok(written < 500, `the server wrote ${written} messages that nobody read`)
    let received = 0
    request.on('trailers', fields => assert.equal(fields['grpc-status'], '0'))
    for await (const piece of request) received += (piece as Buffer).length
    assert.equal(received, 1000 * (5 + 64 * 1024))
    session.destroy()
  })
})

suite('errors', () => {
  test('status, message and details of the endpoint reach the client', async () => {
    const details = randomBytes(300)
    await using server = await GrpcServer.start({
      unary(_call, done) {
        const metadata = new Metadata()
        metadata.set('grpc-status-details-bin', details)
        done({ code: status.FAILED_PRECONDITION, details: 'nicht so: größer', metadata })
      },
    })
    await using proxy = await startProxy(sketch([server.port]))
    using client = new GrpcClient(proxy.port)
    const ended = await client.unary(Buffer.from('x'))
    assert.equal(ended.code, status.FAILED_PRECONDITION)
    assert.equal(ended.details, 'nicht so: größer')
    assert.deepEqual(ended.trailers.get('grpc-status-details-bin'), [details])
    await logged(proxy, 1)
    assert.equal(proxy.log[0]?.grpcStatus, status.FAILED_PRECONDITION)
    assert.equal(proxy.log[0]?.status, 200)
  })

  const replies: readonly {
    readonly name: string
    readonly rule: Rule
    readonly code: number
    readonly about: RegExp
  }[] = [
    { name: 'no route', rule: { exact: '/other.Service/Method' }, code: status.UNIMPLEMENTED, about: /^no-route$/ },
    { name: 'no backend', rule: { backends: [] }, code: status.UNAVAILABLE, about: /^no-backend$/ },
    {
      name: 'a rule that fails',
      rule: { failure: { status: 500, message: 'a filter is missing' } },
      code: status.UNAVAILABLE,
      about: /^invalid-filter: a filter is missing$/,
    },
    {
      name: 'an endpoint that refuses connections',
      rule: {},
      code: status.UNAVAILABLE,
      about: /^connect-failed: /,
    },
  ]
  for (const { name, rule, code, about } of replies) {
    test(`${name} is told as a status`, async () => {
      await using proxy = await startProxy(sketch([await freePort()], rule))
      using client = new GrpcClient(proxy.port)
      const ended = await client.unary(Buffer.from('x'))
      assert.equal(ended.code, code)
      assert.match(ended.details, about)
      assert.equal(proxy.log[0]?.status, 200)
      assert.equal(proxy.log[0]?.grpcStatus, code)
      assert.notEqual(proxy.log[0]?.reason, undefined)
    })
  }

  test('no endpoint, and an overloaded backend, are unavailable', async () => {
    await using proxy = await startProxy(sketch([]))
    using client = new GrpcClient(proxy.port)
    const none = await client.unary(Buffer.from('x'))
    assert.deepEqual([none.code, none.details], [status.UNAVAILABLE, 'no-endpoint'])
    const circuitBreaker = {
      maxConnections: 1,
      maxPending: 1,
      maxRequests: 0,
      retryBudgetPercent: 20,
      minRetryConcurrency: 3,
    }
    await proxy.apply(sketch([await freePort()], {}, { circuitBreaker }))
    const full = await client.unary(Buffer.from('x'))
    assert.deepEqual([full.code, full.details], [status.UNAVAILABLE, 'overloaded: maxRequests'])
  })

  test('an endpoint that dies in a stream ends it as unavailable', async () => {
    await using server = await Http2Server.start(stream => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' })
      stream.write(Buffer.from([0, 0, 0, 0, 1, 65]), () => stream.session?.destroy())
    })
    await using proxy = await startProxy(sketch([server.port]))
    using client = new GrpcClient(proxy.port)
    const call = client.download(Buffer.alloc(0))
    const over = statusOf(call)
    call.resume()
    assert.equal((await over).code, status.UNAVAILABLE)
    await logged(proxy, 1)
    assert.equal(proxy.log[0]?.grpcStatus, status.UNAVAILABLE)
  })
})

test('a call by HTTP/1.1 whose answer breaks off is cut, so that nothing is taken for its rest', async () => {
  await using server = await Http2Server.start(stream => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'content-length': '100' })
    stream.write(Buffer.alloc(6), () => stream.session?.destroy())
  })
  await using proxy = await startProxy(sketch([server.port]))
  const headers = { 'content-type': 'application/grpc' }
  await assert.rejects(ask(proxy.port, { method: 'POST', path: '/test.Echo/Unary', headers, body: Buffer.alloc(5) }))
  await logged(proxy, 1)
  assert.deepEqual([proxy.log[0]?.flags, proxy.log[0]?.grpcStatus], ['UC', status.UNAVAILABLE])
})

/** One call by node:http2, whose fields are ours to choose. */
async function rawCall(
  port: number,
  headers: http2.OutgoingHttpHeaders,
  body: Buffer = Buffer.alloc(5),
): Promise<{ head: http2.IncomingHttpHeaders; trailers: http2.IncomingHttpHeaders; body: Buffer }> {
  const session = http2.connect(`http://127.0.0.1:${port}`)
  try {
    const request = session.request({ ...callFields, ...headers })
    let trailers: http2.IncomingHttpHeaders = {}
    request.on('trailers', fields => (trailers = fields))
    request.end(body)
    const [head] = (await once(request, 'response')) as [http2.IncomingHttpHeaders]
    const pieces: Buffer[] = []
    for await (const piece of request) pieces.push(piece as Buffer)
    return { head, trailers, body: Buffer.concat(pieces) }
  } finally {
    session.destroy()
  }
}

const emptyAnswer = { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '0' }

suite('deadlines', () => {
  test('grpc-timeout ends a call that takes longer, and the endpoint hears of it', async () => {
    const reset = Promise.withResolvers<number>()
    await using server = await Http2Server.start((stream, headers) => {
      if (headers['grpc-timeout'] === undefined) stream.respond(emptyAnswer, { endStream: true })
      else stream.on('close', () => reset.resolve(stream.rstCode))
    })
    await using proxy = await startProxy(sketch([server.port]))
    // The connection stands before: a call that gets none in its time is never heard of.
    await rawCall(proxy.port, {})
    const { head, body } = await rawCall(proxy.port, { 'grpc-timeout': '50m' })
    assert.equal(head[':status'], 200)
    assert.equal(head['grpc-status'], String(status.DEADLINE_EXCEEDED))
    assert.equal(head['content-type'], 'application/grpc')
    assert.equal(head['x-heddle-reason'], 'upstream-timeout')
    assert.equal(head['content-length'], undefined)
    assert.equal(body.length, 0)
    assert.equal(await reset.promise, http2.constants.NGHTTP2_CANCEL)
  })

  test('grpc-timeout ends a stream that has begun', async () => {
    await using server = await Http2Server.start(stream => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' })
      stream.write(Buffer.from([0, 0, 0, 0, 1, 65]))
    })
    await using proxy = await startProxy(sketch([server.port]))
    const { trailers, body } = await rawCall(proxy.port, { 'grpc-timeout': '1S' })
    assert.equal(body.length, 6)
    assert.equal(trailers['grpc-status'], String(status.DEADLINE_EXCEEDED))
    assert.equal(proxy.log[0]?.flags, 'UT')
    assert.equal(proxy.log[0]?.grpcStatus, status.DEADLINE_EXCEEDED)
  })

  const passed: readonly { readonly route: number; readonly sent: string | undefined; readonly told: RegExp }[] = [
    { route: 0, sent: undefined, told: /^$/ },
    { route: 0, sent: '10S', told: /^(10S|99\d\dm|9[5-9]\d\dm)$/ },
    { route: 3_000, sent: '10S', told: /^(3000|2[5-9]\d\d)m$/ },
    { route: 60_000, sent: '10S', told: /^(10S|9[5-9]\d\dm)$/ },
    { route: 3_000, sent: undefined, told: /^(3000|2[5-9]\d\d)m$/ },
    { route: 0, sent: 'soon', told: /^soon$/ },
  ]
  for (const { route, sent, told } of passed) {
    test(`of a route's ${route} ms and grpc-timeout ${sent} the endpoint is told the smaller`, async () => {
      let seen: string | undefined
      await using server = await Http2Server.start((stream, headers) => {
        seen = headers['grpc-timeout'] as string | undefined
        stream.respond(emptyAnswer, { endStream: true })
      })
      await using proxy = await startProxy(sketch([server.port], { requestTimeoutMs: route }))
      await rawCall(proxy.port, sent === undefined ? {} : { 'grpc-timeout': sent })
      assert.match(seen ?? '', told)
    })
  }

  test("the route's timeout is a deadline, too", async () => {
    await using server = await GrpcServer.start({ unary() {} })
    await using proxy = await startProxy(sketch([server.port], { requestTimeoutMs: 50 }))
    using client = new GrpcClient(proxy.port)
    const ended = await client.unary(Buffer.from('x'))
    assert.equal(ended.code, status.DEADLINE_EXCEEDED)
  })
})

suite('cancellation', () => {
  test('by the client reaches the endpoint, before and in an answer', async () => {
    const cancelled: string[] = []
    let waiting = Promise.withResolvers<void>()
    const over = Promise.withResolvers<void>()
    await using server = await GrpcServer.start({
      unary(call) {
        call.on('cancelled', () => cancelled.push('unary'))
        waiting.resolve()
      },
      both(call) {
        call.on('cancelled', () => {
          cancelled.push('both')
          over.resolve()
        })
        call.write(Buffer.from('first'))
      },
    })
    await using proxy = await startProxy(sketch([server.port]))
    using client = new GrpcClient(proxy.port)
    const stream = client.both()
    const ended = statusOf(stream)
    await once(stream, 'data')
    stream.cancel()
    assert.equal((await ended).code, status.CANCELLED)
    await over.promise
    waiting = Promise.withResolvers<void>()
    const aborted = rawAbort(proxy.port, waiting.promise)
    await aborted
    await logged(proxy, 2)
    assert.deepEqual(cancelled.slice(0, 1), ['both'])
    assert.deepEqual(
      proxy.log.map(record => record.grpcStatus),
      [status.CANCELLED, status.CANCELLED],
    )
  })

  for (const isBegun of [false, true]) {
    test(`by the endpoint reaches the client ${isBegun ? 'in' : 'before'} an answer`, async () => {
      await using server = await Http2Server.start(stream => {
        if (!isBegun) {
          stream.close(http2.constants.NGHTTP2_CANCEL)
          return
        }
        stream.respond({ ':status': 200, 'content-type': 'application/grpc' })
        // So much that the end, which Node would send first, finds no room.
        stream.write(Buffer.alloc(4 * 1024 * 1024))
        setImmediate(() => stream.close(http2.constants.NGHTTP2_CANCEL))
      })
      await using proxy = await startProxy(sketch([server.port]))
      using client = new GrpcClient(proxy.port)
      const call = client.download(Buffer.alloc(0))
      const over = statusOf(call)
      call.resume()
      assert.equal((await over).code, status.CANCELLED)
    })
  }
})

/** Begins a call and gives it up when the server has it. */
async function rawAbort(port: number, isThere: Promise<void>): Promise<void> {
  const session = http2.connect(`http://127.0.0.1:${port}`)
  const request = session.request(callFields)
  request.end(Buffer.alloc(5))
  await isThere
  request.close(http2.constants.NGHTTP2_CANCEL)
  await once(request, 'close')
  session.destroy()
}

suite('what is counted and judged', () => {
  test('metrics by status, of routes and of endpoints', async () => {
    await using server = await GrpcServer.start({
      unary(call, done) {
        const code = Number(call.request.toString())
        if (code === 0) done(null, call.request)
        else done({ code, details: 'as asked' })
      },
    })
    const meter = new MetricRegistry()
    await using proxy = await startProxy(sketch([server.port]), { meter })
    using client = new GrpcClient(proxy.port)
    for (const code of [0, 0, 5, 14]) await client.unary(Buffer.from(String(code)))
    await logged(proxy, 4)
    const labels = { virtual_host: 'Gateway test/web/http', route: 'GRPCRoute test/route', backend: 'echo:80' }
    const endpoint = { backend: 'echo:80', endpoint: `127.0.0.1:${server.port}` }
    for (const [grpc_status, count] of [
      ['ok', 2],
      ['not-found', 1],
      ['unavailable', 1],
    ] as const) {
      assert.equal(meter.counter('rpc_server_requests_total', { ...labels, grpc_status }).value, count)
      assert.equal(meter.counter('heddle_upstream_grpc_requests_total', { ...endpoint, grpc_status }).value, count)
    }
  })

  test('outlier detection ejects an endpoint that answers unavailable, in heads or trailers', async () => {
    for (const inTrailers of [false, true]) {
      let bad = 0
      await using broken = await GrpcServer.start({
        unary(call, done) {
          bad++
          if (inTrailers) call.sendMetadata(new Metadata())
          done({ code: status.UNAVAILABLE, details: 'broken' })
        },
      })
      await using good = await GrpcServer.start(echo)
      const outlierDetection = {
        consecutiveFailures: 3,
        consecutiveGatewayFailures: 3,
        baseEjectionMs: 60_000,
        maxEjectionMs: 60_000,
        maxEjectionPercent: 50,
      }
      const settings = { outlierDetection, loadBalancing: { kind: 'RoundRobin' } as const, panicThresholdPercent: 0 }
      await using proxy = await startProxy(sketch([broken.port, good.port], {}, settings))
      using client = new GrpcClient(proxy.port)
      for (let count = 0; count < 20; count++) await client.unary(Buffer.from('x'))
      assert.equal(bad, 3, inTrailers ? 'in trailers' : 'in heads')
    }
  })

  test('calls of one connection are spread over all endpoints, each by itself', async () => {
    const counts = [0, 0, 0]
    const count = (index: number): EchoMethods => ({
      unary(call, done) {
        counts[index]!++
        done(null, call.request)
      },
    })
    await using first = await GrpcServer.start(count(0))
    await using second = await GrpcServer.start(count(1))
    await using third = await GrpcServer.start(count(2))
    const settings = { loadBalancing: { kind: 'RoundRobin' } as const }
    const ports = [first.port, second.port, third.port]
    await using proxy = await startProxy(sketch(ports, {}, settings))
    using client = new GrpcClient(proxy.port)
    await Promise.all(Array.from({ length: 90 }, () => client.unary(Buffer.from('x'))))
    assert.deepEqual(counts, [30, 30, 30])
    assert.equal(new Set(proxy.log.map(record => record.client)).size, 1)
  })
})

suite('retries by gRPC status', () => {
  const retry = { attempts: 2, codes: [], grpcCodes: [status.UNAVAILABLE], backoffMs: 1 }

  /** Fails so many calls with a code before it echoes. */
  function flaky(failures: number, code: number, options: { readonly withHead: boolean } = { withHead: false }) {
    const seen: Buffer[] = []
    const methods: EchoMethods = {
      unary(call, done) {
        seen.push(call.request)
        if (seen.length > failures) {
          done(null, call.request)
          return
        }
        if (options.withHead) call.sendMetadata(new Metadata())
        done({ code, details: 'not yet' })
      },
    }
    return { seen, methods }
  }

  test('a listed status is retried with the messages that were sent', async () => {
    const { seen, methods } = flaky(2, status.UNAVAILABLE)
    await using server = await GrpcServer.start(methods)
    await using proxy = await startProxy(sketch([server.port], { retry }))
    using client = new GrpcClient(proxy.port)
    const ended = await client.unary(Buffer.from('hello'))
    assert.equal(ended.code, status.OK)
    assert.equal(ended.message?.toString(), 'hello')
    assert.deepEqual(seen.map(String), ['hello', 'hello', 'hello'])
    await logged(proxy, 1)
    assert.equal(proxy.log[0]?.retries, 2)
  })

  test("the backend's policy holds where the rule has none", async () => {
    const { methods } = flaky(1, status.UNAVAILABLE)
    await using server = await GrpcServer.start(methods)
    await using proxy = await startProxy(sketch([server.port], {}, { retry }))
    using client = new GrpcClient(proxy.port)
    assert.equal((await client.unary(Buffer.from('x'))).code, status.OK)
  })

  const refused: readonly { readonly name: string; readonly code: number; readonly withHead: boolean }[] = [
    { name: 'a status that is not listed', code: status.INTERNAL, withHead: false },
    { name: 'a status after the head of the answer', code: status.UNAVAILABLE, withHead: true },
  ]
  for (const { name, code, withHead } of refused) {
    test(`${name} is passed on`, async () => {
      const { seen, methods } = flaky(1, code, { withHead })
      await using server = await GrpcServer.start(methods)
      await using proxy = await startProxy(sketch([server.port], { retry }))
      using client = new GrpcClient(proxy.port)
      assert.equal((await client.unary(Buffer.from('x'))).code, code)
      assert.equal(seen.length, 1)
    })
  }

  test('the last failure is told when no attempt is left', async () => {
    const { seen, methods } = flaky(9, status.UNAVAILABLE)
    await using server = await GrpcServer.start(methods)
    await using proxy = await startProxy(sketch([server.port], { retry }))
    using client = new GrpcClient(proxy.port)
    const ended = await client.unary(Buffer.from('x'))
    assert.deepEqual([ended.code, ended.details, seen.length], [status.UNAVAILABLE, 'not yet', 3])
  })
})

suite('GRPCRoutes', () => {
  const method = (name: string): readonly RouteMatch[] => [
    { path: { kind: 'exact', value: `/test.Echo/${name}` }, method: undefined, headers: [], query: [] },
  ]

  test('choose by method and by header, each call by itself', async () => {
    const answers = (name: string): EchoMethods => ({
      unary: (_call, done) => done(null, Buffer.from(name)),
      both(call) {
        call.write(Buffer.from(name))
        call.end()
      },
    })
    await using first = await GrpcServer.start(answers('first'))
    await using second = await GrpcServer.start(answers('second'))
    const byHeader = [
      {
        path: { kind: 'prefix', value: '/test.Echo' },
        method: undefined,
        headers: [{ name: 'version', kind: 'exact', value: 'two' }],
        query: [],
      },
    ] as const
    await using proxy = await startProxy({
      routeKind: 'GRPCRoute',
      rules: [
        { matches: method('Unary'), backends: ['a:80'] },
        { matches: byHeader, backends: ['b:80'] },
      ],
      backends: {
        'a:80': { ports: [first.port], protocol: 'h2c' },
        'b:80': { ports: [second.port], protocol: 'h2c' },
      },
    })
    using client = new GrpcClient(proxy.port)
    const metadata = new Metadata()
    metadata.set('version', 'two')
    assert.equal((await client.unary(Buffer.alloc(0), metadata)).message?.toString(), 'first')
    const stream = client.both({}, metadata)
    const over = statusOf(stream)
    stream.end()
    const [answer] = (await once(stream, 'data')) as [Buffer]
    assert.equal(answer.toString(), 'second')
    assert.equal((await over).code, status.OK)
    const unknown = client.both()
    unknown.end()
    unknown.resume()
    assert.equal((await statusOf(unknown)).code, status.UNIMPLEMENTED)
  })

  test('divide calls by weight', async () => {
    const counts = { a: 0, b: 0 }
    const counting = (name: 'a' | 'b'): EchoMethods => ({
      unary(_call, done) {
        counts[name]++
        done(null, Buffer.alloc(0))
      },
    })
    await using first = await GrpcServer.start(counting('a'))
    await using second = await GrpcServer.start(counting('b'))
    await using proxy = await startProxy({
      routeKind: 'GRPCRoute',
      rules: [
        {
          backends: [
            { key: 'a:80', weight: 3 },
            { key: 'b:80', weight: 1 },
          ],
        },
      ],
      backends: {
        'a:80': { ports: [first.port], protocol: 'h2c' },
        'b:80': { ports: [second.port], protocol: 'h2c' },
      },
    })
    using client = new GrpcClient(proxy.port)
    await Promise.all(Array.from({ length: 400 }, () => client.unary(Buffer.alloc(0))))
    assert.ok(counts.a > 240 && counts.a < 360, `3 to 1 of 400 came as ${counts.a} to ${counts.b}`)
  })

  test('edit metadata and mirror calls, by HTTP/2 to backends that do not say what they speak', async () => {
    const mirrored = Promise.withResolvers<string>()
    let seen: string | undefined
    await using server = await GrpcServer.start({
      unary(call, done) {
        seen = String(call.metadata.get('added')[0])
        done(null, call.request)
      },
    })
    await using mirror = await GrpcServer.start({
      unary(call, done) {
        mirrored.resolve(call.request.toString())
        done(null, Buffer.alloc(0))
      },
    })
    await using proxy = await startProxy({
      routeKind: 'GRPCRoute',
      rules: [
        {
          backends: ['a:80'],
          filters: [
            { kind: 'request-headers', set: [{ name: 'Added', value: 'by us' }], add: [], remove: [] },
            { kind: 'response-headers', set: [{ name: 'told', value: 'by us' }], add: [], remove: [] },
            { kind: 'mirror', target: { kind: 'backend', key: 'm:80' }, fraction: 1 },
          ],
        },
      ],
      backends: { 'a:80': { ports: [server.port] }, 'm:80': { ports: [mirror.port] } },
    })
    using client = new GrpcClient(proxy.port)
    const ended = await client.unary(Buffer.from('hello'))
    assert.equal(ended.message?.toString(), 'hello')
    assert.equal(seen, 'by us')
    assert.deepEqual(ended.head.get('told'), ['by us'])
    assert.equal(await mirrored.promise, 'hello')
  })
})
