import assert from 'node:assert/strict'
import http from 'node:http'
import http2 from 'node:http2'
import net from 'node:net'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { PluggedProxy } from '../support/plugged-proxy.ts'
import type { PluggedSketch } from '../support/plugged-proxy.ts'
import { freePort } from '../support/ports.ts'

/** Answers with what it saw; `/gate` paths with the status that the last part says. */
class Endpoint implements AsyncDisposable {
  readonly server: http.Server
  readonly seen: string[] = []
  port = 0

  private constructor() {
    this.server = http.createServer((request, response) => {
      const parts: Buffer[] = []
      request.on('data', (chunk: Buffer) => parts.push(chunk))
      request.on('end', () => {
        this.seen.push(`${request.method} ${request.url}`)
        const { status = '200' } = Object.fromEntries(new URL(request.url ?? '/', 'http://a').searchParams)
        response.writeHead(Number(status), { 'x-from': 'endpoint' })
        response.end(JSON.stringify({ headers: request.headers, body: Buffer.concat(parts).toString() }))
      })
    })
  }

  static async open(): Promise<Endpoint> {
    const endpoint = new Endpoint()
    await new Promise<void>(resolve => endpoint.server.listen(0, '127.0.0.1', resolve))
    endpoint.port = (endpoint.server.address() as AddressInfo).port
    return endpoint
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.closeAllConnections()
    await new Promise<void>(resolve => this.server.close(() => resolve()))
  }
}

interface Answer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
}

function ask(
  port: number,
  path: string,
  { headers = {}, body }: { headers?: Record<string, string>; body?: string } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = { port, path, headers, method: body === undefined ? 'GET' : 'POST', agent: false }
    const request = http.request(options, response => {
      let text = ''
      response.on('data', (chunk: Buffer) => (text += chunk.toString()))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }))
      response.on('error', reject)
    })
    request.on('error', reject)
    request.end(body)
  })
}

async function askHttp2(port: number, path: string, headers: Record<string, string>, body?: string): Promise<Answer> {
  const session = http2.connect(`http://127.0.0.1:${port}`)
  try {
    const stream = session.request({ ':path': path, ':method': body === undefined ? 'GET' : 'POST', ...headers })
    let text = ''
    let status = 0
    stream.on('response', fields => (status = Number(fields[':status'])))
    stream.on('data', (chunk: Buffer) => (text += chunk.toString()))
    const ended = new Promise<void>((resolve, reject) => stream.on('end', resolve).on('error', reject))
    stream.end(body)
    await ended
    return { status, headers: {}, body: text }
  } finally {
    session.destroy()
  }
}

function sketchOf(
  endpoint: Endpoint,
  plugins: PluggedSketch['plugins'],
  more: Partial<PluggedSketch> = {},
): PluggedSketch {
  return {
    plugins,
    rules: [
      { prefix: '/free', backends: ['shop/items:80'] },
      { prefix: '', backends: ['shop/items:80'], plugins: Object.keys(plugins) },
    ],
    backends: { 'shop/items:80': { ports: [endpoint.port] } },
    ...more,
  }
}

