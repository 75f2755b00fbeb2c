import type { GrpcStatusName } from '../../codec/index.ts'
import type { Duration, Resource, StringMap } from './object.ts'

// Our own kinds, heddle.dev/v1alpha1

/** Exactly one of `http`, `grpc` and `tcp`. */
export interface HealthCheckSpec {
  readonly http?: {
    /** @default '/' */
    readonly path: string
    /** The Host header. Absent: the endpoint's address. */
    readonly host?: string
    /** Codes (`200`) and inclusive ranges (`200-299`). @default ['200-299'] */
    readonly expectedStatuses: readonly string[]
  }
  readonly grpc?: {
    /** `pkg.Service`. Absent: the server as a whole. */
    readonly service?: string
  }
  readonly tcp?: Readonly<Record<string, never>>
  /** @default '5s' */
  readonly interval: Duration
  /** @default '1s' */
  readonly timeout: Duration
  /** @default 1 */
  readonly healthyThreshold: number
  /** @default 3 */
  readonly unhealthyThreshold: number
}

/** Exactly one of its members. */
export interface HashSpec {
  readonly header?: { readonly name: string }
  /** `ttl` 0s: a session cookie; `path` is `/` where absent. */
  readonly cookie?: { readonly name: string; readonly ttl: Duration; readonly path: string }
  readonly source?: Readonly<Record<string, never>>
  readonly query?: { readonly name: string }
}

export interface LoadBalancingSpec {
  /** @default 'LeastRequest' */
  readonly type: 'RoundRobin' | 'LeastRequest' | 'PeakEwma' | 'Random' | 'RingHash' | 'Maglev'
  /** There exactly for RingHash and Maglev. */
  readonly hash?: HashSpec
  /** RingHash. @default 1024 */
  readonly minRingSize: number
  /** Maglev; raised to the next prime. @default 65537 */
  readonly tableSize: number
  /** @default '0s' */
  readonly slowStart: Duration
  /** @default 'None' */
  readonly locality: 'PreferLocal' | 'None'
}

/** Every setting is filled in with its default; the reconciler maps them one to one. */
export interface BackendPolicySpec {
  readonly targetRefs: readonly {
    /** @default '' */
    readonly group: ''
    /** @default 'Service' */
    readonly kind: 'Service'
    readonly name: string
    /** Name of a port of the Service; absent: all ports. */
    readonly sectionName?: string
  }[]
  readonly loadBalancing: LoadBalancingSpec
  readonly healthCheck?: HealthCheckSpec
  readonly outlierDetection: {
    readonly consecutiveFailures: number
    readonly consecutiveGatewayFailures: number
    readonly baseEjection: Duration
    readonly maxEjection: Duration
    readonly maxEjectionPercent: number
  }
  /** Percent; 0 switches panic off. */
  readonly panicThreshold: number
  readonly circuitBreaker: {
    readonly maxConnections: number
    readonly maxPending: number
    readonly maxRequests: number
    readonly retryBudget: { readonly percent: number; readonly minConcurrency: number }
  }
  /** Absent: the `appProtocol` of the Service's port decides. */
  readonly protocol?: 'HTTP1' | 'H2C' | 'TCP'
  readonly connectTimeout: Duration
  readonly idleTimeout: Duration
  /** A session of TCP, TLS or UDP ends after this time without a byte. Absent: an hour, of UDP a minute. */
  readonly streamIdleTimeout?: Duration
  /** Version of the PROXY protocol header that connections to endpoints begin with. Absent: none. */
  readonly proxyProtocol?: 'V1' | 'V2'
  /** Plain requests may be passed on in the kernel, where the node's setting kernelHttp says so. @default 'Auto' */
  readonly kernelHttp: 'Auto' | 'Off'
  /** For requests whose rule has no retries of its own. */
  readonly retry?: {
    /** Retries after the first try. @default 1 */
    readonly attempts: number
    /** @default '25ms' */
    readonly backoff: Duration
    /** HTTP statuses, beside connection errors. @default [] */
    readonly codes: readonly number[]
    /** gRPC statuses by name. @default [] */
    readonly grpcCodes: readonly GrpcStatusName[]
  }
}

export type BackendPolicyResource = Resource<'BackendPolicy', BackendPolicySpec>

export interface WorkloadPort {
  readonly name: string
  readonly port: number
  /** @default 'TCP' */
  readonly protocol: 'TCP' | 'UDP' | 'SCTP'
}

export interface WorkloadSpec {
  /** Name of a Service of the same namespace; absent when Services select it by its labels. */
  readonly service?: string
  readonly port: number
  /** Names of ports that it listens on, `port` or others; for NetworkPolicies that name ports. @default [] */
  readonly ports: readonly WorkloadPort[]
  /** @default '127.0.0.1' */
  readonly address: string
  readonly process?: {
    readonly command: readonly string[]
    /** @default {} */
    readonly env: StringMap
    /** Relative ones start at the directory of the file. */
    readonly workingDirectory?: string
    /** @default '1s' */
    readonly restartBackoff: Duration
  }
  readonly healthCheck?: HealthCheckSpec
  readonly zone?: string
  /** @default 1 */
  readonly weight: number
}

export type WorkloadResource = Resource<'Workload', WorkloadSpec>
