import { grpcForms, grpcStatuses, methodCodes } from '../../codec/index.ts'
import type { HeaderList } from '../../codec/index.ts'
import { localReplies } from '../../model/index.ts'
import type { Compression, ReplyReason } from '../../model/index.ts'
import type { FilterReply } from '../filters/filter-exchange.ts'
import { attributeOf } from '../plugins/attributes.ts'
import type { HttpPluginChain, PluginAnswer, PluginAttribute } from '../plugins/http-plugins.ts'
import { Plugged } from '../plugins/plugged.ts'
import type { PluggedOwner } from '../plugins/plugged.ts'
import { replyOfPlugin } from '../plugins/plugin-reply.ts'
import { WheelTimer } from '../resilience/timer-wheel.ts'
import type { RouteDecision } from '../routing/route-table.ts'
import type { ProxyRuntime } from '../runtime.ts'
import type { Connection } from '../transport/connection.ts'
import type { AnswerHead } from '../upstream/answer-head.ts'
import { Affinity } from './affinity.ts'
import type { AnswerSink } from './answer.ts'
import { AnswerPath } from './answer-path.ts'
import type { CompiledRule } from './compiled-rule.ts'
import type { ExchangeClient, RoutesInForce } from './exchange-client.ts'
import type { CompressionWish, LateAnswerListener } from './compressed-answer.ts'
import { answerEarly, redirect } from './filter-answers.ts'
import type { FilterAnswer, FilterRequest } from './filter-answers.ts'
import { ExchangeRecord } from './exchange-record.ts'
import { findRoute } from './find-route.ts'
import type { IncomingRequest } from './incoming-request.ts'
import type { LocalReply } from './local-reply-text.ts'
import { LoggedExchange } from './logged-exchange.ts'
import { answerAsLast } from './max-forwards.ts'
import { patienceMs, timeLimitOf } from './patience.ts'
import type { Silence } from './patience.ts'
import { refusalReason } from './refusal-reason.ts'
import { RequestPath } from './request-path.ts'
import type { RequestPathOwner } from './request-path.ts'
import { Safeguards } from './safeguards.ts'
import type { SafeguardedOwner } from './safeguards.ts'
import { Tries } from './tries.ts'
import type { TriesListener } from './tries-plan.ts'
import { Tunnel } from './tunnel.ts'

/**
 * One request from its head to the last byte of its answer. A connection borrows
 * one for each request, so that idle connections own none; `begin` resets every
 * field.
 *
 *     begin ─ route ─ filters ─┬─ our own answer ──────────────┬─ finish
 *                              └─ tries ─┬─ answer, passed on ─┤
 *                                        └─ no answer: 502 … ──┘
 */
export class Exchange implements TriesListener, SafeguardedOwner, LateAnswerListener, PluggedOwner, RequestPathOwner {
  readonly #runtime: ProxyRuntime
  readonly #routes: RoutesInForce
  #downstream: ExchangeClient
  readonly #answer: AnswerPath
  readonly #tries: Tries
  readonly #affinity: Affinity
  readonly #requestTimer: WheelTimer
  readonly #request: RequestPath
  readonly #safeguards: Safeguards
  /** Only of rules with plugins. */
  #plugged: Plugged | undefined = undefined
  /** Accept-Encoding as it came, where plugins may change it. */
  #clientEncoding: string | undefined = undefined
  /** Once the protocol was changed. */
  #tunnel: Tunnel | undefined = undefined
  #isEnded = true
  readonly #record: ExchangeRecord
  readonly #logged: LoggedExchange
  /** Milliseconds that the request may take; Infinity for no limit. */
  #limitMs = Infinity
  #asksUpgrade = false

  constructor(runtime: ProxyRuntime, routes: RoutesInForce, downstream: ExchangeClient) {
    this.#runtime = runtime
    this.#routes = routes
    this.#downstream = downstream
    this.#tries = new Tries(runtime, this)
    this.#record = new ExchangeRecord(runtime, this.#tries)
    this.#request = new RequestPath(runtime, this.#tries, this.#record, this)
    this.#logged = new LoggedExchange(runtime, this.#record, this.#tries, this.#request.outgoing)
    this.#answer = new AnswerPath(runtime, this.#tries, this, downstream.answer)
    const parts = { record: this.#record, request: this.#request, answer: this.#answer }
    this.#safeguards = new Safeguards(runtime, parts, this)
    this.#affinity = new Affinity()
    this.#requestTimer = new WheelTimer(() => this.#onRequestTimeout())
  }

  /** Serves a connection from here on; only between two requests. */
  attach(downstream: ExchangeClient): void {
    this.#downstream = downstream
    this.#answer.attach(downstream.answer)
  }

  get isEnded(): boolean {
    return this.#isEnded
  }

  /** Grows with every byte of either body: what the stall timeout watches. */
  get movedBytes(): number {
    return this.#record.requestBytes + this.#downstream.answer.bodyBytes
  }

  /** Safeguards or plugins hold the request. */
  get #isHolding(): boolean {
    return this.#request.isHeld || this.#plugged?.isHolding === true
  }

