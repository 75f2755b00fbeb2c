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
import type { Answer, AnswerSink } from './answer.ts'
import { BodyChange } from './body-change.ts'
import type { EditPlan } from './header-edits.ts'
import { noEdits } from './header-edits.ts'

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
interface CompressionPlan {
  readonly decision: CompressionDecision
  readonly edits: HeaderEdits
}

function planCompression(wish: CompressionWish, head: AnswerHead): CompressionPlan {
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
      if (parser.drop[at] !== 1 && parser.nameEquals(at, lowerName)) add(parser.value(at))
    }
  }
  if (list !== undefined) {
    for (const entry of list.entries.slice(0, list.length)) if (entry.name === lowerName) add(entry.value)
  }
  return value
}

export interface CompressibleAnswerOptions {
  readonly wish: CompressionWish
  /** The client. */
  readonly to: Answer
  readonly source: AnswerSource
  readonly listener: LateAnswerListener
}

/**
 * The last that an answer passes before the client where its rule compresses,
 * behind the plugins: its head decides whether it is. If so its body goes
 * through an encoder: chunk framing falls away before that, and a slow client
 * stops the encoder and the endpoint behind it.
 */
export class CompressibleAnswer implements AnswerSink, CompressedSink {
  readonly #runtime: ProxyRuntime
  readonly #wish: CompressionWish
  readonly #to: Answer
  readonly #source: AnswerSource
  readonly #listener: LateAnswerListener
  /** Only of an answer that is compressed. */
  #compressor: BodyCompressor | undefined = undefined
  #decoder: BodyChange | undefined = undefined
  #trailers: HeaderList | undefined = undefined
  /** All of it came, and the encoder has some of it: `onLateEnd` follows. */
  isHolding = false
  #isOver = false

  constructor(runtime: ProxyRuntime, { wish, to, source, listener }: CompressibleAnswerOptions) {
    this.#runtime = runtime
    this.#wish = wish
    this.#to = to
    this.#source = source
    this.#listener = listener
  }

  get isBlocked(): boolean {
    return this.#to.isBlocked || this.#compressor?.isBlocked === true
  }

  head(answer: AnswerHead, lines: string, edits: EditPlan | undefined): void {
    const plan = planCompression(this.#wish, answer)
    if (plan.decision.kind === 'compress') this.#compress(answer, plan.decision)
    this.#to.head(answer, lines, (edits ?? noEdits).with([plan.edits]))
  }

  #compress(answer: AnswerHead, decision: Extract<CompressionDecision, { kind: 'compress' }>): void {
    const { encoding, flushesEachPiece } = decision
    this.#runtime.meter.counter('heddle_compressed_answers_total', { encoding }).value++
    const compressor = new BodyCompressor(encoding, this, { flushesEachPiece })
    this.#compressor = compressor
    if (answer.framing === framings.chunked) {
      this.#decoder = new BodyChange(this.#runtime.chunkLimits, this.#runtime.entries, {
        onChangedBody: (bytes, start, end) => compressor.write(bytes, start, end),
      })
      this.#decoder.start(bodyChanges.decode)
    }
    answer.framing = framings.untilClose
  }

  body(bytes: Buffer, start: number, end: number): void {
    if (this.#compressor === undefined) this.#to.body(bytes, start, end)
    else if (this.#decoder === undefined) this.#compressor.write(bytes, start, end)
    else this.#decoder.take(bytes, start, end)
  }

  /** @param trailers  a list of the endpoint's session */
  end(trailers: HeaderList | undefined): void {
    if (this.#compressor === undefined) {
      this.#to.end(trailers)
      return
    }
    this.#decoder?.end(undefined)
    this.#trailers = trailers === undefined ? this.#decoder?.trailers : trailers.copy()
    this.isHolding = true
    this.#compressor.end()
  }

  /** The client reads again. */
  resume(): void {
    this.#compressor?.resume()
    if (!this.isBlocked) this.#source.resumeAnswer()
  }

  onCompressed(bytes: Buffer): void {
    if (this.#isOver) return
    const to = this.#to
    this.#runtime.tick()
    to.body(bytes, 0, bytes.length)
    this.#runtime.out.flush()
    if (to.isBlocked) this.#compressor?.pause()
  }

  onCompressorWritable(): void {
    if (!this.#isOver) this.#source.resumeAnswer()
  }

  onCompressedEnd(): void {
    if (this.#isOver) return
    this.#runtime.tick()
    this.#to.end(this.#trailers)
    this.#listener.onLateEnd()
  }

  onCompressorFailed(): void {
    if (this.#isOver) return
    this.#runtime.tick()
    this.#listener.onLateFailure()
  }

  destroy(): void {
    this.#isOver = true
    this.#compressor?.destroy()
  }
}
