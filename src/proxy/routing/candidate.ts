import type { HttpRoute, PathMatch, RouteMatch, RouteRule, ValueMatch } from '../../model/index.ts'
import { normalizePath } from './normalize-path.ts'
import { compilePathPattern } from './path-pattern.ts'
import type { PathPattern } from './path-pattern.ts'
import type { RouteRequest } from './request.ts'
import { compileRegex, testRegex } from '../../model/index.ts'

/** What matching answers: one frozen value per match, made when the route is compiled. */
export interface RouteDecision<T> {
  /** What the engine compiled for this route, rule and virtual host. */
  readonly target: T
  readonly route: HttpRoute
  readonly rule: RouteRule
  readonly match: RouteMatch
  /** For a prefix match its normal form without final slash (so empty for `/`); empty for other matches. */
  readonly matchedPrefix: string
}

/**
 * One step of a lookup. A candidate is its own last step: what leads to it has
 * tested all that it asks for.
 */
export interface Finder<T> {
  find(request: RouteRequest): Candidate<T> | undefined
}

/**
 * One match of one rule; itself the decision, so that a lookup touches as little
 * memory as it can. Where it is filed has decided on hostname and literal path.
 */
export class Candidate<T> implements RouteDecision<T>, Finder<T> {
  readonly target: T
  readonly matchedPrefix: string
  readonly route: HttpRoute
  readonly rule: RouteRule
  readonly match: RouteMatch
  /** With the value in normal form. */
  readonly path: PathMatch
  /** Of a regular expression. */
  readonly pattern: PathPattern | undefined
  readonly method: string | undefined
  readonly headers: readonly ValueTest[]
  readonly query: readonly ValueTest[]
  /** `namespace/name` */
  readonly routeName: string
  /** Position of the match in its rule. */
  readonly position: number

  constructor(target: T, route: HttpRoute, rule: RouteRule, position: number) {
    const match = rule.matches[position]
    if (match === undefined) throw new RangeError(`${route.key} has no match ${position}`)
    const path = normalPathMatch(match.path)
    this.target = target
    this.matchedPrefix = path.kind === 'prefix' ? path.value : ''
    this.route = route
    this.rule = rule
    this.match = match
    this.path = path
    this.pattern = path.kind === 'regex' ? compilePathPattern(path.value) : undefined
    this.method = match.method
    this.headers = valueTests(match.headers, name => name.toLowerCase())
    this.query = valueTests(match.query, name => name)
    this.routeName = `${route.namespace}/${route.name}`
    this.position = position
    Object.freeze(this)
  }

  /** For a request of which nothing is left to be tested. */
  find(): this {
    return this
  }
}

export interface ValueTest {
  readonly name: string
  readonly value: string
  readonly regex: RegExp | undefined
}

/** Rules are compared in the form in which requests are: `/%7Euser` and `/~user` are one path. */
export function normalPathMatch(path: PathMatch): PathMatch {
  if (path.kind === 'regex') return path
  const normal = normalizePath(path.value)
  const value = normal.kind === 'ok' ? normal.path : path.value
  if (path.kind === 'exact') return { kind: 'exact', value }
  return { kind: 'prefix', value: value.endsWith('/') ? value.slice(0, -1) : value }
}

const noTests: readonly ValueTest[] = []

/** Of several entries for one name only the first counts (Gateway API, HTTPRouteMatch). */
function valueTests(matches: readonly ValueMatch[], keyOf: (name: string) => string): readonly ValueTest[] {
  if (matches.length === 0) return noTests
  const tests = new Map<string, ValueTest>()
  for (const { kind, name, value } of matches) {
    const key = keyOf(name)
    if (tests.has(key)) continue
    tests.set(key, { name: key, value, regex: kind === 'regex' ? compileRegex(value) : undefined })
  }
  return [...tests.values()]
}

export function fitsValue(test: ValueTest, value: string | undefined): boolean {
  if (value === undefined) return false
  return test.regex === undefined ? test.value === value : testRegex(test.regex, value)
}

/**
 * The order of two candidates whose hostname and literal path are the same:
 * negative when `a` goes first. Gateway API, HTTPRouteRule: a method, more
 * headers, more query parameters, the older route, `namespace/name`, the first
 * rule, the first match.
 *
 * Where regular expressions stand is left to implementations. Ours come between
 * exact paths and prefixes, as in Envoy Gateway: after the prefixes, as in
 * Istio, one route for `/` would keep every expression of the host from ever
 * being asked. Among themselves the longer pattern goes first.
 */
export function compareCandidates<T>(a: Candidate<T>, b: Candidate<T>): number {
  if (a.pattern !== undefined && b.pattern !== undefined) {
    const longer = weightOf(b.path) - weightOf(a.path)
    if (longer !== 0) return longer
  }
  if ((a.method === undefined) !== (b.method === undefined)) return a.method === undefined ? 1 : -1
  if (a.headers.length !== b.headers.length) return b.headers.length - a.headers.length
  if (a.query.length !== b.query.length) return b.query.length - a.query.length
  if (a.route !== b.route) {
    if (a.route.createdMs !== b.route.createdMs) return a.route.createdMs - b.route.createdMs
    const named = compareText(a.routeName, b.routeName) || compareText(a.route.key, b.route.key)
    if (named !== 0) return named
  }
  return a.rule.index - b.rule.index || a.position - b.position
}

/** How specific a regular expression is: told by whoever made it, else as long as it is. */
function weightOf(path: PathMatch): number {
  return path.kind === 'regex' ? (path.weight ?? path.value.length) : 0
}

/** By code units, the same on every machine. */
function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