test('a request and its answer pass a plugin as they are, by HTTP/1.1 and HTTP/2, with and without length', async () => {
  await using endpoint = await Endpoint.open()
  await using proxy = await PluggedProxy.start(sketchOf(endpoint, { 'WasmPlugin shop/rewrite': { guest: 'rewrite' } }))
  const plain = await ask(proxy.port, '/a?b=c', { headers: { 'x-mine': 'yes', cookie: 'a=1; b=2' } })
  assert.equal(plain.status, 200)
  assert.equal(plain.headers['x-from'], 'endpoint')
  const seen = JSON.parse(plain.body) as { headers: Record<string, string> }
  assert.equal(seen.headers['x-mine'], 'yes')
  assert.equal(seen.headers['cookie'], 'a=1; b=2')
  assert.equal(seen.headers['x-header-01'], undefined)
  const body = 'content '.repeat(10_000)
  for (const headers of [{ 'content-length': String(body.length) }, { 'transfer-encoding': 'chunked' }]) {
    const posted = await ask(proxy.port, '/post', { headers, body })
    assert.equal((JSON.parse(posted.body) as { body: string }).body, body)
  }
  const byHttp2 = await askHttp2(proxy.port, '/post', { 'x-mine': 'two' }, body)
  assert.equal(byHttp2.status, 200)
  assert.equal((JSON.parse(byHttp2.body) as { body: string }).body, body)
  assert.deepEqual(endpoint.seen, ['GET /a?b=c', 'POST /post', 'POST /post', 'POST /post'])
  assert.deepEqual(
    proxy.log.map(({ status, reason }) => [status, reason]),
    Array.from({ length: 4 }, () => [200, undefined]),
  )
})

test('a plugin knows when a request began, and whom it is from', async () => {
  await using endpoint = await Endpoint.open()
  const property = async (name: string): Promise<{ readonly bytes: Buffer; readonly startMs: number }> => {
    const plugin = { guest: 'property', configuration: Buffer.from(name) }
    await using proxy = await PluggedProxy.start(sketchOf(endpoint, { 'WasmPlugin shop/property': plugin }))
    const { body } = await ask(proxy.port, '/')
    const seen = JSON.parse(body) as { headers: Record<string, string> }
    return { bytes: Buffer.from(seen.headers['x-property'] ?? '', 'hex'), startMs: proxy.log[0]?.startMs ?? 0 }
  }
  const time = await property('request.time')
  assert.equal(time.bytes.readBigInt64LE(), BigInt(Math.round(time.startMs * 1e6)))
  assert.match((await property('source.address')).bytes.toString(), /^127\.0\.0\.1:\d+$/)
  assert.equal((await property('request.protocol')).bytes.toString(), 'HTTP/1.1')
  for (const name of ['connection.id', 'connection_id']) assert.ok((await property(name)).bytes.readBigUInt64LE() > 0n)
  assert.ok((await property('request.duration')).bytes.readBigInt64LE() >= 0n)
  assert.equal((await property('response.flags')).bytes.readBigInt64LE(), 0n)
  assert.equal((await property('connection.subject_peer_certificate')).bytes.length, 0, 'there is none')
})

/** What becomes of the request; it is the endpoint that refuses so many fields. */
const harms: Readonly<Record<string, number>> = {
  trap: 503,
  exit: 503,
  loop: 503,
  recursion: 503,
  stack: 503,
  memory: 503,
  log: 503,
  headers: 431,
  body: 200,
}

for (const [harm, expected] of Object.entries(harms)) {
  test(`what a plugin does to one request (${harm}) is its own: ${expected}, and all others are answered`, async () => {
    await using endpoint = await Endpoint.open()
    const key = 'WasmPlugin shop/hostile'
    await using proxy = await PluggedProxy.start(sketchOf(endpoint, { [key]: { guest: 'hostile' } }))
    const others = (): Promise<Answer>[] =>
      Array.from({ length: 20 }, (_, at) => ask(proxy.port, at % 2 ? '/free' : '/'))
    assert.equal((await ask(proxy.port, '/')).status, 200)
    const before = others()
    const harmful = ask(proxy.port, '/', { headers: { 'x-do': `request_headers:${harm}` } })
    const beside = [...before, ...others()]
    const harmed = await harmful
    assert.equal(harmed.status, expected)
    assert.equal(harmed.headers['x-heddle-reason'], expected === 503 ? 'plugin-failed' : undefined)
    for (const { status } of await Promise.all(beside)) assert.equal(status, 200)
    for (const { status } of await Promise.all(others())) assert.equal(status, 200)
    assert.equal(proxy.plugins.status()[0]?.streams, 0)
  })
}

