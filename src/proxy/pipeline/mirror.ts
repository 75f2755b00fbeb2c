import type { ClientAccess } from '../access/access-gate.ts'
import type { EndpointState } from '../balancing/endpoint-state.ts'
import { WheelTimer } from '../resilience/timer-wheel.ts'
import { isMirrored } from '../routing/choose-weighted.ts'
import type { ProxyRuntime } from '../runtime.ts'
import type { Connection } from '../transport/connection.ts'
import type { AnswerHead } from '../upstream/answer-head.ts'
import type { BackendRuntime } from '../upstream/backend-runtime.ts'
import { bodyChanges } from '../upstream/outgoing-request.ts'
import type { OutgoingRequest } from '../upstream/outgoing-request.ts'
import type { UpstreamOwner, UpstreamStream } from '../upstream/upstream-stream.ts'
import { BodyChange } from './body-change.ts'
import type { CompiledBackend, CompiledMirror, CompiledRule } from './compiled-rule.ts'
import type { ExchangeClient } from './exchange-client.ts'
import { ReplayBuffer } from './replay-buffer.ts'
import { translateRequest } from './translate-request.ts'
import { isByHttp2 } from './version-towards.ts'

/** A mirrored request may take this long; its answer is thrown away anyway. */
const mirrorTimeoutMs = 30_000

/** What decides which copies are made of a request. */
export interface MirrorChoice {
  readonly rule: CompiledRule
  readonly backend: CompiledBackend
  readonly grpcForm: number
}

/**
 * The copies of one request. They are sent once the request is complete, so
 * that a mirror never slows the real exchange; a body beyond the limit is not
 * mirrored, since it would have to be kept whole.
 */
export class Mirrors {
  readonly #runtime: ProxyRuntime
  readonly #targets: readonly BackendRuntime[]
  readonly #request: OutgoingRequest
  /** What a backend's version is decided by, as that of the request was. */
  readonly #kind: { readonly isGrpcRule: boolean; readonly grpcForm: number }
  /** A copy goes where its request could go itself. */
  readonly #access: ClientAccess | undefined
  readonly #body: ReplayBuffer

  constructor(
    runtime: ProxyRuntime,
    targets: readonly BackendRuntime[],
    request: OutgoingRequest,
    kind: { readonly isGrpcRule: boolean; readonly grpcForm: number; readonly access: ClientAccess | undefined },
  ) {
    this.#runtime = runtime
    this.#targets = targets
    this.#request = request
    this.#kind = kind
    this.#access = kind.access
    this.#body = new ReplayBuffer(runtime.limits.mirrorBytes)
  }

  /** Draws which mirrors get this request; undefined for none, the common case. */
  static sample(
    runtime: ProxyRuntime,
    client: Pick<ExchangeClient, 'access'>,
    { rule, backend, grpcForm }: MirrorChoice,
    request: OutgoingRequest,
  ): Mirrors | undefined {
    if (rule.mirrors.length === 0 && backend.mirrors.length === 0) return undefined
    const targets = [...draw(rule.mirrors), ...draw(backend.mirrors)]
    // A change of protocols makes sense for one endpoint only.
    if (targets.length === 0 || request.protocol !== '') return undefined
    const access = runtime.gate === undefined ? undefined : client.access
    return new Mirrors(runtime, targets, request.copy(), { isGrpcRule: rule.isGrpc, grpcForm, access })
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
      new MirroredRequest(this.#runtime, target, this.#requestFor(target), body).start(this.#access)
  }

  #requestFor({ backend }: BackendRuntime): OutgoingRequest {
    const isHttp2 = isByHttp2(backend, this.#kind)
    if (isHttp2 === this.#request.isHttp2) return this.#request
    const { requestLists, headLimits } = this.#runtime
    const scheme = backend?.tls === undefined ? 'http' : 'https'
    return translateRequest(this.#request, { lists: requestLists, limits: headLimits, scheme })
  }
}

function draw(mirrors: readonly CompiledMirror[]): BackendRuntime[] {
  return mirrors.filter(mirror => isMirrored(mirror.fraction, Math.random())).map(mirror => mirror.target)
}

/** One copy on its way; nobody waits for it. */
class MirroredRequest implements UpstreamOwner {
  readonly #runtime: ProxyRuntime
  readonly #target: BackendRuntime
  readonly #request: OutgoingRequest
  readonly #body: Buffer
  readonly #timer: WheelTimer
  #endpoint: EndpointState | undefined = undefined
  #upstream: UpstreamStream | undefined = undefined

  constructor(runtime: ProxyRuntime, target: BackendRuntime, request: OutgoingRequest, body: Buffer) {
    this.#runtime = runtime
    this.#target = target
    this.#request = request
    this.#body = body
    this.#timer = new WheelTimer(() => this.#giveUp())
  }

  start(access: ClientAccess | undefined): void {
    const { turnMs: nowMs, gate } = this.#runtime
    const endpoint = this.#target.pick()
    if (endpoint === undefined) return
    if (gate !== undefined && access !== undefined && gate.refusal(access, endpoint) !== '') return
    if (this.#target.breaker?.tryAcquire('request') !== true) return
    const acquired = this.#target.acquire(this, this.#request, endpoint, nowMs)
    if (acquired === 'overloaded') {
      this.#target.breaker.release('request')
      return
    }
    this.#target.metrics.mirrored.value++
    this.#endpoint = endpoint
    endpoint.activeRequests++
    this.#runtime.timers.add(this.#timer, mirrorTimeoutMs)
    if (acquired === 'waiting') return
    this.#upstream = acquired
    if (!acquired.isConnecting) this.onUpstreamReady(acquired)
  }

  onUpstreamOpening(upstream: UpstreamStream): void {
    this.#upstream = upstream
  }

  onUpstreamQueued(): void {
    this.#upstream = undefined
  }

  onUpstreamReady(upstream: UpstreamStream): void {
    this.#upstream = upstream
    upstream.begin(this, this.#request)
    if (this.#request.hasBody) this.#sendBody(upstream)
    this.#runtime.out.flush()
  }

  #sendBody(upstream: UpstreamStream): void {
    const { bodyChange } = this.#request
    if (bodyChange === bodyChanges.none) {
      upstream.sendBody(this.#body, 0, this.#body.length)
      upstream.sendEnd(undefined)
      return
    }
    const { chunkLimits, entries } = this.#runtime
    const change = new BodyChange(chunkLimits, entries, {
      onChangedBody: (bytes, start, end) => upstream.sendBody(bytes, start, end),
    })
    change.start(bodyChange)
    change.take(this.#body, 0, this.#body.length)
    change.end(undefined)
    upstream.sendEnd(change.trailers)
  }

  onResponseEnd(): void {
    this.#leave()
  }

  onUpstreamFailed(): void {
    this.#leave()
  }

  onUpgraded(_upstream: UpstreamStream, _head: AnswerHead, connection: Connection): void {
    connection.destroy()
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
