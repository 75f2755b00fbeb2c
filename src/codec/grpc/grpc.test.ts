import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { status as officialStatuses } from '@grpc/grpc-js'
import { defaultGrpcLimits, frameGrpcMessage, grpcEvents, GrpcFrameScanner, readUnaryMessage } from './frames.ts'
import {
  decodeHealthRequest,
  decodeHealthResponse,
  encodeHealthRequest,
  encodeHealthResponse,
  servingStatuses,
} from './health.ts'
import {
  decodeGrpcMessage,
  encodeGrpcMessage,
  formatGrpcTimeout,
  grpcFormOf,
  grpcForms,
  parseGrpcTimeout,
} from './metadata.ts'
import { grpcReply } from './reply.ts'
import { grpcStatuses, grpcStatusNames, grpcStatusOfHttp, httpStatusOfGrpc, parseGrpcStatus } from './status.ts'

/** The messages of a stream that comes in these pieces. */
function scan(pieces: readonly Uint8Array[], scanner: GrpcFrameScanner): string[] {
  const found: string[] = []
  let message = ''
  for (const piece of pieces) {
    let at = 0
    for (;;) {
      const event = scanner.next(piece, at, piece.length)
      at = scanner.at
      if (event === grpcEvents.more) break
      if (event === grpcEvents.invalid) return [...found, 'invalid']
      if (event === grpcEvents.data) message += Buffer.from(piece.subarray(scanner.from, scanner.to)).toString('latin1')
      else {
        found.push(`${scanner.flags}:${message}`)
        message = ''
      }
    }
  }
  return found
}

describe('GrpcFrameScanner', () => {
  const stream = Buffer.concat([
    frameGrpcMessage(Buffer.from('hello')),
    frameGrpcMessage(Buffer.alloc(0)),
    frameGrpcMessage(Buffer.from('packed'), 1),
    frameGrpcMessage(Buffer.alloc(300, 'x')),
  ])
  const messages = ['0:hello', '0:', '1:packed', `0:${'x'.repeat(300)}`]

  test('finds the same messages for every split in two', () => {
    for (let at = 0; at <= stream.length; at++) {
      const scanner = new GrpcFrameScanner()
      assert.deepEqual(scan([stream.subarray(0, at), stream.subarray(at)], scanner), messages)
      assert.equal(scanner.messages, 4)
      assert.equal(scanner.isBetweenMessages, true)
    }
  })

  test('finds the same messages byte by byte', () => {
    const pieces = [...stream].map(byte => Buffer.of(byte))
    assert.deepEqual(scan(pieces, new GrpcFrameScanner()), messages)
  })

  test('tells a stream that ends inside a message', () => {
    const one = frameGrpcMessage(Buffer.from('hello'))
    for (let length = 1; length < one.length; length++) {
      const scanner = new GrpcFrameScanner()
      scan([one.subarray(0, length)], scanner)
      assert.equal(scanner.isBetweenMessages, false, String(length))
    }
  })

  const refused: readonly [string, Buffer][] = [
    ['a message above the limit', Buffer.from([0, 0, 0, 0, 11])],
    ['the largest length there is', Buffer.from([0, 255, 255, 255, 255])],
    ['flags that do not exist', Buffer.from([2, 0, 0, 0, 0])],
    ['a frame of trailers, which gRPC-Web alone has', Buffer.from([0x80, 0, 0, 0, 0])],
  ]
  for (const [what, bytes] of refused) {
    test(`refuses ${what}, once and for good`, () => {
      const scanner = new GrpcFrameScanner({ maxMessageBytes: 10 })
      assert.deepEqual(scan([bytes], scanner), ['invalid'])
      assert.deepEqual(scan([frameGrpcMessage(Buffer.from('a'))], scanner), ['invalid'])
      assert.equal(scanner.isBetweenMessages, false)
    })
  }

  test('takes a message of just the limit, and trailers in gRPC-Web', () => {
    const scanner = new GrpcFrameScanner({ maxMessageBytes: 10 }, { isWeb: true })
    const pieces = [frameGrpcMessage(Buffer.alloc(10, 'y')), frameGrpcMessage(Buffer.from('t'), 0x80)]
    assert.deepEqual(scan(pieces, scanner), ['0:yyyyyyyyyy', '128:t'])
  })

  test('survives any bytes in any pieces', () => {
    let seed = 7
    const random = (): number => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) >>> 8
    for (let round = 0; round < 500; round++) {
      const pieces: Buffer[] = []
      for (let piece = 0; piece < 5; piece++) {
        pieces.push(Buffer.from(Array.from({ length: random() % 20 }, () => random() % (round % 2 === 0 ? 3 : 256))))
      }
      const whole = scan([Buffer.concat(pieces)], new GrpcFrameScanner())
      assert.deepEqual(scan(pieces, new GrpcFrameScanner()), whole)
    }
  })
})

