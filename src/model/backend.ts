import type { RetryPolicy } from './retry-policy.ts'
import type { BackendTls } from './tls.ts'

/** `namespace/name` of a Service. */
export type ServiceKey = string
/** `namespace/name:port`, `namespace/name:port/udp`; one port of a Service, what a route sends to. */
export type BackendKey = string

/** A reference that can't be used answers `status` for its share of the traffic. */
export type BackendTarget =
  | { readonly kind: 'backend'; readonly key: BackendKey }
  | { readonly kind: 'invalid'; readonly status: number; readonly reason: string; readonly message: string }

/** What the endpoints of a backend speak. */
export type BackendProtocol = 'http1' | 'h2c' | 'tcp' | 'udp'

/** One address of a backend. Ids are stable: the same address keeps its connections and its balancer state. */
export interface Endpoint {
  /** `address:port` (IPv6 in brackets); unique within the backend. */
  readonly id: string
  readonly address: string
  readonly port: number
  /** Share of traffic relative to the other endpoints, 1 to 1,000,000. @default 1 */
  readonly weight: number
  /** Locality, `topology.kubernetes.io/zone`; empty when unknown. */
  readonly zone: string
  /** Name of the workload or of the EndpointSlice's target, for people; empty when unknown. */
  readonly workload: string
  /** False while readiness or an active health check says no; such an endpoint gets traffic only in panic. */
  readonly healthy: boolean
  /** True while it ends: no new requests, those under way finish. */
  readonly draining: boolean
}

export type HashSource =
  | { readonly kind: 'header'; readonly name: string }
  | { readonly kind: 'cookie'; readonly name: string; readonly ttlMs: number; readonly path: string }
  | { readonly kind: 'source' }
  | { readonly kind: 'query'; readonly name: string }

export type LoadBalancing =
  | { readonly kind: 'RoundRobin' }
  | { readonly kind: 'LeastRequest' }
  | { readonly kind: 'PeakEwma' }
  | { readonly kind: 'Random' }
  | { readonly kind: 'RingHash'; readonly source: HashSource; readonly minRingSize: number }
  | { readonly kind: 'Maglev'; readonly source: HashSource; readonly tableSize: number }

export type HealthCheck =
  | {
      readonly kind: 'HTTP'
      readonly path: string
      readonly host: string
      /** Inclusive ranges of status codes that count as healthy. */
      readonly expected: readonly (readonly [number, number])[]
      readonly intervalMs: number
      readonly timeoutMs: number
      readonly healthyThreshold: number
      readonly unhealthyThreshold: number
    }
  | {
      /** `grpc.health.v1.Health/Check` by HTTP/2; only SERVING is healthy. */
      readonly kind: 'GRPC'
      /** `pkg.Service`; empty for the server as a whole. */
      readonly service: string
      readonly intervalMs: number
      readonly timeoutMs: number
      readonly healthyThreshold: number
      readonly unhealthyThreshold: number
    }
  | {
      readonly kind: 'TCP'
      readonly intervalMs: number
      readonly timeoutMs: number
      readonly healthyThreshold: number
      readonly unhealthyThreshold: number
    }

/** Passive health: an endpoint that answers badly is ejected for a while. */
export interface OutlierDetection {
  /** Ejected after this many failures in a row (5xx, reset, timeout); 0 switches it off. */
  readonly consecutiveFailures: number
  /** Ejected after this many gateway failures (502, 503, 504, connect errors) in a row; 0 switches it off. */
  readonly consecutiveGatewayFailures: number
  /** First ejection; each further one of the same endpoint lasts that much longer. */
  readonly baseEjectionMs: number
  readonly maxEjectionMs: number
  /** How many of the endpoints may be ejected at once, 0 to 100; at least one always may. */
  readonly maxEjectionPercent: number
}

export interface CircuitBreaker {
  /** Connections to the backend, of all workers together. */
  readonly maxConnections: number
  /** Requests that wait for a connection. */
  readonly maxPending: number
  /** Requests under way. */
  readonly maxRequests: number
  /** Retries under way may be at most this share of the requests under way, in percent… */
  readonly retryBudgetPercent: number
  /** …but this many are always allowed. */
  readonly minRetryConcurrency: number
}

export interface BackendSettings {
  readonly loadBalancing: LoadBalancing
  readonly healthCheck: HealthCheck | undefined
  readonly outlierDetection: OutlierDetection
  readonly circuitBreaker: CircuitBreaker
  /** Below this share of healthy endpoints, in percent, all of them get traffic again; 0 switches panic off. */
  readonly panicThresholdPercent: number
  /** A new or recovered endpoint grows to its full share over this time; 0 is at once. */
  readonly slowStartMs: number
  /** Endpoints of the node's own zone first, others only as far as those lack capacity. */
  readonly preferLocalZone: boolean
  readonly connectTimeoutMs: number
  /** Version of the PROXY protocol header that a connection to an endpoint begins with. @default none */
  readonly proxyProtocol?: 'v1' | 'v2'
  /**
   * A session of TCP, TLS or UDP, a WebSocket, or a stream of HTTP or gRPC whose answer is under way ends after this
   * time without a byte in either direction. @default the proxy's limits; none for streams of HTTP and gRPC
   */
  readonly streamIdleTimeoutMs?: number
  /** An unused connection to an endpoint is closed after this time. */
  readonly idleTimeoutMs: number
  /** Plain requests may be passed on in the kernel, where the node does that. @default 'auto' */
  readonly kernelHttp?: 'auto' | 'off'
  /** For requests whose rule has no retries of its own. @default none */
  readonly retry?: RetryPolicy
}

/** One port of a Service with everything the proxy needs to send to it. Immutable; replaced whole. */
export interface Backend {
  readonly key: BackendKey
  readonly namespace: string
  readonly service: string
  readonly port: number
  readonly portName: string
  readonly protocol: BackendProtocol
  /** The port does not say what it speaks, `http1` is a guess. @default false */
  readonly isProtocolAssumed?: boolean
  /** Undefined for plain text. Whoever connects to an endpoint has to obey it. */
  readonly tls: BackendTls | undefined
  readonly endpoints: readonly Endpoint[]
  readonly settings: BackendSettings
}

export const defaultBackendSettings: BackendSettings = {
  loadBalancing: { kind: 'LeastRequest' },
  healthCheck: undefined,
  outlierDetection: {
    consecutiveFailures: 5,
    consecutiveGatewayFailures: 5,
    baseEjectionMs: 30_000,
    maxEjectionMs: 300_000,
    maxEjectionPercent: 10,
  },
  circuitBreaker: {
    maxConnections: 10_000,
    maxPending: 10_000,
    maxRequests: 10_000,
    retryBudgetPercent: 20,
    minRetryConcurrency: 3,
  },
  panicThresholdPercent: 50,
  slowStartMs: 0,
  preferLocalZone: false,
  connectTimeoutMs: 5_000,
  idleTimeoutMs: 60_000,
}
