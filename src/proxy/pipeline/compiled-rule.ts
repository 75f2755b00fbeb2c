import { grpcStatusNames } from '../../codec/index.ts'
import type { Counter, Histogram, Meter } from '../../core/index.ts'
import type { CorsPolicy, Filter, HeaderEdits, HttpRoute, RouteRule, WeightedBackend } from '../../model/index.ts'
import type { FilterPlan } from '../filters/filter-plan.ts'
import type { HttpPluginChain } from '../plugins/http-plugins.ts'
import { chooseWeighted, weightTable } from '../routing/choose-weighted.ts'
import type { WeightTable } from '../routing/choose-weighted.ts'
import { statusClasses } from '../upstream/status-classes.ts'
import type { BackendRuntime } from '../upstream/backend-runtime.ts'
import { CallerSeries } from './caller-series.ts'
import { EditPlan } from './header-edits.ts'

export type RedirectFilter = Extract<Filter, { kind: 'redirect' }>
export type RewriteFilter = Extract<Filter, { kind: 'rewrite' }>
export type MirrorFilter = Extract<Filter, { kind: 'mirror' }>

export interface RuleContext {
  readonly meter: Meter
  /** The long-lived runtime of a backend, made when first named. */
  backend(key: string): BackendRuntime
  /** Undefined for rules without safeguards. */
  filterPlan(filters: readonly Filter[]): FilterPlan | undefined
  /** Undefined for rules without plugins. */
  plugins(rule: RouteRule): HttpPluginChain | undefined
}

/** One rule of a route on one virtual host, with everything a request needs already looked up. */
export class CompiledRule {
  readonly rule: RouteRule
  readonly routeName: string
  readonly ruleName: string
  readonly virtualHost: string
  /** Its backends are spoken HTTP/2 with, whatever else is known of them. */
  readonly isGrpc: boolean
  /** The only backend with a share, which most rules have; undefined when a choice must be made. */
  readonly single: CompiledBackend | undefined
  readonly redirect: RedirectFilter | undefined
  readonly cors: CorsPolicy | undefined
  /** Whether something answers before all else, or adds to every answer: one comparison for the many rules without. */
  readonly hasEarlyAnswer: boolean
  /** Safeguards; undefined for the many rules without. */
  readonly filterPlan: FilterPlan | undefined
  /** Undefined for the many rules without. */
  readonly plugins: HttpPluginChain | undefined
  readonly mirrors: readonly CompiledMirror[]
  /** For answers of our own, which no backend gave. */
  readonly series: RouteSeries
  readonly #weights: WeightTable<CompiledBackend>

  constructor(context: RuleContext, route: HttpRoute, rule: RouteRule, virtualHost: string) {
    this.rule = rule
    this.routeName = route.key
    this.ruleName = rule.name ?? String(rule.index)
    this.virtualHost = virtualHost
    this.isGrpc = route.kind === 'GRPCRoute'
    this.redirect = rule.filters.find(filter => filter.kind === 'redirect')
    this.cors = rule.filters.find(filter => filter.kind === 'cors')
    this.hasEarlyAnswer = this.cors !== undefined || rule.failure !== undefined
    this.filterPlan = context.filterPlan(rule.filters)
    this.plugins = context.plugins(rule)
    const backends = rule.backends.map(
      backend => new CompiledBackend(context, this.routeName, rule, backend, virtualHost),
    )
    this.#weights = weightTable(backends)
    this.single = this.#weights.members.length === 1 ? this.#weights.members[0] : undefined
    this.mirrors = mirrorsOf(context, rule.filters)
    this.series = new RouteSeries(context.meter, virtualHost, this.routeName, '')
  }

  /** By weight; undefined when no backend has any. */
  choose(random01: number): CompiledBackend | undefined {
    return this.single ?? chooseWeighted(this.#weights, random01)
  }
}

export interface CompiledMirror {
  readonly target: BackendRuntime
  readonly fraction: number
}

/** One backend of a rule with the filters of both joined. */
export class CompiledBackend {
  readonly weight: number
  readonly target: BackendRuntime | undefined
  /** Set when the reference can't be used. */
  readonly invalid: { readonly status: number; readonly message: string } | undefined
  readonly name: string
  readonly requestEdits: EditPlan
  readonly responseEdits: EditPlan
  readonly rewrite: RewriteFilter | undefined
  readonly redirect: RedirectFilter | undefined
  readonly mirrors: readonly CompiledMirror[]
  readonly series: RouteSeries
  readonly callers: CallerSeries

