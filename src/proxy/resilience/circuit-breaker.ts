import { assertNever } from '../../core/index.ts'
import type { CircuitBreaker as Limits } from '../../model/index.ts'

/** What is counted: open connections, requests waiting for one, requests under way, retries under way. */
export type BreakerKind = 'connection' | 'pending' | 'request' | 'retry'

/**
 * Bounds what one worker loads onto a backend. The configured limits are of all
 * workers together; each has an equal part, rounded up, so that a limit of one
 * still lets every worker send one: the sum may exceed the limit by less than
 * the number of workers.
 *
 * Whoever acquired must release, once, the same kind. New limits hold for what
 * comes next; what is under way is not cut off.
 */
export class CircuitBreaker {
  readonly #workers: number
  #limits: Limits
  #maxConnections = 0
  #maxPending = 0
  #maxRequests = 0
  #minRetries = 0
  #connections = 0
  #pending = 0
  #requests = 0
  #retries = 0

  constructor(limits: Limits, workers: number) {
    this.#workers = Math.max(1, workers)
    this.#limits = limits
    this.update(limits)
  }

  update(limits: Limits): void {
    this.#limits = limits
    this.#maxConnections = this.#part(limits.maxConnections)
    this.#maxPending = this.#part(limits.maxPending)
    this.#maxRequests = this.#part(limits.maxRequests)
    this.#minRetries = this.#part(limits.minRetryConcurrency)
  }

  /** Counts one more, unless the limit is reached. */
  tryAcquire(kind: BreakerKind): boolean {
    if (!this.hasRoom(kind)) return false
    this.#add(kind, 1)
    return true
  }

  /** Whether `tryAcquire` would succeed now. */
  hasRoom(kind: BreakerKind): boolean {
    return this.active(kind) < this.limit(kind)
  }

  release(kind: BreakerKind): void {
    if (this.active(kind) > 0) this.#add(kind, -1)
  }

  active(kind: BreakerKind): number {
    switch (kind) {
      case 'connection':
        return this.#connections
      case 'pending':
        return this.#pending
      case 'request':
        return this.#requests
      case 'retry':
        return this.#retries
      default:
        return assertNever(kind)
    }
  }

  /** This worker's part. That of retries follows the requests under way and waiting. */
  limit(kind: BreakerKind): number {
    switch (kind) {
      case 'connection':
        return this.#maxConnections
      case 'pending':
        return this.#maxPending
      case 'request':
        return this.#maxRequests
      case 'retry':
        return Math.max(
          this.#minRetries,
          Math.floor(((this.#requests + this.#pending) * this.#limits.retryBudgetPercent) / 100),
        )
      default:
        return assertNever(kind)
    }
  }

  #part(limit: number): number {
    return Math.ceil(limit / this.#workers)
  }

  #add(kind: BreakerKind, by: number): void {
    switch (kind) {
      case 'connection':
        this.#connections += by
        return
      case 'pending':
        this.#pending += by
        return
      case 'request':
        this.#requests += by
        return
      case 'retry':
        this.#retries += by
        return
      default:
        assertNever(kind)
    }
  }
}
