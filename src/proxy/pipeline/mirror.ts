import type { EndpointState } from '../balancing/endpoint-state.ts'
import { WheelTimer } from '../resilience/timer-wheel.ts'
import { isMirrored } from '../routing/choose-weighted.ts'
import type { ProxyRuntime } from '../runtime.ts'
import type { BackendRuntime } from '../upstream/backend-runtime.ts'
import type { Upstream, UpstreamOwner } from '../upstream/upstream.ts'
import type { CompiledBackend, CompiledMirror, CompiledRule } from './compiled-rule.ts'
import { ReplayBuffer } from './replay-buffer.ts'
import type { RequestHeadOutput } from './request-head.ts'

/** A mirrored request may take this long; its answer is thrown away anyway. */
const mirrorTimeoutMs = 30_000

/**
 * The copies of one request. They are sent once the request is complete, so
 * that a mirror never slows the real exchange; a body beyond the limit is not
 * mirrored, since it would have to be kept whole.
 */
export class Mirrors {
  readonly #runtime: ProxyRuntime
  readonly #targets: readonly BackendRuntime[]
  readonly #head: Buffer
  readonly #method: number
  readonly #body: ReplayBuffer

  constructor(runtime: ProxyRuntime, targets: readonly BackendRuntime[], head: Buffer, method: number) {
    this.#runtime = runtime
    this.#targets = targets
    this.#head = head
    this.#method = method
    this.#body = new ReplayBuffer(runtime.limits.mirrorBytes)
  }

  /** Draws which mirrors get this request; undefined for none, the common case. */
  static sample(
    runtime: ProxyRuntime,
    rule: CompiledRule,
    backend: CompiledBackend,
    head: RequestHeadOutput,
    method: number,
  ): Mirrors | undefined {
    if (rule.mirrors.length === 0 && backend.mirrors.length === 0) return undefined
    const targets = [...draw(rule.mirrors), ...draw(backend.mirrors)]
    if (targets.length === 0) return undefined
    return new Mirrors(runtime, targets, Buffer.from(head.bytes.subarray(0, head.length)), method)
  }

  body(bytes: Buffer, start: number, end: number): void {
    if (!this.#body.isWhole) return
    if (this.#body.isFull) this.#body.giveUp()
    else this.#body.append(bytes, start, end)
  }

  send(): void {
    if (!this.#body.isWhole) return
    const body = Buffer.from(this.#body.kept)
    for (const target of this.#targets)
      new MirroredRequest(this.#runtime, target, this.#head, body, this.#method).start()
  }
}

function draw(mirrors: readonly CompiledMirror[]): BackendRuntime[] {
  return mirrors.filter(mirror => isMirrored(mirror.fraction, Math.random())).map(mirror => mirror.target)
}

/** One copy on its way; nobody waits for it. */
class MirroredRequest implements UpstreamOwner {
  readonly #runtime: ProxyRuntime
  readonly #target: BackendRuntime
  readonly #head: Buffer
  readonly #body: Buffer
  readonly #method: number
  readonly #timer: WheelTimer
  #endpoint: EndpointState | undefined = undefined
  #upstream: Upstream | undefined = undefined

  constructor(runtime: ProxyRuntime, target: BackendRuntime, head: Buffer, body: Buffer, method: number) {
    this.#runtime = runtime
    this.#target = target
    this.#head = head
    this.#body = body
    this.#method = method
    this.#timer = new WheelTimer(() => this.#giveUp())
  }

  start(): void {
    const nowMs = this.#runtime.turnMs
    const endpoint = this.#target.pick({ nowMs, hash: -1, random: Math.random, tried: undefined })
    if (endpoint === undefined || this.#target.breaker?.tryAcquire('request') !== true) return
    const acquired = this.#target.acquire(this, endpoint, nowMs, true)
    if (acquired.kind === 'overloaded') {
      this.#target.breaker.release('request')
      return
    }
    this.#target.metrics.mirrored.value++
    this.#endpoint = endpoint
    endpoint.activeRequests++
    this.#runtime.timers.add(this.#timer, mirrorTimeoutMs)
    if (acquired.kind !== 'connection') return
    this.#upstream = acquired.upstream
    if (!acquired.upstream.isConnecting) this.onUpstreamReady(acquired.upstream)
  }

  onUpstreamOpening(upstream: Upstream): void {
    this.#upstream = upstream
  }

  onUpstreamReady(upstream: Upstream): void {
    this.#upstream = upstream
    upstream.begin(this, this.#method)
    const { out } = this.#runtime
    out.append(upstream.connection, this.#head, 0, this.#head.length)
    out.append(upstream.connection, this.#body, 0, this.#body.length)
    out.flush()
    upstream.requestComplete()
  }

  onResponseEnd(): void {
    this.#leave()
  }

  onUpstreamFailed(): void {
    this.#leave()
  }

  onUpgraded(upstream: Upstream): void {
    upstream.connection.destroy()
    this.#leave()
  }

  onInterim(): void {}
  onResponseHead(): void {}
  onResponseBody(): void {}
  onUpstreamTurn(): void {}
  onUpstreamWritable(): void {}

  #giveUp(): void {
    if (this.#upstream === undefined) this.#target.cancel(this)
    else this.#upstream.abandon()
    this.#leave()
  }

  #leave(): void {
    const endpoint = this.#endpoint
    if (endpoint === undefined) return
    this.#endpoint = undefined
    endpoint.activeRequests--
    this.#target.breaker?.release('request')
    this.#runtime.timers.cancel(this.#timer)
  }
}
