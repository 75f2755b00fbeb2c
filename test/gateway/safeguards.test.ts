import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import http from 'node:http'
import http2 from 'node:http2'
import { connect } from 'node:net'
import type { AddressInfo } from 'node:net'
import { describe, it } from 'node:test'
import type { TestContext } from 'node:test'
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib'
import { gateway, GatewayBed, route } from '../support/gateway.ts'
import { freePort } from '../support/ports.ts'

interface Asked {
  readonly path?: string
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Pieces, sent one by one. */
  readonly body?: readonly Buffer[]
  /** Lets the client say how long the body is. */
  readonly hasLength?: boolean
}

interface Answered {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: Buffer
  readonly continued: number
}

type Ask = (address: string, port: number, asked?: Asked) => Promise<Answered>

const turn = () => new Promise<void>(resolve => setImmediate(resolve))

const askByHttp1: Ask = async (address, port, asked = {}) => {
  const { path = '/', method = 'GET', headers = {}, body = [], hasLength = false } = asked
  const length = Buffer.concat(body).length
  const own = hasLength ? { 'content-length': String(length) } : {}
  const request = http.request({ host: address, port, path, method, headers: { ...headers, ...own }, agent: false })
  let continued = 0
  request.on('continue', () => continued++)
  const answered = once(request, 'response') as Promise<[http.IncomingMessage]>
  request.on('error', () => {})
  if (headers['expect'] !== undefined) await Promise.race([once(request, 'continue'), answered])
  for (const piece of body) {
    request.write(piece)
    await turn()
  }
  request.end()
  const [response] = await answered
  const pieces: Buffer[] = []
  for await (const piece of response) pieces.push(piece as Buffer)
  const fields = Object.fromEntries(Object.entries(response.headers).map(([name, value]) => [name, String(value)]))
  return { status: response.statusCode ?? 0, headers: fields, body: Buffer.concat(pieces), continued }
}

const askByHttp2: Ask = async (address, port, asked = {}) => {
  const { path = '/', method = 'GET', headers = {}, body = [], hasLength = false } = asked
  const session = http2.connect(`http://${address}:${port}`)
  session.on('error', () => {})
  const length = Buffer.concat(body).length
  const own = hasLength ? { 'content-length': String(length) } : {}
  const fields = { ':path': path, ':method': method, ...headers, ...own }
  const stream = session.request(fields, { endStream: body.length === 0 })
  stream.on('error', () => {})
  let continued = 0
  stream.on('continue', () => continued++)
  const answered = once(stream, 'response') as Promise<[http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader]>
  if (headers['expect'] !== undefined) await Promise.race([once(stream, 'continue'), answered])
  for (const piece of body) {
    // An answer that came early has ended the stream.
    if (!stream.writable) break
    stream.write(piece)
    await turn()
  }
  if (body.length > 0 && stream.writable) stream.end()
  const pieces: Buffer[] = []
  // Not by iteration, which takes it for an error when the answer ends before the request.
  stream.on('data', (piece: Buffer) => pieces.push(piece))
  const closed = once(stream, 'close')
  const [head] = await answered
  await closed
  session.close()
  const got = Object.fromEntries(Object.entries(head).map(([name, value]) => [name, String(value)]))
  return { status: head[':status'] ?? 0, headers: got, body: Buffer.concat(pieces), continued }
}

const clients: readonly (readonly [name: string, ask: Ask])[] = [
  ['HTTP/1.1', askByHttp1],
  ['HTTP/2', askByHttp2],
]

const large: Buffer = Buffer.from('all work and no play makes a dull mesh. '.repeat(30_000))

