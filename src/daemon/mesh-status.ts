import { grpcStatusNames } from '../codec/index.ts'
import type { Problem } from '../core/index.ts'
import type {
  Backend,
  BackendTarget,
  Filter,
  HealthCheck,
  HttpRoute,
  MeshSnapshot,
  NamedService,
  ResourceStatus,
  RetryPolicy,
  RouteMatch,
  RouteRule,
  ServiceAddress,
  StreamBackend,
  StreamRoute,
} from '../model/index.ts'
import { defaultBackendSettings } from '../model/index.ts'
import type {
  AgentStatus,
  CertificateStatus,
  EndpointStatus,
  Flow,
  LiveRates,
  NetworkPolicyStatus,
  Rates,
  RouteStatus,
  RuleStatus,
  ServiceStatus,
  StatusDocument,
} from '../observe/index.ts'
import { describeSafeguard } from './describe-safeguard.ts'
import { knownPlugins, namePlugin, pluginsOfRule, pluginsOfStream } from './plugins/describe-plugins.ts'
import type { ExplainedPlugin, KnownPlugins } from './plugins/describe-plugins.ts'
import type { EndpointActivity } from './worker-messages.ts'

/** Everything the status is made of; the agent gathers it. */
export interface StatusInput {
  readonly agent: AgentStatus
  readonly snapshot: MeshSnapshot
  readonly statuses: readonly ResourceStatus[]
  readonly certificates: readonly CertificateStatus[]
  readonly networkPolicies: readonly NetworkPolicyStatus[]
  readonly problems: readonly Problem[]
  readonly addresses: readonly ServiceAddress[]
  readonly named: readonly NamedService[]
  readonly activity: readonly EndpointActivity[]
  readonly rates: RateView
  /** Where a rule's requests are answered, while HTTP is in the kernel. @default nobody knows */
  readonly whereOf?: (route: string, rule: number) => string | undefined
}

/** The part of the rate window that is read here. */
export interface RateView {
  flows(): Flow[]
  total(): LiveRates
  by(dimension: 'route' | 'backend'): ReadonlyMap<string, LiveRates>
  endpoint(backend: string, endpoint: string): Rates
}

const idleEndpoint: Rates = { requestsPerSecond: 0, errorRatio: 0, p50: null, p90: null, p99: null }
const idle: LiveRates = { ...idleEndpoint, recent: [] }

/** The mesh at this moment, for the status page and every command that shows it. */
export function buildStatus(input: StatusInput): StatusDocument {
  const { snapshot, rates } = input
  const plugins = knownPlugins(snapshot)
  const byRoute = rates.by('route')
  const byBackend = rates.by('backend')
  const activity = sumActivity(input.activity)
  const addressOf = new Map(
    input.addresses.map(each => [`${each.namespace}/${each.service}:${each.port}`, formatHostPort(each)]),
  )
  const virtualOf = new Map(input.named.map(({ key, addresses }) => [key, addresses]))
  return {
    agent: input.agent,
    gateways: input.statuses.filter(({ kind }) => kind === 'Gateway' || kind === 'ListenerSet'),
    routes: [
      ...[...snapshot.routes.values()].map(route =>
        routeStatus(plugins, route, byRoute.get(route.key) ?? idle, input.whereOf),
      ),
      ...[...snapshot.streamRoutes.values()].map(route => streamStatus(plugins, route, byRoute.get(route.key) ?? idle)),
    ],
    services: [...snapshot.backends.values()].map(backend => ({
      key: backend.key,
      namespace: backend.namespace,
      name: backend.service,
      port: backend.port,
      protocol: backend.protocol,
      // An address is a Service's, whatever carries its port.
      address: addressOf.get(backend.key.replace(/\/udp$/, '')) ?? null,
      virtualAddresses: virtualOf.get(`${backend.namespace}/${backend.service}`) ?? [],
      policy: describePolicy(backend),
      // A backend that nobody asked has no rates to look up for each of its endpoints.
      endpoints: endpointsOf(backend, activity, byBackend.has(backend.key) ? rates : undefined),
      rates: byBackend.get(backend.key) ?? idle,
    })),
    certificates: input.certificates,
    networkPolicies: input.networkPolicies,
    problems: input.problems,
    flows: rates.flows(),
    rates: rates.total(),
  } satisfies StatusDocument & { services: readonly ServiceStatus[] }
}

