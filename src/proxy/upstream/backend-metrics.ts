import { grpcStatusNames } from '../../codec/index.ts'
import type { Counter, Gauge, Histogram } from '../../core/index.ts'
import type { BackendKey } from '../../model/index.ts'
import type { EndpointState } from '../balancing/endpoint-state.ts'
import type { ProxyRuntime } from '../runtime.ts'
import { statusClasses } from './status-classes.ts'

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
  readonly #calls = new WeakMap<EndpointState, (Counter | undefined)[]>()

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
  answers(endpoint: EndpointState): readonly { value: number }[] {
    endpoint.answers ??= statusClasses.map(status_class =>
      this.#runtime.meter.counter('heddle_upstream_requests_total', {
        backend: this.#key,
        endpoint: endpoint.id,
        status_class,
      }),
    )
    return endpoint.answers
  }

  /** Counts a try that was answered. */
  answered(endpoint: EndpointState, status: number, firstByteMs: number): void {
    this.firstByte.record(firstByteMs / 1000)
    const counter = this.answers(endpoint)[(status / 100) | 0]
    if (counter !== undefined) counter.value++
  }

  /** Counts a try of gRPC that ended with this status. */
  call(endpoint: EndpointState, grpcStatus: number): void {
    let counters = this.#calls.get(endpoint)
    if (counters === undefined) {
      counters = grpcStatusNames.map(() => undefined)
      this.#calls.set(endpoint, counters)
    }
    const counter = (counters[grpcStatus] ??= this.#runtime.meter.counter('heddle_upstream_grpc_requests_total', {
      backend: this.#key,
      endpoint: endpoint.id,
      grpc_status: grpcStatusNames[grpcStatus] ?? 'unknown',
    }))
    counter.value++
  }
}
