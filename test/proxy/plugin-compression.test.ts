import assert from 'node:assert/strict'
import { once } from 'node:events'
import http from 'node:http'
import http2 from 'node:http2'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import type { TestContext } from 'node:test'
import { crc32, createGunzip, gunzipSync } from 'node:zlib'
import type { Filter } from '../../src/model/index.ts'
import { Noise, pour } from '../support/clients-stream.ts'
import { Http2Server } from '../support/http2-server.ts'
import { PluggedProxy } from '../support/plugged-proxy.ts'
import type { PluginSketch } from '../support/plugged-proxy.ts'
import type { BackendSketch } from '../support/proxy.ts'
import { until } from '../support/until.ts'

const text = Array.from({ length: 20_000 }, (_, index) => `line ${index} says ${(index * 7919) % 1000}\n`).join('')
const fields = { 'content-type': 'text/plain', etag: '"one"', 'accept-ranges': 'bytes', vary: 'x-lang' }

/** `/length` says how long it is, `/pieces` does not; `/broken` ends in the middle; `/packed` is compressed already. */
function fieldsOf(path: string): http.OutgoingHttpHeaders {
  if (path === '/packed') return { ...fields, 'content-encoding': 'x-own' }
  if (path === '/short') return { ...fields, 'content-length': 5 }
  return path === '/length' ? { ...fields, 'content-length': Buffer.byteLength(text) } : fields
}

let http1: http.Server
let byHttp2: Http2Server

/** What endpoints were asked with. */
const asked: (string | undefined)[] = []

before(async () => {
  http1 = http.createServer((request, response) => {
    asked.push(request.headers['accept-encoding'] as string | undefined)
    const path = request.url ?? ''
    response.writeHead(200, fieldsOf(path))
    if (path === '/short') response.end('short')
    else if (path === '/forbidden') response.end('this is forbidden\n'.repeat(1000))
    else if (path === '/broken') response.write(text, () => response.destroy())
    else if (path === '/pieces') {
      for (let at = 0; at < text.length; at += 50_000) response.write(text.slice(at, at + 50_000))
      response.end()
    } else response.end(text)
  })
  http1.listen(0, '127.0.0.1')
  await once(http1, 'listening')
  byHttp2 = await Http2Server.start((stream, headers) => {
    stream.respond({ ':status': 200, ...fieldsOf(headers[':path'] ?? '') })
    stream.end(text)
  })
})

after(async () => {
  http1.closeAllConnections()
  http1.close()
  await byHttp2[Symbol.asyncDispose]()
})

const gzip: Filter = { kind: 'compression', encodings: ['gzip'], contentTypes: ['text/*'], minBytes: 1024 }
const key = 'WasmPlugin shop/one'

interface World {
  readonly protocol: NonNullable<BackendSketch['protocol']>
  readonly filters: readonly Filter[]
  /** Of the endpoint. */
  readonly port: number
}

function portOf(protocol: World['protocol']): number {
  return protocol === 'http1' ? (http1.address() as AddressInfo).port : byHttp2.port
}

async function start(
  t: TestContext,
  plugin: PluginSketch,
  { protocol = 'http1', filters = [gzip], port = portOf(protocol) }: Partial<World> = {},
): Promise<PluggedProxy> {
  const proxy = await PluggedProxy.start({
    plugins: { [key]: plugin },
    rules: [{ prefix: '', backends: ['shop/items:80'], plugins: [key], filters }],
    backends: { 'shop/items:80': { ports: [port], protocol } },
  })
  t.after(() => proxy[Symbol.asyncDispose]())
  return proxy
}

interface Answer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: Buffer
}

const accept = { 'accept-encoding': 'gzip' }
/** A trap when the answer comes. */
const late = { ...accept, 'x-do': 'response_headers:trap' }

function ask(port: number, path: string, headers: Record<string, string> = accept): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = http.get({ port, path, headers, agent: false }, response => {
      const parts: Buffer[] = []
      response.on('data', (part: Buffer) => parts.push(part)).on('error', reject)
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(parts) }),
      )
    })
    request.on('error', reject)
  })
}

async function askHttp2(port: number, path: string, fields: Record<string, string> = accept): Promise<Answer> {
  const session = http2.connect(`http://127.0.0.1:${port}`)
  try {
    const stream = session.request({ ':path': path, ...fields })
    const parts: Buffer[] = []
    let headers: http2.IncomingHttpHeaders = {}
    stream.on('response', given => (headers = given)).on('data', (part: Buffer) => parts.push(part))
    await new Promise<void>((resolve, reject) => stream.on('end', resolve).on('error', reject))
    const { ':status': status, ...others } = headers
    return { status: Number(status), headers: others, body: Buffer.concat(parts) }
  } finally {
    session.destroy()
  }
}

const cases: readonly { name: string; plugin: PluginSketch; body: string; seen: string | undefined }[] = [
  { name: 'that changes nothing', plugin: { guest: 'noop' }, body: text, seen: undefined },
  { name: 'that rewrites each piece', plugin: { guest: 'capitals' }, body: text.toUpperCase(), seen: 'plain' },
  {
    name: 'that rewrites the whole',
    plugin: { guest: 'capitals', configuration: Buffer.from('whole') },
    body: `${text.toUpperCase()}!`,
    seen: 'plain',
  },
]

