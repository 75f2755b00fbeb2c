import { encodeOwnProxyHeader } from '../../codec/index.ts'
import type { Backend, BackendKey, BackendTls } from '../../model/index.ts'
import { Balancer } from '../balancing/balancer.ts'
import type { PickContext } from '../balancing/balancer.ts'
import type { EndpointState } from '../balancing/endpoint-state.ts'
import { CircuitBreaker } from '../resilience/circuit-breaker.ts'
import { judgeOutcome } from '../resilience/outlier.ts'
import { sessionTag } from '../routing/session.ts'
import type { ProxyRuntime } from '../runtime.ts'
import type { Connection, ConnectionHandler } from '../transport/connection.ts'
import { TlsToEndpoints } from '../transport/tls-client.ts'
import { BackendMetrics } from './backend-metrics.ts'
import { EndpointPool } from './endpoint-pool.ts'
import { Http1Upstream } from './http1-upstream.ts'
import type { UpstreamKeeper } from './http1-upstream.ts'
import { Http2Pool } from './http2-pool.ts'
import type { Http2UpstreamStream } from './http2-stream.ts'
import { Http2Upstream } from './http2-upstream.ts'
import type { Http2Keeper } from './http2-upstream.ts'
import type { OutgoingRequest } from './outgoing-request.ts'
import type { UpstreamOwner, UpstreamStream } from './upstream-stream.ts'

interface Waiter {
  readonly owner: UpstreamOwner
  readonly endpoint: EndpointState
  readonly isHttp2: boolean
}

/** A way to the endpoint, perhaps still connecting; a place in the queue; or neither. */
export type Acquired = UpstreamStream | 'waiting' | 'overloaded'

/** How a connection begins. */
interface Way {
  readonly preface: Buffer | undefined
  readonly policy: BackendTls | undefined
  readonly alpn: readonly string[]
}

const alpn = { 'http/1.1': ['http/1.1'], h2: ['h2'], none: [] } as const

/**
 * One worker's life with a backend: its balancer, breaker, connections and
 * metrics. It is found by key and outlives configurations, so that a change
 * keeps connections and statistics of every endpoint that stays.
 */
export class BackendRuntime implements UpstreamKeeper, Http2Keeper {
  readonly key: BackendKey
  readonly metrics: BackendMetrics
  readonly #runtime: ProxyRuntime
  readonly #clientCertificate: string
  #backend: Backend | undefined = undefined
  #balancer: Balancer | undefined = undefined
  #breaker: CircuitBreaker | undefined = undefined
  readonly #waiting: Waiter[] = []
  /** As last told: kept when the backend has gone, so that whoever still waits is not sent on as plain text. */
  #tls: BackendTls | undefined = undefined
  readonly #tlsClient: TlsToEndpoints
  readonly #pick: PickContext = { nowMs: 0, hash: -1, random: Math.random, tried: undefined }
  /** Connections from before the last change of TLS or protocol; undefined for none, the common case. */
  #outdated: Set<Http1Upstream> | undefined = undefined
  /** Every open connection, in use or not. */
  readonly #upstreams = new Set<Http1Upstream>()
  readonly #http2Upstreams = new Set<Http2Upstream>()
  /** The membership that `#byTag` was made for. */
  #tagged: readonly EndpointState[] | undefined = undefined
  #byTag = new Map<string, EndpointState>()

  /** @param clientCertificate  name of what endpoints are shown, if they ask by TLS; empty for none */
  constructor(runtime: ProxyRuntime, key: BackendKey, clientCertificate = '') {
    this.#runtime = runtime
    this.#clientCertificate = clientCertificate
    this.key = key
    this.metrics = new BackendMetrics(runtime, key)
    this.#tlsClient = new TlsToEndpoints(runtime.tls)
  }

  get backend(): Backend | undefined {
    return this.#backend
  }

  get balancer(): Balancer | undefined {
    return this.#balancer
  }

  get breaker(): CircuitBreaker | undefined {
    return this.#breaker
  }

