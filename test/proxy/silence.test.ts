/** Streams that have nothing to say for long, and what is silent that should not be. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, it } from 'node:test'
import { WebSocket, WebSocketServer } from 'ws'
import { ManualClock } from '../../src/core/index.ts'
import type { BackendSettings } from '../../src/model/index.ts'
import { GrpcClient, GrpcServer, statusOf } from '../support/grpc.ts'
import { Http2Client, readAnswer } from '../support/http2-client.ts'
import { startProxy } from '../support/proxy.ts'
import type { RuleSketch, TestProxy } from '../support/proxy.ts'
import { RawClient } from '../support/raw.ts'

const limits = { stallTimeoutMs: 3_000, tunnelIdleTimeoutMs: 60_000 }
/** Many times the stall timeout, and less than what peers are asked after by PING. */
const longMs = 25_000

interface Stage extends AsyncDisposable {
  readonly proxy: TestProxy
  readonly clock: ManualClock
}

interface StageOptions {
  readonly protocol?: 'http1' | 'h2c'
  readonly rule?: RuleSketch
  readonly settings?: Partial<BackendSettings>
}

async function open(port: number, options: StageOptions = {}): Promise<Stage> {
  const clock = new ManualClock()
  clock.advance(1_000)
  const { protocol = 'http1', rule = {}, settings = {} } = options
  const sketch = {
    rules: [{ backends: ['a:80'], ...rule }],
    backends: { 'a:80': { ports: [port], protocol, settings } },
  }
  const proxy = await startProxy(sketch, { limits, clock })
  return { proxy, clock, [Symbol.asyncDispose]: () => proxy[Symbol.asyncDispose]() }
}

/** An endpoint by HTTP/1.1; `answer` is called for each request as soon as its head is there. */
async function openServer(
  answer: (request: http.IncomingMessage, response: http.ServerResponse) => void,
): Promise<{ port: number; server: http.Server } & AsyncDisposable> {
  const server = http.createServer(answer)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const close = async (): Promise<void> => {
    server.closeAllConnections()
    await new Promise(resolve => server.close(resolve))
  }
  return { port, server, [Symbol.asyncDispose]: close }
}

async function logged(proxy: TestProxy): Promise<void> {
  while (proxy.log.length === 0) await new Promise(resolve => setImmediate(resolve))
}

describe('gRPC streams that are silent for long', { timeout: 20_000 }, () => {
  it('a watch gets its next message, and one before which nothing was sent', async () => {
    for (const begins of [true, false]) {
      const asked = Promise.withResolvers<{ write(message: Buffer): void; end(): void }>()
      await using server = await GrpcServer.start({
        download: call => {
          if (begins) call.write(Buffer.from('first'))
          asked.resolve({ write: message => call.write(message), end: () => call.end() })
        },
      })
      await using stage = await open(server.port, { protocol: 'h2c' })
      using client = new GrpcClient(stage.proxy.port)
      const call = client.download(Buffer.from('watch'))
      const ended = statusOf(call)
      const messages: string[] = []
      call.on('data', (message: Buffer) => messages.push(message.toString()))
      const watch = await asked.promise
      if (begins) await once(call, 'data')
      stage.clock.advance(longMs)
      watch.write(Buffer.from('at last'))
      watch.end()
      assert.equal((await ended).code, 0)
      assert.deepEqual(messages, begins ? ['first', 'at last'] : ['at last'])
    }
  })

  it('a stream in both directions goes on where it was', async () => {
    await using server = await GrpcServer.start({
      both: call => {
        call.on('data', (piece: Buffer) => call.write(piece))
        call.on('end', () => call.end())
      },
    })
    await using stage = await open(server.port, { protocol: 'h2c' })
    using client = new GrpcClient(stage.proxy.port)
    const call = client.both()
    const ended = statusOf(call)
    for (const text of ['one', 'two']) {
      call.write(Buffer.from(text))
      assert.equal(String(((await once(call, 'data')) as [Buffer])[0]), text)
      stage.clock.advance(longMs)
    }
    call.end()
    assert.equal((await ended).code, 0)
  })

  it('streamIdleTimeout of the backend ends one whose time is over', async () => {
    const asked = Promise.withResolvers<void>()
    await using server = await GrpcServer.start({ download: () => asked.resolve() })
    await using stage = await open(server.port, { protocol: 'h2c', settings: { streamIdleTimeoutMs: 10_000 } })
    using client = new GrpcClient(stage.proxy.port)
    const ended = statusOf(client.download(Buffer.from('watch')))
    await asked.promise
    stage.clock.advance(longMs)
    assert.equal((await ended).code, 4)
    await logged(stage.proxy)
    assert.equal(stage.proxy.log[0]?.reason, 'upstream-timeout')
  })
})

