import { grpcForms } from '../../codec/index.ts'
import type { HeaderList } from '../../codec/index.ts'
import type { HeaderEdits } from '../../model/index.ts'
import type { ProxyRuntime } from '../runtime.ts'
import type { AnswerHead } from '../upstream/answer-head.ts'
import type { OutgoingRequest } from '../upstream/outgoing-request.ts'
import type { Answer, AnswerSink } from './answer.ts'
import type { CompiledBackend } from './compiled-rule.ts'
import { CompressibleAnswer } from './compressed-answer.ts'
import type { AnswerSource, CompressionWish, LateAnswerListener } from './compressed-answer.ts'
import { grpcFailureTrailers } from './grpc-call.ts'
import { needsWebBridge, WebBridge } from './web-bridge.ts'

/**
 * What an endpoint's answer passes on its way to the client: the bridge of
 * gRPC-Web where the request asks for it, the edits of the rule, the plugins,
 * and compression last, so that plugins see what will be compressed. Used again
 * for the next request.
 *
 *     endpoint ─ bridge ─ edits ─┬───────────┬─ compression ─ client
 *                                └─ plugins ─┘
 */
export class AnswerPath {
  /** Takes answers of our own: the client, or the plugins before it. */
  to: Answer
  /** Further header lines of the answer, each with its CRLF. */
  lines = ''
  /** A final head has gone to the client: no other answer can take its place. */
  isBegun = false
  compressionWish: CompressionWish | undefined = undefined
  readonly #runtime: ProxyRuntime
  readonly #source: AnswerSource
  readonly #listener: LateAnswerListener
  #client: Answer
  #web: WebBridge | undefined = undefined
  #compressible: CompressibleAnswer | undefined = undefined

  constructor(runtime: ProxyRuntime, source: AnswerSource, listener: LateAnswerListener, client: Answer) {
    this.#runtime = runtime
    this.#source = source
    this.#listener = listener
    this.#client = client
    this.to = client
  }

  /** Answers go to this client from here on. */
  attach(client: Answer): void {
    this.#client = client
    this.to = client
  }

  reset(): void {
    this.lines = ''
    this.isBegun = false
    this.compressionWish = undefined
    this.#web = undefined
  }

  /** Answers pass no plugin from here on. */
  unplug(): void {
    this.to = this.#client
  }

  /** Once the head for the endpoint is rendered. @param form  from `grpcForms` */
  bridge(form: number, request: OutgoingRequest): void {
    if (form <= grpcForms.grpc || !needsWebBridge(form, request)) return
    this.#web = new WebBridge(form)
    this.#web.editRequest(request)
  }

  /** What the endpoint's answer passes behind the plugins. */
  get last(): AnswerSink {
    return this.#compressible ?? this.#client
  }

  get #first(): AnswerSink {
    return this.to === this.#client ? this.last : this.to
  }

  /** Some of an answer that ended is still on its way to the client. */
  get isHolding(): boolean {
    return this.#compressible?.isHolding === true
  }

  /** @param edits  of the safeguards of this request alone */
  head(answer: AnswerHead, backend: CompiledBackend | undefined, edits: readonly HeaderEdits[]): void {
    this.isBegun = true
    const head = this.#web === undefined ? answer : this.#web.answerHead(answer)
    const wish = this.compressionWish
    if (wish !== undefined) {
      const options = { wish, to: this.#client, source: this.#source, listener: this.#listener }
      this.#compressible = new CompressibleAnswer(this.#runtime, options)
    }
    this.#first.head(head, this.lines, backend?.responseEdits.with(edits))
  }

  /** In the form of the head. */
  body(bytes: Buffer, start: number, end: number): void {
    const first = this.#first
    if (this.#web === undefined) first.body(bytes, start, end)
    else this.#webBody(this.#web.body(bytes.subarray(start, end)))
    if (first.isBlocked) this.#source.pauseAnswer()
  }

  #webBody(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#first.body(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), 0, bytes.length)
  }

  /** The client reads again. */
  resume(): void {
    if (this.#compressible === undefined) this.#source.resumeAnswer()
    else this.#compressible.resume()
  }

  end(trailers: HeaderList | undefined): void {
    const last = this.#web?.end(trailers)
    if (last !== undefined) this.#webBody(last)
    this.#first.end(last === undefined ? trailers : undefined)
  }

  /** To a client who takes the messages of gRPC that came as complete in themselves: trailers say that there will be no more. */
  endCall(status: number, detail: string): void {
    this.to.end(grpcFailureTrailers(status, detail === '' ? 'the answer was broken off' : detail))
  }

  /** Nothing more comes of the endpoint's answer. */
  close(): void {
    this.#compressible?.destroy()
    this.#compressible = undefined
  }
}
