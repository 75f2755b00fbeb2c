import type { HttpRoute, RouteMatch, RouteRule } from '../../model/index.ts'
import { compareCandidates, fitsValue } from './candidate.ts'
import type { Candidate, RouteDecision } from './candidate.ts'
import { fitsPattern } from './path-pattern.ts'
import { queryValue } from './query.ts'
import type { RouteRequest } from './request.ts'
import type { RouteTable } from './route-table.ts'

/** Why a request is routed as it is, as data; the command line makes text of it. */
export type RouteExplanation<T> =
  | { readonly kind: 'no-listener' }
  | { readonly kind: 'no-virtual-host'; readonly virtualHosts: readonly TriedVirtualHost[] }
  | {
      readonly kind: 'routed' | 'no-match'
      readonly virtualHosts: readonly TriedVirtualHost[]
      readonly virtualHost: string
      /** The namespace whose consumer routes decide; undefined for Gateway and producer routes. */
      readonly consumerNamespace: string | undefined
      /** Hostnames of routes that fit the host, the most specific first; undefined is any host. */
      readonly hostnames: readonly (string | undefined)[]
      /**
       * In order of precedence; those whose path does not fit come last, as far
       * as there is room. The first whose `mismatches` is empty is the winner.
       */
      readonly candidates: readonly ExplainedCandidate[]
      /** How many candidates were left out, all of another path. */
      readonly omitted: number
      readonly decision: RouteDecision<T> | undefined
    }

export interface TriedVirtualHost {
  readonly id: string
  readonly hostname: string | undefined
  readonly verdict: 'chosen' | 'less-specific' | 'host-differs'
}

export interface ExplainedCandidate {
  readonly hostname: string | undefined
  readonly route: HttpRoute
  readonly rule: RouteRule
  readonly match: RouteMatch
  readonly verdict: 'chosen' | 'outranked' | 'mismatch'
  /** All that does not fit; empty when the match fits. */
  readonly mismatches: readonly Mismatch[]
}

export interface Mismatch {
  readonly part: 'path' | 'method' | 'header' | 'query'
  /** Of the header or query parameter; empty for path and method. */
  readonly name: string
  readonly kind: 'exact' | 'prefix' | 'regex'
  readonly expected: string
  /** What the request has; undefined when it has none. */
  readonly actual: string | undefined
}

export interface ExplainOptions {
  /** Candidates of other paths are listed up to this many candidates in all. @default 50 */
  readonly limit?: number
}

export function explainRoute<T>(
  table: RouteTable<T>,
  listenerId: string,
  request: RouteRequest,
  clientNamespace: string | undefined,
  options: ExplainOptions = {},
): RouteExplanation<T> {
  const compiled = table.listener(listenerId)
  if (compiled === undefined) return { kind: 'no-listener' }
  const chosen = compiled.hosts.best(request.host)
  const fitting = new Set([...compiled.hosts.levels(request.host)].map(level => level.value.id))
  const virtualHosts = compiled.listener.virtualHosts.map(({ id, hostname }): TriedVirtualHost => {
    const verdict = id === chosen?.id ? 'chosen' : fitting.has(id) ? 'less-specific' : 'host-differs'
    return { id, hostname, verdict }
  })
  if (chosen === undefined) return { kind: 'no-virtual-host', virtualHosts }
  const levels = [...chosen.routesFor(clientNamespace).hosts.levels(request.host)]
  const ranked: RankedCandidate<T>[] = []
  levels.forEach(({ hostname, value }, level) => {
    for (const set of value.sets()) {
      for (const candidate of set.all)
        ranked.push({ level, hostname, candidate, fitsPath: fitsPath(candidate, request) })
    }
  })
  ranked.sort(compareRanked)
  const onPath = ranked.filter(entry => entry.fitsPath).length
  const listed = ranked.slice(0, Math.max(onPath, options.limit ?? 50))
  const decision = chosen.match(request, clientNamespace)
  return {
    kind: decision === undefined ? 'no-match' : 'routed',
    virtualHosts,
    virtualHost: chosen.id,
    consumerNamespace: chosen.hasConsumerRoutes(clientNamespace) ? clientNamespace : undefined,
    hostnames: levels.map(level => level.hostname),
    candidates: explainCandidates(listed, request),
    omitted: ranked.length - listed.length,
    decision: decision === undefined ? undefined : plainDecision(decision),
  }
}

/** Without what the table keeps beside it for its own lookups. */
function plainDecision<T>({ target, route, rule, match, matchedPrefix }: RouteDecision<T>): RouteDecision<T> {
  return { target, route, rule, match, matchedPrefix }
}

interface RankedCandidate<T> {
  readonly level: number
  readonly hostname: string | undefined
  readonly candidate: Candidate<T>
  readonly fitsPath: boolean
}

const pathRanks = { exact: 0, regex: 1, prefix: 2 } as const

function compareRanked<T>(a: RankedCandidate<T>, b: RankedCandidate<T>): number {
  if (a.fitsPath !== b.fitsPath) return a.fitsPath ? -1 : 1
  if (a.level !== b.level) return a.level - b.level
  const { path } = a.candidate
  const other = b.candidate.path
  if (path.kind !== other.kind) return pathRanks[path.kind] - pathRanks[other.kind]
  if (path.kind === 'prefix' && path.value.length !== other.value.length) return other.value.length - path.value.length
  return compareCandidates(a.candidate, b.candidate)
}

function explainCandidates<T>(
  listed: readonly RankedCandidate<T>[],
  request: RouteRequest,
): readonly ExplainedCandidate[] {
  let isDecided = false
  return listed.map(({ hostname, candidate }) => {
    const mismatches = mismatchesOf(candidate, request)
    const verdict = mismatches.length > 0 ? 'mismatch' : isDecided ? 'outranked' : 'chosen'
    if (verdict === 'chosen') isDecided = true
    const { route, rule, match } = candidate
    return { hostname, route, rule, match, verdict, mismatches }
  })
}

function fitsPath<T>({ path, pattern }: Candidate<T>, request: RouteRequest): boolean {
  switch (path.kind) {
    case 'exact':
      return request.path === path.value
    case 'prefix': {
      const next = request.path[path.value.length]
      return path.value === '' || (request.path.startsWith(path.value) && (next === undefined || next === '/'))
    }
    case 'regex':
      return pattern !== undefined && fitsPattern(pattern, request.path)
  }
}

function mismatchesOf<T>(candidate: Candidate<T>, request: RouteRequest): readonly Mismatch[] {
  const mismatches: Mismatch[] = []
  if (!fitsPath(candidate, request)) {
    const { kind, value } = candidate.path
    const expected = kind === 'prefix' && value === '' ? '/' : value
    mismatches.push({ part: 'path', name: '', kind, expected, actual: request.path })
  }
  if (candidate.method !== undefined && candidate.method !== request.method) {
    mismatches.push({ part: 'method', name: '', kind: 'exact', expected: candidate.method, actual: request.method })
  }
  const read = {
    header: (name: string) => request.header(name),
    query: (name: string) => queryValue(request.query, name),
  }
  for (const part of ['header', 'query'] as const) {
    for (const test of part === 'header' ? candidate.headers : candidate.query) {
      const actual = read[part](test.name)
      if (fitsValue(test, actual)) continue
      const kind = test.regex === undefined ? 'exact' : 'regex'
      mismatches.push({ part, name: test.name, kind, expected: test.value, actual })
    }
  }
  return mismatches
}
