import { fieldIds, methodCodes, methodNames, targetForms } from '../../codec/index.ts'
import type { HeadParser } from '../../codec/index.ts'
import { localReplies } from '../../model/index.ts'
import type { ReplyReason } from '../../model/index.ts'
import { WheelTimer } from '../resilience/timer-wheel.ts'
import { normalizePath } from '../routing/normalize-path.ts'
import type { RouteDecision } from '../routing/route-table.ts'
import type { ProxyRuntime } from '../runtime.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { Affinity } from './affinity.ts'
import { Answer } from './answer.ts'
import type { CompiledBackend, CompiledRule } from './compiled-rule.ts'
import type { ExchangeClient, RoutesInForce } from './exchange-client.ts'
import { applyRuleFilters, redirect } from './filter-answers.ts'
import type { FilterAnswer, FilterRequest } from './filter-answers.ts'
import { isMisdirected } from './misdirected.ts'
import { Mirrors } from './mirror.ts'
import { refusalReason } from './refusal-reason.ts'
import { writeRequestHead } from './request-head.ts'
import type { RequestHeadOutput } from './request-head.ts'
import { normalizeHost } from './request-view.ts'
import { equalsLatin1 } from './latin1.ts'
import { localReplyText } from './local-reply-text.ts'
import { Tries } from './tries.ts'
import type { TriesListener } from './tries.ts'
import { Tunnel } from './tunnel.ts'

/** A larger head is not worth keeping for the next request. */
const keptHeadBytes = 8192

/**
 * One request from its head to the last byte of its answer. A connection borrows
 * one for each request, so that idle connections own none; `begin` resets every
 * field.
 *
 *     begin ─ route ─ filters ─┬─ our own answer ──────────────┬─ finish
 *                              └─ tries ─┬─ answer, passed on ─┤
 *                                        └─ no answer: 502 … ──┘
 */
export class Exchange implements TriesListener {
  readonly #runtime: ProxyRuntime
  readonly #routes: RoutesInForce
  #downstream: ExchangeClient
  readonly #tries: Tries
  readonly #answer: Answer
  readonly #affinity: Affinity
  readonly #requestTimer: WheelTimer
  readonly #head: RequestHeadOutput = { bytes: Buffer.alloc(0), length: 0, requestId: '', traceId: '' }
  #mirrors: Mirrors | undefined = undefined

  #isEnded = true
  #isAnswered = false
  #startMs = 0
  #method = 0
  #methodName = ''
  #target = ''
  #rawHost: string | undefined = undefined
  #host = ''
  #minorVersion = 1
  #userAgent = ''
  #isPathPlain = true
  #isRequestDone = false
  #asksUpgrade = false
  #requestBytes = 0
  #rule: CompiledRule | undefined = undefined
  #backend: CompiledBackend | undefined = undefined
  #answerLines = ''

  #reason: ReplyReason | undefined = undefined
  #flags = '-'

  constructor(runtime: ProxyRuntime, routes: RoutesInForce, downstream: ExchangeClient) {
    this.#runtime = runtime
    this.#routes = routes
    this.#downstream = downstream
    this.#tries = new Tries(runtime, this)
    this.#answer = new Answer(runtime, () => this.#downstream.connection)
    this.#affinity = new Affinity()
    this.#requestTimer = new WheelTimer(() => this.#onRequestTimeout())
  }

  /** Serves a connection from here on; only between two requests. */
  attach(downstream: ExchangeClient): void {
    this.#downstream = downstream
  }

  get isEnded(): boolean {
    return this.#isEnded
  }

  /** Grows with every byte of either body: what the stall timeout watches. */
  get movedBytes(): number {
    return this.#requestBytes + this.#answer.bodyBytes
  }

  /** Whether the client should stop sending for now. */
  get isRequestBlocked(): boolean {
    return !this.#isEnded && this.#tries.isRequestBlocked
  }

