import { Buffer } from 'node:buffer'
import { framings } from '../../codec/index.ts'
import type { Flow, HeaderList, HeaderMap, MessageSink } from '../../codec/index.ts'
import type { Answer, AnswerSink } from '../pipeline/answer.ts'
import { BodyChange } from '../pipeline/body-change.ts'
import type { CompiledRule } from '../pipeline/compiled-rule.ts'
import { Http2Request } from '../pipeline/http2-request.ts'
import type { IncomingRequest } from '../pipeline/incoming-request.ts'
import type { LocalReply } from '../pipeline/local-reply-text.ts'
import type { RouteDecision } from '../routing/route-table.ts'
import type { ProxyRuntime } from '../runtime.ts'
import { AnswerHead } from '../upstream/answer-head.ts'
import { bodyChanges } from '../upstream/outgoing-request.ts'
import type { HttpPluginChain, HttpPluginHost, PluggedStream, PluginAnswer, PluginAttribute } from './http-plugins.ts'
import { Given, nothing } from './given.ts'
import { listOf, mapOfRequest, requestPseudo, responsePseudo } from './message-maps.ts'
import { mapOfTrailers, PluggedAnswer } from './plugged-answer.ts'
import type { PluggedAnswerOwner } from './plugged-answer.ts'
import { PassedAnswer, PassedRequest } from './passed-messages.ts'
import type { PassedOwner } from './passed-messages.ts'
import { asHttp1, extendedConnect } from './upgrade-request.ts'

/** The exchange whose messages pass the plugins. */
export interface PluggedOwner {
  /** The request has passed them. @param change  `route`: the route is to be chosen again */
  onPluggedRequest(request: IncomingRequest, hasBody: boolean, change: 'none' | 'head' | 'route'): void
  onPluggedBody(bytes: Buffer): void
  onPluggedEnd(trailers: HeaderList | undefined): void
  /** A plugin answers: nobody is asked any more. @returns what the client is told */
  onPluginAnswer(answer: PluginAnswer): LocalReply
  /** A plugin wants the exchange to end without an answer, or without the rest of it. */
  onPluginReset(): void
  /** The answer has passed them whole. @param isCut  they ended it; the endpoint has not */
  onPluggedAnswerEnd(isCut: boolean): void
  /** The request may flow on. */
  onRequestWritable(): void
  onClientWritable(): void
  /** Takes the answer behind the plugins. */
  readonly lastAnswer: AnswerSink
  attribute(group: string, name: string): PluginAttribute | undefined
}

export interface PluggedContext {
  readonly owner: PluggedOwner
  readonly decision: RouteDecision<CompiledRule>
  readonly scheme: string
  readonly isHead: boolean
  readonly client: Answer
  readonly connection: object
}

/**
 * One exchange and the plugins of its rule. They see messages in the form of
 * HTTP/2 whatever was spoken, and what comes behind them is in that form: an
 * upgrade by HTTP/1.1 alone keeps its own, since its key belongs to it.
 *
 *     client ─ request ─ plugin … plugin ─ safeguards, tries ─ endpoint
 *     client ─ response ─ plugin … plugin ─ answer, or one of our own ─┘
 */
export class Plugged implements HttpPluginHost, PluggedAnswerOwner, PassedOwner {
  /** What the exchange writes its answer to. */
  readonly answer: PluggedAnswer
  readonly decision: RouteDecision<CompiledRule>
  readonly connection: object
  readonly request: MessageSink
  readonly response: MessageSink
  /** A final head has gone to the client. */
  hasAnswered = false
  readonly #runtime: ProxyRuntime
  readonly #owner: PluggedOwner
  readonly #client: Answer
  readonly #stream: PluggedStream
  readonly #scheme: string
  readonly #isHead: boolean
  #decoder: BodyChange | undefined = undefined
  #original: IncomingRequest | undefined = undefined
  #originalLength: string | undefined = undefined
  #version = 11
  #isRerouted = false
  /** The head that is on its way through the plugins in this very call, as it came. */
  #given: Given<IncomingRequest> | undefined = undefined
  #isClosed = false
  /** The plugins have been told so: who puts its end off finds the exchange in another's hands. */
  #isOver = false
  #isRequestPassed = false
  #isAnswered = false
  #isAnswerPassed = false
  /** The status that a plugin gave has no content. */
  #dropsContent = false
  /** Calls of the exchange that have not returned; what comes with none is a turn of its own. */
  #depth = 0

