import { isIP } from 'node:net'
import { grpcStatusNames } from '../../codec/index.ts'
import { defaultBackendSettings } from '../../model/index.ts'
import { formatDuration, durationMs } from './duration.ts'
import { portName } from './core-kinds.ts'
import { dnsLabel, duration, headerName, labelValue, port } from './formats.ts'
import {
  array,
  byDefault,
  enumeration,
  exactlyOne,
  integer,
  map,
  object,
  optional,
  quote,
  required,
  string,
} from './shape.ts'
import type { Rule, Shape } from './shape.ts'
import type {
  BackendPolicySpec,
  HashSpec,
  HealthCheckSpec,
  LoadBalancingSpec,
  WorkloadPort,
  WorkloadSpec,
} from './resource.ts'

// heddle.dev/v1alpha1. The defaults are those of the model, so that a policy
// that says nothing changes nothing.

const defaults = defaultBackendSettings

/** Above these the settings would only be a typing mistake: a day, and an hour between two checks. */
const dayMs = 86_400_000
const hourMs = 3_600_000

const statusRange = string({
  pattern: /^[1-5][0-9]{2}(-[1-5][0-9]{2})?$/,
  about: 'a status "200" or a range "200-299"',
})

const empty = object<Record<string, never>>({})

const rangeOrder: Rule<NonNullable<HealthCheckSpec['http']>> = {
  reads: ['expectedStatuses'],
  check({ expectedStatuses }, reading) {
    for (const [index, range] of expectedStatuses.entries()) {
      const [from = '', to = from] = range.split('-')
      if (Number(to) < Number(from)) reading.error(`ends before it starts: ${quote(range)}`, 'expectedStatuses', index)
    }
  },
}

const healthCheck: Shape<HealthCheckSpec> = object<HealthCheckSpec>(
  {
    http: optional(
      object<NonNullable<HealthCheckSpec['http']>>(
        {
          path: byDefault(
            string({ min: 1, max: 1024, pattern: /^\/[!-~]*$/, about: 'a path and query that starts with "/"' }),
            '/',
          ),
          host: optional(
            string({ min: 1, max: 259, pattern: /^[A-Za-z0-9.\-_[\]:]+$/, about: 'a host, perhaps with a port' }),
          ),
          expectedStatuses: byDefault(array(statusRange, { min: 1, max: 32 }), Object.freeze(['200-299'])),
        },
        { rules: [rangeOrder] },
      ),
    ),
    grpc: optional(
      object<NonNullable<HealthCheckSpec['grpc']>>({
        service: optional(
          string({
            min: 1,
            max: 1024,
            pattern: /^[A-Za-z_][A-Za-z0-9_.]*$/,
            about: 'a gRPC service, as in pkg.Service',
          }),
        ),
      }),
    ),
    tcp: optional(empty),
    interval: byDefault(duration({ minMs: 100, maxMs: hourMs }), '5s'),
    timeout: byDefault(duration({ minMs: 10, maxMs: hourMs }), '1s'),
    healthyThreshold: byDefault(integer(1, 100), 1),
    unhealthyThreshold: byDefault(integer(1, 100), 3),
  },
  { rules: [exactlyOne('http', 'grpc', 'tcp')] },
)

