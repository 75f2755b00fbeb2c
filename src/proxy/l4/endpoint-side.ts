import { Outcome } from '../../model/index.ts'
import type { EndpointState } from '../balancing/endpoint-state.ts'
import type { ProxyRuntime } from '../runtime.ts'
import type { Connection, ConnectionHandler } from '../transport/connection.ts'
import type { BackendRuntime } from '../upstream/backend-runtime.ts'

/** Whose connection it is. */
export interface SideOwner {
  onEndpointBytes(side: EndpointSide, bytes: Buffer, length: number): void
  onEndpointEnd(side: EndpointSide): void
  onEndpointWritable(side: EndpointSide): void
  onEndpointClose(side: EndpointSide, error: Error | undefined): void
}

/** One try to connect and, when it worked, the endpoint's half of a session. */
export class EndpointSide implements ConnectionHandler {
  connection: Connection | undefined = undefined
  readonly target: BackendRuntime
  readonly endpoint: EndpointState
  readonly #runtime: ProxyRuntime
  readonly #owner: SideOwner
  readonly #startMs: number
  #connectMs = 0
  #isJudged = false
  #isLeft = false

  /** `target.acquireStream()` has been called for it. */
  constructor(runtime: ProxyRuntime, owner: SideOwner, target: BackendRuntime, endpoint: EndpointState) {
    this.#runtime = runtime
    this.#owner = owner
    this.target = target
    this.endpoint = endpoint
    this.#startMs = runtime.turnMs
    endpoint.activeRequests++
  }

  connected(): void {
    this.#connectMs = this.#runtime.turnMs - this.#startMs
    this.target.metrics.connectionsTotal.value++
  }

  /**
   * Tells the balancer how it went, once. That the endpoint accepts says little:
   * one that resets whatever it is sent would be well with each connection, so
   * a session is a success when the endpoint has said something or ended in peace.
   */
  judge(outcome: Outcome): void {
    if (this.#isJudged) return
    this.#isJudged = true
    const { turnMs } = this.#runtime
    const latencyMs = outcome === Outcome.success ? this.#connectMs : turnMs - this.#startMs
    this.target.balancer?.onResult(this.endpoint, outcome, latencyMs, turnMs)
  }

  /** The connection counts no more. */
  leave(): void {
    if (this.#isLeft) return
    this.#isLeft = true
    this.endpoint.activeRequests--
    this.target.releaseStream()
  }

  onBytes(bytes: Buffer, length: number): void {
    this.#owner.onEndpointBytes(this, bytes, length)
  }

  onEnd(): void {
    this.#owner.onEndpointEnd(this)
  }

  onWritable(): void {
    this.#owner.onEndpointWritable(this)
  }

  onClose(error: Error | undefined): void {
    this.#owner.onEndpointClose(this, error)
  }
}