  /**
   * Takes a complete head; `hasBody` says that `requestBody` and `requestEnd` follow.
   * What belongs to the read buffer is used before this returns.
   */
  begin(head: HeadParser, bytes: Buffer, start: number, hasBody: boolean): void {
    this.#reset(head, bytes, start, hasBody)
    const { view } = this.#runtime
    const refusal = this.#bindView(head, bytes, start)
    if (refusal !== undefined) {
      this.#reply(refusal)
      return
    }
    const { table } = this.#routes
    const serverName = this.#downstream.connection.tls?.serverName
    if (serverName !== undefined && serverName !== this.#host) {
      if (isMisdirected(table, this.#downstream.listener.id, serverName, this.#host)) {
        this.#reply('misdirected-request')
        return
      }
    }
    const virtualHost = table.virtualHost(this.#downstream.listener.id, this.#host)
    const decision = virtualHost?.match(view, this.#downstream.caller?.namespace)
    if (decision === undefined) {
      this.#reply('no-route')
      return
    }
    this.#follow(decision, head, bytes, start)
  }

  /** Answers a head that can't be read. The connection closes, since nobody knows where the next request begins. */
  refuse(status: number, problem: string): void {
    this.#clear()
    this.#method = 0
    this.#methodName = ''
    this.#target = ''
    this.#rawHost = undefined
    this.#userAgent = ''
    this.#minorVersion = 1
    this.#answer.reset(1, true)
    this.#isRequestDone = true
    this.#reply(refusalReason(status), status, problem)
  }

  /** The request body breaks the rules, after its head was accepted. */
  refuseBody(problem: string): void {
    if (this.#isEnded) return
    this.#tries.cancel()
    this.#answer.closeAfter = true
    if (this.#isAnswered) this.#break('DPE')
    else this.#reply('bad-request', undefined, problem)
  }

  #clear(): void {
    this.#isEnded = false
    this.#isAnswered = false
    this.#startMs = this.#runtime.turnMs
    this.#requestBytes = 0
    this.#rule = undefined
    this.#backend = undefined
    this.#answerLines = ''
    this.#reason = undefined
    this.#flags = '-'
    this.#head.requestId = ''
    this.#head.traceId = ''
    this.#tries.reset()
    this.#downstream.listener.active.value++
  }

  #reset(head: HeadParser, bytes: Buffer, start: number, hasBody: boolean): void {
    this.#clear()
    this.#method = head.method
    this.#methodName =
      head.method > 0 ? (methodNames[head.method] as string) : bytes.toString('latin1', start, start + head.methodEnd)
    this.#target = bytes.toString('latin1', start + head.targetStart, start + head.targetEnd)
    this.#minorVersion = head.minorVersion
    this.#readUserAgent(head, bytes, start)
    this.#isRequestDone = !hasBody
    this.#asksUpgrade = head.upgrade
    this.#answer.reset(head.minorVersion, !head.keepAlive)
  }

  /** The same client comes again and again: its text is made once. */
  #readUserAgent(head: HeadParser, bytes: Buffer, start: number): void {
    const at = head.find(fieldIds.userAgent)
    if (at < 0) {
      this.#userAgent = ''
      return
    }
    const from = start + (head.fields[at * 4 + 2] as number)
    const to = start + (head.fields[at * 4 + 3] as number)
    if (!equalsLatin1(bytes, from, to, this.#userAgent)) this.#userAgent = bytes.toString('latin1', from, to)
  }

  #readHost(head: HeadParser, bytes: Buffer, start: number): void {
    const isAbsolute = head.targetForm === targetForms.absolute
    if (!isAbsolute && head.find(fieldIds.host) < 0) {
      this.#rawHost = undefined
      this.#host = ''
      return
    }
    const from = start + (isAbsolute ? head.authorityStart : head.hostStart)
    const to = start + (isAbsolute ? head.authorityEnd : head.hostEnd)
    if (this.#rawHost !== undefined && equalsLatin1(bytes, from, to, this.#rawHost)) return
    this.#rawHost = bytes.toString('latin1', from, to)
    this.#host = normalizeHost(this.#rawHost)
  }

  /** Makes the request readable for routing. @returns why it must be refused, if so */
  #bindView(head: HeadParser, bytes: Buffer, start: number): ReplyReason | undefined {
    const { view } = this.#runtime
    view.bind(head)
    view.method = this.#methodName
    this.#readHost(head, bytes, start)
    view.host = this.#host
    if (head.method === methodCodes.CONNECT) return 'method-not-supported'
    const { targetStart, pathStart, pathEnd, queryStart } = head
    view.query = queryStart < 0 ? '' : this.#target.slice(queryStart - targetStart)
    const rawPath = pathEnd > pathStart ? this.#target.slice(pathStart - targetStart, pathEnd - targetStart) : '/'
    const normal = normalizePath(rawPath)
    if (normal.kind === 'refuse') return 'bad-request'
    view.path = normal.path
    this.#isPathPlain = normal.path === rawPath
    return undefined
  }

  #follow(decision: RouteDecision<CompiledRule>, head: HeadParser, bytes: Buffer, start: number): void {
    const rule = decision.target
    this.#rule = rule
    const { view } = this.#runtime
    if (rule.hasFilterAnswer) {
      const outcome = applyRuleFilters(rule, this.#filterRequest(decision.matchedPrefix))
      if (typeof outcome !== 'string') {
        this.#replyByFilter(outcome)
        return
      }
      this.#answerLines = outcome
    }
    const backend = rule.choose(Math.random())
    if (backend === undefined) {
      this.#reply('no-backend')
      return
    }
    this.#backend = backend
    if (backend.target === undefined) {
      this.#reply('invalid-backend', backend.invalid?.status, backend.invalid?.message)
      return
    }
    if (backend.redirect !== undefined) {
      this.#replyByFilter(redirect(backend.redirect, this.#filterRequest(decision.matchedPrefix), ''))
      return
    }
    if (backend.target.backend?.protocol === 'h2c') {
      // Sent as HTTP/1.1 the request would reach an endpoint that reads something else.
      this.#reply('invalid-backend', 500, 'HTTP/2 towards endpoints is not spoken yet')
      return
    }
    this.#writeHead(head, bytes, start, backend, decision.matchedPrefix)
    const nowWallMs = this.#startMs + this.#runtime.wallOffsetMs
    this.#answerLines += this.#affinity.begin(rule.rule.session, backend.target, view, this.#downstream, nowWallMs)
    this.#mirrors = Mirrors.sample(this.#runtime, rule, backend, this.#head, head.method)
    const { requestTimeoutMs, backendRequestTimeoutMs, retry } = rule.rule
    if (requestTimeoutMs > 0) this.#runtime.timers.add(this.#requestTimer, requestTimeoutMs)
    this.#tries.start({
      backend: backend.target,
      method: head.method,
      methodName: this.#methodName,
      head: this.#head,
      retry,
      deadlineMs: requestTimeoutMs > 0 ? this.#startMs + requestTimeoutMs : Infinity,
      tryTimeoutMs: backendRequestTimeoutMs,
      hash: this.#affinity.hash,
      preferred: this.#affinity.preferred,
    })
    if (this.#isRequestDone && !this.#isEnded) this.#requestIsDone()
  }

  #writeHead(head: HeadParser, bytes: Buffer, start: number, backend: CompiledBackend, matchedPrefix: string): void {
    const { view } = this.#runtime
    writeRequestHead(
      {
        head,
        bytes,
        start,
        method: view.method,
        path: view.path,
        search: head.queryStart < 0 ? '' : `?${view.query}`,
        isTargetPlain: this.#isPathPlain && head.targetForm !== targetForms.absolute,
        rawHost: this.#rawHost,
        forwarded: this.#downstream.forwarded,
        rewrite: backend.rewrite,
        matchedPrefix,
        edits: backend.requestEdits,
        fallbackHost: backend.target?.backend?.service ?? '',
        ids: this.#runtime.requestIds,
      },
      this.#head,
    )
  }

  #filterRequest(matchedPrefix: string): FilterRequest {
    const { view } = this.#runtime
    return {
      view,
      scheme: this.#downstream.listener.scheme,
      rawHost: this.#rawHost ?? '',
      listenerPort: this.#downstream.listener.port,
      matchedPrefix,
    }
  }