  constructor(runtime: ProxyRuntime, chain: HttpPluginChain, context: PluggedContext) {
    this.#runtime = runtime
    this.#owner = context.owner
    this.#client = context.client
    this.#scheme = context.scheme
    this.#isHead = context.isHead
    this.decision = context.decision
    this.connection = context.connection
    this.answer = new PluggedAnswer(runtime, this, context.client)
    this.request = new PassedRequest(this)
    this.response = new PassedAnswer(this)
    this.#stream = chain.open(this)
  }

  get answerSink(): MessageSink {
    return this.#stream.response
  }

  /** Plugins hold the request's head: nobody else has seen it. */
  get isHolding(): boolean {
    return !this.#isRequestPassed && !this.#isAnswered
  }

  get isRequestBlocked(): boolean {
    return this.#stream.isRequestBlocked
  }

  get isAnswerBlocked(): boolean {
    return this.#stream.isResponseBlocked || this.#owner.lastAnswer.isBlocked
  }

  enter(): void {
    this.#depth++
  }

  leave(): void {
    this.#depth--
    this.#settle()
  }

  /**
   * The exchange ends once no plugin is in the middle of a message any more, nor the endpoint: whoever reads its answer
   * would tell the next exchange of this one's end.
   */
  #settle(): void {
    if (this.#depth > 0 || !this.#isAnswerPassed || this.#isClosed) return
    const { isComplete, hasEnded } = this.answer
    if (isComplete || !hasEnded) this.#owner.onPluggedAnswerEnd(!isComplete)
  }

