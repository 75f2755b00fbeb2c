import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import http from 'node:http'
import type http2 from 'node:http2'
import { pipeline, Readable } from 'node:stream'
import { suite, test } from 'node:test'
import { ask, contentOf, Http2Server } from '../support/http2-server.ts'
import { startProxy } from '../support/proxy.ts'
import type { TestProxy } from '../support/proxy.ts'

const mib = 1024 * 1024

async function proxyFor(server: Http2Server): Promise<TestProxy> {
  return startProxy({
    rules: [{ backends: ['a:80'] }],
    backends: { 'a:80': { ports: [server.port], protocol: 'h2c' } },
  })
}

/** Resolves when nothing has moved for so many turns of the event loop that both ends must be waiting. */
async function untilStill(value: () => number): Promise<void> {
  let before = NaN
  for (let still = 0; still < 1_000; still++) {
    await new Promise(resolve => setImmediate(resolve))
    const now = value()
    if (now !== before) still = 0
    before = now
  }
}

/** Sends noise as fast as the other side takes it. */
class Source {
  readonly digest = createHash('sha256')
  sent = 0

  pour(stream: http2.ServerHttp2Stream, total: number): void {
    pipeline(Readable.from(this.#pieces(total)), stream, () => {})
  }

  *#pieces(total: number): Generator<Buffer> {
    const piece = randomBytes(64 * 1024)
    while (this.sent < total) {
      this.sent += piece.length
      this.digest.update(piece)
      yield piece
    }
  }
}

suite('flow control between a client and an endpoint by HTTP/2', () => {
  test('a client that does not read stops the endpoint, not the other requests of the connection', async () => {
    const source = new Source()
    await using server = await Http2Server.start((stream, headers) => {
      stream.respond({ ':status': 200 })
      if (headers[':path'] === '/large') source.pour(stream, 64 * mib)
      else stream.end('small')
    })
    await using proxy = await proxyFor(server)
    const request = http.get({ port: proxy.port, path: '/large', agent: false })
    const [response] = (await once(request, 'response')) as [http.IncomingMessage]
    response.pause()
    await untilStill(() => source.sent)
    assert.ok(source.sent < 24 * mib, `${source.sent} bytes were taken`)
    for (let round = 0; round < 20; round++) assert.equal((await ask(proxy.port)).body.toString(), 'small')
    assert.equal(server.connections, 1)
    const digest = createHash('sha256')
    let received = 0
    for await (const piece of response) {
      received += (piece as Buffer).length
      digest.update(piece as Buffer)
    }
    assert.equal(received, 64 * mib)
    assert.equal(digest.digest('hex'), source.digest.digest('hex'))
  })

  test('many clients that do not read never stop the answers of others', async () => {
    await using server = await Http2Server.start((stream, headers) => {
      stream.respond({ ':status': 200 })
      if (headers[':path'] === '/large') new Source().pour(stream, 8 * mib)
      else stream.end('small')
    })
    await using proxy = await proxyFor(server)
    const responses: http.IncomingMessage[] = []
    for (let index = 0; index < 40; index++) {
      const [response] = (await once(http.get({ port: proxy.port, path: '/large', agent: false }), 'response')) as [
        http.IncomingMessage,
      ]
      responses.push(response.pause())
    }
    assert.equal((await ask(proxy.port)).body.toString(), 'small')
    assert.equal(server.connections, 1)
    for (const response of responses) response.destroy()
  })

  test('an endpoint that does not read stops the client', async () => {
    let digest = ''
    let start = (): void => {}
    await using server = await Http2Server.start((stream, headers) => {
      if (headers[':path'] !== '/large') {
        stream.respond({ ':status': 200 })
        stream.end('small')
        return
      }
      start = () => {
        void contentOf(stream).then(content => {
          digest = createHash('sha256').update(content).digest('hex')
          stream.respond({ ':status': 200 })
          stream.end()
        })
      }
    })
    await using proxy = await proxyFor(server)
    const content = randomBytes(32 * mib)
    const request = http.request({ port: proxy.port, path: '/large', method: 'POST', agent: false })
    let taken = 0
    const answered = once(request, 'response')
    const pieces = function* (): Generator<Buffer> {
      for (; taken < content.length; taken += 64 * 1024) yield content.subarray(taken, taken + 64 * 1024)
    }
    pipeline(Readable.from(pieces()), request, () => {})
    await untilStill(() => taken)
    assert.ok(taken < 16 * mib, `${taken} bytes were taken`)
    for (let round = 0; round < 20; round++) assert.equal((await ask(proxy.port)).body.toString(), 'small')
    assert.equal(server.connections, 1)
    start()
    const [response] = (await answered) as [http.IncomingMessage]
    assert.equal(response.statusCode, 200)
    response.resume()
    await once(response, 'end')
    assert.equal(digest, createHash('sha256').update(content).digest('hex'))
  })
})

suite('windows that are larger than what the proxy gathers', () => {
  const uploads: readonly { name: string; headers: http.OutgoingHttpHeaders }[] = [
    { name: 'with a length', headers: { 'content-length': 32 * mib } },
    { name: 'in chunks', headers: { 'transfer-encoding': 'chunked' } },
  ]
  for (const { name, headers } of uploads) {
    test(`an upload ${name} goes on after each turn that has filled the output`, async () => {
      const onStream = (stream: http2.ServerHttp2Stream): void => {
        const received = createHash('sha256')
        stream.on('data', (piece: Buffer) => received.update(piece))
        stream.on('end', () => {
          stream.respond({ ':status': 200 })
          stream.end(received.digest('hex'))
        })
      }
      await using server = await Http2Server.start(onStream, { settings: { initialWindowSize: 64 * mib } })
      server.onSession = session => session.setLocalWindowSize(64 * mib)
      await using proxy = await proxyFor(server)
      // The connection to the endpoint stands, with all its windows.
      await ask(proxy.port, { method: 'PUT', body: 'x' })
      const content = randomBytes(32 * mib)
      const told = await ask(proxy.port, { method: 'PUT', headers, body: content })
      assert.equal(told.body.toString(), createHash('sha256').update(content).digest('hex'))
    })
  }
})
