import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Compression } from '../../model/index.ts'
import { compressionEdits, decideCompression, varyWithEncoding, type CompressionFacts } from './negotiate.ts'

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
      const decision = decideCompression(compression, { ...base, ...facts })
      assert.equal(decision.kind === 'compress' && decision.encoding, 'gzip')
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

  for (const [contentLength, isFlushed] of [
    [undefined, true],
    [4096, false],
  ] as const) {
    test(`sends every piece at once: ${isFlushed}, with a length of ${contentLength ?? 'unknown'}`, () => {
      const decision = decideCompression(compression, { ...base, contentLength })
      assert.equal(decision.kind === 'compress' && decision.flushesEachPiece, isFlushed)
    })
  }
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

describe('compressionEdits()', () => {
  test('changes what was true of the other bytes', () => {
    const decision = decideCompression(compression, { ...base, etag: '"a"' })
    assert.deepEqual(compressionEdits(decision, 'Origin'), {
      set: [
        { name: 'vary', value: 'Origin, accept-encoding' },
        { name: 'content-encoding', value: 'gzip' },
        { name: 'etag', value: 'W/"a"' },
      ],
      add: [],
      remove: ['content-length', 'accept-ranges', 'content-md5', 'content-digest', 'digest'],
    })
  })
  test('tells caches of the choice that was not taken', () => {
    const edits = compressionEdits({ kind: 'pass', varies: true }, undefined)
    assert.deepEqual(edits, { set: [{ name: 'vary', value: 'accept-encoding' }], add: [], remove: [] })
  })
  test('changes nothing where there was no choice', () => {
    assert.deepEqual(compressionEdits({ kind: 'pass', varies: false }, undefined), { set: [], add: [], remove: [] })
  })
})
