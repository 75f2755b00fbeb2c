import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import type http2 from 'node:http2'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, describe, it, suite } from 'node:test'
import { Client, H2CClient } from 'undici'
import { TestAuthority } from '../support/certificates.ts'
import { BookMeter } from '../support/clients-meter.ts'
import { Http2Client } from '../support/http2-client.ts'
import { contentOf, Http2Server } from '../support/http2-server.ts'
import { run } from '../support/programs.ts'
import { startProxy } from '../support/proxy.ts'
import type { BackendSketch, TestProxy } from '../support/proxy.ts'
import { tlsTo } from '../support/backend-tls.ts'

/** An endpoint that tells what it got, and answers in as many ways as the path asks for. */
interface Endpoint extends AsyncDisposable {
  readonly port: number
}

const large = randomBytes(10 * 1024 * 1024)
const largeDigest = digest(large)

function digest(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

async function http1Endpoint(): Promise<Endpoint> {
  const server = http.createServer((request, response) => {
    const pieces: Buffer[] = []
    request.on('data', (piece: Buffer) => pieces.push(piece))
    request.on('end', () => answerHttp1(request, Buffer.concat(pieces), response))
  })
  server.on('checkContinue', (request, response: http.ServerResponse) => {
    response.writeContinue()
    server.emit('request', request, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

function answerHttp1(request: http.IncomingMessage, body: Buffer, response: http.ServerResponse): void {
  response.setHeader('set-cookie', ['a=1', 'b=2'])
  switch (request.url ?? '') {
    case '/large':
      response.end(large)
      return
    case '/large-in-chunks':
      response.write(large.subarray(0, 1_000_000))
      response.end(large.subarray(1_000_000))
      return
    case '/empty':
      response.writeHead(204).end()
      return
    case '/unchanged':
      response.writeHead(304, { etag: '"x"' }).end()
      return
    case '/early':
      response.writeEarlyHints({ link: '</style.css>; rel=preload' }, () => response.end('late'))
      return
    case '/trailers':
      response.writeHead(200, { trailer: 'x-sum' })
      response.write('content')
      response.addTrailers({ 'x-sum': 'sum' })
      response.end()
      return
    default:
      response.setHeader('content-type', 'application/json')
      response.end(told(request.method, request.headers, body, request.trailers))
  }
}

function told(method: string | undefined, headers: object, body: Buffer, trailers: object): string {
  return JSON.stringify({ method, headers, size: body.length, digest: digest(body), trailers })
}

function answerHttp2(stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders): void {
  let trailers: object = {}
  stream.on('trailers', fields => (trailers = fields))
  void contentOf(stream).then(body => {
    const cookies = { 'set-cookie': ['a=1', 'b=2'] }
    switch (headers[':path'] ?? '') {
      case '/large':
        stream.respond({ ':status': 200, 'content-length': large.length, ...cookies })
        stream.end(large)
        return
      case '/large-in-chunks':
        stream.respond({ ':status': 200, ...cookies })
        stream.end(large)
        return
      case '/empty':
        stream.respond({ ':status': 204, ...cookies }, { endStream: true })
        return
      case '/unchanged':
        stream.respond({ ':status': 304, etag: '"x"', ...cookies }, { endStream: true })
        return
      case '/early':
        stream.additionalHeaders({ ':status': 103, link: '</style.css>; rel=preload' })
        stream.respond({ ':status': 200, ...cookies })
        stream.end('late')
        return
      case '/trailers':
        stream.respond({ ':status': 200, ...cookies }, { waitForTrailers: true })
        stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': 'sum' }))
        stream.end('content')
        return
      default: {
        const text = told(headers[':method'], headers, body, trailers)
        if (headers[':method'] === 'HEAD') {
          stream.respond({ ':status': 200, 'content-length': text.length, ...cookies }, { endStream: true })
          return
        }
        stream.respond({ ':status': 200, 'content-type': 'application/json', ...cookies })
        stream.end(text)
      }
    }
  })
}

interface Told {
  readonly method: string
  readonly headers: http.IncomingHttpHeaders & Record<string, string | undefined>
  readonly size: number
  readonly digest: string
  readonly trailers: Record<string, string>
}

const names = ['shop.example']
const authority = new TestAuthority()
const pair = authority.issue({ names })
after(() => authority[Symbol.dispose]())

const endpoints: readonly {
  readonly name: string
  readonly open: () => Promise<Endpoint>
  readonly backend: Omit<BackendSketch, 'ports'>
}[] = [
  { name: 'HTTP/1.1', open: http1Endpoint, backend: {} },
  { name: 'HTTP/2', open: async () => Http2Server.start(answerHttp2), backend: { protocol: 'h2c' } },
  {
    name: 'HTTP/2 by TLS',
    open: async () => Http2Server.start(answerHttp2, { tls: pair }),
    backend: {
      protocol: 'h2c',
      tls: tlsTo('shop.example', authority),
    },
  },
]

const matrix = [false, true].flatMap(isTls => endpoints.map(endpoint => ({ isTls, ...endpoint })))

for (const { isTls, name, open, backend } of matrix) {
  describe(`clients by HTTP/2${isTls ? ' by TLS' : ''} of an endpoint by ${name}`, { timeout: 60_000 }, () => {
    let endpoint: Endpoint
    let proxy: TestProxy
    const meter = new BookMeter()
    const url = (target: string): string => `${isTls ? 'https' : 'http'}://127.0.0.1:${proxy.port}${target}`
    const openClient = async (): Promise<Http2Client> =>
      Http2Client.open(url(''), isTls ? { ca: authority.certificate, servername: 'shop.example' } : {})

    before(async () => {
      endpoint = await open()
      proxy = await startProxy(
        {
          rules: [{ backends: ['a:80'] }],
          backends: { 'a:80': { ...backend, ports: [endpoint.port] } },
          ...(isTls ? { certificate: pair } : {}),
        },
        { meter },
      )
    })

    after(async () => {
      await proxy[Symbol.asyncDispose]()
      await endpoint[Symbol.asyncDispose]()
    })

    suite('node:http2', () => {
      it('sends fields that arrive, without those of the hop', async () => {
        await using client = await openClient()
        const answer = await client.ask({
          path: '/x?y=1',
          headers: { 'x-mixed': 'Value', te: 'trailers', cookie: 'a=1; b=2', 'user-agent': 'me' },
        })
        const { method, headers } = JSON.parse(answer.body.toString()) as Told
        assert.equal(answer.status, 200)
        assert.equal(method, 'GET')
        assert.equal(headers.host ?? headers[':authority'], `${isTls ? 'shop.example' : '127.0.0.1'}:${proxy.port}`)
        assert.equal(headers['x-mixed'], 'Value')
        assert.equal(headers.cookie, 'a=1; b=2')
        assert.equal(headers['x-forwarded-for'], '127.0.0.1')
        assert.equal(headers['x-forwarded-proto'], isTls ? 'https' : 'http')
        assert.deepEqual(answer.headers['set-cookie'], ['a=1', 'b=2'])
        assert.equal(answer.headers.connection, undefined)
        assert.equal(answer.headers['transfer-encoding'], undefined)
        const record = proxy.log.at(-1)
        assert.equal(record?.version, 20)
        assert.equal(record.target, '/x?y=1')
        assert.equal(record.userAgent, 'me')
      })

      for (const pathAsked of ['/large', '/large-in-chunks']) {
        it(`receives 10 MiB of ${pathAsked} whole`, async () => {
          await using client = await openClient()
          const answer = await client.ask({ path: pathAsked })
          assert.equal(answer.resetCode, 0)
          assert.equal(digest(answer.body), largeDigest)
          assert.equal(proxy.log.at(-1)?.responseBytes, large.length)
        })
      }

      for (const headers of [{}, { 'content-length': large.length }]) {
        it(`sends 10 MiB whole, ${'content-length' in headers ? 'with' : 'without'} a length`, async () => {
          await using client = await openClient()
          const answer = await client.ask({ method: 'POST', headers, body: large })
          const got = JSON.parse(answer.body.toString()) as Told
          assert.equal(got.size, large.length)
          assert.equal(got.digest, largeDigest)
        })
      }

      it('sends trailers, and receives some', async () => {
        await using client = await openClient()
        const sent = await client.ask({ method: 'POST', body: 'x', trailers: { 'x-check': 'yes' } })
        assert.equal((JSON.parse(sent.body.toString()) as Told).trailers['x-check'], 'yes')
        const received = await client.ask({ path: '/trailers' })
        assert.equal(received.body.toString(), 'content')
        assert.equal(received.trailers['x-sum'], 'sum')
      })

      it('sees answers without content as such', async () => {
        await using client = await openClient()
        const head = await client.ask({ method: 'HEAD' })
        assert.equal(head.status, 200)
        assert.ok(Number(head.headers['content-length'] ?? 1) > 0)
        assert.equal(head.body.length, 0)
        assert.equal((await client.ask({ path: '/empty' })).status, 204)
        const unchanged = await client.ask({ path: '/unchanged' })
        assert.equal(unchanged.status, 304)
        assert.equal(unchanged.headers.etag, '"x"')
        assert.equal((await client.ask()).status, 200)
      })

      it('sees interim answers', async () => {
        await using client = await openClient()
        const early = await client.ask({ path: '/early' })
        assert.deepEqual(early.interim, [103])
        assert.equal(early.body.toString(), 'late')
      })

      it('has a thousand requests answered over four connections', async () => {
        const clients = await Promise.all(Array.from({ length: 4 }, openClient))
        const answers = await Promise.all(
          Array.from({ length: 1000 }, async (_, index) =>
            clients[index & 3]?.ask({ method: 'POST', path: `/${index}`, body: `body ${index}` }),
          ),
        )
        for (const [index, answer] of answers.entries()) {
          assert.equal(answer?.status, 200)
          assert.equal((JSON.parse(answer.body.toString()) as Told).digest, digest(Buffer.from(`body ${index}`)))
        }
        for (const client of clients) await client[Symbol.asyncDispose]()
      })
    })

    suite('curl', () => {
      const args = isTls ? ['-sS', '-k', '--http2'] : ['-sS', '--http2-prior-knowledge']

      it('speaks HTTP/2', async () => {
        const { out } = await run('curl', [...args, '-w', ' %{http_version}', url('/trailers')])
        assert.equal(out, 'content 2')
      })

      if (!isTls) {
        it('asks for an upgrade to h2c and gets HTTP/1.1', async () => {
          const { out, code } = await run('curl', ['-sS', '--http2', '-w', ' %{http_version}', url('/trailers')])
          assert.equal(code, 0)
          assert.equal(out, 'content 1.1')
        })
      }

      it('moves 10 MiB either way', async () => {
        const directory = mkdtempSync(path.join(tmpdir(), 'heddle-curl-'))
        try {
          const file = path.join(directory, 'large')
          writeFileSync(file, large)
          const up = await run('curl', [...args, '--data-binary', `@${file}`, url('/')])
          assert.equal((JSON.parse(up.out) as Told).digest, largeDigest)
          const to = path.join(directory, 'down')
          const down = await run('curl', [...args, '-o', to, '-w', '%{size_download}', url('/large-in-chunks')])
          assert.equal(down.out, String(large.length))
        } finally {
          rmSync(directory, { recursive: true })
        }
      })

      it('waits for 100 before it sends', async () => {
        const { out, errors } = await run('curl', [
          ...args,
          '-v',
          '-H',
          'expect: 100-continue',
          '-d',
          'hello',
          url('/'),
        ])
        assert.equal((JSON.parse(out) as Told).size, 5)
        if (backend.protocol !== 'h2c') assert.match(errors, /< HTTP\/2 100/)
      })
    })

    suite('other programs', () => {
      it('nghttp asks for many things at once', async () => {
        const urls = ['/', '/trailers', '/empty', '/large'].map(url)
        const { out, code } = await run('nghttp', ['-n', '-y', '--stat', ...urls])
        assert.equal(code, 0)
        assert.equal(out.match(/ (200|204) /g)?.length, 4, out)
      })

      it('h2load loses none of 4,000', async () => {
        const { out } = await run('h2load', ['-n4000', '-c4', '-m100', url('/trailers')])
        assert.match(out, /4000 succeeded, 0 failed, 0 errored, 0 timeout/)
      })

      it('h2load with windows of almost nothing, too', async () => {
        const { out } = await run('h2load', ['-n200', '-c2', '-m50', '-w1', '-W1', url('/trailers')])
        assert.match(out, /200 succeeded, 0 failed, 0 errored, 0 timeout/)
      })

      it('undici', async () => {
        const client = isTls
          ? new Client(url(''), { allowH2: true, connect: { ca: authority.certificate, servername: 'shop.example' } })
          : new H2CClient(url(''))
        const { statusCode, body } = await client.request({ method: 'POST', path: '/', body: 'hello' })
        assert.equal(statusCode, 200)
        assert.equal(((await body.json()) as Told).size, 5)
        await client.close()
        assert.equal(proxy.log.at(-1)?.version, 20)
      })
    })

    it('nothing is left behind', async t => {
      await t.waitFor(() => {
        const gauges = meter.gauges()
        assert.equal(gauges.get('heddle_http2_connections'), 0)
        assert.equal(gauges.get('heddle_downstream_connections'), 0)
        assert.equal(gauges.get('http_server_active_requests'), 0)
        assert.equal(proxy.proxy.endpointStates()[0]?.activeRequests, 0)
      })
    })
  })
}