test('readUnaryMessage() takes one message and nothing else', () => {
  const ok = readUnaryMessage(frameGrpcMessage(Buffer.from('hi')))
  assert.ok(ok.kind === 'message')
  assert.equal(Buffer.from(ok.message).toString(), 'hi')
  const empty = readUnaryMessage(frameGrpcMessage(Buffer.alloc(0)))
  assert.ok(empty.kind === 'message')
  assert.equal(empty.message.length, 0)
  const frame = frameGrpcMessage(Buffer.from('hi'))
  for (const body of [
    Buffer.alloc(0),
    frame.subarray(0, 6),
    Buffer.concat([frame, frame]),
    frameGrpcMessage(Buffer.from('hi'), 1),
    Buffer.from([0, 0x7f, 0, 0, 0]),
  ]) {
    assert.equal(readUnaryMessage(body).kind, 'invalid')
  }
  assert.equal(defaultGrpcLimits.maxMessageBytes, 4_194_304)
})

describe('status codes', () => {
  test('are those of grpc-js', () => {
    const ours = Object.fromEntries(
      Object.entries(grpcStatuses).map(([name, code]) => [name.toUpperCase().replaceAll('-', '_'), code]),
    )
    const theirs = Object.fromEntries(Object.entries(officialStatuses).filter(([name]) => Number.isNaN(Number(name))))
    assert.deepEqual(ours, theirs)
    for (const [code, name] of grpcStatusNames.entries()) assert.equal(grpcStatuses[name], code)
  })

  test('are parsed, and what is no code is unknown', () => {
    const cases: readonly [string, number][] = [
      ['0', 0],
      ['14', 14],
      ['16', 16],
      ['17', 2],
      ['007', 2],
      ['-1', 2],
      ['', 2],
      ['unavailable', 2],
    ]
    for (const [value, code] of cases) assert.equal(parseGrpcStatus(value), code, value)
  })

  test('stand for HTTP statuses in both directions', () => {
    const toGrpc: readonly [number, keyof typeof grpcStatuses][] = [
      [400, 'internal'],
      [401, 'unauthenticated'],
      [403, 'permission-denied'],
      [404, 'unimplemented'],
      [408, 'deadline-exceeded'],
      [413, 'resource-exhausted'],
      [418, 'unknown'],
      [429, 'unavailable'],
      [500, 'unavailable'],
      [502, 'unavailable'],
      [503, 'unavailable'],
      [504, 'deadline-exceeded'],
    ]
    for (const [status, name] of toGrpc) assert.equal(grpcStatusOfHttp(status), grpcStatuses[name], String(status))
    const endpointFaults = grpcStatusNames.filter((_, code) => httpStatusOfGrpc(code) >= 500)
    assert.deepEqual(endpointFaults, ['unknown', 'deadline-exceeded', 'internal', 'unavailable', 'data-loss'])
    assert.equal(httpStatusOfGrpc(0), 200)
    assert.equal(httpStatusOfGrpc(99), 500)
  })
})

describe('grpc-message', () => {
  const cases: readonly [string, string][] = [
    ['plain text', 'plain text'],
    ['100%', '100%25'],
    ['line\nbreak\r\n', 'line%0Abreak%0D%0A'],
    ['ä€😀', '%C3%A4%E2%82%AC%F0%9F%98%80'],
    ['~ !\x7f', '~ !%7F'],
    ['', ''],
  ]
  for (const [text, encoded] of cases) {
    test(`writes ${JSON.stringify(text)} as ${encoded} and reads it`, () => {
      assert.equal(encodeGrpcMessage(text), encoded)
      assert.equal(decodeGrpcMessage(encoded), text)
    })
  }

  test('is read as far as possible where it is broken', () => {
    assert.equal(decodeGrpcMessage('%'), '%')
    assert.equal(decodeGrpcMessage('%4'), '%4')
    assert.equal(decodeGrpcMessage('%zz%41'), '%zzA')
    assert.equal(decodeGrpcMessage('%C3('), '\ufffd(')
  })

  test('is cut at a length that header lists hold, not inside a character', () => {
    assert.equal(encodeGrpcMessage('x'.repeat(5000)).length, 1024)
    const half = encodeGrpcMessage(`${'x'.repeat(1023)}😀`)
    assert.equal(decodeGrpcMessage(half), 'x'.repeat(1023))
  })
})