  /** Takes a newer version, or undefined when the backend has gone. */
  update(backend: Backend | undefined): void {
    const nowMs = this.#runtime.clock.nowMs()
    const isOtherProtocol = this.#backend !== undefined && this.#backend.protocol !== backend?.protocol
    this.#backend = backend
    if (backend !== undefined && (backend.tls !== this.#tls || isOtherProtocol)) this.#reconnect(backend.tls)
    if (backend === undefined) {
      for (const state of this.#balancer?.states ?? []) state.pool?.[Symbol.dispose]()
      this.#balancer = undefined
      this.#tlsClient[Symbol.dispose]()
      return
    }
    if (this.#breaker === undefined) {
      this.#breaker = new CircuitBreaker(backend.settings.circuitBreaker, this.#runtime.workers)
    } else {
      this.#breaker.update(backend.settings.circuitBreaker)
    }
    if (this.#balancer === undefined) {
      this.#balancer = new Balancer(backend, {
        zone: this.#runtime.zone,
        nowMs,
        outlier: judgeOutcome,
        onEject: (endpoint, reason) => {
          this.metrics.ejections.value++
          this.#runtime.logger.warn('endpoint ejected', { backend: this.key, endpoint: endpoint.id, reason })
        },
      })
      return
    }
    for (const gone of this.#balancer.update(backend, nowMs)) gone.pool?.[Symbol.dispose]()
  }

  /** What was connected by the old way is used no more: unused connections close, those in use after their request. */
  #reconnect(tls: BackendTls | undefined): void {
    this.#tls = tls
    if (this.#upstreams.size > 0) this.#outdated = new Set(this.#upstreams)
    for (const state of this.#balancer?.states ?? []) {
      state.pool?.[Symbol.dispose]()
      state.pool = undefined
    }
  }

  connect(
    endpoint: EndpointState,
    handler: ConnectionHandler,
    onConnect: () => void,
    protocol: 'http/1.1' | 'h2',
  ): Connection {
    const version = this.#backend?.settings.proxyProtocol
    // A connection that is kept is nobody's in particular.
    const preface = version === undefined ? undefined : encodeOwnProxyHeader(version)
    return this.#connectWith(endpoint, handler, onConnect, { preface, policy: this.#tls, alpn: alpn[protocol] })
  }

  /**
   * A connection that is one client's for its whole life; `acquireStream` first.
   * @param options.preface        sent before anything else, TLS too
   * @param options.isPassthrough  what will be sent is TLS already: none is added
   * @param options.alpn           what the client has agreed upon with us, for an endpoint by TLS; empty for nothing
   */
  connectStream(
    endpoint: EndpointState,
    handler: ConnectionHandler,
    onConnect: () => void,
    options: { readonly preface: Buffer | undefined; readonly isPassthrough: boolean; readonly alpn: string },
  ): Connection {
    const { preface, isPassthrough } = options
    const policy = isPassthrough ? undefined : this.#tls
    const protocols = options.alpn === '' ? alpn.none : [options.alpn]
    return this.#connectWith(endpoint, handler, onConnect, { preface, policy, alpn: protocols })
  }

  #connectWith(endpoint: EndpointState, handler: ConnectionHandler, onConnect: () => void, way: Way): Connection {
    const { address, port } = endpoint.endpoint
    const { transport } = this.#runtime
    const { preface, policy } = way
    if (policy === undefined) {
      if (preface === undefined) return transport.connect(address, port, handler, onConnect)
      const connection: Connection = transport.connect(address, port, handler, () => {
        connection.write(preface, preface.length)
        onConnect()
      })
      return connection
    }
    const certificate = this.#runtime.clientCertificates.get(this.#clientCertificate)
    const target = { address, port, policy, certificate, alpn: way.alpn, preface }
    return this.#tlsClient.connect(target, handler, onConnect)
  }

  /** The endpoint that a session names by its tag. Costs a hash per endpoint, once per membership. */
  endpointByTag(tag: string): EndpointState | undefined {
    const states = this.#balancer?.states
    if (states === undefined) return undefined
    if (this.#tagged !== states) {
      this.#tagged = states
      this.#byTag = new Map(states.map(state => [sessionTag(this.key, state.id), state]))
    }
    return this.#byTag.get(tag)
  }

  /**
   * @param hash       for consistent hashing. @default none
   * @param tried      avoided while there are others
   * @param preferred  is taken if it may be used
   */
  pick(hash = -1, tried?: readonly EndpointState[], preferred?: EndpointState): EndpointState | undefined {
    const balancer = this.#balancer
    const { turnMs } = this.#runtime
    if (preferred !== undefined && balancer?.isUsable(preferred, turnMs) === true) return preferred
    const context = this.#pick
    context.nowMs = turnMs
    context.hash = hash
    context.tried = tried
    return balancer?.pick(context)
  }

  /**
   * A way to `endpoint`: an unused connection, one with room for a stream, a new one (still connecting), or a place
   * in the queue when there may be no more.
   */
  acquire(owner: UpstreamOwner, request: OutgoingRequest, endpoint: EndpointState, nowMs: number): Acquired {
    const { isHttp2 } = request
    if (isHttp2) {
      const shared = http2PoolOf(endpoint).find()
      if (shared !== undefined) return shared.open(owner)
    } else {
      const idleSinceMs = request.isRepeatable ? -Infinity : nowMs - this.#runtime.limits.unsafeReuseMs
      const unused = poolOf(endpoint).take(nowMs, idleSinceMs)
      if (unused !== undefined) return unused
    }
    return this.#acquireNew(owner, endpoint, isHttp2)
  }

  #acquireNew(owner: UpstreamOwner, endpoint: EndpointState, isHttp2: boolean): Acquired {
    const breaker = this.#breaker
    if (breaker === undefined) return 'overloaded'
    if (!breaker.tryAcquire('connection')) {
      if (!breaker.tryAcquire('pending')) return 'overloaded'
      this.#waiting.push({ owner, endpoint, isHttp2 })
      // An unused connection to another endpoint makes room; its close opens ours.
      this.#evictElsewhere()
      return 'waiting'
    }
    return isHttp2 ? this.#openHttp2(endpoint).open(owner) : this.#open(owner, endpoint)
  }

