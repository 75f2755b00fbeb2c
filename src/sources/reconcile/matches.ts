import { validateRegex, type PathMatch, type RouteMatch, type ValueMatch } from '../../model/index.ts'
import type { GrpcMethodMatch, GrpcRouteMatch, HttpRouteMatch, HttpValueMatch } from '../schema/resource.ts'

/** One match of a rule for the data path, or why it can't be used, with its place. */
export type JudgedMatch = RouteMatch | { readonly at: string; readonly problem: string }

/** @param path  where the match stands: `spec.rules[0].matches[1]` */
export function judgeHttpMatch(match: HttpRouteMatch, path: string): JudgedMatch {
  const problem =
    findBrokenExpression([{ at: `${path}.path.value`, ...match.path }]) ??
    findBrokenExpression(valuesAt(match.headers, `${path}.headers`)) ??
    findBrokenExpression(valuesAt(match.queryParams, `${path}.queryParams`))
  if (problem !== undefined) return problem
  return {
    path: httpPath(match.path),
    method: match.method,
    headers: headerMatches(match.headers),
    query: uniqueByName((match.queryParams ?? []).map(param => valueMatch(param, param.name))),
  }
}

/** A method of gRPC is a path, `/shop.Cart/AddItem`. */
export function judgeGrpcMatch(match: GrpcRouteMatch, path: string): JudgedMatch {
  const { type, service, method } = match.method ?? { type: 'Exact' }
  const problem =
    findBrokenExpression([
      { at: `${path}.method.service`, type, value: service ?? '' },
      { at: `${path}.method.method`, type, value: method ?? '' },
    ]) ?? findBrokenExpression(valuesAt(match.headers, `${path}.headers`))
  if (problem !== undefined) return problem
  return { path: grpcPath(match.method), method: undefined, headers: headerMatches(match.headers), query: [] }
}

function httpPath({ type, value }: HttpRouteMatch['path']): PathMatch {
  if (type === 'Exact') return { kind: 'exact', value }
  if (type === 'RegularExpression') return { kind: 'regex', value }
  return { kind: 'prefix', value: value.endsWith('/') ? value.slice(0, -1) : value }
}

/** More than a service or a method may have characters. */
const serviceWeight = 1025

/**
 * Gateway API, GRPCRouteRule: the more characters of the service match, then of
 * the method, the earlier. Service and method together are an exact path, which
 * goes before everything else; whatever leaves one of them open is a regular
 * expression whose weight is that order. Of expressions the characters of the
 * pattern count, since what they match is different with every request.
 */
function grpcPath(match: GrpcMethodMatch | undefined): PathMatch {
  if (match === undefined) return { kind: 'prefix', value: '' }
  const { type, service = '', method = '' } = match
  if (type === 'Exact' && service !== '' && method !== '') return { kind: 'exact', value: `/${service}/${method}` }
  const pattern = (name: string): string => {
    if (name === '') return '[^/]+'
    return type === 'Exact' ? name.replaceAll('.', '\\.') : `(?:${name})`
  }
  const weight = service.length * serviceWeight + method.length
  return { kind: 'regex', value: `/${pattern(service)}/${pattern(method)}`, weight }
}

function headerMatches(headers: readonly HttpValueMatch[] = []): ValueMatch[] {
  return uniqueByName(headers.map(header => valueMatch(header, header.name.toLowerCase())))
}

export function valueMatch({ type, value }: HttpValueMatch, name: string): ValueMatch {
  return { kind: type === 'RegularExpression' ? 'regex' : 'exact', name, value }
}

/** Of equivalent names only the first counts (Gateway API, HTTPHeaderMatch.name). */
function uniqueByName(matches: readonly ValueMatch[]): ValueMatch[] {
  const seen = new Set<string>()
  return matches.filter(({ name }) => !seen.has(name) && seen.add(name))
}

interface TypedValue {
  readonly at: string
  readonly type: string
  readonly value: string
}

function valuesAt(values: readonly HttpValueMatch[] = [], path: string): readonly TypedValue[] {
  return values.map(({ type, value }, index) => ({ at: `${path}[${index}].value`, type, value }))
}

function findBrokenExpression(values: readonly TypedValue[]): { at: string; problem: string } | undefined {
  for (const { at, type, value } of values) {
    if (type !== 'RegularExpression') continue
    const problem = validateRegex(value)
    if (problem !== undefined) return { at, problem: `${value} ${problem}` }
  }
  return undefined
}
