import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, test } from 'node:test'
import { Server, ServerCredentials, status as grpcStatus, type handleUnaryCall } from '@grpc/grpc-js'
import protobuf from 'protobufjs'
import { extAuthzPath } from '../../codec/index.ts'
import type { ExternalAuth, Filter } from '../../model/index.ts'
import { FakeExchange, fakeRequest, NodeAuthTransport } from './testing.ts'

const http: { kind: 'external-auth' } & ExternalAuth = {
  kind: 'external-auth',
  protocol: 'http',
  backend: 'shop/auth:80',
  pathPrefix: '',
  requestHeaders: [],
  responseHeaders: undefined,
  maxBodyBytes: 0,
  timeoutMs: 1000,
  failsOpen: false,
}
const grpc = { ...http, protocol: 'grpc', requestHeaders: undefined } as const satisfies Filter

type Handler = (request: IncomingMessage, response: ServerResponse, body: string) => void

/** An authorizer by HTTP; the exchange's transport knows it. */
async function withAuthorizer(handler: Handler, use: (exchange: FakeExchange) => Promise<void>): Promise<void> {
  const server = createServer((request, response) => {
    const body: Buffer[] = []
    request.on('data', (piece: Buffer) => body.push(piece))
    request.on('end', () => handler(request, response, Buffer.concat(body).toString()))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  using exchange = new FakeExchange({ auth: new NodeAuthTransport({ [http.backend]: port }) })
  try {
    await use(exchange)
  } finally {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  }
}

describe('external authorization by HTTP', () => {
  test('passes a request that the authorizer allows, with its fields', async () => {
    let seen: IncomingMessage | undefined
    const handler: Handler = (request, response) => {
      seen = request
      response.writeHead(200, { 'x-user': 'anna', 'content-type': 'text/plain' }).end('ignored')
    }
    await withAuthorizer(handler, async exchange => {
      const fields = { authorization: 'Bearer t', cookie: 'a=b', 'x-team': 'red' }
      const filter = { ...http, pathPrefix: '/check', requestHeaders: ['x-team'], responseHeaders: ['x-user'] }
      const run = exchange.run([filter], fakeRequest({ method: 'DELETE', fields }))
      assert.equal(run.begin(), 'suspended')
      assert.equal(await exchange.outcome(), 'passed')
      assert.deepEqual(run.requestEdits, [{ set: [{ name: 'x-user', value: 'anna' }], add: [], remove: [] }])
      assert.equal(seen?.method, 'DELETE')
      assert.equal(seen.url, '/check/cart?a=1')
      assert.equal(seen.headers.host, 'shop.example')
      assert.equal(seen.headers.authorization, 'Bearer t')
      assert.equal(seen.headers['x-team'], 'red')
      assert.equal(seen.headers.cookie, undefined)
      assert.equal(seen.headers['content-length'], '0')
      assert.equal(seen.headers['x-forwarded-for'], '10.0.0.9')
      assert.equal(exchange.timers.size, 0)
    })
  })

  test('gives the client what a refusal says', async () => {
    const handler: Handler = (_request, response) =>
      void response.writeHead(302, { location: 'https://login.example/' }).end('sign in')
    await withAuthorizer(handler, async exchange => {
      const run = exchange.run([http])
      run.begin()
      assert.equal(await exchange.outcome(), 'answered')
      assert.equal(exchange.reply?.status, 302)
      assert.equal(exchange.reply.reason, 'auth-denied')
      assert.ok(exchange.reply.headers.some(({ name, value }) => name === 'location' && value.includes('login')))
      assert.equal(Buffer.from(exchange.reply.body ?? []).toString(), 'sign in')
    })
  })

  const silent: Handler = () => {}
  const failures: readonly (readonly [about: string, handler: Handler, advanceMs: number])[] = [
    ['an answer of 503', (_request, response) => void response.writeHead(503).end(), 0],
    ['a connection that is cut', request => void request.socket.destroy(), 0],
    ['no answer in time', silent, 1100],
  ]
  for (const [about, handler, advanceMs] of failures) {
    for (const failsOpen of [false, true]) {
      test(`${failsOpen ? 'passes, where told so,' : 'refuses'} after ${about}`, async () => {
        await withAuthorizer(handler, async exchange => {
          const run = exchange.run([{ ...http, failsOpen }])
          assert.equal(run.begin(), 'suspended')
          if (advanceMs > 0) exchange.clock.advance(advanceMs)
          assert.equal(await exchange.outcome(), failsOpen ? 'passed' : 'answered')
          assert.equal(exchange.reply?.status, failsOpen ? undefined : 403)
          if (!failsOpen) assert.equal(exchange.reply?.reason, 'auth-unavailable')
          assert.equal(exchange.auth.cancelled, advanceMs > 0 ? 1 : 0)
          assert.equal(exchange.timers.size, 0)
        })
      })
    }
  }

  test('refuses when nobody listens', async () => {
    using exchange = new FakeExchange()
    exchange.run([http]).begin()
    assert.equal(await exchange.outcome(), 'answered')
    assert.equal(exchange.reply?.status, 403)
  })

  test('waits for the body and asks with it', async () => {
    let seen = ''
    const handler: Handler = (_request, response, body) => {
      seen = body
      response.end()
    }
    await withAuthorizer(handler, async exchange => {
      const run = exchange.run([{ ...http, maxBodyBytes: 10 }], fakeRequest({ contentLength: -1 }))
      assert.equal(run.begin(), 'suspended')
      assert.equal(run.wantsBody, true)
      run.body(Buffer.from('hello'), 0, 5)
      run.body(Buffer.from('world'), 0, 5)
      assert.deepEqual(exchange.auth.calls, [])
      run.bodyEnd()
      assert.equal(await exchange.outcome(), 'passed')
      assert.equal(seen, 'helloworld')
    })
  })

  for (const [about, contentLength, begins] of [
    ['says that it is', 11, 'answered'],
    ['turns out to be', -1, 'suspended'],
  ] as const) {
    test(`refuses a body that ${about} too large, without asking`, () => {
      using exchange = new FakeExchange()
      const run = exchange.run([{ ...http, maxBodyBytes: 10 }], fakeRequest({ contentLength }))
      assert.equal(run.begin(), begins)
      run.body(Buffer.alloc(11), 0, 11)
      assert.equal((run.reply ?? exchange.reply)?.status, 413)
      assert.deepEqual(exchange.auth.calls, [])
    })
  }

  test('refuses a body that came while a step before it waited', () => {
    using exchange = new FakeExchange()
    const delay: Filter = { kind: 'fault', delay: { durationMs: 100, fraction: 1 }, abort: undefined, headers: [] }
    const run = exchange.run([delay, { ...http, maxBodyBytes: 10 }], fakeRequest({ contentLength: -1 }))
    run.begin()
    run.body(Buffer.alloc(11), 0, 11)
    exchange.clock.advance(200)
    assert.deepEqual(exchange.events, ['answered'])
    assert.equal(exchange.reply?.status, 413)
  })

  test('ends the question when the client is gone', async () => {
    await withAuthorizer(silent, async exchange => {
      const run = exchange.run([http])
      run.begin()
      run.cancel()
      assert.equal(exchange.auth.cancelled, 1)
      assert.equal(exchange.timers.size, 0)
      assert.deepEqual(exchange.events, [])
      await Promise.resolve()
    })
  })
})

const { root } = protobuf.parse(`
  syntax = "proto3";
  message Http { string method = 2; map<string, string> headers = 3; string path = 4; bytes raw_body = 12; string body = 11; }
  message Request { Http http = 2; }
  message Attributes { Request request = 4; }
  message CheckRequest { Attributes attributes = 1; }
  message Status { int32 code = 1; }
  message HeaderValue { string key = 1; string value = 2; }
  message HeaderOption { HeaderValue header = 1; }
  message HttpStatus { int32 code = 1; }
  message Denied { HttpStatus status = 1; repeated HeaderOption headers = 2; string body = 3; }
  message Ok { repeated HeaderOption headers = 2; repeated string headers_to_remove = 5; }
  message CheckResponse { Status status = 1; Denied denied_response = 2; Ok ok_response = 3; }
`)

interface Checked {
  readonly attributes: {
    readonly request: {
      readonly http: { method: string; path: string; headers: Record<string, string>; body: string }
    }
  }
}

/** An authorizer of grpc-js: whoever sends `x-token: good` may pass, `x-token: broken` makes it fail. */
async function openGrpcAuthorizer(): Promise<{ readonly port: number; readonly seen: Checked[] } & Disposable> {
  const seen: Checked[] = []
  const requests = root.lookupType('CheckRequest')
  const answers = root.lookupType('CheckResponse')
  const check: handleUnaryCall<Checked, Record<string, unknown>> = (call, callback) => {
    seen.push(call.request)
    const token = call.request.attributes.request.http.headers['x-token']
    if (token === 'good') {
      const headers = [{ header: { key: 'x-user', value: 'anna' } }]
      callback(null, { status: { code: 0 }, okResponse: { headers, headersToRemove: ['x-token'] } })
    } else if (token === 'broken') {
      callback({ code: grpcStatus.INTERNAL, details: 'broken' })
    } else {
      callback(null, { status: { code: 16 }, deniedResponse: { status: { code: 401 }, body: 'no token' } })
    }
  }
  const server = new Server()
  const method = {
    path: extAuthzPath,
    requestStream: false,
    responseStream: false,
    requestSerialize: (value: Checked) => Buffer.from(requests.encode(requests.fromObject(value)).finish()),
    requestDeserialize: (bytes: Buffer) => requests.toObject(requests.decode(bytes)) as Checked,
    responseSerialize: (value: Record<string, unknown>) =>
      Buffer.from(answers.encode(answers.fromObject(value)).finish()),
    responseDeserialize: (bytes: Buffer) => answers.toObject(answers.decode(bytes)),
  } as const
  server.addService({ check: method }, { check })
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    )
  })
  return { port, seen, [Symbol.dispose]: () => server.forceShutdown() }
}

