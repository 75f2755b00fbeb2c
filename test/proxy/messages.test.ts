import assert from 'node:assert/strict'
import type net from 'node:net'
import { describe, it } from 'node:test'
import { startProxy } from '../support/proxy.ts'
import type { TestProxy } from '../support/proxy.ts'
import { parseAnswer, RawClient, RawServer } from '../support/raw.ts'
import type { Answer } from '../support/raw.ts'

interface Pair extends AsyncDisposable {
  readonly proxy: TestProxy
  readonly server: RawServer
  /** What the endpoint received, by connection. */
  readonly received: string[]
}

/** A proxy before an endpoint that answers with `answer` once a request head is there, or as the function says. */
async function pair(
  answer: string | ((socket: net.Socket, received: string, connection: number) => void),
  options: { kind?: 'gateway' | 'service' } = {},
): Promise<Pair> {
  const received: string[] = []
  const server = await RawServer.open(
    (socket, text, connection) => {
      received[connection] = text
      if (typeof answer === 'function') answer(socket, text, connection)
      else if (text.endsWith('\r\n\r\n')) socket.write(Buffer.from(answer, 'latin1'))
    },
    { allowHalfOpen: true },
  )
  const proxy = await startProxy({
    kind: options.kind ?? 'gateway',
    rules: [{ backends: ['raw:80'] }],
    backends: { 'raw:80': { ports: [server.port] } },
  })
  return {
    proxy,
    server,
    received,
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]()
      await server[Symbol.asyncDispose]()
    },
  }
}

async function ask(client: RawClient, request: string, options: { isHead?: boolean } = {}): Promise<Answer> {
  client.write(request)
  await client.receive(text => parseAnswer(text, options) !== undefined)
  const answer = parseAnswer(client.take(), options)
  assert.ok(answer !== undefined)
  return answer
}

const get = 'GET /a?b=c HTTP/1.1\r\nHost: shop.example\r\n\r\n'
const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