/** `shop.yaml` may say `GET /cart/* with header x-user: anna`. */
export function describeMatch(match: RouteMatch): string {
  const { kind, value } = match.path
  const path = kind === 'exact' ? value : kind === 'regex' ? `path ~ ${value}` : value === '' ? '/*' : `${value}/*`
  const parts = [match.method === undefined ? path : `${match.method} ${path}`]
  for (const [what, tests] of [
    ['header', match.headers],
    ['query', match.query],
  ] as const) {
    for (const each of tests) parts.push(`with ${what} ${each.name}${each.kind === 'regex' ? ' ~' : ':'} ${each.value}`)
  }
  return parts.join(' ')
}

export function describeFilter(filter: Filter): string {
  switch (filter.kind) {
    case 'request-headers':
    case 'response-headers': {
      const edits = [
        ...filter.set.map(({ name, value }) => `set ${name}: ${value}`),
        ...filter.add.map(({ name, value }) => `add ${name}: ${value}`),
        ...filter.remove.map(name => `remove ${name}`),
      ]
      return `${filter.kind === 'request-headers' ? 'request' : 'response'} headers: ${edits.join(', ')}`
    }
    case 'redirect': {
      const host = filter.hostname === undefined ? '' : ` ${filter.hostname}`
      const port = filter.port === undefined ? '' : ` port ${filter.port}`
      const scheme = filter.scheme === undefined ? '' : ` ${filter.scheme}`
      const path = filter.path === undefined ? '' : ` ${describePath(filter.path)}`
      return `redirect to${scheme}${host}${port}${path}, ${filter.status}`
    }
    case 'rewrite': {
      const parts = [
        ...(filter.hostname === undefined ? [] : [`host to ${filter.hostname}`]),
        ...(filter.path === undefined ? [] : [describePath(filter.path)]),
      ]
      return `rewrite ${parts.join(', ')}`
    }
    case 'mirror':
      return `mirror ${Math.round(filter.fraction * 1e4) / 100}% to ${targetName(filter.target)}`
    case 'cors':
      return `CORS for ${filter.allowOrigins.join(', ')}`
    case 'body-limit':
    case 'compression':
    case 'direct-response':
    case 'external-auth':
    case 'fault':
    case 'rate-limit':
      return describeSafeguard(filter)
  }
}

function describePath(path: { readonly kind: 'full' | 'prefix'; readonly value: string }): string {
  return path.kind === 'full' ? `path to ${path.value}` : `prefix to ${path.value === '' ? '/' : path.value}`
}

function withPlace(rule: RuleStatus, kernelPath: string | undefined): RuleStatus {
  return kernelPath === undefined ? rule : { ...rule, kernelPath }
}

function routeStatus(
  known: KnownPlugins,
  route: HttpRoute,
  rates: LiveRates,
  whereOf: StatusInput['whereOf'],
): RouteStatus {
  return {
    key: route.key,
    virtualHosts: route.attachments.map(({ virtualHost }) => virtualHost),
    hostnames: [...new Set(route.attachments.flatMap(({ hostnames }) => hostnames))],
    rules: route.rules.map(rule => withPlace(ruleStatus(known, route, rule), whereOf?.(route.key, rule.index))),
    rates,
  }
}

/** Its one rule takes everything that comes to the route. */
function streamStatus(known: KnownPlugins, route: StreamRoute, rates: LiveRates): RouteStatus {
  const plugins = pluginNames(route, virtualHost => pluginsOfStream(known, route, virtualHost))
  return {
    key: route.key,
    virtualHosts: route.attachments.map(({ virtualHost }) => virtualHost),
    hostnames: [...new Set(route.attachments.flatMap(({ hostnames }) => hostnames))],
    rules: [
      { index: 0, name: route.ruleName ?? null, matches: [], filters: plugins, backends: backendsOf(route.backends) },
    ],
    rates,
  }
}

