import assert from 'node:assert/strict'
import http from 'node:http'
import http2 from 'node:http2'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import * as grpc from '@grpc/grpc-js'
import { WebSocket, WebSocketServer } from 'ws'
import { GrpcClient, GrpcServer } from '../support/grpc.ts'
import { PluggedProxy } from '../support/plugged-proxy.ts'
import type { PluggedSketch, PluginSketch } from '../support/plugged-proxy.ts'

const marks = (...letters: readonly string[]): Record<string, PluginSketch> =>
  Object.fromEntries(
    letters.map(letter => [`WasmPlugin shop/${letter}`, { guest: 'mark', configuration: Buffer.from(letter) }]),
  )

async function start(t: TestContext, sketch: PluggedSketch): Promise<PluggedProxy> {
  const proxy = await PluggedProxy.start(sketch)
  t.after(() => proxy[Symbol.asyncDispose]())
  return proxy
}

/** Says which one it is and what it was asked with; of `/trailers` the answer has one. */
async function serve(t: TestContext, name: string): Promise<number> {
  const server = http.createServer((request, response) => {
    response.setHeader('x-from', name)
    if (request.url === '/trailers') response.setHeader('trailer', 'x-end')
    response.write(`${request.url} ${String(request.headers['x-order'])}`)
    if (request.url === '/trailers') response.addTrailers({ 'x-end': 'yes' })
    response.end()
  })
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', socket => socket.on('message', (data: unknown) => socket.send(`${name} ${String(data)}`)))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    for (const socket of sockets.clients) socket.terminate()
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

interface Answer {
  readonly headers: http.IncomingHttpHeaders
  readonly trailers: NodeJS.Dict<string | string[]>
  readonly body: string
}

function ask(port: number, path: string, headers: Record<string, string> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = http.get({ port, path, headers: { te: 'trailers', ...headers }, agent: false }, response => {
      let body = ''
      response.on('data', (chunk: Buffer) => (body += chunk.toString()))
      response.on('end', () => resolve({ headers: response.headers, trailers: response.trailers, body }))
    })
    request.on('error', reject)
  })
}

async function askHttp2(port: number, path: string): Promise<Answer> {
  const session = http2.connect(`http://127.0.0.1:${port}`)
  try {
    const stream = session.request({ ':path': path })
    let [headers, trailers]: [http.IncomingHttpHeaders, NodeJS.Dict<string | string[]>] = [{}, {}]
    let body = ''
    stream.on('response', given => (headers = given)).on('trailers', given => (trailers = given))
    stream.on('data', (chunk: Buffer) => (body += chunk.toString()))
    await new Promise<void>((resolve, reject) => stream.on('end', resolve).on('error', reject))
    return { headers, trailers, body }
  } finally {
    session.destroy()
  }
}

const items = 'shop/items:80'
const others = 'shop/others:80'

test('plugins see a request in their order and its response in the other, with its trailers', async t => {
  const proxy = await start(t, {
    plugins: marks('a', 'b', 'c'),
    rules: [{ prefix: '', backends: [items], plugins: Object.keys(marks('a', 'b', 'c')) }],
    backends: { [items]: { ports: [await serve(t, 'items')] } },
  })
  for (const answer of [await ask(proxy.port, '/trailers'), await askHttp2(proxy.port, '/trailers')]) {
    assert.equal(answer.body, '/trailers a, b, c')
    assert.equal(answer.headers['x-order'], 'c, b, a')
    assert.equal(answer.headers['x-marks'], 'abc', 'what one sets the others read')
    assert.deepEqual([answer.trailers['x-end'], answer.trailers['x-mark']], ['yes', 'c, b, a'])
  }
})

test('a plugin that clears the route cache sends the request where it now belongs, past plugins it has seen', async t => {
  const proxy = await start(t, {
    plugins: marks('a', 'b'),
    rules: [
      { prefix: '/other', backends: [others], plugins: ['WasmPlugin shop/b'] },
      { prefix: '', backends: [items], plugins: ['WasmPlugin shop/a'] },
    ],
    backends: { [items]: { ports: [await serve(t, 'items')] }, [others]: { ports: [await serve(t, 'others')] } },
  })
  const moved = await ask(proxy.port, '/x', { 'x-route': '/other/y' })
  assert.deepEqual([moved.headers['x-from'], moved.body], ['others', '/other/y a'])
  const stays = await ask(proxy.port, '/x')
  assert.deepEqual([stays.headers['x-from'], stays.body], ['items', '/x a'])
  const nowhere = await ask(proxy.port, '/x', { 'x-route': '/a%00' })
  assert.equal(nowhere.headers['x-heddle-reason'], 'bad-request')
})