/** RFC 6265 asks for a token. */
const cookieName = string({
  min: 1,
  max: 128,
  pattern: /^[A-Za-z0-9!#$%&'*+\-.^_`|~]+$/,
  about: 'a cookie name (RFC 6265 token)',
})

const cookiePath = string({
  min: 1,
  max: 1024,
  pattern: /^\/[!-:<-~]*$/,
  about: 'a path that starts with "/" and has no ";"',
})

const hash: Shape<HashSpec> = object<HashSpec>(
  {
    header: optional(object<{ name: string }>({ name: required(headerName) })),
    cookie: optional(
      object<NonNullable<HashSpec['cookie']>>({
        name: required(cookieName),
        ttl: byDefault(duration({ maxMs: 400 * dayMs }), '0s'),
        path: byDefault(cookiePath, '/'),
      }),
    ),
    source: optional(empty),
    query: optional(object<{ name: string }>({ name: required(string({ min: 1, max: 256 })) })),
  },
  { rules: [exactlyOne('header', 'cookie', 'source', 'query')] },
)

const hashByType: Rule<LoadBalancingSpec> = {
  reads: ['type', 'hash'],
  check({ type, hash: given }, reading) {
    const takesHash = type === 'RingHash' || type === 'Maglev'
    if (takesHash && given === undefined) {
      reading.error(`is required for type ${type}: one of header, cookie, source, query`, 'hash')
    }
    if (!takesHash && given !== undefined) reading.error(`does not go with type ${type}`, 'hash')
  },
}

// The bounds of Envoy's ring and Maglev tables: 8 million places, and the largest prime it allows.
const loadBalancing: Shape<LoadBalancingSpec> = object<LoadBalancingSpec>(
  {
    type: byDefault(
      enumeration('RoundRobin', 'LeastRequest', 'PeakEwma', 'Random', 'RingHash', 'Maglev'),
      defaults.loadBalancing.kind,
    ),
    hash: optional(hash),
    minRingSize: byDefault(integer(1, 8_388_608), 1024),
    tableSize: byDefault(integer(3, 5_000_011), 65_537),
    slowStart: byDefault(duration({ maxMs: hourMs }), formatDuration(defaults.slowStartMs)),
    locality: byDefault(enumeration('PreferLocal', 'None'), defaults.preferLocalZone ? 'PreferLocal' : 'None'),
  },
  { rules: [hashByType] },
)

type OutlierSpec = BackendPolicySpec['outlierDetection']

const ejectionOrder: Rule<OutlierSpec> = {
  reads: ['baseEjection', 'maxEjection'],
  check({ baseEjection, maxEjection }, reading) {
    if (durationMs(maxEjection) < durationMs(baseEjection)) {
      reading.error(`is shorter than baseEjection, ${baseEjection}`, 'maxEjection')
    }
  },
}

const percent = integer(0, 100)

const outlierDefaults: OutlierSpec = Object.freeze({
  consecutiveFailures: defaults.outlierDetection.consecutiveFailures,
  consecutiveGatewayFailures: defaults.outlierDetection.consecutiveGatewayFailures,
  baseEjection: formatDuration(defaults.outlierDetection.baseEjectionMs),
  maxEjection: formatDuration(defaults.outlierDetection.maxEjectionMs),
  maxEjectionPercent: defaults.outlierDetection.maxEjectionPercent,
})

const outlierDetection: Shape<OutlierSpec> = object<OutlierSpec>(
  {
    consecutiveFailures: byDefault(integer(0, 10_000), outlierDefaults.consecutiveFailures),
    consecutiveGatewayFailures: byDefault(integer(0, 10_000), outlierDefaults.consecutiveGatewayFailures),
    baseEjection: byDefault(duration({ minMs: 1, maxMs: dayMs }), outlierDefaults.baseEjection),
    maxEjection: byDefault(duration({ minMs: 1, maxMs: dayMs }), outlierDefaults.maxEjection),
    maxEjectionPercent: byDefault(percent, outlierDefaults.maxEjectionPercent),
  },
  { rules: [ejectionOrder] },
)

type BreakerSpec = BackendPolicySpec['circuitBreaker']

const breakerDefaults: BreakerSpec = Object.freeze({
  maxConnections: defaults.circuitBreaker.maxConnections,
  maxPending: defaults.circuitBreaker.maxPending,
  maxRequests: defaults.circuitBreaker.maxRequests,
  retryBudget: Object.freeze({
    percent: defaults.circuitBreaker.retryBudgetPercent,
    minConcurrency: defaults.circuitBreaker.minRetryConcurrency,
  }),
})

const circuitBreaker: Shape<BreakerSpec> = object<BreakerSpec>({
  maxConnections: byDefault(integer(1), breakerDefaults.maxConnections),
  maxPending: byDefault(integer(0), breakerDefaults.maxPending),
  maxRequests: byDefault(integer(1), breakerDefaults.maxRequests),
  retryBudget: byDefault(
    object<BreakerSpec['retryBudget']>({
      percent: byDefault(percent, breakerDefaults.retryBudget.percent),
      minConcurrency: byDefault(integer(0), breakerDefaults.retryBudget.minConcurrency),
    }),
    breakerDefaults.retryBudget,
  ),
})

type TargetReference = BackendPolicySpec['targetRefs'][number]

const targetReference: Shape<TargetReference> = object<TargetReference>({
  group: byDefault(enumeration(''), ''),
  kind: byDefault(enumeration('Service'), 'Service'),
  name: required(dnsLabel),
  sectionName: optional(dnsLabel),
})

type RetrySpec = NonNullable<BackendPolicySpec['retry']>

/** `ok` is no reason to try again. */
const grpcFailures = grpcStatusNames.filter(name => name !== 'ok')

const retry: Shape<RetrySpec> = object<RetrySpec>({
  attempts: byDefault(integer(1, 100), 1),
  backoff: byDefault(duration({ maxMs: hourMs }), '25ms'),
  codes: byDefault(array(integer(400, 599), { unique: { by: code => code, what: 'code' } }), Object.freeze([])),
  grpcCodes: byDefault(
    array(enumeration(...grpcFailures), { unique: { by: code => code, what: 'code' } }),
    Object.freeze([]),
  ),
})

export const backendPolicySpec: Shape<BackendPolicySpec> = object<BackendPolicySpec>({
  targetRefs: required(
    array(targetReference, {
      min: 1,
      max: 16,
      unique: { by: ({ name, sectionName = '' }) => `${name}:${sectionName}`, what: 'target' },
    }),
  ),
  loadBalancing: byDefault(
    loadBalancing,
    Object.freeze<LoadBalancingSpec>({
      type: defaults.loadBalancing.kind,
      minRingSize: 1024,
      tableSize: 65_537,
      slowStart: formatDuration(defaults.slowStartMs),
      locality: defaults.preferLocalZone ? 'PreferLocal' : 'None',
    }),
  ),
  healthCheck: optional(healthCheck),
  outlierDetection: byDefault(outlierDetection, outlierDefaults),
  panicThreshold: byDefault(percent, defaults.panicThresholdPercent),
  circuitBreaker: byDefault(circuitBreaker, breakerDefaults),
  protocol: optional(enumeration('HTTP1', 'H2C', 'TCP')),
  connectTimeout: byDefault(duration({ minMs: 1, maxMs: hourMs }), formatDuration(defaults.connectTimeoutMs)),
  idleTimeout: byDefault(duration({ minMs: 1, maxMs: dayMs }), formatDuration(defaults.idleTimeoutMs)),
  streamIdleTimeout: optional(duration({ minMs: 1_000, maxMs: 7 * dayMs })),
  proxyProtocol: optional(enumeration('V1', 'V2')),
  kernelHttp: byDefault(enumeration('Auto', 'Off'), 'Auto'),
  retry: optional(retry),
})

const address: Shape<string> = {
  expects: 'an IP address',
  read(value, reading) {
    if (typeof value === 'string' && isIP(value) !== 0) return value
    reading.error(`expected an IP address${typeof value === 'string' ? `, found ${quote(value)}` : ''}`)
    return undefined
  },
}

/** A NUL byte would end the text early in execve(2). */
const argument = string({ pattern: /^[^\0]*$/, about: 'text without NUL characters' })

const program: Rule<NonNullable<WorkloadSpec['process']>> = {
  reads: ['command'],
  check({ command }, reading) {
    if (command[0] === '') reading.error('must name a program', 'command', 0)
  },
}

const process: Shape<NonNullable<WorkloadSpec['process']>> = object<NonNullable<WorkloadSpec['process']>>(
  {
    command: required(array(argument, { min: 1, max: 1024 })),
    env: byDefault(
      map(argument, {
        max: 1024,
        keys: string({ min: 1, pattern: /^[^=\0]+$/, about: 'a variable name without "="' }),
      }),
      Object.freeze({}),
    ),
    workingDirectory: optional(string({ min: 1, max: 4096, pattern: /^[^\0]+$/, about: 'a directory' })),
    restartBackoff: byDefault(duration({ minMs: 10, maxMs: 60_000 }), '1s'),
  },
  { rules: [program] },
)

export const workloadSpec: Shape<WorkloadSpec> = object<WorkloadSpec>({
  service: optional(dnsLabel),
  port: required(port),
  ports: byDefault(
    array(
      object<WorkloadPort>({
        name: required(portName),
        port: required(port),
        protocol: byDefault(enumeration('TCP', 'UDP', 'SCTP'), 'TCP'),
      }),
      { max: 64, unique: { by: ({ name, protocol }) => `${name}/${protocol}`, what: 'name' } },
    ),
    Object.freeze([]),
  ),
  address: byDefault(address, '127.0.0.1'),
  process: optional(process),
  healthCheck: optional(healthCheck),
  zone: optional(labelValue),
  weight: byDefault(integer(1, 1_000_000), 1),
})