describe('grpc-timeout', () => {
  const cases: readonly [string, number | undefined][] = [
    ['1H', 3_600_000],
    ['2M', 120_000],
    ['3S', 3_000],
    ['4m', 4],
    ['5u', 1],
    ['1001u', 2],
    ['6n', 1],
    ['0n', 0],
    ['00000001S', 1_000],
    ['99999999H', 359_999_996_400_000],
    ['100000000m', undefined],
    ['', undefined],
    ['5', undefined],
    ['m', undefined],
    ['5s', undefined],
    ['-5S', undefined],
    ['5.5S', undefined],
    ['5S ', undefined],
    [' 5S', undefined],
    ['5SS', undefined],
  ]
  for (const [value, ms] of cases) {
    test(`${JSON.stringify(value)} is ${ms}`, () => assert.equal(parseGrpcTimeout(value), ms))
  }

  test('is written in the finest unit that holds it', () => {
    assert.equal(formatGrpcTimeout(0), '0m')
    assert.equal(formatGrpcTimeout(1500.9), '1500m')
    assert.equal(formatGrpcTimeout(99_999_999), '99999999m')
    assert.equal(formatGrpcTimeout(100_000_999), '100000S')
    assert.equal(formatGrpcTimeout(100_000_000_000), '1666666M')
    assert.equal(formatGrpcTimeout(1e13), '2777777H')
    assert.equal(formatGrpcTimeout(1e30), '99999999H')
    assert.equal(formatGrpcTimeout(-5), '0m')
    for (const ms of [1, 999, 123_456, 99_999_999]) assert.equal(parseGrpcTimeout(formatGrpcTimeout(ms)), ms)
  })
})

test('grpcFormOf() tells gRPC by its content type', () => {
  const cases: readonly [string | undefined, number][] = [
    [undefined, grpcForms.none],
    ['', grpcForms.none],
    ['application/json', grpcForms.none],
    ['application/grpc', grpcForms.grpc],
    ['Application/GRPC', grpcForms.grpc],
    ['application/grpc+proto', grpcForms.grpc],
    ['application/grpc; charset=utf-8', grpcForms.grpc],
    ['application/grpc-web', grpcForms.web],
    ['application/grpc-web+proto', grpcForms.web],
    ['application/grpc-web-text', grpcForms.webText],
    ['application/grpc-web-text+proto', grpcForms.webText],
    ['application/grpc-web-other', grpcForms.none],
    ['application/grpcx', grpcForms.none],
  ]
  for (const [type, form] of cases) assert.equal(grpcFormOf(type), form, String(type))
})

test('grpcReply() turns an answer of our own into trailers alone', () => {
  assert.deepEqual(grpcReply(503, 'no endpoint: 100% down', grpcForms.grpc), {
    contentType: 'application/grpc',
    code: 14,
    message: 'no endpoint: 100%25 down',
  })
  assert.equal(grpcReply(404, '', grpcForms.web).contentType, 'application/grpc-web')
  assert.equal(grpcReply(404, '', grpcForms.webText).contentType, 'application/grpc-web-text')
  assert.equal(grpcReply(404, '', grpcForms.webText).code, grpcStatuses.unimplemented)
})

describe('health messages', () => {
  test('are those of the published definition', () => {
    assert.equal(encodeHealthRequest('').toString('hex'), '')
    assert.equal(encodeHealthRequest('a.B').toString('hex'), '0a03612e42')
    assert.equal(encodeHealthResponse('serving').toString('hex'), '0801')
    assert.equal(decodeHealthResponse(Buffer.from('0801', 'hex')), 'serving')
    assert.equal(decodeHealthResponse(Buffer.alloc(0)), 'unknown')
    assert.equal(decodeHealthResponse(Buffer.from('0809', 'hex')), 'unknown')
    assert.equal(decodeHealthResponse(Buffer.from('08ffffffffffffffffff01', 'hex')), 'unknown')
    assert.equal(decodeHealthResponse(Buffer.from('120101 0802'.replace(' ', ''), 'hex')), 'not-serving')
    for (const bytes of ['08', '0a0101', '0a']) assert.equal(decodeHealthResponse(Buffer.from(bytes, 'hex')), undefined)
  })

  test('survive the way there and back', () => {
    for (const service of ['', 'a.B', 'x'.repeat(300)]) {
      assert.equal(decodeHealthRequest(encodeHealthRequest(service)), service)
    }
    for (const status of servingStatuses) assert.equal(decodeHealthResponse(encodeHealthResponse(status)), status)
  })
})