  /** How long no byte may move. */
  get patienceMs(): number {
    const silence: Silence = {
      isHeldUp: this.isRequestBlocked || this.#answer.to.isBlocked || this.#isHolding,
      isAnswerBegun: this.#answer.isBegun,
      isRequestDone: this.#request.isDone,
      isGrpc: this.#record.isGrpc,
      hasTimeLimit: this.#record.rule?.rule.requestTimeoutMs !== undefined,
      streamIdleTimeoutMs: this.#record.streamIdleMs,
    }
    return patienceMs(silence, this.#runtime.limits.stallTimeoutMs)
  }

  /** Whether the client should stop sending for now. */
  get isRequestBlocked(): boolean {
    if (this.#isEnded) return false
    if (this.#plugged?.isRequestBlocked === true) return true
    return this.#request.isBlocked
  }

  /**
   * Takes a complete head; `hasBody` says that `requestBody` and `requestEnd` follow.
   * What belongs to the read buffer is used before this returns.
   */
  begin(request: IncomingRequest, hasBody: boolean): void {
    this.#clear()
    this.#record.take(request)
    this.#asksUpgrade = request.asksUpgrade
    this.#request.begin(hasBody)
    if (request.refusal !== undefined) {
      this.#reply(request.refusal)
      return
    }
    this.#route(request)
  }

  #route(request: IncomingRequest): void {
    const decision = findRoute(this.#routes.table, this.#downstream, request)
    if (typeof decision === 'string') this.#reply(decision)
    else this.#follow(decision, request)
  }

  /** Answers a head that can't be read. @param version  as that of a request */
  refuse(version: number, status: number, problem: string): void {
    this.#clear()
    this.#record.takeUnreadable(version)
    this.#request.isDone = true
    this.#reply(refusalReason(status), status, problem)
  }

  /** The request body breaks the rules, after its head was accepted. */
  refuseBody(problem: string): void {
    if (this.#isEnded) return
    this.#answer.to.closeAfter = true
    this.#giveUp('DPE', 'bad-request', problem)
  }

  #clear(): void {
    this.#isEnded = false
    this.#answer.reset()
    this.#record.begin()
    this.#request.reset()
    this.#plugged = undefined
    this.#tunnel = undefined
    this.#tries.reset()
    this.#downstream.listener.active.value++
  }

  #follow(decision: RouteDecision<CompiledRule>, request: IncomingRequest): void {
    const rule = decision.target
    this.#record.rule = rule
    this.#limitMs = timeLimitOf(rule.rule, request, this.#record.grpcForm)
    if (this.#limitMs < Infinity) this.#runtime.timers.add(this.#requestTimer, this.#limitMs)
    if (rule.hasEarlyAnswer) {
      const outcome = answerEarly(rule, request)
      if (typeof outcome !== 'string') {
        this.#replyByFilter(outcome)
        return
      }
      this.#answer.lines = outcome
    }
    const compression = rule.filterPlan?.compression
    this.#answer.compressionWish = compression === undefined ? undefined : this.#wishOf(compression, request)
    if (rule.plugins !== undefined && this.#plugged === undefined) {
      this.#plug(rule.plugins, decision, request)
      return
    }
    this.#proceed(decision, request)
  }

  /** Behind the plugins. */
  #proceed(decision: RouteDecision<CompiledRule>, request: IncomingRequest): void {
    const { filterPlan: plan } = decision.target
    if (plan !== undefined && !this.#safeguards.pass(plan, decision, request, this.#downstream)) return
    this.onSafeguarded(decision, request)
  }

  /** What plugins made of Accept-Encoding is for the endpoint: the client takes what it said itself. */
  #wishOf(compression: Compression, request: IncomingRequest): CompressionWish {
    const isClients = this.#plugged === undefined
    const acceptEncoding = isClients ? request.header('accept-encoding') : this.#clientEncoding
    return { compression, method: this.#record.method, acceptEncoding }
  }

  #plug(chain: HttpPluginChain, decision: RouteDecision<CompiledRule>, request: IncomingRequest): void {
    const { answer: client, connection, listener } = this.#downstream
    const isHead = this.#record.methodCode === methodCodes.HEAD
    const context = { owner: this, decision, scheme: listener.scheme, isHead, client, connection }
    const plugged = new Plugged(this.#runtime, chain, context)
    // The rule that compresses may be another one, to which a plugin leads the request.
    this.#clientEncoding = this.#runtime.compresses ? request.header('accept-encoding') : undefined
    this.#plugged = plugged
    this.#answer.to = plugged.answer
    plugged.begin(request, this.#request.hasBody)
  }

  onPluggedRequest(request: IncomingRequest, hasBody: boolean, change: 'none' | 'head' | 'route'): void {
    if (this.#isEnded || this.#plugged === undefined) return
    this.#request.hasBody = hasBody
    if (request.refusal !== undefined) this.#reply(request.refusal)
    else if (change === 'route') this.#route(request)
    else if (change === 'head') this.#follow(this.#plugged.decision, request)
    else this.#proceed(this.#plugged.decision, request)
  }

  onPluggedBody(bytes: Buffer): void {
    this.#request.body(bytes, 0, bytes.length)
  }

  onPluggedEnd(trailers: HeaderList | undefined): void {
    if (!this.#isEnded) this.#request.end(trailers)
  }

  get lastAnswer(): AnswerSink {
    return this.#answer.last
  }

  onPluginAnswer(answer: PluginAnswer): LocalReply {
    this.#cancel()
    this.#answer.close()
    this.#answer.isBegun = true
    if (!this.#request.isDone && !this.#downstream.canSkipBody()) this.#answer.to.closeAfter = true
    if (this.#record.isGrpc && answer.grpcStatus !== undefined) this.#record.grpcStatus = answer.grpcStatus
    return this.#record.answerOurselves(...replyOfPlugin(answer, this.#answer.lines))
  }

  onPluginReset(): void {
    this.#cancel()
    this.#break('-')
  }

  onPluggedAnswerEnd(isCut: boolean): void {
    if (isCut) this.#cancel()
    if (!this.#answer.isHolding) this.#finish()
  }

  attribute(group: string, name: string): PluginAttribute | undefined {
    const { startMs } = this.#record
    const { turnMs, wallOffsetMs } = this.#runtime
    const facts = { record: this.#record, tries: this.#tries, client: this.#downstream }
    return attributeOf({ ...facts, startWallMs: startMs + wallOffsetMs, tookMs: turnMs - startMs }, group, name)
  }

  /** Towards a backend, after all that may answer instead. */
  #forward(rule: CompiledRule, matchedPrefix: string, request: IncomingRequest): void {
    if (rule.redirect !== undefined) {
      this.#replyByFilter(redirect(rule.redirect, this.#filterRequest(request, matchedPrefix)))
      return
    }
    const backend = rule.choose(Math.random())
    if (backend === undefined) {
      this.#reply('no-backend')
      return
    }
    this.#record.backend = backend
    if (backend.target === undefined) {
      this.#reply('invalid-backend', backend.invalid?.status, backend.invalid?.message)
      return
    }
    if (backend.redirect !== undefined) {
      this.#replyByFilter(redirect(backend.redirect, this.#filterRequest(request, matchedPrefix)))
      return
    }
    const answer = answerAsLast(request)
    if (answer !== undefined) {
      this.#replyByFilter(answer)
      return
    }
    this.#request.writeHead(this.#downstream, request, backend, matchedPrefix)
    if (this.#record.isGrpc) this.#answer.bridge(this.#record.grpcForm, this.#request.outgoing)
    const nowWallMs = this.#record.startMs + this.#runtime.wallOffsetMs
    this.#answer.lines += this.#affinity.begin(rule.rule.session, backend.target, request, this.#downstream, nowWallMs)
    const choice = { rule, backend, grpcForm: this.#record.grpcForm }
    this.#request.mirror(this.#downstream, choice)
    const { backendRequestTimeoutMs, retry } = rule.rule
    this.#tries.start({
      access: this.#runtime.gate === undefined ? undefined : this.#downstream.access,
      backend: backend.target,
      methodName: this.#record.method,
      request: this.#request.outgoing,
      retry: retry ?? backend.target.backend?.settings.retry,
      isGrpc: this.#record.isGrpc,
      deadlineMs: this.#record.startMs + this.#limitMs,
      tryTimeoutMs: backendRequestTimeoutMs,
      hash: this.#affinity.hash,
      preferred: this.#affinity.preferred,
    })
    if (!this.#request.hasBody && !this.#isEnded) this.#request.complete()
  }

  onSafeguarded(decision: RouteDecision<CompiledRule>, request: IncomingRequest): void {
    this.#forward(decision.target, decision.matchedPrefix, request)
  }

  onSafeguardReply({ reason, status, detail, body }: FilterReply): void {
    this.#reply(reason, status, detail, body)
  }

  #filterRequest(request: IncomingRequest, matchedPrefix: string): FilterRequest {
    const { scheme, port } = this.#downstream.listener
    return { request, scheme, listenerPort: port, matchedPrefix }
  }

  requestBody(bytes: Buffer, start: number, end: number): void {
    this.#record.requestBytes += end - start
    if (this.#isEnded) return
    if (this.#plugged === undefined) this.#request.body(bytes, start, end)
    else this.#plugged.body(bytes, start, end)
  }

  /** @param trailers  of a request by HTTP/2; those of HTTP/1.1 are part of the body */
  requestEnd(trailers: HeaderList | undefined): void {
    this.#request.isDone = true
    if (this.#isEnded) return
    if (this.#plugged === undefined) this.onPluggedEnd(trailers)
    else this.#plugged.end(trailers)
  }

  onRequestTooLong(maxBytes: number): void {
    this.#giveUp('DPE', 'payload-too-large', `the body is larger than ${maxBytes} bytes`)
  }

  #cancel(): void {
    this.#request.cancel()
    this.#tries.cancel()
  }

  /** Asks nobody any more. An answer that has begun is broken off with these flags; else the client is told the reason. */
  #giveUp(flags: string, reason: ReplyReason, detail = ''): void {
    this.#cancel()
    if (this.#answer.isBegun) this.#break(flags, detail, reason)
    else this.#reply(reason, undefined, detail)
  }

  /** The client broke off, or broke the rules in the middle of its body. */
  abort(flags: string): void {
    if (this.#isEnded) return
    this.#cancel()
    this.#record.flags = flags
    const { answer } = this.#downstream
    if (answer.status === 0) answer.status = flags === 'DPE' ? 400 : 499
    if (this.#record.isGrpc) this.#record.grpcStatus = grpcStatuses.cancelled
    this.#finish()
  }

  /** Nothing has moved for too long. */
  stalled(): void {
    if (this.#isEnded) return
    this.#giveUp('SI', this.#request.isDone ? 'upstream-timeout' : 'request-timeout')
    this.#runtime.out.flush()
  }

  /** Policies have changed: an exchange that they would not let begin now ends. */
  judgeAgain(): void {
    const { endpoint } = this.#tries
    if (this.#isEnded || endpoint === undefined || this.#isHolding) return
    const refusal = this.#runtime.gate?.refusal(this.#downstream.access, endpoint) ?? ''
    if (refusal === '') return
    if (this.#tunnel === undefined) this.#giveUp('-', 'policy-denied', refusal)
    else this.#tunnel.close()
    this.#runtime.out.flush()
  }

  #onRequestTimeout(): void {
    this.#runtime.tick()
    if (this.#isEnded) return
    this.#giveUp('UT', 'upstream-timeout')
    this.#runtime.out.flush()
  }

  onRequestWritable(): void {
    this.#downstream.resumeReading()
  }

  onTriesFailed(reason: ReplyReason, detail: string): void {
    this.#reply(reason, undefined, detail)
    this.#runtime.out.flush()
  }

  onInterim(head: AnswerHead): void {
    this.#answer.to.interim(head)
  }

  onAnswerHead(head: AnswerHead): void {
    // A client that is still sending its request can't be kept: its bytes would be taken for the next request.
    if (!this.#request.isDone || this.#downstream.mustClose) this.#answer.to.closeAfter = true
    if (this.#record.rule?.rule.session !== undefined) {
      const nowMs = this.#runtime.turnMs + this.#runtime.wallOffsetMs
      const secure = this.#downstream.listener.scheme === 'https'
      this.#answer.lines += this.#affinity.answerLines(this.#tries.endpoint, { secure, nowMs })
    }
    // RFC 9110 section 6.6.1: who forwards an answer without a date says when it came.
    if (!head.hasDate) this.#answer.lines += this.#runtime.dateLine
    this.#answer.head(head, this.#record.backend, this.#request.answerEdits)
  }

  onAnswerBody(bytes: Buffer, start: number, end: number): void {
    this.#answer.body(bytes, start, end)
  }

  /** The client reads again. */
  onClientWritable(): void {
    this.#answer.resume()
  }

  onAnswerEnd(trailers: HeaderList | undefined): void {
    // Asked before: plugins that get the end finish the exchange, and then the next request may have begun.
    const isPlugged = this.#plugged !== undefined
    this.#answer.end(trailers)
    if (!isPlugged && !this.#answer.isHolding) this.#finish()
  }

  onLateEnd(): void {
    this.#finish()
  }

  onLateFailure(): void {
    this.#tries.cancel()
    this.#break('UC')
  }

  onAnswerBroken(detail: string): void {
    this.#break('UC', detail)
  }

  #break(flags: string, detail = '', reason: ReplyReason = 'upstream-reset'): void {
    const isUnanswered = this.#plugged?.hasAnswered === false
    if (this.#plugged !== undefined) {
      this.#unplug()
      if (isUnanswered && flags !== '-') {
        // All that there was of an answer is with the plugins, and now it will never be whole.
        this.#reply(reason, undefined, detail)
        return
      }
    }
    this.#record.flags = flags
    this.#record.breakCall()
    const takesTrailers = this.#record.version === 20 && this.#request.outgoing.isHttp2 && !isUnanswered
    if (this.#record.grpcForm === grpcForms.grpc && takesTrailers) {
      this.#answer.endCall(this.#record.grpcStatus, detail)
    } else {
      this.#answer.to.break()
    }
    this.#finish()
  }

  onUpgraded(head: AnswerHead, connection: Connection, bytes: Buffer, start: number, end: number): void {
    if (!this.#asksUpgrade) {
      // RFC 9110 section 7.8: only a protocol that the client named may be changed to.
      connection.destroy()
      this.onTriesFailed('upstream-protocol-error', 'an upgrade that the client did not ask for')
      return
    }
    if (this.#plugged !== undefined) this.#unplug()
    this.#answer.isBegun = true
    this.#answer.to.upgrade(head, this.#record.backend?.responseEdits)
    const { out } = this.#runtime
    const to = this.#downstream.takeConnection()
    if (start < end) out.append(to, bytes, start, end)
    out.flush()
    const idleMs = this.#record.streamIdleMs ?? this.#runtime.limits.tunnelIdleTimeoutMs
    const tunnel = new Tunnel(this.#runtime, to, connection, idleMs, (sent, received) => {
      this.#record.requestBytes += sent
      this.#answer.to.bodyBytes += received
      this.#finish()
      this.#downstream.tunnelEnded()
    })
    this.#tunnel = tunnel
    this.#downstream.startTunnel(tunnel)
  }

  #replyByFilter(answer: FilterAnswer): void {
    this.#answer.lines += answer.lines
    this.#reply(answer.reason, answer.status, answer.detail)
  }

  #reply(reason: ReplyReason, status: number = localReplies[reason].status, detail = '', body?: Uint8Array): void {
    this.#answer.isBegun = true
    if (!this.#request.isDone && !this.#downstream.canSkipBody()) this.#answer.to.closeAfter = true
    if (this.#downstream.mustClose) this.#answer.to.closeAfter = true
    const isPlugged = this.#plugged !== undefined
    this.#answer.to.reply(this.#record.answerOurselves(reason, status, { detail, lines: this.#answer.lines, body }))
    if (!isPlugged) this.#finish()
  }

  /** What comes from here on does not pass the plugins. */
  #unplug(): void {
    this.#answer.unplug()
    this.#plugged?.close()
    this.#plugged = undefined
  }

  #finish(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    if (this.#plugged !== undefined) this.#unplug()
    const runtime = this.#runtime
    runtime.timers.cancel(this.#requestTimer)
    this.#request.close()
    this.#answer.close()
    this.#downstream.listener.active.value--
    runtime.out.flush()
    this.#record.end(this.#downstream, this.#answer.to)
    this.#downstream.exchangeEnded(this.#answer.to.closeAfter)
  }

  /** Counts and logs what has ended; before the next request. */
  conclude(): void {
    this.#record.count()
    this.#runtime.accessLog.write(this.#logged)
  }
}
