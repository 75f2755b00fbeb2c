import assert from 'node:assert/strict'
import http from 'node:http'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import * as grpc from '@grpc/grpc-js'
import type { GrpcCallObserver } from '../../src/proxy/index.ts'
import { echoStreams, GrpcServer } from '../support/grpc.ts'
import type { EchoMethods } from '../support/grpc.ts'
import { PluggedProxy } from '../support/plugged-proxy.ts'
import { freePort } from '../support/ports.ts'
import { until } from '../support/until.ts'

const echo = 'shop/echo:50051'

/** A proxy whose requests pass the plugin `caller`, and a backend of gRPC that is not on their way. */
async function start(t: TestContext, port: number): Promise<PluggedProxy> {
  const proxy = await PluggedProxy.start({
    plugins: { 'WasmPlugin shop/caller': { guest: 'caller' } },
    rules: [{ prefix: '', backends: [echo], plugins: ['WasmPlugin shop/caller'] }],
    backends: { [echo]: { ports: [port], protocol: 'h2c' } },
  })
  t.after(() => proxy[Symbol.asyncDispose]())
  return proxy
}

async function serve(t: TestContext, methods: EchoMethods): Promise<number> {
  const server = await GrpcServer.start(methods)
  t.after(() => server[Symbol.asyncDispose]())
  return server.port
}

function ask(port: number, what: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = http.get({ port, path: '/', headers: { 'x-ask': what }, agent: false }, response => {
      let text = ''
      response.on('data', (chunk: Buffer) => (text += chunk.toString()))
      response.on('end', () => resolve(`${response.statusCode} ${text}`))
    })
    request.on('error', reject)
  })
}

const unary: EchoMethods['unary'] = (call, done) =>
  done(null, Buffer.from(`${call.request.toString()} ${String(call.metadata.get('x-from-plugin')[0])}`))

/** What an observer hears, in order. */
class Heard implements GrpcCallObserver {
  readonly events: string[] = []
  bytes = 0
  closed = false

  onInitialMetadata(metadata: readonly { readonly name: string; readonly value: string }[]): void {
    const names = metadata.filter(({ name }) => name.startsWith('x-')).map(({ value }) => value)
    this.events.push(`head ${names.join()}`)
  }
  onMessage(message: Uint8Array): void {
    this.bytes += message.length
    this.events.push(message.length > 100 ? `${message.length} bytes` : Buffer.from(message).toString())
  }
  onTrailingMetadata(): void {
    this.events.push('trailers')
  }
  onClose(status: number, message: string): void {
    this.closed = true
    this.events.push(`closed ${status} ${message}`)
  }
}

const optionsOf = (
  method: string,
  more: { timeoutMs?: number } = {},
): Parameters<PluggedProxy['proxy']['grpc']>[0] => ({
  backend: echo,
  path: `/test.Echo/${method}`,
  authority: 'echo',
  metadata: [],
  timeoutMs: 0,
  ...more,
})

test('a plugin calls by gRPC, with one message and with a stream, and hears its callbacks in order', async t => {
  const proxy = await start(t, await serve(t, { ...echoStreams, unary }))
  assert.equal(await ask(proxy.port, 'unary'), '200 hello yes')
  assert.equal(await ask(proxy.port, 'stream'), '200 head one two trailers status 00')
  assert.equal(await ask(proxy.port, 'drop'), '200 cancelled')
})

test('a plugin hears the status of a call that failed, or went nowhere', async t => {
  const failing: EchoMethods['unary'] = (_call, done) =>
    done(Object.assign(new Error('no'), { code: grpc.status.PERMISSION_DENIED }))
  const refused = await start(t, await serve(t, { unary: failing }))
  assert.equal(await ask(refused.port, 'unary'), '200 status 07')
  const dead = await start(t, await freePort())
  assert.equal(await ask(dead.port, 'unary'), '200 status 14')
  const silent = await start(t, await serve(t, { unary: () => {} }))
  assert.equal(await ask(silent.port, 'unary'), '200 status 04')
})

test('GrpcBackendCall sends and hears messages of every size', async t => {
  const proxy = await start(t, await serve(t, echoStreams))
  const heard = new Heard()
  const call = proxy.proxy.grpc(optionsOf('Both'), heard)
  call.send(Buffer.alloc(0))
  call.send(Buffer.from('one'))
  call.send(Buffer.alloc(1_000_000, 'x'))
  await until(() => heard.events.length >= 4)
  call.send(Buffer.from('later'))
  call.end()
  await until(() => heard.closed)
  assert.deepEqual(heard.events, ['head ', '', 'one', '1000000 bytes', 'later', 'trailers', 'closed 0 OK'])
})

test('GrpcBackendCall ends with what went wrong, once', async t => {
  const proxy = await start(t, await serve(t, { ...echoStreams, unary: () => {} }))
  const unimplemented = new Heard()
  proxy.proxy.grpc(optionsOf('Nothing'), unimplemented).end()
  const late = new Heard()
  const call = proxy.proxy.grpc(optionsOf('Unary', { timeoutMs: 100 }), late)
  call.send(Buffer.from('?'))
  call.end()
  const unknown = new Heard()
  proxy.proxy.grpc({ ...optionsOf('Unary'), backend: 'shop/nobody:1' }, unknown).end()
  await until(() => unimplemented.closed && late.closed && unknown.closed)
  assert.match(unimplemented.events.join(), /^trailers,closed 12 /)
  // The endpoint knows the time limit, too: whoever notices first.
  assert.match(late.events.join(), /^(?:trailers,)?closed 4 (?:no status within 100 ms|Deadline exceeded)$/)
  assert.deepEqual(unknown.events, ['closed 14 there is no endpoint'])
})

test('GrpcBackendCall keeps no more than a bound of what an endpoint does not take', async t => {
  const proxy = await start(t, await serve(t, { both: () => {} }))
  const heard = new Heard()
  const call = proxy.proxy.grpc(optionsOf('Both'), heard)
  for (let round = 0; round < 100 && !heard.closed; round++) {
    call.send(Buffer.alloc(100_000))
    await new Promise(resolve => setImmediate(resolve))
  }
  assert.deepEqual(heard.events.at(-1), 'closed 8 messages are sent faster than the endpoint takes them')
})

test('GrpcBackendCall that was cancelled tells nothing more, and the endpoint hears of it', async t => {
  let cancelled = 0
  const proxy = await start(t, await serve(t, { both: call => void call.on('cancelled', () => cancelled++) }))
  const heard = new Heard()
  const call = proxy.proxy.grpc(optionsOf('Both'), heard)
  call.send(Buffer.from('x'))
  await until(() => proxy.proxy.endpointStates().some(({ activeRequests }) => activeRequests === 1))
  await new Promise(resolve => setTimeout(resolve, 50))
  call.cancel()
  await until(() => cancelled === 1)
  assert.deepEqual(heard.events, [])
  assert.ok(proxy.proxy.endpointStates().every(({ activeRequests }) => activeRequests === 0))
})
