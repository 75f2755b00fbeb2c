import { framings, grpcForms } from '../../codec/index.ts'
import type { HeaderList } from '../../codec/index.ts'
import type { HeaderEdits } from '../../model/index.ts'
import type { ProxyRuntime } from '../runtime.ts'
import type { AnswerHead } from '../upstream/answer-head.ts'
import type { OutgoingRequest } from '../upstream/outgoing-request.ts'
import type { Answer } from './answer.ts'
import type { CompiledBackend } from './compiled-rule.ts'
import { CompressedAnswer, planCompression } from './compressed-answer.ts'
import type { AnswerSource, CompressionWish, LateAnswerListener } from './compressed-answer.ts'
import { grpcFailureTrailers } from './grpc-call.ts'
import { needsWebBridge, WebBridge } from './web-bridge.ts'

/**
 * What an endpoint's answer passes on its way to the client: the bridge of
 * gRPC-Web or compression where the request or its rule asks for them, and the
 * edits of the rule. Used again for the next request.
 */
export class AnswerPath {
  to: Answer
  /** Further header lines of the answer, each with its CRLF. */
  lines = ''
  /** A final head has gone to the client: no other answer can take its place. */
  isBegun = false
  compressionWish: CompressionWish | undefined = undefined
  readonly #runtime: ProxyRuntime
  readonly #source: AnswerSource
  readonly #listener: LateAnswerListener
  #web: WebBridge | undefined = undefined
  #compressed: CompressedAnswer | undefined = undefined

  constructor(runtime: ProxyRuntime, source: AnswerSource, listener: LateAnswerListener, to: Answer) {
    this.#runtime = runtime
    this.#source = source
    this.#listener = listener
    this.to = to
  }

  reset(): void {
    this.lines = ''
    this.isBegun = false
    this.compressionWish = undefined
    this.#web = undefined
  }

  /** Once the head for the endpoint is rendered. @param form  from `grpcForms` */
  bridge(form: number, request: OutgoingRequest): void {
    if (form <= grpcForms.grpc || !needsWebBridge(form, request)) return
    this.#web = new WebBridge(form)
    this.#web.editRequest(request)
  }

  /** @param edits  of the safeguards of this request alone */
  head(answer: AnswerHead, backend: CompiledBackend | undefined, edits: readonly HeaderEdits[]): void {
    this.isBegun = true
    const head = this.#web === undefined ? answer : this.#web.answerHead(answer)
    const wish = this.compressionWish
    if (wish === undefined) this.to.head(head, this.lines, backend?.responseEditsWith(edits))
    else this.#beginCompressible(head, wish, backend, edits)
  }

  #beginCompressible(
    head: AnswerHead,
    wish: CompressionWish,
    backend: CompiledBackend | undefined,
    edits: readonly HeaderEdits[],
  ): void {
    const plan = planCompression(wish, head)
    const { decision } = plan
    if (decision.kind === 'compress') {
      this.#runtime.meter.counter('heddle_compressed_answers_total', { encoding: decision.encoding }).value++
      this.#compressed = new CompressedAnswer(this.#runtime, {
        decision,
        head,
        answer: this.to,
        source: this.#source,
        listener: this.#listener,
      })
      head.framing = framings.untilClose
    }
    this.to.head(head, this.lines, backend?.responseEditsWith([...edits, plan.edits]))
  }

  /** In the form of the head. */
  body(bytes: Buffer, start: number, end: number): void {
    if (this.#compressed !== undefined) {
      this.#compressed.body(bytes, start, end)
      return
    }
    if (this.#web === undefined) this.to.body(bytes, start, end)
    else this.#webBody(this.#web.body(bytes.subarray(start, end)))
    if (this.to.isBlocked) this.#source.pauseAnswer()
  }

  #webBody(bytes: Uint8Array): void {
    if (bytes.length > 0) this.to.body(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), 0, bytes.length)
  }

  /** The client reads again. */
  resume(): void {
    if (this.#compressed === undefined) this.#source.resumeAnswer()
    else this.#compressed.resume()
  }

  /** @returns false when some of it is held: the source hears of its end later */
  end(trailers: HeaderList | undefined): boolean {
    if (this.#compressed !== undefined) {
      this.#compressed.end(trailers)
      return false
    }
    const last = this.#web?.end(trailers)
    if (last !== undefined) this.#webBody(last)
    this.to.end(last === undefined ? trailers : undefined)
    return true
  }

  /** To a client who takes the messages of gRPC that came as complete in themselves: trailers say that there will be no more. */
  endCall(status: number, detail: string): void {
    this.to.end(grpcFailureTrailers(status, detail === '' ? 'the answer was broken off' : detail))
  }

  /** Nothing more comes. */
  close(): void {
    this.#compressed?.destroy()
    this.#compressed = undefined
  }
}
