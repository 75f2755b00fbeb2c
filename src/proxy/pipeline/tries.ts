import type { HeadParser } from '../../codec/index.ts'
import type { Retry } from '../../core/index.ts'
import { Outcome } from '../../model/index.ts'
import type { ReplyReason, RetryPolicy } from '../../model/index.ts'
import type { PickContext } from '../balancing/balancer.ts'
import type { EndpointState } from '../balancing/endpoint-state.ts'
import { decideRetry, isIdempotent } from '../resilience/retry.ts'
import type { RetryDecision } from '../resilience/retry.ts'
import { WheelTimer } from '../resilience/timer-wheel.ts'
import type { ProxyRuntime } from '../runtime.ts'
import type { BackendRuntime } from '../upstream/backend-runtime.ts'
import type { Upstream, UpstreamFailure, UpstreamOwner } from '../upstream/upstream.ts'
import { ReplayBuffer } from './replay-buffer.ts'
import type { RequestHeadOutput } from './request-head.ts'

/** What an exchange hears of its tries. */
export interface TriesListener {
  /** A final answer that is to be passed on. */
  onAnswerHead(head: HeadParser, bytes: Buffer, start: number): void
  onAnswerBody(bytes: Buffer, start: number, end: number): void
  onAnswerEnd(): void
  /** The answer broke off after its head was passed on. */
  onAnswerBroken(detail: string): void
  onInterim(head: HeadParser, bytes: Buffer, start: number): void
  onUpgraded(upstream: Upstream, head: HeadParser, bytes: Buffer, start: number, end: number): void
  /** No try led to an answer. */
  onTriesFailed(reason: ReplyReason, detail: string): void
  /** The upstream takes bytes again, or for the first time. */
  onRequestWritable(): void
}

export interface TriesPlan {
  readonly backend: BackendRuntime
  readonly method: number
  readonly methodName: string
  readonly head: RequestHeadOutput
  readonly retry: RetryPolicy | undefined
  /** When the request's own time is over, in the clock's milliseconds; Infinity for never. */
  readonly deadlineMs: number
  /** 0 is no limit. */
  readonly tryTimeoutMs: number
  /** For consistent hashing; -1 for none. */
  readonly hash: number
  /** Session persistence: tried first if it may be used. */
  readonly preferred: EndpointState | undefined
}

/**
 * The tries of one request: each takes an endpoint from the balancer and a
 * connection from its pool, sends head and body, and ends in an answer, in
 * another try where that is safe, or in a failure that is told once.
 */
export class Tries implements UpstreamOwner {
  /** Tries after the first. */
  retries = 0
  endpoint: EndpointState | undefined = undefined
  /** Milliseconds from sending the last try to the first byte of its answer; -1 before that. */
  firstByteMs = -1
  upstream: Upstream | undefined = undefined
  readonly #runtime: ProxyRuntime
  readonly #listener: TriesListener
  readonly #body: ReplayBuffer
  readonly #pick: PickContext
  readonly #tryTimer: WheelTimer
  readonly #connectTimer: WheelTimer
  readonly #pauseTimer: WheelTimer
  #plan: TriesPlan | undefined = undefined
  #isActive = false
  #isSent = false
  #isAnswering = false
  #isRequestDone = false
  #isQueued = false
  #holdsRetry = false
  #tried: EndpointState[] | undefined = undefined
  #sentMs = 0