describe('proxy forwards requests', () => {
  it('passes the head on as it came, without hop-by-hop fields, with our own', async () => {
    await using mesh = await pair(ok)
    await using client = await RawClient.open(mesh.proxy.port)
    await ask(
      client,
      'GET /a?b=c HTTP/1.1\r\nHost: shop.example\r\nX-Strange:   spaced  \r\nConnection: keep-alive, x-private\r\n' +
        'X-Private: 1\r\nKeep-Alive: timeout=5\r\nTE: trailers\r\nProxy-Connection: x\r\nx-forwarded-for: 10.1.2.3\r\n' +
        'X-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nTraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n',
    )
    const [head = ''] = mesh.received
    assert.match(head, /^GET \/a\?b=c HTTP\/1\.1\r\nHost: shop\.example\r\nX-Strange: {3}spaced {2}\r\n/)
    assert.match(head, /\r\nx-forwarded-for: 10\.1\.2\.3, 127\.0\.0\.1\r\n/)
    assert.match(head, /\r\nx-forwarded-proto: http\r\n/)
    assert.match(head, /\r\nx-forwarded-host: shop\.example\r\n/)
    assert.match(head, /\r\nx-request-id: [0-9a-f-]{36}\r\n/)
    assert.match(head, /\r\nTraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n/)
    assert.doesNotMatch(head, /x-private|keep-alive|te:|proxy-connection|connection|evil|https/i)
    assert.equal(mesh.proxy.log[0]?.traceId, '0af7651916cd43dd8448eb211c80319c')
  })

  it('keeps a request id that came', async () => {
    await using mesh = await pair(ok)
    await using client = await RawClient.open(mesh.proxy.port)
    await ask(client, 'GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: mine\r\n\r\n')
    assert.match(mesh.received[0] ?? '', /X-Request-Id: mine/)
    assert.equal(mesh.proxy.log[0]?.requestId, 'mine')
  })

  it('leaves forwarding fields of callers inside the mesh alone', async () => {
    await using mesh = await pair(ok, { kind: 'service' })
    await using client = await RawClient.open(mesh.proxy.port)
    await ask(client, 'GET / HTTP/1.1\r\nHost: a\r\nx-forwarded-for: 10.1.2.3\r\n\r\n')
    assert.match(mesh.received[0] ?? '', /x-forwarded-for: 10\.1\.2\.3\r\n/)
    assert.doesNotMatch(mesh.received[0] ?? '', /x-forwarded-proto|x-forwarded-host/)
  })

  it('turns an absolute target into a path', async () => {
    await using mesh = await pair(ok)
    await using client = await RawClient.open(mesh.proxy.port)
    await ask(client, 'GET http://shop.example/x?y HTTP/1.1\r\nHost: shop.example\r\n\r\n')
    assert.match(mesh.received[0] ?? '', /^GET \/x\?y HTTP\/1\.1\r\nHost: shop\.example\r\n/)
  })

  it('forwards a chunked body with extensions and trailers byte for byte, however it is split', async () => {
    const body = '5;a=b\r\nhello\r\n1\r\n \r\n6\r\nworld!\r\n0\r\nX-Sum: 1\r\n\r\n'
    await using mesh = await pair((socket, text) => {
      if (text.endsWith('X-Sum: 1\r\n\r\n')) socket.write(ok)
    })
    const request = `POST /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n${body}`
    for (let split = 1; split < request.length; split += 3) {
      await using client = await RawClient.open(mesh.proxy.port)
      mesh.received.length = 0
      client.write(request.slice(0, split))
      await new Promise(resolve => setImmediate(resolve))
      const answer = await ask(client, request.slice(split))
      assert.equal(answer.status, 200)
      const text = mesh.received.findLast(one => one !== undefined) ?? ''
      assert.ok(text.endsWith(`\r\n\r\n${body}`), `split at ${split}: ${JSON.stringify(text)}`)
      assert.match(text, /\r\nTransfer-Encoding: chunked\r\n/)
    }
  })

  it('passes Expect: 100-continue and the interim answer on', async () => {
    await using mesh = await pair((socket, text) => {
      if (text.endsWith('\r\n\r\n')) socket.write('HTTP/1.1 100 Continue\r\n\r\n')
      else if (text.endsWith('hello')) socket.write(ok)
    })
    await using client = await RawClient.open(mesh.proxy.port)
    client.write('POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n')
    await client.receive(text => text.includes('100 Continue\r\n\r\n'))
    client.take()
    assert.equal((await ask(client, 'hello')).body, 'ok')
  })

  it('answers pipelined requests in their order', async () => {
    await using mesh = await pair((socket, text) => {
      if (!text.endsWith('\r\n\r\n')) return
      const path = /GET (\S+) HTTP\/1\.1[^]*$/.exec(text.slice(text.lastIndexOf('GET ')))?.[1] ?? '?'
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${path.length}\r\n\r\n${path}`)
    })
    await using client = await RawClient.open(mesh.proxy.port)
    const paths = Array.from({ length: 20 }, (_, index) => `/p${index}`)
    client.write(paths.map(path => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`).join(''))
    const bodies: string[] = []
    while (bodies.length < paths.length) {
      await client.receive(text => parseAnswer(text) !== undefined)
      const answer = parseAnswer(client.take())
      assert.ok(answer !== undefined)
      client.received = answer.rest + client.received
      bodies.push(answer.body)
    }
    assert.deepEqual(bodies, paths)
  })

  it('answers a client that has closed its sending side', async () => {
    await using mesh = await pair(ok)
    await using client = await RawClient.open(mesh.proxy.port, { allowHalfOpen: true })
    client.socket.end(get)
    const answer = parseAnswer(await client.receiveAll(), { isClosed: true })
    assert.equal(answer?.body, 'ok')
    assert.equal(answer.headers.get('connection'), 'close')
  })
})