describe('answers that are silent for long', { timeout: 20_000 }, () => {
  it('go on later, to a client of either version', async () => {
    const responses: http.ServerResponse[] = []
    await using server = await openServer((_request, response) => {
      response.write('data: 1\n\n')
      responses.push(response)
    })
    await using stage = await open(server.port)
    const plain = http.get({ host: '127.0.0.1', port: stage.proxy.port, agent: false })
    const [first] = (await once(plain, 'response')) as [http.IncomingMessage]
    await using client = await Http2Client.open(stage.proxy.port)
    const stream = client.session.request({ ':path': '/' })
    const second = readAnswer(stream)
    await Promise.all([once(first, 'data'), once(stream, 'data')])
    stage.clock.advance(longMs)
    for (const response of responses) response.end('data: 2\n\n')
    let text = ''
    for await (const piece of first.setEncoding('utf8')) text += String(piece)
    assert.equal(text, 'data: 2\n\n')
    const told = await second
    assert.deepEqual([told.body.toString(), told.resetCode], ['data: 1\n\ndata: 2\n\n', 0])
  })

  it('are cut after the streamIdleTimeout of the backend', async () => {
    await using server = await openServer((_request, response) => void response.write('data: 1\n\n'))
    await using stage = await open(server.port, { settings: { streamIdleTimeoutMs: 10_000 } })
    await using client = await Http2Client.open(stage.proxy.port)
    const stream = client.session.request({ ':path': '/' })
    const told = readAnswer(stream)
    await once(stream, 'data')
    stage.clock.advance(longMs)
    assert.notEqual((await told).resetCode, 0)
    await logged(stage.proxy)
    assert.equal(stage.proxy.log[0]?.flags, 'SI')
  })

  for (const limitMs of [0, 600_000]) {
    it(`may be long in coming where the rule allows ${limitMs === 0 ? 'any time' : `${limitMs} ms`}`, async () => {
      const asked = Promise.withResolvers<http.ServerResponse>()
      await using server = await openServer((_request, response) => asked.resolve(response))
      await using stage = await open(server.port, { rule: { requestTimeoutMs: limitMs } })
      await using client = await Http2Client.open(stage.proxy.port)
      const told = client.ask({})
      const response = await asked.promise
      stage.clock.advance(longMs)
      response.end('done')
      assert.equal((await told).body.toString(), 'done')
    })
  }
})

describe('WebSockets that are silent for long', { timeout: 20_000 }, () => {
  for (const idleMs of [undefined, 10_000]) {
    it(idleMs === undefined ? 'go on later' : 'end after the streamIdleTimeout of the backend', async () => {
      await using server = await openServer(() => {})
      const sockets = new WebSocketServer({ server: server.server })
      sockets.on('connection', (socket: WebSocket) => socket.on('message', data => socket.send(String(data as Buffer))))
      const settings = idleMs === undefined ? {} : { streamIdleTimeoutMs: idleMs }
      await using stage = await open(server.port, { settings })
      const socket = new WebSocket(`ws://127.0.0.1:${stage.proxy.port}/`)
      await once(socket, 'open')
      stage.clock.advance(longMs)
      const answered = once(socket, 'message').then(() => 'message')
      const closed = once(socket, 'close').then(() => 'close')
      if (idleMs === undefined) socket.send('still here')
      assert.equal(await Promise.race([answered, closed]), idleMs === undefined ? 'message' : 'close')
      socket.terminate()
      sockets.close()
    })
  }
})

