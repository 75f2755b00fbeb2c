import type { Counter, Histogram, Meter } from '../../core/index.ts'
import type { CorsPolicy, Filter, HeaderEdits, HttpRoute, RouteRule, WeightedBackend } from '../../model/index.ts'
import { chooseWeighted, weightTable } from '../routing/choose-weighted.ts'
import type { WeightTable } from '../routing/choose-weighted.ts'
import { statusClasses } from '../upstream/status-classes.ts'
import type { BackendRuntime } from '../upstream/backend-runtime.ts'
import { EditPlan } from './header-edits.ts'

export type RedirectFilter = Extract<Filter, { kind: 'redirect' }>
export type RewriteFilter = Extract<Filter, { kind: 'rewrite' }>
export type MirrorFilter = Extract<Filter, { kind: 'mirror' }>

export interface RuleContext {
  readonly meter: Meter
  /** The long-lived runtime of a backend, made when first named. */
  backend(key: string): BackendRuntime
}

/** One rule of a route on one virtual host, with everything a request needs already looked up. */
export class CompiledRule {
  readonly rule: RouteRule
  readonly routeName: string
  readonly ruleName: string
  readonly virtualHost: string
  /** The only backend with a share, which most rules have; undefined when a choice must be made. */
  readonly single: CompiledBackend | undefined
  readonly redirect: RedirectFilter | undefined
  readonly cors: CorsPolicy | undefined
  /** Whether a filter may answer instead of a backend, or adds to every answer: one comparison for the many rules without. */
  readonly hasFilterAnswer: boolean
  readonly mirrors: readonly CompiledMirror[]
  /** For answers of our own, which no backend gave. */
  readonly series: RouteSeries
  readonly #weights: WeightTable<CompiledBackend>

  constructor(context: RuleContext, route: HttpRoute, rule: RouteRule, virtualHost: string) {
    this.rule = failUnlessCarriedOut(rule)
    this.routeName = route.key
    this.ruleName = rule.name ?? String(rule.index)
    this.virtualHost = virtualHost
    this.redirect = rule.filters.find(filter => filter.kind === 'redirect')
    this.cors = rule.filters.find(filter => filter.kind === 'cors')
    this.hasFilterAnswer = this.redirect !== undefined || this.cors !== undefined || this.rule.failure !== undefined
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

const notCarriedOut: ReadonlySet<Filter['kind']> = new Set([
  'rate-limit',
  'fault',
  'compression',
  'direct-response',
  'body-limit',
  'external-auth',
])

/** A filter is never skipped: a rule with one that the pipeline does not carry out yet answers 500. */
function failUnlessCarriedOut(rule: RouteRule): RouteRule {
  const filter = rule.filters.find(({ kind }) => notCarriedOut.has(kind))
  if (filter === undefined || rule.failure !== undefined) return rule
  return { ...rule, failure: { status: 500, message: `the filter ${filter.kind} is not carried out` } }
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
