import assert from 'node:assert/strict'
import { once } from 'node:events'
import http2 from 'node:http2'
import type { AddressInfo } from 'node:net'
import { describe, test } from 'node:test'
import { Client, credentials, Server, ServerCredentials, status } from '@grpc/grpc-js'
import type { handleUnaryCall, ServiceError } from '@grpc/grpc-js'
import { frameGrpcMessage, readUnaryMessage } from './frames.ts'
import {
  decodeHealthRequest,
  decodeHealthResponse,
  encodeHealthRequest,
  encodeHealthResponse,
  grpcHealthPath,
} from './health.ts'
import { decodeGrpcMessage, grpcFormOf, grpcForms, parseGrpcTimeout } from './metadata.ts'
import { grpcReply, grpcReplyStatus } from './reply.ts'
import { grpcStatusNames, parseGrpcStatus } from './status.ts'

// What we write, read by grpc-js, and the reverse.

const bytes = (value: Buffer): Buffer => value

const method = {
  path: grpcHealthPath,
  requestStream: false,
  responseStream: false,
  requestSerialize: bytes,
  requestDeserialize: bytes,
  responseSerialize: bytes,
  responseDeserialize: bytes,
} as const

/** A health service of grpc-js: `up` serves, `down` does not, anything else is an error. */
async function openServer(): Promise<{ readonly port: number; [Symbol.dispose](): void }> {
  const server = new Server()
  const check: handleUnaryCall<Buffer, Buffer> = (call, callback) => {
    const service = decodeHealthRequest(call.request)
    if (service === 'up') callback(null, encodeHealthResponse('serving'))
    else if (service === 'down') callback(null, encodeHealthResponse('not-serving'))
    else callback({ code: status.NOT_FOUND, details: `kein Dienst „${service}“, 100%\n` })
  }
  server.addService({ check: method }, { check })
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    )
  })
  return { port, [Symbol.dispose]: () => server.forceShutdown() }
}

interface Answer {
  readonly fields: Readonly<Record<string, unknown>>
  readonly body: Buffer
}

async function ask(port: number, message: Buffer): Promise<Answer> {
  const session = http2.connect(`http://127.0.0.1:${port}`)
  try {
    const stream = session.request({
      ':method': 'POST',
      ':path': grpcHealthPath,
      'content-type': 'application/grpc',
      te: 'trailers',
    })
    const fields: Record<string, unknown> = {}
    stream.on('response', headers => Object.assign(fields, headers))
    stream.on('trailers', trailers => Object.assign(fields, trailers))
    const body: Buffer[] = []
    stream.on('data', (piece: Buffer) => body.push(piece))
    stream.end(frameGrpcMessage(message))
    await once(stream, 'end')
    return { fields, body: Buffer.concat(body) }
  } finally {
    session.close()
  }
}

describe('a server of grpc-js', () => {
  test('understands our health check, and we its answer', async () => {
    using server = await openServer()
    for (const [service, expected] of [
      ['up', 'serving'],
      ['down', 'not-serving'],
    ] as const) {
      const { fields, body } = await ask(server.port, encodeHealthRequest(service))
      assert.equal(parseGrpcStatus(String(fields['grpc-status'])), 0)
      assert.equal(grpcFormOf(String(fields['content-type'])), grpcForms.grpc)
      const read = readUnaryMessage(body)
      assert.ok(read.kind === 'message')
      assert.equal(decodeHealthResponse(read.message), expected)
    }
  })

  test('tells an error whose message we read', async () => {
    using server = await openServer()
    const { fields } = await ask(server.port, encodeHealthRequest('ä😀'))
    assert.equal(grpcStatusNames[parseGrpcStatus(String(fields['grpc-status']))], 'not-found')
    assert.equal(decodeGrpcMessage(String(fields['grpc-message'])), 'kein Dienst „ä😀“, 100%\n')
  })
})

/** What the client of grpc-js makes of an answer of ours, and the `grpc-timeout` that it sent. */
async function call(
  httpStatus: number,
  message: string,
  deadlineMs: number,
): Promise<{ readonly error: ServiceError | null; readonly timeout: string }> {
  let timeout = ''
  const server = http2.createServer()
  server.on('stream', (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => {
    timeout = String(headers['grpc-timeout'] ?? '')
    const reply = grpcReply(httpStatus, message, grpcFormOf(headers['content-type']))
    const fields = {
      ':status': grpcReplyStatus,
      'content-type': reply.contentType,
      'grpc-status': String(reply.code),
      'grpc-message': reply.message,
    }
    stream.respond(fields, { endStream: true })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure())
  try {
    const error = await new Promise<ServiceError | null>(resolve => {
      const deadline = new Date(Date.now() + deadlineMs)
      client.makeUnaryRequest(method.path, bytes, bytes, Buffer.alloc(0), { deadline }, problem => resolve(problem))
    })
    return { error, timeout }
  } finally {
    client.close()
    server.close()
  }
}

describe('a client of grpc-js', () => {
  for (const [httpStatus, code] of [
    [404, status.UNIMPLEMENTED],
    [503, status.UNAVAILABLE],
    [504, status.DEADLINE_EXCEEDED],
    [403, status.PERMISSION_DENIED],
  ] as const) {
    test(`hears of ${httpStatus} as ${status[code]}, with the message`, async () => {
      const { error } = await call(httpStatus, 'kein Endpunkt für „cart“: 0%', 60_000)
      assert.equal(error?.code, code)
      assert.equal(error?.details, 'kein Endpunkt für „cart“: 0%')
    })
  }

  test('sends a deadline that we read', async () => {
    const { timeout } = await call(503, '', 60_000)
    const ms = parseGrpcTimeout(timeout)
    assert.ok(ms !== undefined && ms > 0 && ms <= 60_000, timeout)
  })
})