describe('what has no right to be silent is ended', { timeout: 20_000 }, () => {
  it('an answer that does not come: 504', async () => {
    const asked = Promise.withResolvers<void>()
    await using server = await openServer(() => asked.resolve())
    await using stage = await open(server.port)
    await using client = await Http2Client.open(stage.proxy.port)
    const told = client.ask({})
    await asked.promise
    stage.clock.advance(longMs)
    assert.equal((await told).status, 504)
  })

  it('a request whose rest does not come: 408', async () => {
    const asked = Promise.withResolvers<void>()
    await using server = await openServer(() => asked.resolve())
    await using stage = await open(server.port)
    await using client = await RawClient.open(stage.proxy.port)
    client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n123')
    await asked.promise
    stage.clock.advance(longMs)
    assert.match(await client.receiveAll(), /^HTTP\/1\.1 408 /)
  })

  for (const version of ['HTTP/1.1', 'HTTP/2'] as const) {
    for (const idleMs of [undefined, 1_000_000]) {
      const outcome = idleMs === undefined ? 'cut off' : 'left the time that the policy of its backend gives it'
      it(`an upload by ${version} that stops when its answer has begun: ${outcome}`, async () => {
        let received = 0
        const came = Promise.withResolvers<void>()
        const gone = Promise.withResolvers<void>()
        await using server = await openServer((request, response) => {
          response.write('an early answer')
          request.on('data', (piece: Buffer) => {
            received += piece.length
            if (received >= 3) came.resolve()
          })
          request.on('end', () => response.end(', and the rest')).on('error', () => gone.resolve())
        })
        const settings = idleMs === undefined ? {} : { streamIdleTimeoutMs: idleMs }
        await using stage = await open(server.port, { settings })
        await using client = await (version === 'HTTP/2'
          ? uploadHttp2(stage.proxy.port)
          : uploadHttp1(stage.proxy.port))
        await Promise.all([came.promise, client.begun])
        stage.clock.advance(longMs)
        if (idleMs === undefined) {
          assert.ok(await client.broken)
          await gone.promise
          await logged(stage.proxy)
          const [record] = stage.proxy.log
          assert.deepEqual([record?.status, record?.flags, record?.requestBytes], [200, 'SI', 3])
        } else {
          client.finish()
          assert.match(await client.whole, /an early answer.*, and the rest/s)
          assert.equal(received, 10)
        }
      })
    }
  }
})

/** A client that has sent three of ten bytes. */
interface Upload extends AsyncDisposable {
  /** The answer has begun. */
  readonly begun: Promise<unknown>
  readonly whole: Promise<string>
  /** It was cut off in the middle. */
  readonly broken: Promise<boolean>
  finish(): void
}

async function uploadHttp1(port: number): Promise<Upload> {
  const client = await RawClient.open(port)
  client.write('POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 10\r\n\r\n123')
  const begun = client.receive(text => text.includes('early answer'))
  const whole = begun.then(() => client.receiveAll())
  return {
    begun,
    whole,
    // Without the last chunk.
    broken: whole.then(text => !text.endsWith('0\r\n\r\n')),
    finish: () => client.write('4567890'),
    [Symbol.asyncDispose]: () => client[Symbol.asyncDispose](),
  }
}

async function uploadHttp2(port: number): Promise<Upload> {
  const client = await Http2Client.open(port)
  const stream = client.session.request({ ':path': '/', ':method': 'POST' })
  stream.write('123')
  const told = readAnswer(stream)
  return {
    begun: once(stream, 'data'),
    whole: told.then(({ body }) => body.toString()),
    broken: told.then(({ resetCode }) => resetCode !== 0),
    finish: () => void stream.end('4567890'),
    [Symbol.asyncDispose]: () => client[Symbol.asyncDispose](),
  }
}