  requestBody(bytes: Buffer, start: number, end: number): void {
    this.#requestBytes += end - start
    if (this.#isEnded) return
    this.#mirrors?.body(bytes, start, end)
    if (this.#tries.isActive) this.#tries.requestBody(bytes, start, end)
  }

  requestEnd(): void {
    this.#isRequestDone = true
    if (!this.#isEnded) this.#requestIsDone()
  }

  #requestIsDone(): void {
    this.#tries.requestEnd()
    this.#mirrors?.send()
    this.#mirrors = undefined
  }

  /** The client broke off, or broke the rules in the middle of its body. */
  abort(flags: string): void {
    if (this.#isEnded) return
    this.#tries.cancel()
    this.#flags = flags
    if (this.#answer.status === 0) this.#answer.status = 499
    this.#finish()
  }

  /** Nothing has moved for too long. */
  stalled(): void {
    if (this.#isEnded) return
    this.#tries.cancel()
    if (this.#isAnswered) {
      this.#break('SI')
      return
    }
    this.#reply(this.#isRequestDone ? 'upstream-timeout' : 'request-timeout')
    this.#runtime.out.flush()
  }

  #onRequestTimeout(): void {
    this.#runtime.tick()
    if (this.#isEnded) return
    this.#tries.cancel()
    if (this.#isAnswered) {
      this.#break('UT')
      return
    }
    this.#reply('upstream-timeout')
    this.#runtime.out.flush()
  }

  onRequestWritable(): void {
    this.#downstream.resumeReading()
  }

  onTriesFailed(reason: ReplyReason, detail: string): void {
    this.#reply(reason, undefined, detail)
    this.#runtime.out.flush()
  }

  onInterim(head: HeadParser, bytes: Buffer, start: number): void {
    this.#answer.interim(head, bytes, start)
  }

  onAnswerHead(head: HeadParser, bytes: Buffer, start: number): void {
    this.#isAnswered = true
    // A client that is still sending its request can't be kept: its bytes would be taken for the next request.
    if (!this.#isRequestDone || this.#downstream.mustClose) this.#answer.closeAfter = true
    if (this.#rule?.rule.session !== undefined) {
      const nowMs = this.#runtime.turnMs + this.#runtime.wallOffsetMs
      const secure = this.#downstream.listener.scheme === 'https'
      this.#answerLines += this.#affinity.answerLines(this.#tries.endpoint, { secure, nowMs })
    }
    this.#answer.head(head, bytes, start, this.#answerLines, this.#backend?.responseEdits)
  }

  onAnswerBody(bytes: Buffer, start: number, end: number): void {
    this.#answer.body(bytes, start, end)
    const { backlog } = this.#downstream.connection
    if (backlog > this.#runtime.limits.backlogBytes) this.#tries.upstream?.connection.pause()
  }

  /** The client reads again. */
  onClientWritable(): void {
    this.#tries.upstream?.connection.resume()
  }

  onAnswerEnd(): void {
    this.#answer.end()
    this.#finish()
  }

  onAnswerBroken(): void {
    this.#break('UC')
  }

  /** The client must not take what it has for the whole: the connection ends with a reset. */
  #break(flags: string): void {
    this.#flags = flags
    this.#answer.closeAfter = true
    this.#runtime.out.flush()
    this.#downstream.connection.reset()
    this.#finish()
  }

  onUpgraded(upstream: Upstream, head: HeadParser, bytes: Buffer, start: number, end: number): void {
    if (!this.#asksUpgrade) {
      // RFC 9110 section 7.8: only a protocol that the client named may be changed to.
      upstream.abandon()
      this.onTriesFailed('upstream-protocol-error', 'an upgrade that the client did not ask for')
      return
    }
    this.#isAnswered = true
    this.#answer.upgrade(head, bytes, start, this.#backend?.responseEdits)
    const { out } = this.#runtime
    const to = this.#downstream.connection
    if (start + head.length < end) out.append(to, bytes, start + head.length, end)
    out.flush()
    const tunnel = new Tunnel(this.#runtime, to, upstream.connection, (sent, received) => {
      this.#requestBytes += sent
      this.#answer.bodyBytes += received
      this.#finish()
      this.#downstream.tunnelEnded()
    })
    this.#downstream.startTunnel(tunnel)
  }

  #replyByFilter(answer: FilterAnswer): void {
    this.#answerLines += answer.lines
    this.#reply(answer.reason, answer.status, answer.detail)
  }

  #reply(reason: ReplyReason, status: number = localReplies[reason].status, detail = ''): void {
    this.#reason = reason
    this.#flags = localReplies[reason].flag
    this.#answer.status = status
    this.#isAnswered = true
    if (!this.#isRequestDone && !this.#downstream.canSkipBody()) this.#answer.closeAfter = true
    if (this.#downstream.mustClose) this.#answer.closeAfter = true
    const text = localReplyText({
      status,
      reason,
      detail,
      lines: this.#answerLines + this.#answer.connectionLine(),
      isHead: this.#method === methodCodes.HEAD,
      wallMs: this.#startMs + this.#runtime.wallOffsetMs,
    })
    this.#runtime.out.appendLatin1(this.#downstream.connection, text)
    this.#runtime.meter.counter('heddle_local_replies_total', { virtual_host: this.#rule?.virtualHost ?? '', reason })
      .value++
    this.#finish()
  }

  #finish(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    const runtime = this.#runtime
    runtime.timers.cancel(this.#requestTimer)
    this.#mirrors = undefined
    this.#downstream.listener.active.value--
    runtime.out.flush()
    const durationMs = runtime.turnMs - this.#startMs
    const series = this.#backend?.series ?? this.#rule?.series ?? this.#downstream.listener.series
    series.record(this.#answer.status, durationMs / 1000, this.#requestBytes, this.#answer.bodyBytes)
    this.#log(durationMs)
    if (this.#head.bytes.length > keptHeadBytes) this.#head.bytes = Buffer.alloc(0)
    this.#downstream.exchangeEnded(this.#answer.closeAfter)
  }

  #log(durationMs: number): void {
    const { record, wallOffsetMs } = this.#runtime
    record.startMs = this.#startMs + wallOffsetMs
    record.durationMs = durationMs
    record.upstreamMs = this.#tries.firstByteMs
    record.method = this.#methodName
    record.authority = this.#rawHost ?? ''
    record.target = this.#target
    record.version = 10 + this.#minorVersion
    record.status = this.#answer.status
    record.requestBytes = this.#requestBytes
    record.responseBytes = this.#answer.bodyBytes
    record.client = this.#downstream.client
    record.clientService = this.#downstream.caller?.service ?? ''
    record.virtualHost = this.#rule?.virtualHost ?? ''
    record.route = this.#rule?.routeName ?? ''
    record.rule = this.#rule?.ruleName ?? ''
    record.backend = this.#backend?.name ?? ''
    record.endpoint = this.#tries.endpoint?.id ?? ''
    record.retries = this.#tries.retries
    record.requestId = this.#head.requestId
    record.traceId = this.#head.traceId
    record.userAgent = this.#userAgent
    record.reason = this.#reason
    record.flags = this.#flags
    this.#runtime.accessLog.write(record)
  }
}
