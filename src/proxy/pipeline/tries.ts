import { HeaderList, httpStatusOfGrpc } from '../../codec/index.ts'
import type { Retry } from '../../core/index.ts'
import { Outcome } from '../../model/index.ts'
import type { ReplyReason } from '../../model/index.ts'
import type { EndpointState } from '../balancing/endpoint-state.ts'
import { decideRetry, isListed } from '../resilience/retry.ts'
import type { RetryDecision } from '../resilience/retry.ts'
import { WheelTimer } from '../resilience/timer-wheel.ts'
import type { ProxyRuntime } from '../runtime.ts'
import type { Connection } from '../transport/connection.ts'
import type { AnswerHead } from '../upstream/answer-head.ts'
import { bodyChanges } from '../upstream/outgoing-request.ts'
import type { UpstreamFailure, UpstreamOwner, UpstreamStream } from '../upstream/upstream-stream.ts'
import { BodyChange } from './body-change.ts'
import type { BodySink } from './body-change.ts'
import { grpcStatusOfHead, grpcStatusOfTrailers, noGrpcStatus, passGrpcTimeout } from './grpc-call.ts'
import { ReplayBuffer } from './replay-buffer.ts'
import { judgeUpgrade } from './web-socket.ts'
import type { TriesListener, TriesPlan } from './tries-plan.ts'
import { failures, outcomeOf, safetyOf } from './try-outcome.ts'

/** A connection that ends in good order is no failure of its endpoint; so often in a row it is. */
const maxMoves = 10

/**
 * The tries of one request: each takes an endpoint from the balancer and a
 * connection from its pool, sends head and body, and ends in an answer, in
 * another try where that is safe, or in a failure that is told once.
 */
export class Tries implements UpstreamOwner, BodySink {
  /** Tries after the first. */
  retries = 0
  endpoint: EndpointState | undefined = undefined
  /** Milliseconds from sending the last try to the first byte of its answer; -1 before that. */
  firstByteMs = -1
  /** Of the last try; `noGrpcStatus` until its answer, or the end of it, has told. */
  grpcStatus: number = noGrpcStatus
  /** `TLSv1.3`, of the connection to `endpoint`; empty without TLS. */
  tlsVersion = ''
  /** That the last try went on. */
  connection: Connection | undefined = undefined
  /** Milliseconds until the last try had it; -1 before that. */
  readyMs = -1
  /** Why there was none, of the last try that failed so. */
  transportFailure = ''
  /** The last try was reset by the endpoint, since it wants no more of it. */
  wasCancelled = false
  readonly #runtime: ProxyRuntime
  readonly #listener: TriesListener
  readonly #body: ReplayBuffer
  readonly #tryTimer: WheelTimer
  readonly #connectTimer: WheelTimer
  readonly #pauseTimer: WheelTimer
  #plan: TriesPlan | undefined = undefined
  #upstream: UpstreamStream | undefined = undefined
  /** Only for requests whose body has another form than the endpoint takes. */
  #bodyChange: BodyChange | undefined = undefined
  /** For an endpoint by HTTP/2, kept for another try. */
  #trailers: HeaderList | undefined = undefined
  #isActive = false
  #isSent = false
  #isAnswering = false
  /** The balancer has heard how the try went. */
  #isJudged = false
  #isRequestDone = false
  #isQueued = false
  #holdsRetry = false
  #tried: EndpointState[] | undefined = undefined
  #sentMs = 0
  /** How often the request moved to another connection without counting as tried. */
  #moves = 0
  #interimAnswers = 0

  constructor(runtime: ProxyRuntime, listener: TriesListener) {
    this.#runtime = runtime
    this.#listener = listener
    this.#body = new ReplayBuffer(runtime.limits.replayBytes)
    this.#tryTimer = new WheelTimer(() => this.#onTryTimeout())
    this.#connectTimer = new WheelTimer(() => {
      this.#runtime.tick()
      this.#upstream?.connectTimedOut()
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
    this.grpcStatus = noGrpcStatus
    this.connection = undefined
    this.readyMs = -1
    this.transportFailure = ''
    this.wasCancelled = false
  }

  start(plan: TriesPlan): void {
    this.#plan = plan
    this.reset()
    this.#isActive = true
    this.#isRequestDone = !plan.request.hasBody
    this.#isAnswering = false
    this.#tried = undefined
    this.#moves = 0
    this.#interimAnswers = 0
    this.#trailers = undefined
    const { bodyChange } = plan.request
    if (bodyChange !== bodyChanges.none) {
      this.#bodyChange ??= new BodyChange(this.#runtime.chunkLimits, this.#runtime.entries, this)
      this.#bodyChange.start(bodyChange)
    }
    if (plan.backend.breaker?.tryAcquire('request') === false) {
      this.#isActive = false
      plan.backend.metrics.overloadedRequests.value++
      this.#listener.onTriesFailed('overloaded', 'maxRequests')
      return
    }
    this.#try()
  }