/** A backend that tells what it got. */
async function openBackend(t: TestContext): Promise<{ port: number; requests: http.IncomingHttpHeaders[] }> {
  const requests: http.IncomingHttpHeaders[] = []
  const server = http.createServer((request, response) => {
    requests.push(request.headers)
    const [path = '', query = ''] = (request.url ?? '').split('?')
    if (path === '/large' || path === '/chunked') {
      const length = path === '/large' ? { 'content-length': String(large.length) } : {}
      response.writeHead(200, { 'content-type': 'text/plain', etag: '"a"', ...length })
      response.end(large)
      return
    }
    if (path === '/events') {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write('data: 1\n\n')
      return
    }
    const hash = createHash('sha256')
    let bytes = 0
    request.on('data', (piece: Buffer) => {
      bytes += piece.length
      hash.update(piece)
    })
    request.on('end', () => {
      response.writeHead(200, {
        'x-user': request.headers['x-user'] ?? '',
        'x-query': query,
        'x-seen-id': request.headers['x-request-id'] ?? '',
      })
      response.end(`${bytes} ${hash.digest('hex')}`)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return { port: (server.address() as AddressInfo).port, requests }
}

const serviceOf = (name: string, port: number) => `
apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: infra}
spec: {ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: ${name}-1, namespace: infra, labels: {kubernetes.io/service-name: ${name}}}
addressType: IPv4
ports: [{port: ${port}}]
endpoints: [{addresses: [127.0.0.1]}]
`

interface Web {
  readonly address: string
  readonly port: number
  readonly bed: GatewayBed
  readonly backend: { readonly port: number; readonly requests: http.IncomingHttpHeaders[] }
}

/** A route to the backend with these filters, specs of HTTPFilters in flow style. */
async function openWeb(t: TestContext, specs: readonly string[], more: readonly string[] = []): Promise<Web> {
  const bed = await GatewayBed.open()
  t.after(() => bed[Symbol.asyncDispose]())
  const backend = await openBackend(t)
  const port = await freePort()
  await bed.put('gateway', gateway('infra/web', [`{name: http, port: ${port}, protocol: HTTP}`]))
  const filters = specs.map(
    (spec, index) => `
apiVersion: heddle.dev/v1alpha1
kind: HTTPFilter
metadata: {name: f${index}, namespace: infra}
spec: ${spec}
`,
  )
  const references = specs.map(
    (_, index) => `{type: ExtensionRef, extensionRef: {group: heddle.dev, kind: HTTPFilter, name: f${index}}}`,
  )
  await bed.put('filters', serviceOf('backend', backend.port), ...more, ...filters)
  const rule = `filters: [${references.join(', ')}], backendRefs: [{name: backend, port: 80}]`
  await bed.put('route', route('infra/r', { parents: 'web', rules: [rule] }))
  assert.deepEqual(bed.source.current.problems, [])
  return { address: bed.address, port, bed, backend }
}

const pieces = (text: string, size: number): Buffer[] =>
  Array.from({ length: Math.ceil(text.length / size) }, (_, index) =>
    Buffer.from(text.slice(index * size, (index + 1) * size)),
  )
const digest = (text: string | Buffer) => createHash('sha256').update(text).digest('hex')

for (const [name, ask] of clients) {
  describe(`safeguards for a client of ${name}`, () => {
    it('answer directly, with headers and body', async t => {
      const spec = `{type: DirectResponse, directResponse: {statusCode: 503, contentType: text/html, body: <b>soon</b>, headers: [{name: retry-after, value: '600'}]}}`
      const { address, port, backend } = await openWeb(t, [spec])
      const { status, headers, body } = await ask(address, port)
      assert.deepEqual(
        [status, headers['content-type'], headers['retry-after'], headers['x-heddle-reason'], body.toString()],
        [503, 'text/html', '600', 'direct-response', '<b>soon</b>'],
      )
      assert.equal(headers['content-length'], '11')
      assert.deepEqual(backend.requests, [])
      assert.equal((await ask(address, port, { method: 'HEAD' })).body.length, 0)
    })

    it('count requests', async t => {
      const spec = `{type: RateLimit, rateLimit: {requests: 1, per: 1h, burst: 3}}`
      const { address, port, bed } = await openWeb(t, [spec])
      const statuses: number[] = []
      for (let count = 0; count < 5; count++) statuses.push((await ask(address, port)).status)
      assert.deepEqual(statuses, [200, 200, 200, 429, 429])
      const refused = await ask(address, port)
      assert.deepEqual(
        [refused.headers['x-heddle-reason'], Number(refused.headers['retry-after']) > 0],
        ['rate-limited', true],
      )
      assert.equal(bed.log.at(-1)?.flags, 'RL')
    })

    it('delay and abort', async t => {
      const spec = `{type: Fault, fault: {delay: {duration: 50ms, percent: 100}, abort: {statusCode: 418, percent: 100}, headers: [{name: x-test, value: chaos}]}}`
      const { address, port, bed } = await openWeb(t, [spec])
      assert.equal((await ask(address, port)).status, 200)
      const broken = await ask(address, port, { headers: { 'x-test': 'chaos' } })
      assert.deepEqual([broken.status, broken.headers['x-heddle-reason']], [418, 'injected-fault'])
      assert.ok((bed.log.at(-1)?.durationMs ?? 0) >= 49)
    })

    it('hold a request with its body and let it go on whole', async t => {
      const spec = `{type: Fault, fault: {delay: {duration: 100ms, percent: 100}}}`
      const { address, port, bed } = await openWeb(t, [spec])
      const text = 'x'.repeat(50_000)
      for (const hasLength of [true, false]) {
        const { status, body } = await ask(address, port, { method: 'POST', body: pieces(text, 7_000), hasLength })
        assert.deepEqual([status, body.toString()], [200, `${text.length} ${digest(text)}`])
      }
      assert.equal(bed.log.at(-1)?.flags, 'DI')
      // Longer than what is kept: the client waits, and nothing is lost.
      const long = 'y'.repeat(3_000_000)
      const { body } = await ask(address, port, { method: 'POST', body: pieces(long, 100_000) })
      assert.equal(body.toString(), `${long.length} ${digest(long)}`)
    })

    it('limit bodies, whether they say their length or not', async t => {
      const { address, port } = await openWeb(t, ['{type: BodyLimit, bodyLimit: {maxSize: 1Ki}}'])
      for (const hasLength of [true, false]) {
        const fits = await ask(address, port, { method: 'POST', body: pieces('x'.repeat(1024), 100), hasLength })
        assert.deepEqual([fits.status, fits.body.toString()], [200, `1024 ${digest('x'.repeat(1024))}`])
        const long = await ask(address, port, { method: 'POST', body: pieces('x'.repeat(1025), 100), hasLength })
        assert.deepEqual([long.status, long.headers['x-heddle-reason']], [413, 'payload-too-large'])
      }
    })

    it('compress what is worth it', async t => {
      const spec = '{type: Compression, compression: {encodings: [br, zstd, gzip], minSize: 1Ki}}'
      const { address, port } = await openWeb(t, [spec])
      const decoders = { gzip: gunzipSync, br: brotliDecompressSync, zstd: zstdDecompressSync }
      for (const [encoding, decode] of Object.entries(decoders)) {
        for (const path of ['/large', '/chunked']) {
          const { status, headers, body } = await ask(address, port, { path, headers: { 'accept-encoding': encoding } })
          assert.deepEqual(
            [status, headers['content-encoding'], headers['etag'], headers['vary'], headers['content-length']],
            [200, encoding, 'W/"a"', 'accept-encoding', undefined],
            `${path} ${encoding}`,
          )
          assert.ok(body.length < large.length / 10)
          assert.equal(Buffer.compare(decode(body), large), 0)
        }
      }
      const plain = await ask(address, port, { path: '/large' })
      assert.deepEqual([plain.headers['content-encoding'], plain.headers['vary']], [undefined, 'accept-encoding'])
      assert.equal(Buffer.compare(plain.body, large), 0)
      const head = await ask(address, port, { path: '/large', method: 'HEAD', headers: { 'accept-encoding': 'gzip' } })
      assert.deepEqual([head.headers['content-length'], head.body.length], [String(large.length), 0])
    })

    it('ask an authorizer, who adds to the request and the answer, or refuses', async t => {
      const seen: { url: string; body: string; headers: http.IncomingHttpHeaders }[] = []
      const authorizer = http.createServer((request, response) => {
        let body = ''
        request.setEncoding('latin1').on('data', (text: string) => (body += text))
        request.on('end', () => {
          seen.push({ url: request.url ?? '', body, headers: request.headers })
          if (request.headers['cookie'] === 'session=1') {
            response.writeHead(200, { 'x-user': 'ann' }).end()
            return
          }
          response.writeHead(401, { 'www-authenticate': 'Basic', 'content-type': 'text/plain' })
          response.write('who ')
          response.end('are you?')
        })
      })
      authorizer.listen(0, '127.0.0.1')
      await once(authorizer, 'listening')
      t.after(() => {
        authorizer.close()
        authorizer.closeAllConnections()
      })
      const spec = `{type: ExternalAuth, externalAuth: {protocol: HTTP, backendRef: {name: auth, port: 80}, http: {allowedHeaders: [cookie], allowedResponseHeaders: [x-user]}, forwardBody: {maxSize: 100}}}`
      const { address, port } = await openWeb(
        t,
        [spec],
        [serviceOf('auth', (authorizer.address() as AddressInfo).port)],
      )
      const allowed = await ask(address, port, {
        method: 'POST',
        path: '/cart?a=1',
        headers: { cookie: 'session=1', 'x-user': 'mallory' },
        body: pieces('hello world', 1),
      })
      assert.deepEqual(
        [allowed.status, allowed.headers['x-user'], allowed.body.toString()],
        [200, 'ann', `11 ${digest('hello world')}`],
      )
      assert.deepEqual(
        [seen[0]?.url, seen[0]?.body, seen[0]?.headers.cookie],
        ['/cart?a=1', 'hello world', 'session=1'],
      )
      const id = String(seen[0]?.headers['x-request-id'])
      assert.match(id, /^[0-9a-f-]{36}$/, 'the authorizer and the endpoint can tell that it was one request')
      assert.equal(allowed.headers['x-seen-id'], id)
      const refused = await ask(address, port, { headers: { cookie: 'session=2' } })
      assert.deepEqual(
        [
          refused.status,
          refused.headers['www-authenticate'],
          refused.headers['x-heddle-reason'],
          refused.body.toString(),
        ],
        [401, 'Basic', 'auth-denied', 'who are you?'],
      )
      const long = await ask(address, port, { method: 'POST', body: pieces('x'.repeat(101), 10) })
      assert.equal(long.status, 413)
      const asked = await ask(address, port, {
        method: 'POST',
        headers: { cookie: 'session=1', expect: '100-continue' },
        body: [Buffer.from('later')],
        hasLength: true,
      })
      assert.deepEqual([asked.status, asked.continued, asked.body.toString()], [200, 1, `5 ${digest('later')}`])
    })

    it('refuse when the authorizer is not there, unless told otherwise', async t => {
      const nobody = await freePort()
      const of = (onFailure: string) =>
        `{type: ExternalAuth, externalAuth: {protocol: HTTP, backendRef: {name: auth, port: 80}, http: {}, onFailure: ${onFailure}}}`
      const closed = await openWeb(t, [of('Deny')], [serviceOf('auth', nobody)])
      const refused = await ask(closed.address, closed.port)
      assert.deepEqual([refused.status, refused.headers['x-heddle-reason']], [403, 'auth-unavailable'])
      const open = await openWeb(t, [of('Allow')], [serviceOf('auth', nobody)])
      assert.equal((await ask(open.address, open.port)).status, 200)
    })
  })
}

it('a client that goes away while its request is held leaves nothing behind', async t => {
  const spec = `{type: Fault, fault: {delay: {duration: 10s, percent: 100}}}`
  const { address, port, bed, backend } = await openWeb(t, [spec])
  const socket = connect(port, address)
  socket.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf of it')
  await once(socket, 'connect')
  // The proxy reads what came before on other connections when it accepts this one.
  const probe = http.get({ host: address, port, path: '/', agent: false }).on('error', () => {})
  await turn()
  probe.destroy()
  socket.destroy()
  await t.waitFor(() => assert.ok(bed.log.some(({ flags, method }) => flags === 'DC' && method === 'POST')))
  assert.deepEqual(backend.requests, [])
})