for (const { name, plugin, body, seen } of cases) {
  for (const protocol of ['http1', 'h2c'] as const) {
    test(`a plugin ${name} sees answers by ${protocol} as they are, and clients get them compressed`, async t => {
      const proxy = await start(t, plugin, { protocol })
      for (const path of ['/length', '/pieces']) {
        for (const answer of [await ask(proxy.port, path), await askHttp2(proxy.port, path)]) {
          assert.equal(gunzipSync(answer.body).toString(), body)
          const { 'content-encoding': encoding, 'content-length': length, vary, etag } = answer.headers
          assert.deepEqual([encoding, length, vary, etag], ['gzip', undefined, 'x-lang, accept-encoding', 'W/"one"'])
          assert.deepEqual([answer.headers['accept-ranges'], answer.headers['x-encoded']], [undefined, seen])
        }
        const plain = await ask(proxy.port, path, {})
        assert.deepEqual(
          [plain.headers['content-encoding'], plain.headers['vary']],
          [undefined, 'x-lang, accept-encoding'],
        )
        assert.deepEqual([plain.headers['etag'], plain.body.toString()], ['"one"', body])
      }
      assert.deepEqual(
        proxy.log.map(({ status, flags }) => [status, flags]),
        Array.from({ length: 6 }, () => [200, '-']),
      )
    })
  }
}

test('what a plugin makes of Accept-Encoding is for the endpoint, the client gets what it asked for itself', async t => {
  const proxy = await start(t, { guest: 'capitals' })
  asked.length = 0
  assert.equal((await ask(proxy.port, '/length')).headers['content-encoding'], 'gzip')
  assert.deepEqual(asked, [undefined])
})

test('a plugin sees what the endpoint has compressed, and what is short stays as it is', async t => {
  const proxy = await start(t, { guest: 'noop' })
  const packed = await ask(proxy.port, '/packed')
  assert.deepEqual([packed.headers['content-encoding'], packed.headers['etag']], ['x-own', '"one"'])
  assert.equal(packed.body.toString(), text)
  const short = await ask(proxy.port, '/short')
  assert.deepEqual([short.headers['content-length'], short.body.toString()], ['5', 'short'])
})

test('a compressed answer that breaks off before its end reaches no client as whole', async t => {
  const proxy = await start(t, { guest: 'capitals' })
  await assert.rejects(ask(proxy.port, '/broken'))
  await assert.rejects(askHttp2(proxy.port, '/broken'))
})

test('what a plugin answers instead is not compressed; an answer that has begun is broken off', async t => {
  const proxy = await start(t, { guest: 'hostile' })
  for (const answer of [await ask(proxy.port, '/length', late), await askHttp2(proxy.port, '/length', late)]) {
    assert.deepEqual([answer.status, answer.headers['content-encoding']], [503, undefined])
  }
  const scanner = await start(t, { guest: 'inspect' })
  await assert.rejects(ask(scanner.port, '/forbidden'))
  await assert.rejects(askHttp2(scanner.port, '/forbidden'))
})

test('what a rule adds to a field of the answer is joined with what came, also before a plugin', async t => {
  const add: Filter = {
    kind: 'response-headers',
    set: [],
    add: [
      { name: 'x-lang', value: 'de' },
      { name: 'etag', value: 'b' },
    ],
    remove: [],
  }
  const proxy = await start(t, { guest: 'noop' }, { filters: [add] })
  assert.equal((await ask(proxy.port, '/length')).headers['etag'], '"one",b')
})

test('a client that reads slowly stops the endpoint behind plugin and compression, and gets all of it', async t => {
  const noise = new Noise(64 * 1024 * 1024)
  const server = http.createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/plain' })
    void pour(response, noise, 'plain').then(() => response.end())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const proxy = await start(t, { guest: 'noop' }, { port: (server.address() as AddressInfo).port })
  const request = http.get({ port: proxy.port, headers: accept, agent: false })
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  await untilStill(() => noise.sentBytes)
  assert.ok(noise.sentBytes < noise.totalBytes / 2, `${noise.sentBytes} were taken from the endpoint`)
  const unpacked = response.pipe(createGunzip())
  let [bytes, checksum] = [0, 0]
  for await (const part of unpacked as AsyncIterable<Buffer>) {
    bytes += part.length
    checksum = crc32(part, checksum)
  }
  assert.deepEqual([bytes, checksum], [noise.totalBytes, noise.checksum])
})

/** Until a number has been the same many times in a row: it could have grown. */
async function untilStill(moved: () => number): Promise<void> {
  let [still, last] = [0, NaN]
  await until(() => {
    still = moved() === last ? still + 1 : 0
    last = moved()
    return still > 40
  })
}

test('of the two rules of a request that a plugin leads elsewhere the last decides, by what the client takes', async t => {
  const rule = { backends: ['shop/items:80'], plugins: [key] }
  const proxy = await PluggedProxy.start({
    plugins: { [key]: { guest: 'mark' } },
    rules: [
      { ...rule, prefix: '/length', filters: [gzip] },
      { ...rule, prefix: '/pieces' },
    ],
    backends: { 'shop/items:80': { ports: [portOf('http1')] } },
  })
  t.after(() => proxy[Symbol.asyncDispose]())
  const compressed = await ask(proxy.port, '/pieces', { ...accept, 'x-route': '/length' })
  assert.equal(compressed.headers['content-encoding'], 'gzip')
  assert.equal(gunzipSync(compressed.body).toString(), text)
  for (const [path, headers] of [
    ['/pieces', { 'x-route': '/length' }],
    ['/length', { ...accept, 'x-route': '/pieces' }],
  ] as const) {
    const plain = await ask(proxy.port, path, { ...headers })
    assert.equal(plain.headers['content-encoding'], undefined)
    assert.equal(plain.body.toString(), text)
  }
})