test('a plugin that fails open lets pass what it could not decide, in the request and in the response', async () => {
  await using endpoint = await Endpoint.open()
  const key = 'WasmPlugin shop/hostile'
  const plugins = { [key]: { guest: 'hostile', failStrategy: 'fail-open' as const } }
  await using proxy = await PluggedProxy.start(sketchOf(endpoint, plugins))
  for (const where of ['request_headers', 'response_headers']) {
    const answer = await ask(proxy.port, '/', { headers: { 'x-do': `${where}:trap` } })
    assert.equal(answer.status, 200)
    assert.equal(answer.headers['x-from'], 'endpoint')
  }
  assert.equal(proxy.plugins.status()[0]?.failures.trap, 2)
})

test('a trap in the response ends it with 503, before the client has seen any of it', async () => {
  await using endpoint = await Endpoint.open()
  await using proxy = await PluggedProxy.start(sketchOf(endpoint, { 'WasmPlugin shop/hostile': { guest: 'hostile' } }))
  const answer = await ask(proxy.port, '/', { headers: { 'x-do': 'response_headers:trap' } })
  assert.equal(answer.status, 503)
  assert.equal(answer.headers['x-heddle-reason'], 'plugin-failed')
  assert.equal(proxy.log[0]?.reason, 'plugin-failed')
})

test('a plugin asks a Service about each request, and lets it pass or answers itself', async () => {
  await using endpoint = await Endpoint.open()
  await using gate = await Endpoint.open()
  const sketch = sketchOf(
    endpoint,
    { 'WasmPlugin shop/gate': { guest: 'assembly-gate', rootId: 'gate', configuration: Buffer.from('a gate') } },
    { backends: { 'shop/items:80': { ports: [endpoint.port] }, 'shop/gate:80': { ports: [gate.port] } } },
  )
  await using proxy = await PluggedProxy.start(sketch)
  const passed = await ask(proxy.port, '/ok?status=200', { body: 'kept while it waits' })
  assert.equal(passed.status, 200)
  assert.equal((JSON.parse(passed.body) as { body: string }).body, 'kept while it waits')
  const refused = await ask(proxy.port, '/no?status=401')
  assert.equal(refused.status, 403)
  assert.equal(refused.headers['x-gate'], '401')
  assert.equal(refused.headers['x-heddle-reason'], 'plugin-response')
  assert.match(refused.body, /^the gate says /)
  assert.deepEqual(gate.seen, ['GET /ok?status=200', 'GET /no?status=401'])
  assert.deepEqual(endpoint.seen, ['POST /ok?status=200'])
})

