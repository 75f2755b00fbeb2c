import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Compression } from '../../model/index.ts'
import { decideCompression, varyWithEncoding, type CompressionFacts } from './negotiate.ts'

const compression: Compression = {
  encodings: ['br', 'gzip'],
  minBytes: 1024,
  contentTypes: ['text/*', 'application/json'],
}

const base: CompressionFacts = {
  method: 'GET',
  acceptEncoding: 'gzip',
  status: 200,
  contentType: 'application/json',
  contentEncoding: undefined,
  contentLength: 4096,
  cacheControl: undefined,
  etag: undefined,
  hasContentRange: false,
}

const compressed: readonly (readonly [about: string, facts: Partial<CompressionFacts>])[] = [
  ['a long answer of a listed type', {}],
  ['an answer of unknown length', { contentLength: undefined }],
  ['an answer of just the least length', { contentLength: 1024 }],
  ['a type with parameters', { contentType: 'Application/JSON; charset=utf-8' }],
  ['a type that a star covers', { contentType: 'text/css' }],
  ['an error page', { status: 500 }],
  ['an answer to POST', { method: 'POST' }],
  ['an answer that calls itself unencoded', { contentEncoding: ' Identity' }],
  ['a cachable answer', { cacheControl: 'max-age=60, x-no-transform' }],
]
const passed: readonly (readonly [about: string, facts: Partial<CompressionFacts>, varies: boolean])[] = [
  ['a client that takes no coding', { acceptEncoding: undefined }, true],
  ['a client that takes other codings', { acceptEncoding: 'deflate' }, true],
  ['an answer to HEAD', { method: 'HEAD' }, true],
  ['an answer to CONNECT', { method: 'CONNECT' }, false],
  ['a short answer', { contentLength: 1023 }, false],
  ['an empty answer', { contentLength: 0 }, false],
  ['a type that is not listed', { contentType: 'image/png' }, false],
  ['a type that only starts like a listed one', { contentType: 'application/jsonp' }, false],
  ['no type', { contentType: undefined }, false],
  ['gRPC', { contentType: 'application/grpc+proto' }, false],
  ['what is encoded already', { contentEncoding: 'zstd' }, false],
  ['no-transform', { cacheControl: 'public, No-Transform' }, false],
  ['204', { status: 204 }, false],
  ['206', { status: 206 }, false],
  ['304', { status: 304 }, false],
  ['101', { status: 101 }, false],
  ['a part of a representation', { hasContentRange: true }, false],
]

describe('decideCompression()', () => {
  for (const [about, facts] of compressed) {
    test(`compresses ${about}`, () => {
      assert.deepEqual(decideCompression(compression, { ...base, ...facts }), {
        kind: 'compress',
        encoding: 'gzip',
        etag: undefined,
        flushesEachPiece: false,
      })
    })
  }
  for (const [about, facts, varies] of passed) {
    test(`leaves alone ${about}`, () => {
      assert.deepEqual(decideCompression(compression, { ...base, ...facts }), { kind: 'pass', varies })
    })
  }

  test('never compresses gRPC, even when every type is listed', () => {
    const facts = { ...base, contentType: 'application/grpc-web-text' }
    assert.equal(decideCompression({ ...compression, contentTypes: ['application/*'] }, facts).kind, 'pass')
  })

  test('never compresses an empty answer, even without a least length', () => {
    assert.equal(decideCompression({ ...compression, minBytes: 0 }, { ...base, contentLength: 0 }).kind, 'pass')
  })

  for (const [etag, expected] of [
    ['"abc"', 'W/"abc"'],
    ['W/"abc"', undefined],
  ] as const) {
    test(`weakens the entity tag ${etag}`, () => {
      const decision = decideCompression(compression, { ...base, etag })
      assert.equal(decision.kind === 'compress' ? decision.etag : 'no', expected)
    })
  }

  test('sends every event of a stream at once', () => {
    const facts = { ...base, contentType: 'text/event-stream', contentLength: undefined }
    const decision = decideCompression(compression, facts)
    assert.equal(decision.kind === 'compress' && decision.flushesEachPiece, true)
  })
})

for (const [vary, expected] of [
  [undefined, 'accept-encoding'],
  ['', 'accept-encoding'],
  ['Origin', 'Origin, accept-encoding'],
  ['Origin,Accept-Encoding', undefined],
  ['*', undefined],
] as const) {
  test(`varyWithEncoding() makes ${String(expected)} of ${JSON.stringify(vary)}`, () => {
    assert.equal(varyWithEncoding(vary), expected)
  })
}
