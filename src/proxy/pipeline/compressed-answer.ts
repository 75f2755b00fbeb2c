import { framings } from '../../codec/index.ts'
import type { HeaderList } from '../../codec/index.ts'
import type { Compression, HeaderEdits } from '../../model/index.ts'
import { compressionEdits, decideCompression } from '../../policy/index.ts'
import type { CompressionDecision } from '../../policy/index.ts'
import { BodyCompressor } from '../filters/body-compressor.ts'
import type { CompressedSink } from '../filters/body-compressor.ts'
import type { ProxyRuntime } from '../runtime.ts'
import type { AnswerHead } from '../upstream/answer-head.ts'
import { bodyChanges } from '../upstream/outgoing-request.ts'
import type { Answer } from './answer.ts'
import { BodyChange } from './body-change.ts'

/** Who sends the answer. */
export interface AnswerSource {
  pauseAnswer(): void
  resumeAnswer(): void
}

/** What becomes of an answer that is held on its way to the client. */
export interface LateAnswerListener {
  /** The last byte has been handed to the client, some time after the endpoint's last. */
  onLateEnd(): void
  /** The answer can't be completed. */
  onLateFailure(): void
}

/** What is asked of the request when its answer comes. */
export interface CompressionWish {
  readonly compression: Compression
  readonly method: string
  readonly acceptEncoding: string | undefined
}

/** What becomes of an answer's head. */
export interface CompressionPlan {
  readonly decision: CompressionDecision
  readonly edits: HeaderEdits
}

export function planCompression(wish: CompressionWish, head: AnswerHead): CompressionPlan {
  const length = head.framing === framings.length ? contentLengthOf(head) : undefined
  const decision = decideCompression(wish.compression, {
    method: wish.method,
    acceptEncoding: wish.acceptEncoding,
    status: head.status,
    contentType: field(head, 'content-type'),
    contentEncoding: field(head, 'content-encoding'),
    contentLength: head.framing === framings.none ? 0 : length,
    cacheControl: field(head, 'cache-control'),
    etag: field(head, 'etag'),
    hasContentRange: field(head, 'content-range') !== undefined,
  })
  const edits = compressionEdits(decision, field(head, 'vary'))
  if (decision.kind === 'pass') return { decision, edits }
  // The client finds the end in our framing.
  return { decision, edits: { ...edits, remove: [...edits.remove, 'transfer-encoding'] } }
}

function contentLengthOf({ parser, list }: AnswerHead): number | undefined {
  const length = parser?.contentLength ?? list?.contentLength ?? -1
  return length < 0 ? undefined : length
}

function field({ parser, list }: AnswerHead, lowerName: string): string | undefined {
  let value: string | undefined
  const add = (text: string): void => {
    value = value === undefined ? text : `${value}, ${text}`
  }
  if (parser !== undefined) {
    for (let at = parser.findName(lowerName); at >= 0 && at < parser.fieldCount; at++) {
      if (parser.nameEquals(at, lowerName)) add(parser.value(at))
    }
  }
  if (list !== undefined) {
    for (const entry of list.entries.slice(0, list.length)) if (entry.name === lowerName) add(entry.value)
  }
  return value
}

export interface CompressedAnswerOptions {
  readonly decision: Extract<CompressionDecision, { kind: 'compress' }>
  readonly head: AnswerHead
  readonly answer: Answer
  readonly source: AnswerSource
  readonly listener: LateAnswerListener
}

/**
 * The body of one answer on its way through an encoder: chunk framing of the
 * endpoint falls away before it, and a slow client stops the encoder and the
 * endpoint behind it.
 */
export class CompressedAnswer implements CompressedSink {
  readonly #runtime: ProxyRuntime
  readonly #answer: Answer
  readonly #source: AnswerSource
  readonly #listener: LateAnswerListener
  readonly #compressor: BodyCompressor
  readonly #decoder: BodyChange | undefined
  #trailers: HeaderList | undefined = undefined
  #isOver = false

  constructor(runtime: ProxyRuntime, options: CompressedAnswerOptions) {
    this.#runtime = runtime
    const { decision, head, answer, source, listener } = options
    this.#answer = answer
    this.#source = source
    this.#listener = listener
    const { encoding, flushesEachPiece } = decision
    const compressor = new BodyCompressor(encoding, this, { flushesEachPiece })
    this.#compressor = compressor
    if (head.framing !== framings.chunked) return
    this.#decoder = new BodyChange(runtime.chunkLimits, runtime.entries, {
      onChangedBody: (bytes, start, end) => compressor.write(bytes, start, end),
    })
    this.#decoder.start(bodyChanges.decode)
  }

  /** Takes a piece in the endpoint's form. */
  body(bytes: Buffer, start: number, end: number): void {
    if (this.#decoder === undefined) this.#compressor.write(bytes, start, end)
    else this.#decoder.take(bytes, start, end)
    if (this.#compressor.isBlocked) this.#source.pauseAnswer()
  }

  /** @param trailers  a list of the endpoint's session */
  end(trailers: HeaderList | undefined): void {
    this.#decoder?.end(undefined)
    this.#trailers = trailers === undefined ? this.#decoder?.trailers : trailers.copy()
    this.#compressor.end()
  }

  /** The client reads again. */
  resume(): void {
    this.#compressor.resume()
    if (!this.#compressor.isBlocked) this.#source.resumeAnswer()
  }

  onCompressed(bytes: Buffer): void {
    if (this.#isOver) return
    const answer = this.#answer
    this.#runtime.tick()
    answer.body(bytes, 0, bytes.length)
    this.#runtime.out.flush()
    if (answer.isBlocked) this.#compressor.pause()
  }

  onCompressorWritable(): void {
    if (!this.#isOver) this.#source.resumeAnswer()
  }

  onCompressedEnd(): void {
    if (this.#isOver) return
    this.#runtime.tick()
    this.#answer.end(this.#trailers)
    this.#listener.onLateEnd()
  }

  onCompressorFailed(): void {
    if (this.#isOver) return
    this.#runtime.tick()
    this.#listener.onLateFailure()
  }

  destroy(): void {
    this.#isOver = true
    this.#compressor.destroy()
  }
}
