import {
  type RetryPolicy,
  type RouteMatch,
  type RouteRule,
  type RuleFailure,
  type SessionPersistence,
  type WeightedBackend,
} from '../../model/index.ts'
import { durationMs } from '../schema/duration.ts'
import type { HttpBackendReference, HttpRouteRule, HttpRouteRetry, SessionPersistenceSpec } from '../schema/resource.ts'
import { resolveBackend } from './backend-refs.ts'
import { compileFilters, type FilterFailure } from './filters.ts'
import type { JudgedMatch } from './matches.ts'
import type { RouteDraft } from './route-draft.ts'
import { hashText } from './virtual-addresses.ts'

/**
 * One rule of an HTTPRoute or GRPCRoute for the data path.
 *
 * What can't be carried out must not open what it should close. A filter that
 * can't be applied makes its rule answer 500 (or, in a backendRef, that
 * backend's share). A regular expression outside the router's dialect makes its match
 * unusable: the match is left out, and the other matches of the rule answer 500
 * rather than fall to a less specific rule. Only a rule without any usable match
 * disappears.
 *
 * @param judged  its matches; none stands for everything
 * @returns undefined when no match of the rule is usable
 */
export function compileRule(
  draft: RouteDraft,
  rule: Omit<HttpRouteRule, 'matches'>,
  index: number,
  judged: readonly JudgedMatch[],
): RouteRule | undefined {
  const path = `spec.rules[${index}]`
  const compiled = compileFilters(draft, rule.filters ?? [], `${path}.filters`, 'rule')
  const { filters, plugins, failure: filterFailure } = compiled
  const failures: RuleFailure[] = []
  const fail = (message: string): void => void failures.push({ status: 500, message })
  if (filterFailure !== undefined) {
    reportFilter(draft, index, filterFailure)
    fail(filterFailure.message)
  }
  const redirects = filters.some(filter => filter.kind === 'redirect')
  if (redirects && (rule.backendRefs?.length ?? 0) > 0) {
    const message = 'a rule with a RequestRedirect has no backendRefs'
    draft.drop(index, `${path}.backendRefs`, message, { incompatible: true })
    fail(message)
  }
  const matches: RouteMatch[] = []
  for (const match of judged) {
    if (!('problem' in match)) {
      matches.push(match)
      continue
    }
    draft.drop(index, match.at, match.problem, { incompatible: false })
    fail(match.problem)
  }
  // The backends are judged even if the rule fails, so that one pass finds all mistakes.
  const backends = (rule.backendRefs ?? []).map((ref, at) => compileBackend(draft, ref, `${path}.backendRefs[${at}]`))
  if (matches.length === 0 && judged.length > 0) return undefined
  return {
    index,
    name: rule.name,
    matches: matches.length > 0 ? matches : [matchesEverything],
    filters,
    backends,
    requestTimeoutMs: rule.timeouts?.request === undefined ? undefined : durationMs(rule.timeouts.request),
    backendRequestTimeoutMs: duration(rule.timeouts?.backendRequest),
    retry: rule.retry === undefined ? undefined : retryPolicy(rule.retry),
    session: rule.sessionPersistence === undefined ? undefined : session(draft, rule, rule.sessionPersistence, index),
    failure: failures[0],
    ...(plugins.length === 0 ? {} : { plugins }),
  }
}

const matchesEverything: RouteMatch = {
  path: { kind: 'prefix', value: '' },
  method: undefined,
  headers: [],
  query: [],
}

/** @param rule  undefined for a backend of it */
function reportFilter(draft: RouteDraft, rule: number | undefined, failure: FilterFailure): void {
  const message = `${failure.message}; ${rule === undefined ? "the backend's share" : 'the rule'} answers 500`
  if (failure.cause === 'reported') return
  if (failure.cause === 'kind') draft.unresolve(failure.path, 'InvalidKind', message)
  else if (failure.cause === 'reference') draft.unresolve(failure.path, 'FilterNotFound', message)
  else draft.drop(rule, failure.path, message, { incompatible: failure.cause === 'clash' })
}

function compileBackend(draft: RouteDraft, ref: HttpBackendReference, path: string): WeightedBackend {
  const target = resolveBackend(draft, ref, path)
  const { filters, failure } = compileFilters(draft, ref.filters ?? [], `${path}.filters`, 'backend')
  if (failure === undefined) return { weight: ref.weight, target, filters }
  reportFilter(draft, undefined, failure)
  return {
    weight: ref.weight,
    target: { kind: 'invalid', status: 500, reason: 'InvalidFilter', message: failure.message },
    filters: [],
  }
}

function duration(text: string | undefined): number {
  return text === undefined ? 0 : durationMs(text)
}

/**
 * What a `retry` leaves open. One retry is the least that makes the stanza mean
 * something; without codes only connection errors are retried, as GEP-1731 names
 * no default codes; the pause is Envoy's base interval.
 */
const retryDefaults = { attempts: 1, backoffMs: 25 }

function retryPolicy(retry: HttpRouteRetry): RetryPolicy {
  return {
    attempts: retry.attempts ?? retryDefaults.attempts,
    codes: retry.codes ?? [],
    // The API has no field for gRPC statuses; a BackendPolicy has.
    grpcCodes: [],
    backoffMs: retry.backoff === undefined ? retryDefaults.backoffMs : durationMs(retry.backoff),
  }
}

/**
 * The default name of the cookie or header is the same for the same rule on
 * every machine and after every restart, or sessions would be lost with it. A
 * named rule keeps it when rules are inserted above.
 */
function session(
  draft: RouteDraft,
  rule: Pick<HttpRouteRule, 'name'>,
  spec: SessionPersistenceSpec,
  index: number,
): SessionPersistence {
  const { namespace, name } = draft.resource.metadata
  const hash = hashText(`${namespace}/${name}/${rule.name ?? index}`)
    .toString(16)
    .padStart(8, '0')
  const isCookie = spec.type === 'Cookie'
  return {
    kind: isCookie ? 'cookie' : 'header',
    name: spec.sessionName ?? (isCookie ? `heddle-${hash}` : `x-heddle-session-${hash}`),
    absoluteTimeoutMs: duration(spec.absoluteTimeout),
    idleTimeoutMs: 0,
    permanent: spec.cookieConfig?.lifetimeType === 'Permanent',
  }
}
