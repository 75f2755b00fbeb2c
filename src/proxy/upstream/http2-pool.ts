import type { Http2Upstream } from './http2-upstream.ts'

/** The connections by HTTP/2 of one worker to one endpoint: as few as the endpoint's limit of streams allows. */
export class Http2Pool implements Disposable {
  readonly #upstreams: Http2Upstream[] = []

  /** The oldest with room, so that what was opened for a peak falls idle after it. */
  find(): Http2Upstream | undefined {
    for (const upstream of this.#upstreams) if (upstream.hasRoom) return upstream
    return undefined
  }

  get size(): number {
    return this.#upstreams.length
  }

  put(upstream: Http2Upstream): void {
    this.#upstreams.push(upstream)
  }

  remove(upstream: Http2Upstream): void {
    const at = this.#upstreams.indexOf(upstream)
    if (at >= 0) this.#upstreams.splice(at, 1)
  }

  /** Lets one without requests go, to make room for a connection elsewhere. */
  evictOne(): boolean {
    const unused = this.#upstreams.find(upstream => upstream.isIdle)
    unused?.retire()
    return unused !== undefined
  }

  /** What is under way goes on; nothing new does. */
  [Symbol.dispose](): void {
    // Each leaves the list as it retires.
    for (const upstream of this.#upstreams.splice(0)) upstream.retire()
  }
}