describe('external authorization by gRPC', () => {
  for (const [token, outcome, status] of [
    ['good', 'passed', undefined],
    ['bad', 'answered', 401],
    ['broken', 'answered', 403],
  ] as const) {
    test(`an authorizer of grpc-js decides about the token ${token}`, async () => {
      using authorizer = await openGrpcAuthorizer()
      using exchange = new FakeExchange({ auth: new NodeAuthTransport({ [grpc.backend]: authorizer.port }) })
      const fields = { 'x-token': token, 'x-secret': 's' }
      const run = exchange.run(
        [{ ...grpc, maxBodyBytes: 10, requestHeaders: ['x-token'] }],
        fakeRequest({ fields, method: 'POST', contentLength: 3 }),
      )
      assert.equal(run.begin(), 'suspended')
      run.body(Buffer.from('abc'), 0, 3)
      run.bodyEnd()
      assert.equal(await exchange.outcome(), outcome)
      assert.equal(exchange.reply?.status, status)
      const asked = authorizer.seen[0]?.attributes.request.http
      assert.equal(asked?.method, 'POST')
      assert.equal(asked.path, '/cart?a=1')
      assert.equal(asked.headers['x-token'], token)
      assert.equal(asked.headers['x-secret'], undefined)
      assert.equal(asked.headers['x-forwarded-for'], '10.0.0.9')
      assert.equal(asked.headers['x-request-id'], 'id-1')
      assert.equal(asked.body, 'abc')
      if (token === 'good') {
        assert.deepEqual(run.requestEdits, [{ set: [{ name: 'x-user', value: 'anna' }], add: [], remove: ['x-token'] }])
      }
      if (token === 'bad') assert.equal(Buffer.from(exchange.reply?.body ?? []).toString(), 'no token')
    })
  }
})