function backendsOf(backends: readonly StreamBackend[]): RuleStatus['backends'] {
  return backends.map(({ weight, target }) => ({
    key: targetName(target),
    weight,
    ...(target.kind === 'invalid' ? { invalid: target.message } : {}),
  }))
}

function ruleStatus(known: KnownPlugins, route: HttpRoute, rule: RouteRule): RuleStatus {
  const plugins = pluginNames(route, virtualHost => pluginsOfRule(known, route, rule, virtualHost))
  return {
    index: rule.index,
    name: rule.name ?? null,
    matches: rule.matches.map(describeMatch),
    filters: [...plugins, ...rule.filters.map(describeFilter)],
    backends: backendsOf(rule.backends),
  }
}

/** Those of any of its virtual hosts. */
function pluginNames(
  route: HttpRoute | StreamRoute,
  pluginsOn: (virtualHost: string) => readonly ExplainedPlugin[],
): readonly string[] {
  return [...new Set(route.attachments.flatMap(({ virtualHost }) => pluginsOn(virtualHost).map(namePlugin)))]
}

function targetName(target: BackendTarget): string {
  return target.kind === 'backend' ? target.key : target.reason
}

function endpointsOf(
  backend: Backend,
  activity: ReadonlyMap<string, EndpointActivity>,
  rates: RateView | undefined,
): EndpointStatus[] {
  return backend.endpoints.map(({ id, workload, zone, healthy, draining, weight }) => {
    const active = activity.get(`${backend.key} ${id}`)
    return {
      id,
      workload,
      zone,
      healthy,
      ejected: active?.ejected ?? false,
      draining,
      weight,
      activeRequests: active?.activeRequests ?? 0,
      rates: rates?.endpoint(backend.key, id) ?? idleEndpoint,
    }
  })
}

/** Of all workers: requests are added up; an endpoint counts as ejected when any of them ejected it. */
function sumActivity(activity: readonly EndpointActivity[]): ReadonlyMap<string, EndpointActivity> {
  const sums = new Map<string, EndpointActivity>()
  for (const each of activity) {
    const key = `${each.backend} ${each.endpoint}`
    const sum = sums.get(key)
    sums.set(
      key,
      sum === undefined
        ? each
        : {
            ...each,
            activeRequests: sum.activeRequests + each.activeRequests,
            ejected: sum.ejected || each.ejected,
          },
    )
  }
  return sums
}

function describeCheck(check: HealthCheck): string {
  if (check.kind === 'HTTP') return `health check ${check.path}`
  if (check.kind === 'TCP') return 'TCP health check'
  return check.service === '' ? 'gRPC health check' : `gRPC health check ${check.service}`
}

/** Load balancing and what else is not as by default: `RingHash, health check /healthz`. */
export function describePolicy({ settings }: Backend): string {
  const parts: string[] = [settings.loadBalancing.kind]
  const check = settings.healthCheck
  if (check !== undefined) parts.push(describeCheck(check))
  if (differs(settings.outlierDetection, defaultBackendSettings.outlierDetection)) parts.push('own outlier detection')
  if (differs(settings.circuitBreaker, defaultBackendSettings.circuitBreaker)) parts.push('own limits')
  if (settings.slowStartMs > 0) parts.push(`slow start ${settings.slowStartMs / 1000}s`)
  if (settings.preferLocalZone) parts.push('local zone first')
  if (settings.proxyProtocol !== undefined) parts.push(`PROXY protocol ${settings.proxyProtocol}`)
  if (settings.retry !== undefined) parts.push(describeRetry(settings.retry))
  return parts.join(', ')
}

/** `up to 2 retries after 503, unavailable` */
export function describeRetry({ attempts, codes, grpcCodes }: RetryPolicy): string {
  const reasons = [...codes.map(String), ...grpcCodes.map(code => grpcStatusNames[code] ?? String(code))]
  const after = reasons.length === 0 ? '' : ` after ${reasons.join(', ')}`
  return `up to ${attempts} ${attempts === 1 ? 'retry' : 'retries'}${after}`
}

function differs(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) !== JSON.stringify(b)
}

function formatHostPort({ address, port }: ServiceAddress): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}