  /** Leaves the queue. */
  cancel(owner: UpstreamOwner): void {
    const at = this.#waiting.findIndex(waiter => waiter.owner === owner)
    if (at < 0) return
    this.#waiting.splice(at, 1)
    this.#breaker?.release('pending')
  }

  /** A connection that has served its request and can serve another. */
  release(upstream: Http1Upstream, keepAliveMs: number): void {
    if (this.#outdated?.has(upstream) === true) {
      upstream.abandon()
      return
    }
    const limitMs = this.#backend?.settings.idleTimeoutMs ?? 0
    const idleMs = keepAliveMs > 0 ? Math.min(limitMs, keepAliveMs) : limitMs
    const waiter = this.#waiting[0]
    const isOurs = waiter !== undefined && waiter.endpoint === upstream.endpoint && !waiter.isHttp2
    if (isOurs && upstream.connection.isOpen) {
      this.#waiting.shift()
      this.#breaker?.release('pending')
      waiter.owner.onUpstreamReady(upstream)
      this.#runtime.out.flush()
      return
    }
    upstream.idleSinceMs = this.#runtime.turnMs
    upstream.idleUntilMs = upstream.idleSinceMs + idleMs
    if (waiter !== undefined || idleMs <= 0 || !poolOf(upstream.endpoint).put(upstream)) upstream.abandon()
  }

  onConnected(_upstream: Http1Upstream | Http2Upstream): void {
    this.metrics.connectionsTotal.value++
  }

