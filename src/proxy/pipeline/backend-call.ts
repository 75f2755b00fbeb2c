import { Outcome } from '../../model/index.ts'
import type { EndpointState } from '../balancing/endpoint-state.ts'
import { WheelTimer } from '../resilience/timer-wheel.ts'
import type { ProxyRuntime } from '../runtime.ts'
import type { HeaderList } from '../../codec/index.ts'
import type { Connection } from '../transport/connection.ts'
import type { AnswerHead } from '../upstream/answer-head.ts'
import type { BackendRuntime } from '../upstream/backend-runtime.ts'
import type { OutgoingRequest } from '../upstream/outgoing-request.ts'
import type { UpstreamFailure, UpstreamOwner, UpstreamStream } from '../upstream/upstream-stream.ts'

/**
 * One request of our own to a backend: balanced, within its limits, by its kept
 * connections, and made once. It is for who has nobody's request in hand: an
 * authorizer that is asked, a plugin that calls.
 */
export abstract class BackendCall implements UpstreamOwner {
  protected readonly runtime: ProxyRuntime
  protected readonly backend: BackendRuntime
  protected upstream: UpstreamStream | undefined = undefined
  protected isOver = false
  #request: OutgoingRequest | undefined = undefined
  #endpoint: EndpointState | undefined = undefined
  #sentMs = 0
  readonly #connectTimer: WheelTimer

  constructor(runtime: ProxyRuntime, backend: BackendRuntime) {
    this.runtime = runtime
    this.backend = backend
    this.#connectTimer = new WheelTimer(() => this.upstream?.connectTimedOut())
  }

  /** The request as the backend gets it. */
  protected abstract render(): OutgoingRequest
  /** The head is sent; the body may follow. */
  protected abstract begun(upstream: UpstreamStream): void
  /** It has come to nothing; called once, when all is given back. */
  protected abstract failed(detail: string): void
  abstract onResponseHead(upstream: UpstreamStream, head: AnswerHead): void
  abstract onResponseBody(upstream: UpstreamStream, bytes: Buffer, start: number, end: number): void
  abstract onResponseEnd(upstream: UpstreamStream, trailers: HeaderList | undefined): void

  start(): void {
    if (this.isOver) return
    this.runtime.tick()
    const nowMs = this.runtime.turnMs
    const endpoint = this.backend.pick()
    if (endpoint === undefined) {
      this.fail('there is no endpoint')
      return
    }
    if (this.backend.breaker?.tryAcquire('request') !== true) {
      this.backend.metrics.overloadedRequests.value++
      this.fail('the backend is overloaded')
      return
    }
    this.#endpoint = endpoint
    endpoint.activeRequests++
    this.#sentMs = nowMs
    this.#request = this.render()
    const acquired = this.backend.acquire(this, this.#request, endpoint, nowMs)
    if (acquired === 'overloaded') {
      this.backend.metrics.overloadedConnections.value++
      this.fail('the backend is overloaded')
      return
    }
    if (acquired === 'waiting') return
    if (acquired.isConnecting) this.onUpstreamOpening(acquired)
    else this.onUpstreamReady(acquired)
    this.runtime.out.flush()
  }

  /** Nobody wants it any more. */
  cancel(): void {
    if (this.isOver) return
    if (this.upstream === undefined) this.backend.cancel(this)
    else this.upstream.abandon()
    this.leave(Outcome.success, { isJudged: false })
  }

  onUpstreamOpening(upstream: UpstreamStream): void {
    this.upstream = upstream
    const limitMs = this.backend.backend?.settings.connectTimeoutMs ?? 0
    if (limitMs > 0) this.runtime.timers.add(this.#connectTimer, limitMs)
  }

  onUpstreamQueued(): void {
    this.runtime.timers.cancel(this.#connectTimer)
    this.upstream = undefined
  }

  onUpstreamReady(upstream: UpstreamStream): void {
    const request = this.#request
    if (request === undefined) return
    this.runtime.timers.cancel(this.#connectTimer)
    this.upstream = upstream
    upstream.begin(this, request)
    if (!this.isOver) this.begun(upstream)
  }

  onUpstreamFailed(_upstream: UpstreamStream, failure: UpstreamFailure, detail: string): void {
    this.fail(`${failure}${detail === '' ? '' : ` (${detail})`}`, failure)
  }

  onUpgraded(_upstream: UpstreamStream, _head: AnswerHead, connection: Connection): void {
    connection.destroy()
    this.fail('the backend changed protocols')
  }

  onInterim(): void {}
  onUpstreamTurn(): void {
    this.runtime.out.flush()
  }
  onUpstreamWritable(): void {}

  protected fail(detail: string, failure?: UpstreamFailure): void {
    if (this.isOver) return
    const outcome = failure?.startsWith('connect') === true ? Outcome.connectFailure : Outcome.reset
    this.leave(outcome, { isJudged: failure !== undefined })
    this.failed(detail)
  }

  /** Gives everything back. @param options.isJudged  whether the endpoint is to be judged by the outcome */
  protected leave(outcome: Outcome, { isJudged }: { readonly isJudged: boolean }): void {
    this.isOver = true
    this.runtime.timers.cancel(this.#connectTimer)
    const endpoint = this.#endpoint
    if (endpoint === undefined) return
    this.#endpoint = undefined
    endpoint.activeRequests--
    this.backend.breaker?.release('request')
    if (!isJudged) return
    const nowMs = this.runtime.turnMs
    this.backend.balancer?.onResult(endpoint, outcome, nowMs - this.#sentMs, nowMs)
  }
}
