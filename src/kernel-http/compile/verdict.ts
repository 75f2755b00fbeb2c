import { readyEndpoints } from '../../datapath/index.ts'
import { defaultBackendSettings } from '../../model/index.ts'
import type {
  Backend,
  BackendKey,
  BackendSettings,
  Endpoint,
  MeshSnapshot,
  RouteRule,
  WeightedBackend,
} from '../../model/index.ts'
import { tableLimits } from '../table.ts'

/** Where requests that a rule takes are answered from; the reason is for people, `retries configured`. */
export type Verdict =
  | { readonly kind: 'kernel'; readonly targets: readonly EndpointTarget[] }
  | { readonly kind: 'user space'; readonly reason: string }

export interface EndpointTarget {
  readonly endpoint: Endpoint
  readonly backend: BackendKey
  /** At least 1. */
  readonly weight: number
}

export interface VerdictInput {
  readonly backends: MeshSnapshot['backends']
  /** Whether connections to it are of the path: it is in the mesh, on this node. */
  readonly isReached: (endpoint: Endpoint) => boolean
}

/** Weights of backends and of their endpoints are brought to shares of this. */
const shares = 1_000_000

function userSpace(reason: string): Verdict {
  return { kind: 'user space', reason }
}

/** What the path cannot do for a rule, whatever its endpoints are; the first thing that is found. */
function ruleReason(rule: RouteRule): string | undefined {
  const { filters, retry, session, failure, plugins = [] } = rule
  if (failure !== undefined) return 'the rule cannot be carried out'
  const [filter] = filters
  if (filter !== undefined) return filterReasons[filter.kind] ?? `filter ${filter.kind}`
  if (plugins.length > 0) return 'plugin'
  if (retry !== undefined) return 'retries configured'
  if (session !== undefined) return 'session persistence'
  return undefined
}

const filterReasons: Readonly<Record<string, string>> = {
  'request-headers': 'header filter',
  'response-headers': 'header filter',
  redirect: 'redirect',
  rewrite: 'rewrite',
  mirror: 'mirror',
  cors: 'CORS',
  'rate-limit': 'rate limit',
  'external-auth': 'external authorization',
}

/** Of settings that somebody has chosen, and that only the proxy obeys. */
function settingsReason(settings: BackendSettings): string | undefined {
  const isDefault = (key: 'circuitBreaker' | 'outlierDetection' | 'slowStartMs'): boolean =>
    JSON.stringify(settings[key]) === JSON.stringify(defaultBackendSettings[key])
  const { kind } = settings.loadBalancing
  if (kind === 'RingHash' || kind === 'Maglev' || kind === 'PeakEwma') return `load balancing ${kind}`
  if (settings.retry !== undefined) return 'retries configured'
  if (settings.proxyProtocol !== undefined) return 'PROXY protocol'
  if (settings.preferLocalZone) return 'zones'
  if (settings.streamIdleTimeoutMs !== undefined) return 'time limit'
  if (!isDefault('circuitBreaker')) return 'circuit breaker'
  if (!isDefault('outlierDetection')) return 'outlier detection'
  if (!isDefault('slowStartMs')) return 'slow start'
  return undefined
}

function backendReason({ tls, protocol, settings }: Backend): string | undefined {
  if (tls !== undefined) return 'TLS to the backend'
  if (protocol !== 'http1') return protocol === 'h2c' ? 'HTTP/2 to the backend' : `backend of ${protocol}`
  return settingsReason(settings)
}

/** Pure: the same rule, backends and endpoints have the same verdict. */
export function verdictOf(rule: RouteRule, input: VerdictInput): Verdict {
  const reason = ruleReason(rule)
  if (reason !== undefined) return userSpace(reason)
  const weighted = rule.backends.filter(({ weight }) => weight > 0)
  if (weighted.length === 0) return userSpace('no backend')
  const total = weighted.reduce((sum, { weight }) => sum + weight, 0)
  const targets: EndpointTarget[] = []
  for (const backend of weighted) {
    const found = targetsOf(backend, total, input)
    if (typeof found === 'string') return userSpace(found)
    targets.push(...found)
  }
  if (targets.length > tableLimits.targets) return userSpace(`more than ${tableLimits.targets} endpoints`)
  return { kind: 'kernel', targets }
}

/** Its endpoints with their share, or a reason. */
function targetsOf(
  { target, filters, weight }: WeightedBackend,
  total: number,
  { backends, isReached }: VerdictInput,
): readonly EndpointTarget[] | string {
  if (filters.length > 0) return 'filter of a backend'
  const backend = target.kind === 'backend' ? backends.get(target.key) : undefined
  if (backend === undefined) return 'a backend that does not exist'
  const reason = backendReason(backend)
  if (reason !== undefined) return reason
  const ready = readyEndpoints(backend)
  if (ready.length === 0) return 'no endpoint is ready'
  const far = ready.find(endpoint => !isReached(endpoint))
  if (far !== undefined) return `endpoint ${far.id} is not reached in the kernel`
  const sum = ready.reduce((all, endpoint) => all + endpoint.weight, 0)
  return ready.map(endpoint => ({
    endpoint,
    backend: backend.key,
    weight: Math.max(1, Math.round((weight / total) * (endpoint.weight / sum) * shares)),
  }))
}
