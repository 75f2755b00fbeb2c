import type { Counter, Gauge, Histogram } from '../../core/index.ts'
import type { Backend, BackendKey, BackendTls } from '../../model/index.ts'
import { Balancer } from '../balancing/balancer.ts'
import type { PickContext } from '../balancing/balancer.ts'
import type { EndpointState } from '../balancing/endpoint-state.ts'
import { CircuitBreaker } from '../resilience/circuit-breaker.ts'
import { judgeOutcome } from '../resilience/outlier.ts'
import { sessionTag } from '../routing/session.ts'
import type { ProxyRuntime } from '../runtime.ts'
import type { Connection, ConnectionHandler } from '../transport/connection.ts'
import { adoptSocket } from '../transport/node-connection.ts'
import { EndpointPool } from './endpoint-pool.ts'
import { statusClasses } from './status-classes.ts'
import { Upstream } from './upstream.ts'
import type { UpstreamKeeper, UpstreamOwner } from './upstream.ts'

interface Waiter {
  readonly owner: UpstreamOwner
  readonly endpoint: EndpointState
}

export type Acquired =
  | { readonly kind: 'connection'; readonly upstream: Upstream }
  | { readonly kind: 'waiting' }
  | { readonly kind: 'overloaded' }

const http1Only: readonly string[] = ['http/1.1']

const waiting: Acquired = { kind: 'waiting' }
const overloaded: Acquired = { kind: 'overloaded' }

/**
 * One worker's life with a backend: its balancer, breaker, connections and
 * metrics. It is found by key and outlives configurations, so that a change
 * keeps connections and statistics of every endpoint that stays.
 */
export class BackendRuntime implements UpstreamKeeper {
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
  /** Connections from before the last change of TLS; undefined for none, the common case. */
  #outdated: Set<Upstream> | undefined = undefined
  /** Every open connection, in use or not. */
  readonly #upstreams = new Set<Upstream>()
  /** The membership that `#byTag` was made for. */
  #tagged: readonly EndpointState[] | undefined = undefined
  #byTag = new Map<string, EndpointState>()

