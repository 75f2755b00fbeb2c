import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import http2 from 'node:http2'
import { suite, test } from 'node:test'
import { status } from '@grpc/grpc-js'
import { frameGrpcMessage } from '../../src/codec/index.ts'
import type { Filter } from '../../src/model/index.ts'
import { GrpcServer } from '../support/grpc.ts'
import type { EchoMethods } from '../support/grpc.ts'
import { startProxy } from '../support/proxy.ts'
import type { MeshSketch, TestProxy } from '../support/proxy.ts'

const echo: EchoMethods = {
  unary(call, done) {
    if (call.request.toString() === 'fail') done({ code: status.ABORTED, details: 'as asked' })
    else done(null, call.request)
  },
  download(call) {
    for (let index = 0; index < 3; index++) call.write(Buffer.from(`${call.request.toString()} ${index}`))
    call.end()
  },
}

function sketch(port: number, changes: Partial<MeshSketch> = {}, filters: readonly Filter[] = []): MeshSketch {
  return {
    routeKind: 'GRPCRoute',
    rules: [{ backends: ['echo:80'], filters }],
    backends: { 'echo:80': { ports: [port], protocol: 'h2c' } },
    ...changes,
  }
}

/** What a browser's library makes of an answer: messages, and the fields of the last frame. */
interface WebAnswer {
  readonly status: number
  readonly type: string
  readonly messages: readonly string[]
  readonly trailers: Readonly<Record<string, string>>
  readonly headers: Headers
}

type Form = 'application/grpc-web+proto' | 'application/grpc-web-text+proto'
type Send = (
  port: number,
  path: string,
  headers: Record<string, string>,
  body: Buffer,
) => Promise<[Headers, number, Buffer]>

/** By HTTP/1.1, with the fetch that comes with Node. */
const byFetch: Send = async (port, path, headers, body) => {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    method: 'POST',
    headers,
    body: new Uint8Array(body),
  })
  return [response.headers, response.status, Buffer.from(await response.arrayBuffer())]
}

/** By HTTP/1.1 with a body in chunks. */
const inChunks: Send = async (port, path, headers, body) => {
  const stream = new ReadableStream({
    start(controller) {
      const step = body.length < 1000 ? 3 : 9973
      for (let at = 0; at < body.length; at += step) controller.enqueue(new Uint8Array(body.subarray(at, at + step)))
      controller.close()
    },
  })
  const init = { method: 'POST', headers, body: stream, duplex: 'half' }
  const response = await fetch(`http://127.0.0.1:${port}${path}`, init as RequestInit)
  return [response.headers, response.status, Buffer.from(await response.arrayBuffer())]
}

const byHttp2: Send = async (port, path, headers, body) => {
  const session = http2.connect(`http://127.0.0.1:${port}`)
  try {
    const request = session.request({ ':method': 'POST', ':path': path, ...headers })
    request.end(body)
    const [head] = (await once(request, 'response')) as [http2.IncomingHttpHeaders]
    const pieces: Buffer[] = []
    for await (const piece of request) pieces.push(piece as Buffer)
    const fields = new Headers()
    for (const [name, value] of Object.entries(head)) if (!name.startsWith(':')) fields.set(name, String(value))
    return [fields, Number(head[':status']), Buffer.concat(pieces)]
  } finally {
    session.destroy()
  }
}

const ways: readonly (readonly [string, Send])[] = [
  ['HTTP/1.1', byFetch],
  ['HTTP/1.1 in chunks', inChunks],
  ['HTTP/2', byHttp2],
]
const forms: readonly Form[] = ['application/grpc-web+proto', 'application/grpc-web-text+proto']

async function call(
  proxy: TestProxy,
  options: { send?: Send; form?: Form; method?: string; message?: string | Buffer; headers?: Record<string, string> },
): Promise<WebAnswer> {
  const { send = byFetch, form = forms[0], method = 'Unary', message = 'hello', headers = {} } = options
  const isText = form === forms[1]
  const frame = frameGrpcMessage(Buffer.from(message))
  const body = isText ? Buffer.from(frame.toString('base64')) : frame
  const sent = { 'content-type': String(form), 'x-grpc-web': '1', ...headers }
  const [fields, code, answer] = await send(proxy.port, `/test.Echo/${method}`, sent, body)
  return { status: code, type: fields.get('content-type') ?? '', headers: fields, ...readFrames(answer, isText) }
}

function splitLine(line: string): [string, string] {
  const colon = line.indexOf(': ')
  return [line.slice(0, colon), line.slice(colon + 2)]
}

function readFrames(answer: Buffer, isText: boolean): Pick<WebAnswer, 'messages' | 'trailers'> {
  // Each piece of base64 is padded by itself.
  const groups = isText ? (answer.toString('latin1').match(/.{4}/g) ?? []) : []
  const bytes = isText ? Buffer.concat(groups.map(group => Buffer.from(group, 'base64'))) : answer
  const messages: string[] = []
  const trailers: Record<string, string> = {}
  for (let at = 0; at < bytes.length;) {
    const length = bytes.readUInt32BE(at + 1)
    const text = bytes.toString('latin1', at + 5, at + 5 + length)
    if (bytes[at] === 0) messages.push(text)
    else
      Object.assign(
        trailers,
        Object.fromEntries(
          text
            .trim()
            .split('\r\n')
            .map(line => splitLine(line)),
        ),
      )
    at += 5 + length
  }
  return { messages, trailers }
}