  constructor(context: RuleContext, routeName: string, rule: RouteRule, backend: WeightedBackend, virtualHost: string) {
    const filters = [...rule.filters, ...backend.filters]
    this.weight = backend.weight
    const { target } = backend
    this.target = target.kind === 'backend' ? context.backend(target.key) : undefined
    this.invalid = target.kind === 'invalid' ? { status: target.status, message: target.message } : undefined
    this.name = target.kind === 'backend' ? target.key : ''
    this.rewrite = filters.findLast(filter => filter.kind === 'rewrite')
    const edits: HeaderEdits[] = filters.filter(filter => filter.kind === 'request-headers')
    const hostname = this.rewrite?.hostname
    if (hostname !== undefined) edits.push({ set: [{ name: 'host', value: hostname }], add: [], remove: [] })
    this.requestEdits = new EditPlan(edits)
    const responseEdits: HeaderEdits[] = filters.filter(filter => filter.kind === 'response-headers')
    if (rule.filters.some(filter => filter.kind === 'cors')) responseEdits.unshift(withoutCors)
    this.responseEdits = new EditPlan(responseEdits)
    this.redirect = backend.filters.find(filter => filter.kind === 'redirect')
    this.mirrors = mirrorsOf(context, backend.filters)
    this.series = new RouteSeries(context.meter, virtualHost, routeName, this.name)
    this.callers = new CallerSeries(context.meter, this.name)
  }
}

/** Where the gateway answers for CORS, what the endpoint says of it would contradict or double it. */
const withoutCors: HeaderEdits = {
  set: [],
  add: [],
  remove: [
    'access-control-allow-origin',
    'access-control-allow-credentials',
    'access-control-allow-methods',
    'access-control-allow-headers',
    'access-control-expose-headers',
    'access-control-max-age',
  ],
}

function mirrorsOf(context: RuleContext, filters: readonly Filter[]): CompiledMirror[] {
  const mirrors: CompiledMirror[] = []
  for (const filter of filters) {
    // A mirror whose target is invalid is skipped: its answer would be ignored anyway, and the status names it.
    if (filter.kind !== 'mirror' || filter.target.kind !== 'backend') continue
    mirrors.push({ target: context.backend(filter.target.key), fraction: filter.fraction })
  }
  return mirrors
}

/** The request metrics of one route towards one backend; made when first used, since most of many routes are quiet. */
export class RouteSeries {
  readonly #meter: Meter
  readonly #labels: { readonly virtual_host: string; readonly route: string; readonly backend: string }
  #requests: readonly Counter[] | undefined = undefined
  /** By gRPC status; each made when it first comes up. */
  #calls: (Counter | undefined)[] | undefined = undefined
  #duration: Histogram | undefined = undefined
  #requestBytes: Counter | undefined = undefined
  #responseBytes: Counter | undefined = undefined

  constructor(meter: Meter, virtualHost: string, route: string, backend: string) {
    this.#meter = meter
    this.#labels = { virtual_host: virtualHost, route, backend }
  }

  record(status: number, seconds: number, requestBytes: number, responseBytes: number): void {
    if (this.#requests === undefined) this.#resolve()
    const counter = this.#requests?.[(status / 100) | 0]
    if (counter !== undefined) counter.value++
    this.#duration?.record(seconds)
    if (this.#requestBytes !== undefined) this.#requestBytes.value += requestBytes
    if (this.#responseBytes !== undefined) this.#responseBytes.value += responseBytes
  }

  /** A request of gRPC that ended with this status. */
  recordCall(grpcStatus: number): void {
    const counters = (this.#calls ??= grpcStatusNames.map(() => undefined))
    const counter = (counters[grpcStatus] ??= this.#meter.counter('rpc_server_requests_total', {
      ...this.#labels,
      grpc_status: grpcStatusNames[grpcStatus] ?? 'unknown',
    }))
    counter.value++
  }

  #resolve(): void {
    const meter = this.#meter
    this.#requests = statusClasses.map(status_class =>
      meter.counter('http_server_requests_total', { ...this.#labels, status_class }),
    )
    this.#duration = meter.histogram('http_server_request_duration_seconds', this.#labels)
    this.#requestBytes = meter.counter('http_server_request_bytes_total', this.#labels)
    this.#responseBytes = meter.counter('http_server_response_bytes_total', this.#labels)
  }
}