  /** @param clientCertificate  name of what endpoints are shown, if they ask by TLS; empty for none */
  constructor(runtime: ProxyRuntime, key: BackendKey, clientCertificate = '') {
    this.#runtime = runtime
    this.#clientCertificate = clientCertificate
    this.key = key
    this.metrics = new BackendMetrics(runtime, key)
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
    this.#backend = backend
    if (backend !== undefined && backend.tls !== this.#tls) this.#changeTls(backend.tls)
    if (backend === undefined) {
      for (const state of this.#balancer?.states ?? []) state.pool?.[Symbol.dispose]()
      this.#balancer = undefined
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
  #changeTls(tls: BackendTls | undefined): void {
    this.#tls = tls
    if (this.#upstreams.size > 0) this.#outdated = new Set(this.#upstreams)
    for (const state of this.#balancer?.states ?? []) {
      state.pool?.[Symbol.dispose]()
      state.pool = undefined
    }
  }

  connect(endpoint: EndpointState, handler: ConnectionHandler, onConnect: () => void): Connection {
    const { address, port } = endpoint.endpoint
    const { transport, tlsClients } = this.#runtime
    const policy = this.#tls
    if (policy === undefined) return transport.connect(address, port, handler, onConnect)
    const certificate = this.#runtime.clientCertificates.get(this.#clientCertificate)
    const target = { address, port, policy, certificate, alpn: http1Only }
    return adoptSocket(tlsClients.connect(target, onConnect), handler)
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

  pick(context: PickContext): EndpointState | undefined {
    return this.#balancer?.pick(context)
  }

  /**
   * A connection to `endpoint`: unused, new (still connecting), or a place in the queue when there may be no more.
   * @param isRepeatable  whether the request may be sent again if the connection turns out to be closed
   */
  acquire(owner: UpstreamOwner, endpoint: EndpointState, nowMs: number, isRepeatable: boolean): Acquired {
    const idleSinceMs = isRepeatable ? -Infinity : nowMs - this.#runtime.limits.unsafeReuseMs
    const unused = poolOf(endpoint).take(nowMs, idleSinceMs)
    if (unused !== undefined) return { kind: 'connection', upstream: unused }
    const breaker = this.#breaker
    if (breaker === undefined) return overloaded
    if (!breaker.tryAcquire('connection')) {
      if (!breaker.tryAcquire('pending')) return overloaded
      this.#waiting.push({ owner, endpoint })
      // An unused connection to another endpoint makes room; its close opens ours.
      this.#evictElsewhere()
      return waiting
    }
    return { kind: 'connection', upstream: this.#open(owner, endpoint) }
  }

  /** Leaves the queue. */
  cancel(owner: UpstreamOwner): void {
    const at = this.#waiting.findIndex(waiter => waiter.owner === owner)
    if (at < 0) return
    this.#waiting.splice(at, 1)
    this.#breaker?.release('pending')
  }

  /** A connection that has served its request and can serve another. */
  release(upstream: Upstream, keepAliveMs: number): void {
    if (this.#outdated?.has(upstream) === true) {
      upstream.abandon()
      return
    }
    const limitMs = this.#backend?.settings.idleTimeoutMs ?? 0
    const idleMs = keepAliveMs > 0 ? Math.min(limitMs, keepAliveMs) : limitMs
    const waiter = this.#waiting[0]
    if (waiter !== undefined && waiter.endpoint === upstream.endpoint && upstream.connection.isOpen) {
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

  onConnected(_upstream: Upstream): void {
    this.metrics.connectionsTotal.value++
  }

  onClosed(upstream: Upstream, wasIdle: boolean): void {
    if (wasIdle) poolOf(upstream.endpoint).remove(upstream)
    this.#upstreams.delete(upstream)
    if (this.#outdated?.delete(upstream) === true && this.#outdated.size === 0) this.#outdated = undefined
    this.metrics.connections.value--
    this.#breaker?.release('connection')
    const next = this.#waiting[0]
    if (next !== undefined && this.#breaker?.tryAcquire('connection') === true) {
      this.#waiting.shift()
      this.#breaker.release('pending')
      next.owner.onUpstreamOpening(this.#open(next.owner, next.endpoint))
    }
  }

  closeExpired(nowMs: number): void {
    for (const state of this.#balancer?.states ?? []) {
      if (state.pool instanceof EndpointPool) state.pool.closeExpired(nowMs)
    }
  }

  #open(owner: UpstreamOwner, endpoint: EndpointState): Upstream {
    this.metrics.connections.value++
    const upstream = new Upstream(this.#runtime, this, endpoint, owner)
    this.#upstreams.add(upstream)
    return upstream
  }

  /** Closes every connection at once; their owners hear nothing. */
  cut(): void {
    this.update(undefined)
    this.#waiting.length = 0
    for (const upstream of this.#upstreams) upstream.abandon()
  }

  #evictElsewhere(): void {
    for (const state of this.#balancer?.states ?? []) {
      if (state.pool instanceof EndpointPool && state.pool.evictOne()) return
    }
  }
}

function poolOf(endpoint: EndpointState): EndpointPool {
  if (endpoint.pool instanceof EndpointPool) return endpoint.pool
  const pool = new EndpointPool()
  endpoint.pool = pool
  return pool
}

/** The series of one backend, resolved once. */
export class BackendMetrics {
  readonly connections: Gauge
  readonly connectionsTotal: Counter
  readonly connectFailures: Counter
  readonly retries: Counter
  readonly retriesRefused: Counter
  readonly ejections: Counter
  readonly overloadedConnections: Counter
  readonly overloadedRequests: Counter
  readonly mirrored: Counter
  readonly firstByte: Histogram
  readonly #runtime: ProxyRuntime
  readonly #key: BackendKey
  readonly #byEndpoint = new WeakMap<EndpointState, Counter[]>()

  constructor(runtime: ProxyRuntime, key: BackendKey) {
    const { meter } = runtime
    const labels = { backend: key }
    this.#runtime = runtime
    this.#key = key
    this.connections = meter.gauge('heddle_upstream_connections', labels)
    this.connectionsTotal = meter.counter('heddle_upstream_connections_total', labels)
    this.connectFailures = meter.counter('heddle_upstream_connect_failures_total', labels)
    this.retries = meter.counter('heddle_upstream_retries_total', labels)
    this.retriesRefused = meter.counter('heddle_upstream_retries_refused_total', labels)
    this.ejections = meter.counter('heddle_upstream_ejections_total', labels)
    this.overloadedConnections = meter.counter('heddle_upstream_overloaded_total', { ...labels, limit: 'pending' })
    this.overloadedRequests = meter.counter('heddle_upstream_overloaded_total', { ...labels, limit: 'requests' })
    this.mirrored = meter.counter('heddle_mirrored_requests_total', labels)
    this.firstByte = meter.histogram('heddle_upstream_request_duration_seconds', labels)
  }

  /** Counters by status class, index 1 to 5. */
  answers(endpoint: EndpointState): Counter[] {
    let counters = this.#byEndpoint.get(endpoint)
    if (counters === undefined) {
      counters = statusClasses.map(status_class =>
        this.#runtime.meter.counter('heddle_upstream_requests_total', {
          backend: this.#key,
          endpoint: endpoint.id,
          status_class,
        }),
      )
      this.#byEndpoint.set(endpoint, counters)
    }
    return counters
  }
}