  /** Takes a piece of the request body in the client's form. */
  requestBody(bytes: Buffer, start: number, end: number): void {
    if (this.#plan?.request.bodyChange === bodyChanges.none) {
      this.onChangedBody(bytes, start, end)
      return
    }
    this.#bodyChange?.take(bytes, start, end)
    if (this.#bodyChange?.isInvalid === true) this.#refuseBody()
  }

  #refuseBody(): void {
    const wasAnswering = this.#isAnswering
    this.cancel()
    if (wasAnswering) this.#listener.onAnswerBroken('the body is not base64')
    else this.#listener.onTriesFailed('bad-request', 'the body is not base64')
  }

  /** Passes on a piece of the body in the endpoint's form, or keeps it until there is a connection. */
  onChangedBody(bytes: Buffer, start: number, end: number): void {
    const body = this.#body
    if (this.#isSent && this.#upstream !== undefined && !this.#isTunnel) {
      this.#upstream.sendBody(bytes, start, end)
      if (body.isWhole) {
        if (body.isFull) body.giveUp()
        else body.append(bytes, start, end)
      }
    } else {
      body.append(bytes, start, end)
    }
  }

  /** Not called for a request without a body. @param trailers  of a client by HTTP/2 */
  requestEnd(trailers: HeaderList | undefined): void {
    if (!this.#isActive) return
    const request = this.#plan?.request
    if (request !== undefined && request.bodyChange !== bodyChanges.none) {
      this.#bodyChange?.end(trailers)
      if (this.#bodyChange?.isInvalid === true) {
        this.#refuseBody()
        return
      }
      this.#trailers = this.#bodyChange?.trailers
    } else if (trailers !== undefined && request?.isHttp2 === true) {
      // The list is the session's, and may be needed for another try.
      this.#trailers = new HeaderList()
      this.#trailers.addAll(trailers)
    }
    this.#isRequestDone = true
    if (this.#isSent && !this.#isTunnel) this.#upstream?.sendEnd(this.#trailers)
  }

  /** What the client sends is for the other protocol: it waits until the endpoint has changed to it. */
  get #isTunnel(): boolean {
    return this.#plan !== undefined && this.#plan.request.protocol !== ''
  }

  /** Whether the sender of the request should stop for now. */
  get isRequestBlocked(): boolean {
    if (!this.#isActive) return false
    const upstream = this.#upstream
    if (!this.#isSent || upstream === undefined || this.#isTunnel) return this.#body.isFull
    return upstream.isBlocked
  }

  /** The client is behind: the endpoint should stop. */
  pauseAnswer(): void {
    this.#upstream?.pauseAnswer()
  }

  resumeAnswer(): void {
    this.#upstream?.resumeAnswer()
  }

  /** The client has gone, or the exchange has its answer elsewhere. */
  cancel(): void {
    if (!this.#isActive) return
    this.#upstream?.abandon()
    if (this.#isQueued) this.#plan?.backend.cancel(this)
    if ((this.#upstream !== undefined || this.#isQueued) && this.endpoint !== undefined) this.endpoint.activeRequests--
    this.#finish()
  }

  #try(): void {
    const plan = this.#plan
    if (plan === undefined || !this.#isActive) return
    this.grpcStatus = noGrpcStatus
    const nowMs = this.#runtime.turnMs
    const endpoint = plan.backend.pick(plan.hash, this.#tried, this.retries === 0 ? plan.preferred : undefined)
    if (endpoint === undefined) {
      this.#fail('no-endpoint', '')
      return
    }
    if (plan.access !== undefined) {
      const refusal = this.#runtime.gate?.refusal(plan.access, endpoint) ?? ''
      if (refusal !== '') {
        // Nothing was sent, and another endpoint is no way around it.
        this.endpoint = endpoint
        this.#fail('policy-denied', refusal)
        return
      }
    }
    const acquired = plan.backend.acquire(this, plan.request, endpoint, nowMs)
    if (acquired === 'overloaded') {
      plan.backend.metrics.overloadedConnections.value++
      this.#fail('overloaded', 'maxPending')
      return
    }
    this.endpoint = endpoint
    this.tlsVersion = ''
    this.connection = undefined
    endpoint.activeRequests++
    this.#sentMs = nowMs
    if (plan.tryTimeoutMs > 0) this.#runtime.timers.add(this.#tryTimer, plan.tryTimeoutMs)
    if (acquired === 'waiting') {
      this.#isQueued = true
      return
    }
    this.#upstream = acquired
    if (!acquired.isConnecting) {
      this.onUpstreamReady(acquired)
      return
    }
    this.#limitConnecting(plan)
  }

  #limitConnecting(plan: TriesPlan): void {
    const connectMs = plan.backend.backend?.settings.connectTimeoutMs ?? 0
    if (connectMs > 0) this.#runtime.timers.add(this.#connectTimer, connectMs)
  }

  onUpstreamOpening(upstream: UpstreamStream): void {
    this.#isQueued = false
    this.#upstream = upstream
    if (this.#plan !== undefined) this.#limitConnecting(this.#plan)
  }

  onUpstreamQueued(): void {
    this.#isQueued = true
    this.#upstream = undefined
    this.#runtime.timers.cancel(this.#connectTimer)
  }

  onUpstreamReady(upstream: UpstreamStream): void {
    const plan = this.#plan
    if (plan === undefined) return
    this.#runtime.timers.cancel(this.#connectTimer)
    this.#isQueued = false
    this.#upstream = upstream
    this.#isSent = true
    if (plan.isGrpc && plan.deadlineMs < Infinity && plan.request.isHttp2) {
      passGrpcTimeout(plan.request.list, plan.deadlineMs - this.#runtime.turnMs)
    }
    this.tlsVersion = upstream.tlsVersion
    this.connection = upstream.connection
    this.readyMs = this.#runtime.turnMs - this.#sentMs
    upstream.begin(this, plan.request)
    if (this.#body.length > 0 && !this.#isTunnel) {
      const kept = this.#body.kept
      upstream.sendBody(kept, 0, kept.length)
    }
    if (!this.#isRequestDone) this.#listener.onRequestWritable()
    else if (plan.request.hasBody) upstream.sendEnd(this.#trailers)
  }

  onUpstreamFailed(_upstream: UpstreamStream, failure: UpstreamFailure, detail: string): void {
    this.wasCancelled = failure === 'cancelled'
    if (this.#isAnswering) {
      this.#leave(Outcome.reset)
      this.#finish()
      this.#listener.onAnswerBroken(detail)
      return
    }
    if (failure === 'connect-failed' || failure === 'connect-timeout' || failure === 'tls-failed') {
      this.transportFailure = detail
      if (this.#plan !== undefined) this.#plan.backend.metrics.connectFailures.value++
    }
    if (failure === 'unprocessed' && this.#body.isWhole && this.#moves++ < maxMoves) {
      this.#move()
      return
    }
    const { outcome, reason } = failures[failure]
    this.#retryOrFail(outcome, reason, detail, safetyOf(failure))
  }

  /** To another connection, perhaps of the same endpoint: nothing has failed, and nothing was done. */
  #move(): void {
    if (this.endpoint !== undefined) this.endpoint.activeRequests--
    this.#detach()
    this.#try()
  }

  #onTryTimeout(): void {
    this.#runtime.tick()
    if (!this.#isActive || this.#isAnswering) return
    const wasConnecting = this.#isQueued || this.#upstream?.isConnecting === true
    if (this.#isQueued) this.#plan?.backend.cancel(this)
    this.#upstream?.abandon()
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
      grpcStatus: this.grpcStatus === noGrpcStatus ? undefined : this.grpcStatus,
      method: plan.methodName,
      safety,
      bodyReplayable: this.#body.isWhole,
      responseStarted: this.#isAnswering,
      // The budget is against more load on endpoints that have too much. One that goes away costs all that its
      // connections carried at once, and none of it was answered.
      retryBudgetLeft: safety !== 'never' || this.#holdsRetry || breaker.hasRoom('retry'),
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

  onInterim(upstream: UpstreamStream, head: AnswerHead): void {
    if (this.#interimAnswers++ < this.#runtime.limits.maxInterimAnswers) {
      this.#listener.onInterim(head)
      return
    }
    upstream.abandon()
    this.onUpstreamFailed(upstream, 'protocol-error', 'too many interim answers')
  }

  onUpgraded(
    upstream: UpstreamStream,
    head: AnswerHead,
    connection: Connection,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    this.#noteFirstByte(upstream, 101)
    this.#leave(Outcome.success)
    const problem = judgeUpgrade(head, this.#plan?.request.webSocketKey ?? '')
    if (problem !== undefined) {
      connection.destroy()
      this.#fail('upstream-protocol-error', problem)
      return
    }
    const early = this.#body.kept
    if (early.length > 0) this.#runtime.out.append(connection, early, 0, early.length)
    this.#finish()
    this.#listener.onUpgraded(head, connection, bytes, start, end)
  }

  onResponseHead(upstream: UpstreamStream, head: AnswerHead): void {
    const { status } = head
    this.#noteFirstByte(upstream, status)
    const plan = this.#plan
    if (plan?.isGrpc === true) this.grpcStatus = grpcStatusOfHead(head)
    const { grpcStatus } = this
    const outcome = outcomeOf(grpcStatus === noGrpcStatus ? status : httpStatusOfGrpc(grpcStatus))
    if (status < 300 && this.#isTunnel && head.parser !== undefined) {
      // To a client of HTTP/2 any 2xx would say that the protocol was changed.
      upstream.discard()
      this.#leave(outcome)
      this.#fail('upstream-protocol-error', 'the endpoint did not change protocols')
      return
    }
    if (grpcStatus !== noGrpcStatus) plan?.backend.metrics.call(upstream.endpoint, grpcStatus)
    if (plan?.retry !== undefined && isListed(plan.retry, status, grpcStatus)) {
      const decision = this.#decide(outcome, status, 'never')
      if (decision.kind === 'retry') {
        upstream.discard()
        this.#leave(outcome)
        this.#retry(decision.afterMs)
        return
      }
    }
    // How a call went that is not over yet, its trailers tell.
    this.#isJudged = plan?.isGrpc !== true || grpcStatus !== noGrpcStatus || head.list === undefined
    if (this.#isJudged) this.#judge(upstream.endpoint, outcome)
    this.#isAnswering = true
    this.#runtime.timers.cancel(this.#tryTimer)
    this.#listener.onAnswerHead(head)
  }

  #judge(endpoint: EndpointState, outcome: Outcome): void {
    this.#plan?.backend.balancer?.onResult(endpoint, outcome, this.firstByteMs, this.#runtime.turnMs)
  }

  #noteFirstByte(upstream: UpstreamStream, status: number): void {
    this.firstByteMs = this.#runtime.turnMs - this.#sentMs
    this.#plan?.backend.metrics.answered(upstream.endpoint, status, this.firstByteMs)
  }

  onResponseBody(_upstream: UpstreamStream, bytes: Buffer, start: number, end: number): void {
    this.#listener.onAnswerBody(bytes, start, end)
  }

  onResponseEnd(_upstream: UpstreamStream, trailers: HeaderList | undefined): void {
    const endpoint = this.endpoint
    if (endpoint !== undefined) endpoint.activeRequests--
    if (!this.#isJudged && endpoint !== undefined) this.#judgeCall(endpoint, trailers)
    this.#finish()
    this.#listener.onAnswerEnd(trailers)
  }

  #judgeCall(endpoint: EndpointState, trailers: HeaderList | undefined): void {
    this.grpcStatus = grpcStatusOfTrailers(trailers)
    this.#plan?.backend.metrics.call(endpoint, this.grpcStatus)
    this.#judge(endpoint, outcomeOf(httpStatusOfGrpc(this.grpcStatus)))
  }

  onUpstreamTurn(_upstream: UpstreamStream): void {
    this.#runtime.out.flush()
  }

  onUpstreamWritable(_upstream: UpstreamStream): void {
    this.#listener.onRequestWritable()
  }

  /** The try has ended without an answer that is passed on. */
  #leave(outcome: Outcome): void {
    const { endpoint } = this
    this.#detach()
    if (endpoint === undefined) return
    endpoint.activeRequests--
    const nowMs = this.#runtime.turnMs
    this.#plan?.backend.balancer?.onResult(endpoint, outcome, nowMs - this.#sentMs, nowMs)
    if (this.#tried === undefined) this.#tried = [endpoint]
    else this.#tried.push(endpoint)
  }

  #detach(): void {
    this.#upstream = undefined
    this.#isSent = false
    this.#isQueued = false
    this.#runtime.timers.cancel(this.#tryTimer)
    this.#runtime.timers.cancel(this.#connectTimer)
  }

  #fail(reason: ReplyReason, detail: string): void {
    this.#finish()
    this.#listener.onTriesFailed(reason, detail)
  }

  #finish(): void {
    if (!this.#isActive) return
    this.#isActive = false
    this.#detach()
    const breaker = this.#plan?.backend.breaker
    breaker?.release('request')
    if (this.#holdsRetry) breaker?.release('retry')
    this.#holdsRetry = false
    this.#runtime.timers.cancel(this.#pauseTimer)
    this.#body.reset()
  }
}