  /** Room for a connection that is one client's for its whole life; given back by `releaseStream`. */
  acquireStream(): boolean {
    if (this.#breaker?.tryAcquire('connection') !== true) return false
    this.metrics.connections.value++
    return true
  }

  releaseStream(): void {
    this.#connectionLeft()
  }

  onClosed(upstream: Http1Upstream | Http2Upstream, wasIdle = false): void {
    if (upstream instanceof Http2Upstream) {
      this.#http2Upstreams.delete(upstream)
    } else {
      const { pool } = upstream.endpoint
      if (wasIdle && pool instanceof EndpointPool) pool.remove(upstream)
      this.#upstreams.delete(upstream)
      if (this.#outdated?.delete(upstream) === true && this.#outdated.size === 0) this.#outdated = undefined
    }
    this.#connectionLeft()
  }

  /** There is room for one more. */
  #connectionLeft(): void {
    this.metrics.connections.value--
    this.#breaker?.release('connection')
    this.#openForNext()
  }

  /** A connection may be opened again: the first in the queue gets it. */
  #openForNext(): void {
    const next = this.#waiting[0]
    if (next === undefined || this.#breaker?.tryAcquire('connection') !== true) return
    if (next.isHttp2) {
      this.onRoom(this.#openHttp2(next.endpoint))
      return
    }
    this.#waiting.shift()
    this.#breaker.release('pending')
    next.owner.onUpstreamOpening(this.#open(next.owner, next.endpoint))
  }

  /** Requests in the queue for the same endpoint go on it, the oldest first. */
  onRoom(upstream: Http2Upstream): void {
    while (this.#waiting.length > 0 && upstream.hasRoom) {
      const at = this.#waiting.findIndex(({ isHttp2, endpoint }) => isHttp2 && endpoint === upstream.endpoint)
      const waiter = this.#waiting[at]
      if (waiter === undefined) return
      this.#waiting.splice(at, 1)
      this.#breaker?.release('pending')
      const stream = upstream.open(waiter.owner)
      if (stream.isConnecting) waiter.owner.onUpstreamOpening(stream)
      else waiter.owner.onUpstreamReady(stream)
    }
  }

  onLeaving(upstream: Http2Upstream): void {
    const { pool } = upstream.endpoint
    if (pool instanceof Http2Pool) pool.remove(upstream)
  }

  placeAnew(stream: Http2UpstreamStream): void {
    const { owner, endpoint } = stream
    stream.owner = undefined
    if (owner === undefined) return
    const acquired = http2PoolOf(endpoint).find()?.open(owner) ?? this.#acquireNew(owner, endpoint, true)
    if (acquired === 'overloaded') owner.onUpstreamFailed(stream, 'refused', 'the endpoint takes no more streams')
    else if (acquired === 'waiting') owner.onUpstreamQueued()
    else if (acquired.isConnecting) owner.onUpstreamOpening(acquired)
    else owner.onUpstreamReady(acquired)
  }

  closeExpired(nowMs: number): void {
    for (const state of this.#balancer?.states ?? []) {
      if (state.pool instanceof EndpointPool) state.pool.closeExpired(nowMs)
    }
    const idleTimeoutMs = this.#backend?.settings.idleTimeoutMs ?? 0
    for (const upstream of this.#http2Upstreams) upstream.sweep(nowMs, idleTimeoutMs)
  }

  #open(owner: UpstreamOwner, endpoint: EndpointState): Http1Upstream {
    this.metrics.connections.value++
    const upstream = new Http1Upstream(this.#runtime, this, endpoint, owner)
    this.#upstreams.add(upstream)
    return upstream
  }

  #openHttp2(endpoint: EndpointState): Http2Upstream {
    this.metrics.connections.value++
    const upstream = new Http2Upstream(this.#runtime, this, endpoint)
    this.#http2Upstreams.add(upstream)
    http2PoolOf(endpoint).put(upstream)
    return upstream
  }

  /** Closes every connection at once; their owners hear nothing. */
  cut(): void {
    this.update(undefined)
    this.#waiting.length = 0
    for (const upstream of this.#upstreams) upstream.abandon()
    for (const upstream of this.#http2Upstreams) upstream.cut()
  }

  #evictElsewhere(): void {
    for (const state of this.#balancer?.states ?? []) {
      const { pool } = state
      if ((pool instanceof EndpointPool || pool instanceof Http2Pool) && pool.evictOne()) return
    }
  }
}

/** A backend that changes its protocol leaves the connections of the old one. */
function poolOf(endpoint: EndpointState): EndpointPool {
  if (endpoint.pool instanceof EndpointPool) return endpoint.pool
  endpoint.pool?.[Symbol.dispose]()
  const pool = new EndpointPool()
  endpoint.pool = pool
  return pool
}

function http2PoolOf(endpoint: EndpointState): Http2Pool {
  if (endpoint.pool instanceof Http2Pool) return endpoint.pool
  endpoint.pool?.[Symbol.dispose]()
  const pool = new Http2Pool()
  endpoint.pool = pool
  return pool
}
