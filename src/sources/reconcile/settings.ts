import type { BackendSettings, HashSource, HealthCheck, LoadBalancing, RetryPolicy } from '../../model/index.ts'
import { grpcStatuses } from '../../codec/index.ts'
import { assertNever } from '../../core/index.ts'
import { durationMs } from '../schema/duration.ts'
import type { BackendPolicySpec, HashSpec, HealthCheckSpec, LoadBalancingSpec } from '../schema/resource.ts'

/** The settings of a backend under a BackendPolicy, whose every field is filled in already. */
export function backendSettings(policy: BackendPolicySpec): BackendSettings {
  const { loadBalancing, outlierDetection, circuitBreaker } = policy
  return {
    loadBalancing: balancing(loadBalancing),
    healthCheck: policy.healthCheck === undefined ? undefined : healthCheck(policy.healthCheck),
    outlierDetection: {
      consecutiveFailures: outlierDetection.consecutiveFailures,
      consecutiveGatewayFailures: outlierDetection.consecutiveGatewayFailures,
      baseEjectionMs: durationMs(outlierDetection.baseEjection),
      maxEjectionMs: durationMs(outlierDetection.maxEjection),
      maxEjectionPercent: outlierDetection.maxEjectionPercent,
    },
    circuitBreaker: {
      maxConnections: circuitBreaker.maxConnections,
      maxPending: circuitBreaker.maxPending,
      maxRequests: circuitBreaker.maxRequests,
      retryBudgetPercent: circuitBreaker.retryBudget.percent,
      minRetryConcurrency: circuitBreaker.retryBudget.minConcurrency,
    },
    panicThresholdPercent: policy.panicThreshold,
    slowStartMs: durationMs(loadBalancing.slowStart),
    preferLocalZone: loadBalancing.locality === 'PreferLocal',
    connectTimeoutMs: durationMs(policy.connectTimeout),
    idleTimeoutMs: durationMs(policy.idleTimeout),
    ...(policy.streamIdleTimeout === undefined ? {} : { streamIdleTimeoutMs: durationMs(policy.streamIdleTimeout) }),
    ...(policy.proxyProtocol === undefined ? {} : { proxyProtocol: policy.proxyProtocol === 'V1' ? 'v1' : 'v2' }),
    ...(policy.kernelHttp === 'Off' ? { kernelHttp: 'off' as const } : {}),
    ...(policy.retry === undefined ? {} : { retry: retryPolicy(policy.retry) }),
  }
}

function retryPolicy(retry: NonNullable<BackendPolicySpec['retry']>): RetryPolicy {
  return {
    attempts: retry.attempts,
    codes: retry.codes,
    grpcCodes: retry.grpcCodes.map(name => grpcStatuses[name]),
    backoffMs: durationMs(retry.backoff),
  }
}

function balancing(spec: LoadBalancingSpec): LoadBalancing {
  switch (spec.type) {
    case 'RingHash':
      return { kind: 'RingHash', source: hashSource(spec.hash), minRingSize: spec.minRingSize }
    case 'Maglev':
      return { kind: 'Maglev', source: hashSource(spec.hash), tableSize: spec.tableSize }
    case 'RoundRobin':
    case 'LeastRequest':
    case 'PeakEwma':
    case 'Random':
      return { kind: spec.type }
    default:
      return assertNever(spec.type)
  }
}

function hashSource(hash: HashSpec | undefined): HashSource {
  if (hash?.header !== undefined) return { kind: 'header', name: hash.header.name.toLowerCase() }
  if (hash?.cookie !== undefined) {
    const { name, ttl, path } = hash.cookie
    return { kind: 'cookie', name, ttlMs: durationMs(ttl), path }
  }
  if (hash?.query !== undefined) return { kind: 'query', name: hash.query.name }
  return { kind: 'source' }
}

/** An absent host is the empty string: then the endpoint's address is the Host. */
export function healthCheck(spec: HealthCheckSpec): HealthCheck {
  const common = {
    intervalMs: durationMs(spec.interval),
    timeoutMs: durationMs(spec.timeout),
    healthyThreshold: spec.healthyThreshold,
    unhealthyThreshold: spec.unhealthyThreshold,
  }
  if (spec.grpc !== undefined) return { kind: 'GRPC', service: spec.grpc.service ?? '', ...common }
  if (spec.http === undefined) return { kind: 'TCP', ...common }
  const { path, host = '', expectedStatuses } = spec.http
  return { kind: 'HTTP', path, host, expected: expectedStatuses.map(statusRange), ...common }
}

/** `200` or `200-299`, both ends included. */
function statusRange(text: string): readonly [number, number] {
  const [from = '', to = from] = text.split('-')
  return [Number(from), Number(to)]
}