/** Takes connections and never answers. */
async function silentPort(t: TestContext): Promise<number> {
  const sockets = new Set<net.Socket>()
  const server = net.createServer(socket => sockets.add(socket.on('error', () => {})))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

for (const [host, portOf] of [
  ['takes no connection', freePort],
  ['never answers', silentPort],
] as const) {
  test(`a call to a host that ${host} ends, so do the requests that waited for it, and no other waits`, async t => {
    await using endpoint = await Endpoint.open()
    const dead = await portOf(t)
    const sketch = sketchOf(
      endpoint,
      { 'WasmPlugin shop/gate': { guest: 'assembly-gate', rootId: 'gate', configuration: Buffer.from('a gate') } },
      { backends: { 'shop/items:80': { ports: [endpoint.port] }, 'shop/gate:80': { ports: [dead] } } },
    )
    await using proxy = await PluggedProxy.start(sketch)
    let waiting = 10
    const waited = Array.from({ length: waiting }, () => ask(proxy.port, '/').finally(() => waiting--))
    for (let round = 0; round < 5; round++) assert.equal((await ask(proxy.port, '/free')).status, 200)
    if (host === 'never answers') assert.equal(waiting, 10, 'others were answered meanwhile')
    for (const { status } of await Promise.all(waited)) assert.equal(status, 403)
    assert.deepEqual(new Set(endpoint.seen), new Set(['GET /free']))
    assert.equal(proxy.plugins.status()[0]?.streams, 0)
  })
}

test('requests that a plugin has paused are answered at once when it is removed', async () => {
  await using endpoint = await Endpoint.open()
  const key = 'WasmPlugin shop/hostile'
  await using proxy = await PluggedProxy.start(sketchOf(endpoint, { [key]: { guest: 'hostile' } }))
  const paused = ask(proxy.port, '/', { headers: { 'x-do': 'request_headers:pause' } })
  // The pause has begun once a later request has been answered.
  while (proxy.plugins.status()[0]?.streams !== 1) await ask(proxy.port, '/free')
  proxy.plugins[Symbol.dispose]()
  assert.equal((await paused).status, 503)
  assert.equal((await ask(proxy.port, '/free')).status, 200)
})

test('another module takes over for new requests; one that does not start replaces nothing', async () => {
  await using endpoint = await Endpoint.open()
  const key = 'WasmPlugin shop/gate'
  const gate = { rootId: 'gate', configuration: Buffer.from('a gate') }
  await using proxy = await PluggedProxy.start(sketchOf(endpoint, { [key]: { guest: 'noop' } }))
  assert.equal((await ask(proxy.port, '/')).status, 200)
  await proxy.apply(
    sketchOf(endpoint, { [key]: { guest: 'assembly-gate', ...gate, configuration: Buffer.from('refuse') } }),
  )
  assert.equal((await ask(proxy.port, '/')).status, 200)
  assert.equal(proxy.plugins.status()[0]?.module, 'noop')
  assert.match(proxy.plugins.status()[0]?.problem ?? '', /./)
  await proxy.apply(sketchOf(endpoint, { [key]: { guest: 'assembly-gate', ...gate } }))
  // Nobody is called gate here.
  assert.equal((await ask(proxy.port, '/')).status, 502)
})

test('a plugin without a module lets nothing pass, or everything if it fails open', async () => {
  await using endpoint = await Endpoint.open()
  const key = 'WasmPlugin shop/none'
  await using proxy = await PluggedProxy.start(sketchOf(endpoint, { [key]: { guest: '' } }))
  assert.equal((await ask(proxy.port, '/')).status, 503)
  assert.equal((await ask(proxy.port, '/free')).status, 200)
  await proxy.apply(sketchOf(endpoint, { [key]: { guest: '', failStrategy: 'fail-open' } }))
  assert.equal((await ask(proxy.port, '/')).status, 200)
})

test('one thousand traps between other requests are each one request of their own', { timeout: 120_000 }, async () => {
  await using endpoint = await Endpoint.open()
  await using proxy = await PluggedProxy.start(sketchOf(endpoint, { 'WasmPlugin shop/hostile': { guest: 'hostile' } }))
  const agent = new http.Agent({ keepAlive: true, maxSockets: 8 })
  const status = (path: string, wish: string): Promise<number> =>
    new Promise((resolve, reject) => {
      const options = { port: proxy.port, path, agent, headers: { 'x-do': wish } }
      const request = http.get(options, response =>
        response.resume().on('end', () => resolve(response.statusCode ?? 0)),
      )
      request.on('error', reject)
    })
  for (let round = 0; round < 125; round++) {
    const harmed = Array.from({ length: 8 }, () => status('/', 'request_headers:trap'))
    const others = Array.from({ length: 4 }, () => status('/free', ''))
    assert.deepEqual(new Set(await Promise.all(harmed)), new Set([503]))
    assert.deepEqual(new Set(await Promise.all(others)), new Set([200]))
  }
  agent.destroy()
  // A start that the budget of time does not allow yet is a refusal without a trap.
  assert.ok((proxy.plugins.status()[0]?.failures.trap ?? 0) > 0)
  assert.equal(proxy.plugins.status()[0]?.streams, 0)
})