suite('gRPC-Web', () => {
  for (const [name, send] of ways) {
    for (const form of forms) {
      test(`${form} by ${name}: unary, streaming and errors`, async () => {
        await using server = await GrpcServer.start(echo)
        await using proxy = await startProxy(sketch(server.port))
        const unary = await call(proxy, { send, form })
        assert.deepEqual([unary.status, unary.type, unary.messages], [200, form, ['hello']])
        assert.equal(unary.trailers['grpc-status'], '0')
        assert.equal(unary.headers.get('content-length'), null)
        const stream = await call(proxy, { send, form, method: 'Download' })
        assert.deepEqual(stream.messages, ['hello 0', 'hello 1', 'hello 2'])
        const failed = await call(proxy, { send, form, message: 'fail' })
        assert.deepEqual([failed.status, failed.messages], [200, []])
        assert.equal(failed.trailers['grpc-status'], String(status.ABORTED))
        assert.equal(decodeURIComponent(failed.trailers['grpc-message'] ?? ''), 'as asked')
        assert.equal(failed.headers.get('grpc-status'), null)
        assert.deepEqual(
          proxy.log.map(record => record.grpcStatus),
          [status.OK, status.OK, status.ABORTED],
        )
      })
    }

    test(`a megabyte in base64 by ${name}`, async () => {
      await using server = await GrpcServer.start(echo)
      await using proxy = await startProxy(sketch(server.port))
      const message = randomBytes(1024 * 1024 + 1)
      const answer = await call(proxy, { send, form: forms[1] as Form, message })
      assert.ok(Buffer.from(answer.messages[0] ?? '', 'latin1').equals(message))
    })

    test(`a body that is not base64 is refused by ${name}`, async () => {
      await using server = await GrpcServer.start(echo)
      await using proxy = await startProxy(sketch(server.port))
      for (const body of ['AAAA%%%%', 'AAAAAA']) {
        const headers = { 'content-type': 'application/grpc-web-text' }
        const [, code, answer] = await send(proxy.port, '/test.Echo/Unary', headers, Buffer.from(body))
        const { trailers } = readFrames(answer, true)
        assert.deepEqual([code, trailers['grpc-status']], [200, String(status.INTERNAL)])
        assert.equal(trailers['grpc-message'], 'bad-request: the body is not base64')
      }
    })
  }

  test('answers of our own come in its form', async () => {
    await using proxy = await startProxy(sketch(0, { backends: { 'echo:80': { ports: [], protocol: 'h2c' } } }))
    for (const form of forms) {
      const answer = await call(proxy, { form })
      assert.deepEqual([answer.status, answer.messages], [200, []])
      assert.equal(answer.type, form.replace('+proto', ''))
      assert.equal(answer.headers.get('x-heddle-reason'), 'no-endpoint')
      assert.deepEqual(answer.trailers, { 'grpc-status': '14', 'grpc-message': 'no-endpoint' })
    }
  })

  test('works with CORS of an HTTPRoute', async () => {
    const cors: Filter = {
      kind: 'cors',
      allowOrigins: ['https://shop.example'],
      allowCredentials: false,
      allowMethods: ['POST'],
      allowHeaders: ['content-type', 'x-grpc-web'],
      exposeHeaders: [],
      maxAgeSeconds: 60,
    }
    await using server = await GrpcServer.start(echo)
    await using proxy = await startProxy(sketch(server.port, { routeKind: 'HTTPRoute' }, [cors]))
    const preflight = await fetch(`http://127.0.0.1:${proxy.port}/test.Echo/Unary`, {
      method: 'OPTIONS',
      headers: {
        origin: 'https://shop.example',
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'content-type,x-grpc-web',
      },
    })
    assert.equal(preflight.status, 204)
    assert.equal(preflight.headers.get('access-control-allow-origin'), 'https://shop.example')
    const answer = await call(proxy, { headers: { origin: 'https://shop.example' } })
    assert.deepEqual(answer.messages, ['hello'])
    assert.equal(answer.headers.get('access-control-allow-origin'), 'https://shop.example')
    assert.equal(answer.trailers['grpc-status'], '0')
  })

  test('mirrors get bytes, too', async () => {
    const mirrored = Promise.withResolvers<string>()
    await using server = await GrpcServer.start(echo)
    await using mirror = await GrpcServer.start({
      unary(call, done) {
        mirrored.resolve(call.request.toString())
        done(null, Buffer.alloc(0))
      },
    })
    const filter: Filter = { kind: 'mirror', target: { kind: 'backend', key: 'm:80' }, fraction: 1 }
    const backends = { 'echo:80': { ports: [server.port] }, 'm:80': { ports: [mirror.port] } }
    await using proxy = await startProxy(sketch(server.port, { backends }, [filter]))
    await call(proxy, { form: forms[1] as Form, send: inChunks })
    assert.equal(await mirrored.promise, 'hello')
  })
})