describe('proxy forwards answers', () => {
  const bodiless: readonly [string, string, string, boolean][] = [
    ['HEAD with Content-Length', 'HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n', true],
    ['HEAD with chunked', 'HEAD', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', true],
    ['204', 'GET', 'HTTP/1.1 204 No Content\r\n\r\n', false],
    ['304 with Content-Length', 'GET', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\n\r\n', false],
  ]
  for (const [name, method, answer, isHead] of bodiless) {
    it(`${name} has no body and keeps both connections`, async () => {
      await using mesh = await pair(answer)
      await using client = await RawClient.open(mesh.proxy.port)
      for (let round = 0; round < 3; round++) {
        const got = await ask(client, `${method} / HTTP/1.1\r\nHost: a\r\n\r\n`, { isHead })
        assert.equal(got.rest, '')
        assert.equal(got.headers.has('connection'), false)
      }
      assert.equal(mesh.server.connections.length, 1)
    })
  }

  it('passes chunked answers with trailers on as they are', async () => {
    const answer =
      'HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nTransfer-Encoding: chunked\r\n\r\n' +
      '5\r\nhello\r\n0\r\nX-Sum: 9\r\n\r\n'
    await using mesh = await pair(answer)
    await using client = await RawClient.open(mesh.proxy.port)
    client.write(get)
    assert.equal(await client.receive(text => text.endsWith('X-Sum: 9\r\n\r\n')), answer)
  })

  it('decodes chunked answers for a client of HTTP/1.0', async () => {
    await using mesh = await pair(
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n',
    )
    await using client = await RawClient.open(mesh.proxy.port)
    client.write('GET / HTTP/1.0\r\nHost: a\r\n\r\n')
    const text = await client.receiveAll()
    assert.doesNotMatch(text, /transfer-encoding/i)
    assert.ok(text.endsWith('\r\n\r\nhello world'), text)
  })

  it('keeps an HTTP/1.0 connection that asks for it', async () => {
    await using mesh = await pair(ok)
    await using client = await RawClient.open(mesh.proxy.port)
    for (let round = 0; round < 2; round++) {
      const answer = await ask(client, 'GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n')
      assert.equal(answer.headers.get('connection'), 'keep-alive')
    }
  })

  it('frames an answer that ends with the connection, and keeps the client', async () => {
    await using mesh = await pair((socket, text) => {
      if (text.endsWith('\r\n\r\n')) socket.end('HTTP/1.0 200 OK\r\nX-Old: 1\r\n\r\nold body')
    })
    await using client = await RawClient.open(mesh.proxy.port)
    for (let round = 0; round < 2; round++) {
      const answer = await ask(client, get)
      assert.equal(answer.body, 'old body')
      assert.equal(answer.headers.get('transfer-encoding'), 'chunked')
    }
    assert.equal(mesh.server.connections.length, 2)
  })

  it('resets the client when the endpoint breaks off in the middle', async () => {
    await using mesh = await pair((socket, text) => {
      if (text.endsWith('\r\n\r\n')) {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart', () => socket.destroy())
      }
    })
    await using client = await RawClient.open(mesh.proxy.port)
    client.write(get)
    await client.receiveAll()
    assert.notEqual(parseAnswer(client.received)?.body.length, 100)
    assert.equal(client.error, 'ECONNRESET')
    assert.equal(mesh.proxy.log[0]?.flags, 'UC')
  })

  it('keeps answers that are still on their way to a client, when the endpoint breaks off in the middle of the next', async () => {
    const first = 'f'.repeat(200_000)
    await using mesh = await pair((socket, text) => {
      if (!text.endsWith('\r\n\r\n')) return
      const isFirst = !text.includes('GET /b')
      const head = `HTTP/1.1 200 OK\r\nContent-Length: ${first.length}\r\n\r\n`
      if (isFirst) socket.write(head + first)
      else socket.write(`${head}part`, () => socket.destroy())
    })
    await using client = await RawClient.open(mesh.proxy.port)
    // It does not read, so that most of the first answer is with the proxy's side when the second one breaks off.
    client.socket.pause()
    client.write(`${get}GET /b HTTP/1.1\r\nHost: shop.example\r\n\r\n`)
    while (mesh.proxy.log.length < 2) await new Promise(resolve => setTimeout(resolve, 5))
    client.socket.resume()
    await client.receiveAll()
    const answer = parseAnswer(client.received)
    assert.equal(answer?.body, first)
    assert.match(answer.rest, /^HTTP\/1.1 200 OK\r\n(.+\r\n)*\r\npart$/)
    assert.deepEqual([client.error, mesh.proxy.log[1]?.flags], [undefined, 'UC'])
  })

  const broken: readonly [string, string][] = [
    ['both framings', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['not HTTP', 'SSH-2.0-OpenSSH_9.2\r\n\r\n'],
    ['a bare LF', 'HTTP/1.1 200 OK\nContent-Length: 2\n\nok'],
    ['a NUL in a field', 'HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n'],
    ['an impossible length', 'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n'],
  ]
  for (const [name, answer] of broken) {
    it(`answers 502 for an answer with ${name}`, async () => {
      await using mesh = await pair(answer)
      await using client = await RawClient.open(mesh.proxy.port)
      const got = await ask(client, get)
      assert.equal(got.status, 502)
      assert.equal(got.headers.get('x-heddle-reason'), 'upstream-protocol-error')
    })
  }

  it('never takes bytes behind an answer for the next answer', async () => {
    await using mesh = await pair((socket, text) => {
      if (text.endsWith('\r\n\r\n')) socket.write(`${ok}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison`)
    })
    await using client = await RawClient.open(mesh.proxy.port)
    for (let round = 0; round < 3; round++) assert.equal((await ask(client, get)).body, 'ok')
    assert.equal(mesh.server.connections.length, 3)
  })

  it('passes an early answer on and closes, when the request body is long', async () => {
    await using mesh = await pair((socket, text) => {
      if (text.includes('\r\n\r\n') && !text.endsWith('stop'))
        socket.write('HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig')
    })
    await using client = await RawClient.open(mesh.proxy.port)
    client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\nfirst')
    const answer = parseAnswer(await client.receiveAll(), { isClosed: true })
    assert.equal(answer?.status, 413)
    assert.equal(answer.headers.get('connection'), 'close')
  })
})

describe('proxy upgrades connections', () => {
  it('tunnels both ways, with bytes that came early, and passes half-close on', async () => {
    await using mesh = await pair((socket, text) => {
      if (text.endsWith('\r\n\r\n')) {
        socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhi ')
        socket.on('end', () => socket.end(' bye'))
      } else {
        socket.write(text.slice(text.lastIndexOf('\r\n\r\n') + 4))
      }
    })
    await using client = await RawClient.open(mesh.proxy.port, { allowHalfOpen: true })
    client.write('GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n')
    const text = await client.receive(received => received.endsWith('hi '))
    assert.match(text, /^HTTP\/1\.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nhi $/i)
    assert.match(mesh.received[0] ?? '', /\r\nconnection: upgrade\r\nupgrade: echo\r\n/)
    client.write('ping')
    await client.receive(received => received.endsWith('hi ping'))
    client.socket.end()
    await client.receiveAll()
    assert.ok(client.received.endsWith('hi ping bye'), client.received)
  })

  it('goes on with HTTP when the endpoint does not upgrade', async () => {
    await using mesh = await pair(ok)
    await using client = await RawClient.open(mesh.proxy.port)
    const upgrade = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'
    assert.equal((await ask(client, upgrade)).status, 200)
    assert.equal((await ask(client, get)).status, 200)
  })
})
