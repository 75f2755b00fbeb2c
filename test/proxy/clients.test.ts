import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { Client, Pool } from 'undici'
import { WebSocket, WebSocketServer } from 'ws'
import { startProxy } from '../support/proxy.ts'
import type { TestProxy } from '../support/proxy.ts'

const digest = (bytes: Buffer | string): string => createHash('sha256').update(bytes).digest('hex')
const large = randomBytes(3_000_000)

interface Told {
  readonly method: string
  readonly url: string
  readonly version: string
  readonly headers: Readonly<Record<string, string>>
  readonly bytes: number
  readonly digest: string
  readonly trailers: Readonly<Record<string, string>>
}

/** Tells what it was asked, as JSON; under `/large` it sends bytes, under `/old` an answer without framing. */
async function startServer(): Promise<http.Server> {
  const server = http.createServer({ keepAliveTimeout: 0 }, (request, response) => {
    const url = request.url ?? ''
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      if (url.startsWith('/large')) {
        if (url.includes('length')) response.setHeader('content-length', large.length)
        response.end(large)
        return
      }
      if (url.startsWith('/old')) {
        response.socket?.end('HTTP/1.0 200 OK\r\n\r\nuntil close')
        return
      }
      if (url.startsWith('/trailers')) {
        response.writeHead(200, { trailer: 'x-sum' })
        response.write('body')
        response.addTrailers({ 'x-sum': '42' })
        response.end()
        return
      }
      if (url.startsWith('/hints')) response.writeEarlyHints({ link: '</style.css>; rel=preload' })
      const body = Buffer.concat(chunks)
      const told: Told = {
        method: request.method ?? '',
        url,
        version: request.httpVersion,
        headers: request.headers as Record<string, string>,
        bytes: body.length,
        digest: digest(body),
        trailers: request.trailers as Record<string, string>,
      }
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify(told))
    })
  })
  server.on('checkContinue', (request, response) => {
    response.writeContinue()
    server.emit('request', request, response)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return server
}

let server: http.Server
let proxy: TestProxy
let base = ''

before(async () => {
  server = await startServer()
  proxy = await startProxy({
    rules: [{ backends: ['a:80'] }],
    backends: { 'a:80': { ports: [(server.address() as AddressInfo).port] } },
  })
  base = `http://127.0.0.1:${proxy.port}`
})

after(async () => {
  await proxy[Symbol.asyncDispose]()
  const closed = new Promise<void>(resolve => server.close(() => resolve()))
  server.closeAllConnections()
  await closed
})

const curl = '/usr/bin/curl'
const hasCurl = existsSync(curl)
if (!hasCurl && (process.env.HEDDLE_TEST_REQUIRE ?? '').includes('clients')) throw new Error(`${curl} is required`)

describe('curl', { skip: hasCurl ? false : `${curl} is not there`, timeout: 20_000 }, () => {
  const run = async (...args: string[]): Promise<string> => {
    const { stdout } = await promisify(execFile)(curl, ['-sS', '--max-time', '10', ...args], {
      encoding: 'latin1',
      maxBuffer: 16 * 1024 * 1024,
    })
    return stdout
  }
  const told = async (...args: string[]): Promise<Told> => JSON.parse(await run(...args)) as Told

  it('gets, with query and fields', async () => {
    const answer = await told('-H', 'X-Custom: a, b', `${base}/some/path?q=1%202`)
    assert.equal(answer.method, 'GET')
    assert.equal(answer.url, '/some/path?q=1%202')
    assert.equal(answer.headers['x-custom'], 'a, b')
    assert.equal(answer.headers['x-forwarded-host'], `127.0.0.1:${proxy.port}`)
    assert.match(answer.headers['user-agent'] ?? '', /^curl\//)
  })

  it('HEAD', async () => {
    const text = await run('-I', `${base}/large?length`)
    assert.match(text, /^HTTP\/1\.1 200 OK\r\n/)
    assert.match(text, new RegExp(`\\r\\ncontent-length: ${large.length}\\r\\n`, 'i'))
  })

  const uploads: readonly [string, readonly string[]][] = [
    ['with Content-Length', []],
    ['with Expect: 100-continue', ['-H', 'Expect: 100-continue']],
    ['chunked', ['-H', 'Transfer-Encoding: chunked']],
    ['without waiting', ['-H', 'Expect:']],
  ]
  for (const [name, args] of uploads) {
    it(`posts 3 MB ${name}`, async () => {
      const folder = await mkdtemp(join(tmpdir(), 'heddle-curl-'))
      try {
        await writeFile(join(folder, 'body'), large)
        const answer = await told(...args, '--data-binary', `@${join(folder, 'body')}`, `${base}/up`)
        assert.equal(answer.method, 'POST')
        assert.equal(answer.bytes, large.length)
        assert.equal(answer.digest, digest(large))
      } finally {
        await rm(folder, { recursive: true })
      }
    })
  }

  const downloads: readonly [string, readonly string[]][] = [
    ['/large?length', []],
    ['/large?chunked', []],
    ['/large?length', ['--http1.0']],
    ['/large?chunked', ['--http1.0']],
  ]
  for (const [path, args] of downloads) {
    it(`gets 3 MB from ${path} ${args.join(' ')}`, async () => {
      const folder = await mkdtemp(join(tmpdir(), 'heddle-curl-'))
      try {
        await run(...args, '-o', join(folder, 'body'), base + path)
        assert.equal(digest(await readFile(join(folder, 'body'))), digest(large))
      } finally {
        await rm(folder, { recursive: true })
      }
    })
  }

  it('keeps its connection for several requests', async () => {
    const text = await run(
      '-o',
      '/dev/null',
      '-o',
      '/dev/null',
      '-o',
      '/dev/null',
      '-w',
      '%{num_connects} %{http_code}\n',
      `${base}/1`,
      `${base}/old`,
      `${base}/3`,
    )
    assert.equal(text, '1 200\n0 200\n0 200\n')
  })

  it('asks for an upgrade to HTTP/2 that nobody makes', async () => {
    assert.equal((await told('--http2', `${base}/h2c`)).url, '/h2c')
  })

  it('asks through an absolute target, as of a forward proxy', async () => {
    const answer = await told('-x', base, 'http://shop.example/via?x')
    assert.equal(answer.url, '/via?x')
    assert.equal(answer.headers.host, 'shop.example')
  })
})

describe('undici', { timeout: 20_000 }, () => {
  it('sends many requests over a pool, with bodies of both framings', async () => {
    const pool = new Pool(base, { connections: 8 })
    const results = await Promise.all(
      Array.from({ length: 200 }, async (_, index) => {
        const body = index % 3 === 0 ? null : index % 3 === 1 ? 'x'.repeat(index * 50) : streamOf(index)
        const method = body === null ? 'GET' : 'PUT'
        const answer = await pool.request({
          path: `/${index}`,
          method,
          body: typeof body === 'object' && body !== null ? Readable.from(body) : body,
        })
        return { index, status: answer.statusCode, told: (await answer.body.json()) as Told }
      }),
    )
    for (const { index, status, told } of results) {
      assert.equal(status, 200)
      assert.equal(told.url, `/${index}`)
      assert.equal(told.bytes, index % 3 === 0 ? 0 : index * 50)
    }
    await pool.close()
  })

  it('pipelines, and gets every answer in its place', async () => {
    const client = new Client(base, { pipelining: 10 })
    const paths = await Promise.all(
      Array.from({ length: 100 }, async (_, index) => {
        const answer = await client.request({ path: `/p${index}`, method: 'GET' })
        return ((await answer.body.json()) as Told).url
      }),
    )
    assert.deepEqual(
      paths,
      paths.map((_, index) => `/p${index}`),
    )
    await client.close()
  })

  it('reads trailers', async () => {
    const client = new Client(base)
    const answer = await client.request({ path: '/trailers', method: 'GET' })
    assert.equal(await answer.body.text(), 'body')
    assert.equal(answer.trailers['x-sum'], '42')
    await client.close()
  })

  it('breaks off in the middle of an answer, and the next request works', async () => {
    const pool = new Pool(base, { connections: 1 })
    for (let round = 0; round < 5; round++) {
      const answer = await pool.request({ path: '/large', method: 'GET' })
      answer.body.on('error', () => {})
      answer.body.destroy()
      const next = await pool.request({ path: '/next', method: 'GET' })
      assert.equal(((await next.body.json()) as Told).url, '/next')
    }
    await pool.close()
  })
})

describe('fetch', { timeout: 20_000 }, () => {
  it('gets, posts streams and aborts', async () => {
    const bytes = Buffer.from(await (await fetch(`${base}/large`)).arrayBuffer())
    assert.equal(digest(bytes), digest(large))
    const posted = await fetch(`${base}/up`, { method: 'POST', body: new Blob([large]).stream(), duplex: 'half' })
    assert.equal(((await posted.json()) as Told).digest, digest(large))
    const abort = new AbortController()
    const answer = await fetch(`${base}/large`, { signal: abort.signal })
    abort.abort()
    await assert.rejects(answer.arrayBuffer())
    assert.equal(((await (await fetch(`${base}/again`)).json()) as Told).url, '/again')
  })
})

describe('node:http', { timeout: 20_000 }, () => {
  it('keeps connections, waits for 100 Continue, sends and reads trailers', async () => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
    const request = http.request(`${base}/up`, {
      agent,
      method: 'POST',
      headers: { expect: '100-continue', trailer: 'x-sum', 'transfer-encoding': 'chunked' },
    })
    request.flushHeaders()
    await once(request, 'continue')
    request.write('hello')
    request.addTrailers({ 'x-sum': '7' })
    request.end()
    const [response] = (await once(request, 'response')) as [http.IncomingMessage]
    const told = JSON.parse(await textOf(response)) as Told
    assert.equal(told.bytes, 5)
    assert.equal(told.trailers['x-sum'], '7')
    const next = http.get(`${base}/trailers`, { agent })
    const [second] = (await once(next, 'response')) as [http.IncomingMessage]
    assert.equal(await textOf(second), 'body')
    assert.equal(second.trailers['x-sum'], '42')
    assert.equal(next.reusedSocket, true)
    agent.destroy()
  })

  it('reads early hints', async () => {
    const request = http.get(`${base}/hints`)
    const answered = once(request, 'response')
    const [hints] = (await once(request, 'information')) as [{ statusCode: number; headers: Record<string, string> }]
    assert.equal(hints.statusCode, 103)
    assert.equal(hints.headers.link, '</style.css>; rel=preload')
    const [response] = (await answered) as [http.IncomingMessage]
    assert.equal((JSON.parse(await textOf(response)) as Told).url, '/hints')
  })
})

describe('ws', { timeout: 20_000 }, () => {
  let sockets: WebSocketServer
  before(() => {
    sockets = new WebSocketServer({ server, maxPayload: 64 * 1024 * 1024 })
    sockets.on('connection', (socket: WebSocket, request: http.IncomingMessage) => {
      if (request.url === '/closing') socket.close(4002, 'not today')
      socket.on('message', (data: Buffer, isBinary: boolean) => socket.send(data, { binary: isBinary }))
      socket.on('error', () => {
        // A client that breaks off is part of the tests.
      })
    })
  })
  after(() => sockets.close())

  const connect = async (path = '/ws'): Promise<WebSocket> => {
    const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}${path}`, { perMessageDeflate: false })
    await once(socket, 'open')
    return socket
  }

  it('echoes frames of all sizes, large and fragmented ones too, in order', async () => {
    const socket = await connect()
    const sizes = [0, 1, 125, 126, 65_535, 65_536, 1_000_000, 16 * 1024 * 1024]
    for (const size of sizes) {
      const bytes = randomBytes(size)
      const got = once(socket, 'message')
      socket.send(bytes)
      assert.ok(bytes.equals(((await got) as [Buffer])[0]), `${size} bytes`)
    }
    const whole = once(socket, 'message')
    socket.send('frag', { fin: false, binary: false })
    socket.send('ment', { fin: true, binary: false })
    assert.equal(((await whole) as [Buffer])[0].toString(), 'fragment')
    const pong = once(socket, 'pong')
    socket.ping(Buffer.from('are you there'))
    assert.equal(((await pong) as [Buffer])[0].toString(), 'are you there')
    const closed = once(socket, 'close')
    socket.close(1000)
    assert.equal(((await closed) as [number])[0], 1000)
  })

  it('passes close codes and reasons on, both ways', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}/closing`)
    const [code, reason] = (await once(socket, 'close')) as [number, Buffer]
    assert.deepEqual([code, reason.toString()], [4002, 'not today'])
    const second = await connect()
    const [peer] = [...sockets.clients].slice(-1)
    assert.ok(peer !== undefined)
    const seen = once(peer, 'close')
    second.close(4001, 'done')
    const [peerCode, peerReason] = (await seen) as [number, Buffer]
    assert.deepEqual([peerCode, peerReason.toString()], [4001, 'done'])
  })

  it('a client that vanishes is told to the endpoint, in the middle of a flood too', async () => {
    const socket = await connect()
    const [peer] = [...sockets.clients].slice(-1)
    assert.ok(peer !== undefined)
    for (let count = 0; count < 50; count++) socket.send(randomBytes(200_000))
    await once(socket, 'message')
    const seen = once(peer, 'close')
    socket.terminate()
    assert.equal(((await seen) as [number])[0], 1006)
  })

  it('an endpoint that vanishes is told to the client', async () => {
    const socket = await connect()
    const [peer] = [...sockets.clients].slice(-1)
    const seen = once(socket, 'close')
    peer?.terminate()
    assert.equal(((await seen) as [number])[0], 1006)
  })

  it('100 at once, and nothing is left', async () => {
    const many = await Promise.all(Array.from({ length: 100 }, async () => connect()))
    await Promise.all(
      many.map(async (socket, index) => {
        const got = once(socket, 'message')
        socket.send(`hello ${index}`)
        assert.equal(((await got) as [Buffer])[0].toString(), `hello ${index}`)
        const closed = once(socket, 'close')
        socket.close()
        await closed
      }),
    )
    while (sockets.clients.size > 0) await new Promise(resolve => setImmediate(resolve))
    assert.equal(proxy.proxy.endpointStates()[0]?.activeRequests, 0)
  })
})

async function* streamOf(index: number): AsyncGenerator<string> {
  for (let piece = 0; piece < 50; piece++) {
    yield 'y'.repeat(index)
    await Promise.resolve()
  }
}

async function textOf(response: http.IncomingMessage): Promise<string> {
  let text = ''
  response.setEncoding('utf8')
  for await (const piece of response) text += String(piece)
  return text
}