test('a head that no plugin has changed goes on as it came, one that was changed in the form of HTTP/2', async t => {
  const seen: string[][] = []
  const server = http.createServer((request, response) => {
    seen.push(request.rawHeaders)
    response.writeHead(200, { 'X-Case': 'Kept', 'Content-Length': 4 }).end('here')
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const proxy = await start(t, {
    plugins: { ...marks('a'), 'WasmPlugin shop/noop': { guest: 'noop' } },
    rules: [
      { prefix: '/noop', backends: [items], plugins: ['WasmPlugin shop/noop'] },
      { prefix: '', backends: [items], plugins: ['WasmPlugin shop/a'] },
    ],
    backends: { [items]: { ports: [(server.address() as AddressInfo).port] } },
  })
  const rawNames = (path: string): Promise<readonly string[]> =>
    new Promise((resolve, reject) => {
      const options = { port: proxy.port, path, headers: { 'X-Mine': 'Yes', Connection: 'close, X-Hop', 'X-Hop': '1' } }
      const request = http.get({ ...options, agent: false }, response => {
        response.resume().on('end', () => resolve(response.rawHeaders.filter((_, index) => index % 2 === 0)))
      })
      request.on('error', reject)
    })
  assert.ok((await rawNames('/noop')).includes('X-Case'))
  assert.ok((await rawNames('/marked')).includes('x-case'))
  assert.deepEqual(
    seen.map(raw => [raw.includes('X-Mine'), raw.includes('x-mine'), raw.some(name => /^x-hop$/i.test(name))]),
    [
      [true, false, false],
      [false, true, false],
    ],
  )
})

test('a WebSocket passes plugins with its handshake, and then by itself', async t => {
  const proxy = await start(t, {
    plugins: marks('a'),
    rules: [{ prefix: '', backends: [items], plugins: ['WasmPlugin shop/a'] }],
    backends: { [items]: { ports: [await serve(t, 'items')] } },
  })
  const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}/chat`)
  t.after(() => socket.terminate())
  const answered = new Promise<string>((resolve, reject) => {
    socket.on('message', data => resolve(String(data))).on('error', reject)
  })
  socket.on('open', () => socket.send('hello'))
  assert.equal(await answered, 'items hello')
})

test('calls of gRPC pass plugins, with their status', async t => {
  const server = await GrpcServer.start({
    unary: (call, done) =>
      done(null, Buffer.from(`${call.request.toString()} ${String(call.metadata.get('x-order'))}`)),
    both(call) {
      call.on('data', (piece: Buffer) => call.write(piece))
      call.on('end', () => call.emit('error', { code: grpc.status.ABORTED, details: 'enough' }))
    },
  })
  t.after(() => server[Symbol.asyncDispose]())
  const proxy = await start(t, {
    routeKind: 'GRPCRoute',
    plugins: marks('a', 'b'),
    rules: [{ prefix: '', backends: [items], plugins: Object.keys(marks('a', 'b')) }],
    backends: { [items]: { ports: [server.port], protocol: 'h2c' } },
  })
  using client = new GrpcClient(proxy.port)
  const ended = await client.unary(Buffer.from('hello'))
  assert.deepEqual([ended.code, ended.message?.toString()], [0, 'hello a, b'])
  assert.deepEqual(ended.head.get('x-order').join(), 'b, a')
  assert.deepEqual(ended.trailers.get('x-mark').join(), 'b, a')
  const call = client.both()
  const heard: string[] = []
  call.on('data', (piece: Buffer) => heard.push(piece.toString()))
  const status = new Promise<grpc.StatusObject>(resolve => call.on('status', resolve).on('error', () => {}))
  for (const piece of ['one', 'two', 'three']) call.write(Buffer.from(piece))
  call.end()
  assert.deepEqual([(await status).code, heard.join()], [grpc.status.ABORTED, 'one,two,three'])
})
