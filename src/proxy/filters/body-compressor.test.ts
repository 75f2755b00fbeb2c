import assert from 'node:assert/strict'
import { randomFillSync } from 'node:crypto'
import { once, EventEmitter } from 'node:events'
import { describe, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import type { Transform } from 'node:stream'
import {
  brotliDecompressSync,
  createBrotliDecompress,
  createGunzip,
  createZstdDecompress,
  gunzipSync,
  zstdDecompressSync,
} from 'node:zlib'
import type { ContentEncoding } from '../../model/index.ts'
import { BodyCompressor, type CompressedSink } from './body-compressor.ts'

const decoders: Readonly<Record<ContentEncoding, (bytes: Buffer) => Buffer>> = {
  gzip: bytes => gunzipSync(bytes),
  br: bytes => brotliDecompressSync(bytes),
  zstd: bytes => zstdDecompressSync(bytes),
}
const streamingDecoders: Readonly<Record<ContentEncoding, () => Transform>> = {
  gzip: () => createGunzip(),
  br: () => createBrotliDecompress(),
  zstd: () => createZstdDecompress(),
}
const encodings = Object.keys(decoders) as ContentEncoding[]

/** Collects what comes; `events` tells of each call. */
class Collector implements CompressedSink {
  readonly events = new EventEmitter()
  readonly pieces: Buffer[] = []
  onCompressed(bytes: Buffer): void {
    this.pieces.push(bytes)
    this.events.emit('piece')
  }
  onCompressedEnd(): void {
    this.events.emit('end')
  }
  onCompressorWritable(): void {
    this.events.emit('writable')
  }
  onCompressorFailed(error: Error): void {
    this.events.emit('error', error)
  }
  get bytes(): Buffer {
    return Buffer.concat(this.pieces)
  }
}

/** An endpoint that stops when told to, and starts when told to; false once the engine stands still. */
async function isSoonWritable(compressor: BodyCompressor): Promise<boolean> {
  // The engine works on another thread: that it has stopped for good can only be seen by waiting for it.
  for (let turn = 0; turn < 50; turn++) {
    if (!compressor.isBlocked) return true
    await setTimeout(4)
  }
  return false
}

describe('BodyCompressor', () => {
  for (const encoding of encodings) {
    test(`gives a ${encoding} body that another decoder reads`, async () => {
      const sink = new Collector()
      const compressor = new BodyCompressor(encoding, sink, { flushesEachPiece: false })
      const buffer = Buffer.alloc(1000)
      const expected: Buffer[] = []
      for (let i = 0; i < 500; i++) {
        // The same buffer again and again, as a reader's is.
        buffer.fill(`line ${i} of a text that repeats itself\n`)
        expected.push(Buffer.from(buffer.subarray(10, 990)))
        compressor.write(buffer, 10, 990)
      }
      compressor.end()
      await once(sink.events, 'end')
      assert.deepEqual(decoders[encoding](sink.bytes), Buffer.concat(expected))
      assert.ok(sink.bytes.length < 100_000, String(sink.bytes.length))
    })

    test(`sends each piece of a stream at once with ${encoding}`, async () => {
      const decoder = streamingDecoders[encoding]()
      const sink = new Collector()
      sink.events.on('piece', () => decoder.write(sink.pieces.at(-1)))
      const compressor = new BodyCompressor(encoding, sink, { flushesEachPiece: true })
      for (let i = 0; i < 3; i++) {
        const event = Buffer.from(`data: ${i}\n\n`)
        const read = once(decoder, 'data')
        compressor.write(event, 0, event.length)
        // Without a flush nothing could be read before the end.
        assert.equal(String((await read)[0]), event.toString())
      }
      decoder.destroy()
      compressor.destroy()
    })
  }

  test('an empty body is a well-formed one', async () => {
    const sink = new Collector()
    const compressor = new BodyCompressor('gzip', sink, { flushesEachPiece: false })
    compressor.end()
    await once(sink.events, 'end')
    assert.equal(gunzipSync(sink.bytes).length, 0)
  })

  test('a slow client stops the endpoint, and memory stays bounded', async () => {
    const sink = new Collector()
    const backlogBytes = 64 * 1024
    const compressor = new BodyCompressor('gzip', sink, { flushesEachPiece: false, backlogBytes })
    compressor.pause()
    const noise = Buffer.allocUnsafe(16 * 1024)
    let written = 0
    while (written < 64 * 1024 * 1024) {
      if (compressor.isBlocked && !(await isSoonWritable(compressor))) break
      // Random bytes do not shrink: what goes in must come out.
      randomFillSync(noise)
      compressor.write(noise, 0, noise.length)
      written += noise.length
    }
    assert.ok(compressor.isBlocked)
    assert.ok(written < 512 * 1024, String(written))
    assert.equal(sink.pieces.length, 0)
    const writable = once(sink.events, 'writable')
    compressor.resume()
    await writable
    compressor.end()
    await once(sink.events, 'end')
    assert.equal(gunzipSync(sink.bytes).length, written)
  })

  test('nothing comes after destroy, and writes are ignored', async () => {
    const sink = new Collector()
    const compressor = new BodyCompressor('zstd', sink, { flushesEachPiece: true })
    compressor.write(Buffer.from('abc'), 0, 3)
    compressor.destroy()
    compressor.write(Buffer.from('def'), 0, 3)
    compressor.end()
    await new Promise(resolve => setImmediate(resolve))
    assert.deepEqual(sink.pieces, [])
  })
})
