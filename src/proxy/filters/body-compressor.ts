import {
  constants,
  createBrotliCompress,
  createGzip,
  createZstdCompress,
  type BrotliCompress,
  type Gzip,
  type ZstdCompress,
} from 'node:zlib'
import type { ContentEncoding } from '../../model/index.ts'

/** Where the compressed body goes. Never called before `write`, `end` or `destroy` has returned. */
export interface CompressedSink {
  onCompressed(bytes: Buffer): void
  onCompressedEnd(): void
  /** There is room again after `isBlocked`. */
  onCompressorWritable(): void
  /** The engine failed: the answer can't be completed. */
  onCompressorFailed(error: Error): void
}

export interface CompressorOptions {
  /** Sends every piece at once instead of waiting for more that compresses with it. */
  readonly flushesEachPiece: boolean
  /** Uncompressed bytes that may wait. @default 256 KiB */
  readonly backlogBytes?: number
}

/**
 * Compresses the body of one answer, on zlib's own threads.
 *
 * Memory is bounded: the windows below, `backlogBytes` before the engine and what
 * the stream holds behind it. A slow client stops the engine by `pause`, and
 * then `isBlocked` tells the exchange to stop the endpoint.
 */
export class BodyCompressor {
  readonly #stream: Gzip | BrotliCompress | ZstdCompress
  readonly #sink: CompressedSink
  readonly #flush: number
  readonly #flushesEachPiece: boolean
  readonly #backlogBytes: number
  #pendingBytes = 0
  #isOver = false

  constructor(encoding: ContentEncoding, sink: CompressedSink, options: CompressorOptions) {
    this.#sink = sink
    this.#flush = flushOf(encoding)
    this.#flushesEachPiece = options.flushesEachPiece
    this.#backlogBytes = options.backlogBytes ?? 256 * 1024
    this.#stream = createEngine(encoding)
    this.#stream.on('data', (bytes: Buffer) => sink.onCompressed(bytes))
    this.#stream.on('end', () => {
      this.#isOver = true
      sink.onCompressedEnd()
    })
    this.#stream.on('error', error => {
      this.#isOver = true
      sink.onCompressorFailed(error)
    })
  }

  /** Whether the endpoint should stop for now. */
  get isBlocked(): boolean {
    return this.#pendingBytes >= this.#backlogBytes
  }

  /** Copies: the bytes lie in the reader's buffer, and the engine reads them on another thread. */
  write(bytes: Uint8Array, start: number, end: number): void {
    if (this.#isOver || start === end) return
    const length = end - start
    this.#pendingBytes += length
    this.#stream.write(Buffer.from(bytes.subarray(start, end)), () => this.#taken(length))
    if (this.#flushesEachPiece) this.#stream.flush(this.#flush)
  }

  #taken(length: number): void {
    const wasBlocked = this.isBlocked
    this.#pendingBytes -= length
    if (wasBlocked && !this.isBlocked && !this.#isOver) this.#sink.onCompressorWritable()
  }

  end(): void {
    if (!this.#isOver) this.#stream.end()
  }

  /** The client has enough for now. */
  pause(): void {
    this.#stream.pause()
  }

  resume(): void {
    this.#stream.resume()
  }

  /** Frees the engine at once; nothing more comes. */
  destroy(): void {
    this.#isOver = true
    this.#stream.destroy()
  }
}

/**
 * Levels and windows for answers made while somebody waits: beyond these the
 * time grows far more than the size shrinks. The windows bound the memory of one
 * answer to a few hundred kilobytes; brotli's default would be 4 MiB.
 */
function createEngine(encoding: ContentEncoding): Gzip | BrotliCompress | ZstdCompress {
  if (encoding === 'gzip') return createGzip({ level: 5, windowBits: 15, memLevel: 8 })
  if (encoding === 'br') {
    return createBrotliCompress({
      params: { [constants.BROTLI_PARAM_QUALITY]: 4, [constants.BROTLI_PARAM_LGWIN]: 18 },
    })
  }
  return createZstdCompress({
    params: { [constants.ZSTD_c_compressionLevel]: 3, [constants.ZSTD_c_windowLog]: 18 },
  })
}

/** The flush that makes what was written readable without forgetting it. */
function flushOf(encoding: ContentEncoding): number {
  if (encoding === 'gzip') return constants.Z_SYNC_FLUSH
  return encoding === 'br' ? constants.BROTLI_OPERATION_FLUSH : constants.ZSTD_e_flush
}
