import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { frameGrpcMessage, grpcEvents, GrpcFrameScanner } from './frames.ts'
import { grpcForms } from './metadata.ts'
import { contentTypeFromWeb, contentTypeToWeb, encodeWebText, WebResponse, WebTextDecoder, webTrailers } from './web.ts'

function decodeAll(pieces: readonly Uint8Array[]): Buffer | undefined {
  const decoder = new WebTextDecoder()
  const out: Buffer[] = []
  for (const piece of pieces) {
    const bytes = decoder.decode(piece)
    if (bytes === undefined) return undefined
    out.push(bytes)
  }
  return decoder.isComplete ? Buffer.concat(out) : undefined
}

describe('WebTextDecoder', () => {
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, at) => (at * 7) & 0xff))

  test('decodes the same for every split', () => {
    for (const length of [0, 1, 2, 3, 4, 5, 6, 255, 256]) {
      const text = encodeWebText(bytes.subarray(0, length))
      for (let at = 0; at <= text.length; at++) {
        assert.deepEqual(decodeAll([text.subarray(0, at), text.subarray(at)]), bytes.subarray(0, length))
      }
      assert.deepEqual(decodeAll([...text].map(byte => Buffer.of(byte))), bytes.subarray(0, length))
    }
  })

  test('decodes pieces that were encoded one by one', () => {
    const text = Buffer.concat([
      encodeWebText(Buffer.from('a')),
      encodeWebText(Buffer.from('bc')),
      encodeWebText(bytes),
    ])
    assert.deepEqual(decodeAll([text]), Buffer.concat([Buffer.from('abc'), bytes]))
  })

  for (const text of [
    '=',
    'A=',
    'A===',
    'AA=A',
    'AAA=A',
    'A',
    'AA',
    'AAA',
    'AA=',
    'AA A',
    'AA-_',
    'AB==',
    'AAB=',
    'A\n',
  ]) {
    test(`refuses ${JSON.stringify(text)}`, () => assert.equal(decodeAll([Buffer.from(text)]), undefined))
  }

  test('refuses everything after what was no base64', () => {
    const decoder = new WebTextDecoder()
    assert.equal(decoder.decode(Buffer.from('!')), undefined)
    assert.equal(decoder.decode(Buffer.from('AAAA')), undefined)
    assert.equal(decoder.isComplete, false)
  })
})

describe('WebResponse', () => {
  const message = frameGrpcMessage(Buffer.from('hello'))
  const trailers: readonly (readonly [string, string])[] = [
    ['grpc-status', '0'],
    ['Grpc-Message', 'ok'],
  ]

  test('hands binary pieces on and ends with a frame of trailers', () => {
    const response = new WebResponse(grpcForms.web)
    assert.equal(response.data(message), message)
    const end = response.end(trailers)
    const scanner = new GrpcFrameScanner(undefined, { isWeb: true })
    assert.equal(scanner.next(end, 0, end.length), grpcEvents.data)
    assert.equal(scanner.flags, 0x80)
    assert.equal(end.toString('latin1', scanner.from, scanner.to), 'grpc-status: 0\r\ngrpc-message: ok\r\n')
    assert.equal(scanner.next(end, scanner.at, end.length), grpcEvents.end)
    assert.equal(scanner.at, end.length)
  })

  test('encodes text pieces so that each can be read at once', () => {
    const response = new WebResponse(grpcForms.webText)
    const pieces = [message.subarray(0, 1), message.subarray(1, 6), message.subarray(6)]
    const decoder = new WebTextDecoder()
    for (const piece of pieces) {
      assert.deepEqual(decoder.decode(response.data(piece)), piece)
      assert.equal(decoder.isComplete, true)
    }
    assert.deepEqual(decoder.decode(response.end(trailers)), webTrailers(trailers))
  })

  test('an answer without trailers ends with an empty frame', () => {
    assert.deepEqual(new WebResponse(grpcForms.web).end([]), Buffer.from([0x80, 0, 0, 0, 0]))
  })
})

test('content types change between gRPC and gRPC-Web and keep their format', () => {
  assert.equal(contentTypeFromWeb('application/grpc-web'), 'application/grpc')
  assert.equal(contentTypeFromWeb('application/grpc-web-text+proto'), 'application/grpc+proto')
  assert.equal(contentTypeFromWeb('application/grpc-web+json; a=b'), 'application/grpc+json; a=b')
  assert.equal(contentTypeToWeb('application/grpc', grpcForms.web), 'application/grpc-web')
  assert.equal(contentTypeToWeb('application/grpc+proto', grpcForms.webText), 'application/grpc-web-text+proto')
  assert.equal(contentTypeToWeb('text/html', grpcForms.web), 'text/html')
  assert.equal(contentTypeToWeb('application/grpc-web+proto', grpcForms.web), 'application/grpc-web+proto')
})