  constructor(runtime: ProxyRuntime, listener: TriesListener) {
    this.#runtime = runtime
    this.#listener = listener
    this.#body = new ReplayBuffer(runtime.limits.replayBytes)
    this.#pick = { nowMs: 0, hash: -1, random: Math.random, tried: undefined }
    this.#tryTimer = new WheelTimer(() => this.#onTryTimeout())
    this.#connectTimer = new WheelTimer(() => {
      this.#runtime.tick()
      this.upstream?.connectTimedOut()
    })
    this.#pauseTimer = new WheelTimer(() => {
      this.#runtime.tick()
      this.#try()
      this.#runtime.out.flush()
    })
  }

  get isActive(): boolean {
    return this.#isActive
  }

  /** Forgets the last request, so that its figures are not taken for the next one's. */
  reset(): void {
    this.retries = 0
    this.endpoint = undefined
    this.firstByteMs = -1
  }

  start(plan: TriesPlan): void {
    this.#plan = plan
    this.reset()
    this.#isActive = true
    this.#isRequestDone = false
    this.#isAnswering = false
    this.#tried = undefined
    if (plan.backend.breaker?.tryAcquire('request') === false) {
      this.#isActive = false
      plan.backend.metrics.overloadedRequests.value++
      this.#listener.onTriesFailed('overloaded', 'maxRequests')
      return
    }
    this.#try()
  }

  /** Passes on a piece of the request body, or keeps it until there is a connection. */
  requestBody(bytes: Buffer, start: number, end: number): void {
    const body = this.#body
    if (this.#isSent && this.upstream !== undefined) {
      this.#runtime.out.append(this.upstream.connection, bytes, start, end)
      if (body.isWhole) {
        if (body.isFull) body.giveUp()
        else body.append(bytes, start, end)
      }
    } else {
      body.append(bytes, start, end)
    }
  }

  requestEnd(): void {
    this.#isRequestDone = true
    if (this.#isSent) this.upstream?.requestComplete()
  }

  /** Whether the sender of the request should stop for now. */
  get isRequestBlocked(): boolean {
    if (!this.#isActive) return false
    const upstream = this.upstream
    if (!this.#isSent || upstream === undefined) return this.#body.isFull
    return upstream.connection.backlog > this.#runtime.limits.backlogBytes
  }

  /** The client has gone, or the exchange has its answer elsewhere. */
  cancel(): void {
    if (!this.#isActive) return
    this.upstream?.abandon()
    if (this.#isQueued) this.#plan?.backend.cancel(this)
    if ((this.upstream !== undefined || this.#isQueued) && this.endpoint !== undefined) this.endpoint.activeRequests--
    this.upstream = undefined
    this.#isSent = false
    this.#isQueued = false
    this.#finish()
  }

  #try(): void {
    const plan = this.#plan
    if (plan === undefined || !this.#isActive) return
    const nowMs = this.#runtime.turnMs
    const endpoint = this.#pickEndpoint(plan, nowMs)
    if (endpoint === undefined) {
      this.#fail('no-endpoint', '')
      return
    }
    const acquired = plan.backend.acquire(this, endpoint, nowMs, isIdempotent(plan.methodName))
    if (acquired.kind === 'overloaded') {
      plan.backend.metrics.overloadedConnections.value++
      this.#fail('overloaded', 'maxPending')
      return
    }
    this.endpoint = endpoint
    endpoint.activeRequests++
    this.#sentMs = nowMs
    if (plan.tryTimeoutMs > 0) this.#runtime.timers.add(this.#tryTimer, plan.tryTimeoutMs)
    if (acquired.kind === 'waiting') {
      this.#isQueued = true
      return
    }
    this.upstream = acquired.upstream
    if (!acquired.upstream.isConnecting) {
      this.onUpstreamReady(acquired.upstream)
      return
    }
    this.#limitConnecting(plan)
  }

  #limitConnecting(plan: TriesPlan): void {
    const connectMs = plan.backend.backend?.settings.connectTimeoutMs ?? 0
    if (connectMs > 0) this.#runtime.timers.add(this.#connectTimer, connectMs)
  }

  onUpstreamOpening(upstream: Upstream): void {
    this.#isQueued = false
    this.upstream = upstream
    if (this.#plan !== undefined) this.#limitConnecting(this.#plan)
  }

  #pickEndpoint(plan: TriesPlan, nowMs: number): EndpointState | undefined {
    const { preferred, backend } = plan
    if (preferred !== undefined && this.retries === 0 && backend.balancer?.isUsable(preferred, nowMs) === true) {
      return preferred
    }
    this.#pick.nowMs = nowMs
    this.#pick.hash = plan.hash
    this.#pick.tried = this.#tried
    return backend.pick(this.#pick)
  }

  onUpstreamReady(upstream: Upstream): void {
    const plan = this.#plan
    if (plan === undefined) return
    this.#runtime.timers.cancel(this.#connectTimer)
    this.#isQueued = false
    this.upstream = upstream
    this.#isSent = true
    upstream.begin(this, plan.method)
    const { out } = this.#runtime
    out.append(upstream.connection, plan.head.bytes, 0, plan.head.length)
    if (this.#body.length > 0) {
      const kept = this.#body.kept
      out.append(upstream.connection, kept, 0, kept.length)
    }
    if (this.#isRequestDone) upstream.requestComplete()
    else this.#listener.onRequestWritable()
  }

  onUpstreamFailed(_upstream: Upstream, failure: UpstreamFailure, detail: string): void {
    if (this.#isAnswering) {
      this.#leave(Outcome.reset)
      this.#finish()
      this.#listener.onAnswerBroken(detail)
      return
    }
    if (failure === 'connect-failed' || failure === 'connect-timeout' || failure === 'tls-failed') {
      if (this.#plan !== undefined) this.#plan.backend.metrics.connectFailures.value++
    }
    const { outcome, reason } = failures[failure]
    this.#retryOrFail(outcome, reason, detail, safetyOf(failure))
  }

  #onTryTimeout(): void {
    this.#runtime.tick()
    if (!this.#isActive || this.#isAnswering) return
    const wasConnecting = this.#isQueued || this.upstream?.isConnecting === true
    if (this.#isQueued) this.#plan?.backend.cancel(this)
    this.upstream?.abandon()
    this.#retryOrFail(Outcome.timeout, 'upstream-timeout', 'backendRequest timeout', wasConnecting ? 'safe' : 'never')
    this.#runtime.out.flush()
  }

  #retryOrFail(outcome: Outcome, reason: ReplyReason, detail: string, safety: Retry): void {
    const decision = this.#decide(outcome, 0, safety)
    this.#leave(outcome)
    if (decision.kind === 'retry') this.#retry(decision.afterMs)
    else this.#fail(reason, detail)
  }

  #decide(outcome: Outcome, status: number, safety: Retry): RetryDecision {
    const plan = this.#plan
    const breaker = plan?.backend.breaker
    if (plan === undefined || breaker === undefined) return { kind: 'stop', reason: 'no-policy' }
    const decision = decideRetry({
      policy: plan.retry,
      triesSoFar: this.retries + 1,
      outcome,
      status,
      method: plan.methodName,
      safety,
      bodyReplayable: this.#body.isWhole,
      responseStarted: this.#isAnswering,
      // A try that reached nobody has put no load on anybody, which is what the budget is against.
      retryBudgetLeft: safety === 'safe' || this.#holdsRetry || breaker.hasRoom('retry'),
      remainingMs: plan.deadlineMs - this.#runtime.turnMs,
      random: Math.random,
    })
    if (decision.kind === 'stop' && decision.reason === 'budget-used-up') plan.backend.metrics.retriesRefused.value++
    return decision
  }

  #retry(afterMs: number): void {
    const plan = this.#plan
    if (plan === undefined) return
    if (!this.#holdsRetry) this.#holdsRetry = plan.backend.breaker?.tryAcquire('retry') === true
    this.retries++
    plan.backend.metrics.retries.value++
    if (afterMs > 0) {
      this.#runtime.timers.add(this.#pauseTimer, afterMs)
      return
    }
    this.#try()
    this.#runtime.out.flush()
  }

  onInterim(_upstream: Upstream, head: HeadParser, bytes: Buffer, start: number): void {
    this.#listener.onInterim(head, bytes, start)
  }

  onUpgraded(upstream: Upstream, head: HeadParser, bytes: Buffer, start: number, end: number): void {
    this.#noteFirstByte(upstream, 101)
    this.#leave(Outcome.success)
    this.#finish()
    this.#listener.onUpgraded(upstream, head, bytes, start, end)
  }

  onResponseHead(upstream: Upstream, head: HeadParser, bytes: Buffer, start: number): void {
    const { status } = head
    const outcome = outcomeOf(status)
    this.#noteFirstByte(upstream, status)
    const plan = this.#plan
    if (plan?.retry?.codes.includes(status) === true) {
      const decision = this.#decide(outcome, status, 'never')
      if (decision.kind === 'retry') {
        upstream.discard()
        this.#leave(outcome)
        this.#retry(decision.afterMs)
        return
      }
    }
    plan?.backend.balancer?.onResult(upstream.endpoint, outcome, this.firstByteMs, this.#runtime.turnMs)
    this.#isAnswering = true
    this.#runtime.timers.cancel(this.#tryTimer)
    this.#listener.onAnswerHead(head, bytes, start)
  }

  #noteFirstByte(upstream: Upstream, status: number): void {
    this.firstByteMs = this.#runtime.turnMs - this.#sentMs
    const metrics = this.#plan?.backend.metrics
    if (metrics === undefined) return
    metrics.firstByte.record(this.firstByteMs / 1000)
    const counter = metrics.answers(upstream.endpoint)[(status / 100) | 0]
    if (counter !== undefined) counter.value++
  }

  onResponseBody(_upstream: Upstream, bytes: Buffer, start: number, end: number): void {
    this.#listener.onAnswerBody(bytes, start, end)
  }

  onResponseEnd(_upstream: Upstream): void {
    const endpoint = this.endpoint
    if (endpoint !== undefined) endpoint.activeRequests--
    this.upstream = undefined
    this.#isSent = false
    this.#finish()
    this.#listener.onAnswerEnd()
  }

  onUpstreamTurn(_upstream: Upstream): void {
    this.#runtime.out.flush()
  }

  onUpstreamWritable(_upstream: Upstream): void {
    this.#listener.onRequestWritable()
  }

  /** The try has ended without an answer that is passed on. */
  #leave(outcome: Outcome): void {
    const { endpoint } = this
    this.upstream = undefined
    this.#isSent = false
    this.#isQueued = false
    this.#runtime.timers.cancel(this.#tryTimer)
    this.#runtime.timers.cancel(this.#connectTimer)
    if (endpoint === undefined) return
    endpoint.activeRequests--
    const nowMs = this.#runtime.turnMs
    this.#plan?.backend.balancer?.onResult(endpoint, outcome, nowMs - this.#sentMs, nowMs)
    if (this.#tried === undefined) this.#tried = [endpoint]
    else this.#tried.push(endpoint)
  }

  #fail(reason: ReplyReason, detail: string): void {
    this.#finish()
    this.#listener.onTriesFailed(reason, detail)
  }

  #finish(): void {
    if (!this.#isActive) return
    this.#isActive = false
    const breaker = this.#plan?.backend.breaker
    breaker?.release('request')
    if (this.#holdsRetry) breaker?.release('retry')
    this.#holdsRetry = false
    const { timers } = this.#runtime
    timers.cancel(this.#tryTimer)
    timers.cancel(this.#connectTimer)
    timers.cancel(this.#pauseTimer)
    this.#body.reset()
  }
}

const failures: Readonly<Record<UpstreamFailure, { readonly outcome: Outcome; readonly reason: ReplyReason }>> = {
  'connect-failed': { outcome: Outcome.connectFailure, reason: 'connect-failed' },
  'connect-timeout': { outcome: Outcome.connectFailure, reason: 'connect-timeout' },
  'tls-failed': { outcome: Outcome.connectFailure, reason: 'upstream-tls-failed' },
  'closed-before-answer': { outcome: Outcome.reset, reason: 'upstream-reset' },
  'closed-in-answer': { outcome: Outcome.reset, reason: 'upstream-reset' },
  'protocol-error': { outcome: Outcome.gatewayFailure, reason: 'upstream-protocol-error' },
}

/**
 * Whether the endpoint can have acted on a try that failed this way. A
 * connection that ends without a byte of an answer is most often an endpoint
 * that goes away, kept connection or new one: what may be repeated is.
 */
function safetyOf(failure: UpstreamFailure): Retry {
  if (failure === 'connect-failed' || failure === 'connect-timeout' || failure === 'tls-failed') return 'safe'
  return failure === 'closed-before-answer' ? 'if-reused' : 'never'
}

function outcomeOf(status: number): Outcome {
  if (status < 500) return Outcome.success
  return status >= 502 && status <= 504 ? Outcome.gatewayFailure : Outcome.failure5xx
}
