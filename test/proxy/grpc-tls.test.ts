/** Clients and servers of grpc-js, both by TLS. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, suite, test } from 'node:test'
import { status } from '@grpc/grpc-js'
import { tlsTo } from '../support/backend-tls.ts'
import { TestAuthority } from '../support/certificates.ts'
import { echoStreams, GrpcClient, GrpcServer, statusOf } from '../support/grpc.ts'
import type { EchoMethods } from '../support/grpc.ts'
import { startProxy } from '../support/proxy.ts'
import type { TestProxy } from '../support/proxy.ts'
import { until } from '../support/until.ts'

let authority: TestAuthority
before(() => {
  authority = new TestAuthority()
})
after(() => authority[Symbol.dispose]())

interface Stage extends AsyncDisposable {
  readonly proxy: TestProxy
  readonly client: GrpcClient
}

async function open(methods: EchoMethods): Promise<Stage> {
  const stack = new AsyncDisposableStack()
  const server = stack.use(await GrpcServer.start(methods, 0, authority.issue({ names: ['back.example'] })))
  const tls = tlsTo('back.example', authority)
  const proxy = await startProxy({
    routeKind: 'GRPCRoute',
    rules: [{ backends: ['echo:80'] }],
    backends: { 'echo:80': { ports: [server.port], protocol: 'h2c', tls } },
    certificate: authority.issue({ names: ['front.example'] }),
  })
  stack.use(proxy)
  const named = { 'grpc.ssl_target_name_override': 'front.example', 'grpc.default_authority': 'front.example' }
  const client = stack.use(new GrpcClient(proxy.port, named, authority.certificate))
  return { proxy, client, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

suite('calls by TLS to an endpoint by TLS', { timeout: 30_000 }, () => {
  test('of all four forms', async () => {
    await using stage = await open({ ...echoStreams, unary: (call, done) => done(null, call.request) })
    const { client, proxy } = stage
    assert.equal((await client.unary(Buffer.from('hello'))).message?.toString(), 'hello')
    const uploaded = await client.upload(call => {
      for (let index = 0; index < 100; index++) call.write(Buffer.alloc(20_000))
      call.end()
    })
    assert.equal(uploaded.message?.toString(), '2000000')
    const download = client.download(Buffer.from('no'))
    const messages: string[] = []
    download.on('data', (message: Buffer) => messages.push(message.toString()))
    assert.equal((await statusOf(download)).code, status.OK)
    assert.deepEqual(messages, ['no 0', 'no 1', 'no 2', 'no 3', 'no 4'])
    const both = client.both()
    const ended = statusOf(both)
    for (const text of ['one', 'two', 'three']) {
      both.write(Buffer.from(text))
      assert.equal(String(((await once(both, 'data')) as [Buffer])[0]), text)
    }
    both.end()
    assert.equal((await ended).code, status.OK)
    await until(() => proxy.log.length === 4)
    for (const { tls, upstreamTls, grpcStatus, version } of proxy.log) {
      assert.deepEqual(
        [tls?.version, tls?.protocol, tls?.serverName, upstreamTls, grpcStatus, version],
        ['TLSv1.3', 'h2', 'front.example', 'TLSv1.3', 0, 20],
      )
    }
  })

  test('grpc-timeout ends one that takes longer, and the endpoint hears of it', async () => {
    const cancelled = Promise.withResolvers<void>()
    await using stage = await open({ download: call => void call.on('cancelled', () => cancelled.resolve()) })
    const deadline = new Date(Date.now() + 300)
    assert.equal((await statusOf(stage.client.download(Buffer.from(''), { deadline }))).code, status.DEADLINE_EXCEEDED)
    await cancelled.promise
  })
})
