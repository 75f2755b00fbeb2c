import type { Http1Upstream } from './http1-upstream.ts'

/** The connections of one worker to one endpoint. Unused ones are taken newest first, so that the surplus grows old and is closed. */
export class EndpointPool implements Disposable {
  readonly #idle: Http1Upstream[] = []
  #isClosed = false

  /**
   * Newest unused connection that is not past its time.
   * @param idleSinceMs  it must have been used at this time or later; older ones stay
   */
  take(nowMs: number, idleSinceMs: number): Http1Upstream | undefined {
    for (;;) {
      const newest = this.#idle[this.#idle.length - 1]
      if (newest === undefined || newest.idleSinceMs < idleSinceMs) return undefined
      const upstream = this.#idle.pop()
      if (upstream === undefined) return undefined
      if (upstream.connection.isOpen && upstream.idleUntilMs > nowMs) return upstream
      upstream.abandon()
    }
  }

  /** @returns false when the endpoint has gone and the connection should be closed */
  put(upstream: Http1Upstream): boolean {
    if (this.#isClosed) return false
    this.#idle.push(upstream)
    return true
  }

  remove(upstream: Http1Upstream): void {
    const at = this.#idle.lastIndexOf(upstream)
    if (at >= 0) this.#idle.splice(at, 1)
  }

  closeExpired(nowMs: number): void {
    let kept = 0
    for (const upstream of this.#idle) {
      if (upstream.idleUntilMs > nowMs) this.#idle[kept++] = upstream
      else upstream.abandon()
    }
    this.#idle.length = kept
  }

  /** Closes the oldest unused connection to make room for one elsewhere. */
  evictOne(): boolean {
    const upstream = this.#idle.shift()
    upstream?.abandon()
    return upstream !== undefined
  }

  get idleCount(): number {
    return this.#idle.length
  }

  [Symbol.dispose](): void {
    this.#isClosed = true
    for (const upstream of this.#idle.splice(0)) upstream.abandon()
  }
}