  /** Before anything that plugins pass on, or ask for. @returns false when it is too late for it */
  beginTurn(): boolean {
    if (this.#isClosed) return false
    if (this.#depth === 0) this.#runtime.tick()
    this.#depth++
    return true
  }

  endTurn(): void {
    this.#depth--
    if (this.#depth > 0) return
    this.#settle()
    this.#runtime.out.flush()
  }

  // The request

  /** Before it returns what belongs to the read buffer has been copied. */
  begin(request: IncomingRequest, hasBody: boolean): void {
    const map = mapOfRequest(request, this.#scheme)
    this.#version = request.version
    if (request.framing === framings.length) this.#originalLength = request.header('content-length')
    if (request.asksUpgrade) this.#original = request.keep()
    if (request.framing === framings.chunked) {
      this.#decoder = new BodyChange(this.#runtime.chunkLimits, this.#runtime.entries, {
        onChangedBody: (bytes, start, end) => this.#giveBody(bytes, start, end),
      })
      this.#decoder.start(bodyChanges.decode)
    }
    const isPlain = request.framing !== framings.chunked && !request.asksUpgrade
    if (isPlain) this.#given = new Given(request, map, hasBody)
    this.enter()
    this.#stream.request.headers(map, hasBody ? 'more' : 'end')
    this.#given = undefined
    this.leave()
  }

  /** Takes a piece in the client's form. */
  body(bytes: Buffer, start: number, end: number): void {
    this.enter()
    if (this.#decoder === undefined) this.#giveBody(bytes, start, end)
    else this.#decoder.take(bytes, start, end)
    this.leave()
  }

  #giveBody(bytes: Buffer, start: number, end: number): void {
    if (end > start) this.#stream.request.body(bytes.subarray(start, end), 'more')
  }

  end(trailers: HeaderList | undefined): void {
    this.enter()
    this.#decoder?.end(undefined)
    const last = trailers ?? this.#decoder?.trailers
    if (last === undefined) this.#stream.request.body(nothing, 'end')
    else this.#stream.request.trailers(mapOfTrailers(last))
    this.leave()
  }

  passRequest(map: HeaderMap, flow: Flow): void {
    this.#isRequestPassed = true
    const given = this.#given
    if (given?.isAsItCame(map, flow) === true && !this.#isRerouted) {
      this.#owner.onPluggedRequest(given.head, flow === 'more', 'none')
      return
    }
    // A length that is not the client's own can't be relied on: the content would be taken for another request.
    if (flow === 'end' || map.get('content-length') !== this.#originalLength) map.delete('content-length')
    const request = this.#original?.parser === undefined ? this.#byList(map, flow) : asHttp1(this.#original, map)
    request.version = this.#version
    this.#owner.onPluggedRequest(request, flow === 'more', this.#isRerouted ? 'route' : 'head')
  }

  #byList(map: HeaderMap, flow: Flow): IncomingRequest {
    const list = listOf(map, this.#runtime.entries, requestPseudo)
    const protocol = this.#original?.list?.protocol
    const request = new Http2Request()
    if (protocol === undefined) return request.bind(list, flow === 'end')
    const { list: original } = this.#original as IncomingRequest
    return request.bind(extendedConnect(list, original as HeaderList), false)
  }

  passBody(bytes: Uint8Array, flow: Flow): void {
    const wasBlocked = bytes.length > 0
    if (bytes.length > 0) this.#owner.onPluggedBody(bufferOf(bytes))
    if (flow === 'end') this.#owner.onPluggedEnd(undefined)
    else if (wasBlocked && !this.#isClosed) this.#owner.onRequestWritable()
  }

  passTrailers(trailers: HeaderMap): void {
    this.#owner.onPluggedEnd(listOf(trailers, this.#runtime.entries, []))
  }

  // The answer

  passAnswerHead(map: HeaderMap, flow: Flow): void {
    if (this.hasAnswered) return
    const whole = this.answer.given
    if (whole?.isAsItCame(map, flow) === true) {
      const { answer, lines, edits } = whole.head
      this.hasAnswered = true
      this.#client.closeAfter ||= this.answer.closeAfter
      this.#owner.lastAnswer.head(answer, lines, edits)
      if (flow === 'end') this.#endAnswer(undefined)
      return
    }
    const given = Number(map.get(':status'))
    const status = Number.isInteger(given) && given >= 200 && given <= 599 ? given : this.answer.status
    map.set(':status', String(status))
    const hasContent = !this.#isHead && status !== 204 && status !== 304
    this.#dropsContent = !hasContent
    if (!this.#isLengthTrue(map, flow, hasContent)) map.delete('content-length')
    const list = listOf(map, this.#runtime.entries, responsePseudo)
    const isEmpty = flow === 'end' || !hasContent
    const framing = isEmpty ? framings.none : list.contentLength >= 0 ? framings.length : framings.untilClose
    const head = new AnswerHead().bindHttp2(list, framing)
    head.hasContent = hasContent
    this.hasAnswered = true
    this.#client.closeAfter ||= this.answer.closeAfter
    this.#owner.lastAnswer.head(head, '', undefined)
    if (flow === 'end') this.#endAnswer(undefined)
  }

  /** A length that is not that of what follows would make the client take the next answer for a part of this one. */
  #isLengthTrue(map: HeaderMap, flow: Flow, hasContent: boolean): boolean {
    const { isAll, contentLength } = this.answer
    if (flow === 'end') return isAll && !hasContent
    return hasContent && Number(map.get('content-length') ?? -1) === contentLength
  }

  passAnswerBody(bytes: Uint8Array, flow: Flow): void {
    if (bytes.length > 0 && !this.#dropsContent) this.#owner.lastAnswer.body(bufferOf(bytes), 0, bytes.length)
    if (flow === 'end') this.#endAnswer(undefined)
    else if (!this.#owner.lastAnswer.isBlocked) this.#owner.onClientWritable()
  }

  passAnswerTrailers(trailers: HeaderMap): void {
    this.#endAnswer(listOf(trailers, this.#runtime.entries, []))
  }

  #endAnswer(trailers: HeaderList | undefined): void {
    this.#owner.lastAnswer.end(trailers)
    this.#isAnswerPassed = true
  }

  // What plugins ask for

  respond(answer: PluginAnswer, through: MessageSink | undefined): void {
    if (this.#isClosed) return
    if (this.hasAnswered) {
      this.reset()
      return
    }
    this.#isAnswered = true
    this.beginTurn()
    this.answer.give(this.#owner.onPluginAnswer(answer), through ?? this.response)
    this.endTurn()
  }

  reset(): void {
    this.#isAnswered = true
    if (!this.beginTurn()) return
    this.#owner.onPluginReset()
    this.endTurn()
  }

  clearRouteCache(): void {
    this.#isRerouted = true
  }

  attribute(group: string, name: string): PluginAttribute | undefined {
    return this.#isOver ? undefined : this.#owner.attribute(group, name)
  }

  /** Nothing goes to plugins any more, nor comes from them. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#client.closeAfter ||= this.answer.closeAfter
    this.#stream.close()
    this.#isOver = true
  }
}

function bufferOf(bytes: Uint8Array): Buffer {
  return bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}
