import { assertNever } from '../../core/index.ts'
import type { CorsPolicy, Filter, HeaderEdits, PathModifier } from '../../model/index.ts'
import type {
  HttpCors,
  HttpHeaderModifier,
  HttpPathModifier,
  HttpRequestMirror,
  HttpRouteFilter,
} from '../schema/resource.ts'
import { resolveBackend } from './backend-refs.ts'
import type { RouteDraft } from './route-draft.ts'

/** The filters that can be carried out, and why one of them can't: then none may be skipped, so the rule has to fail. */
export interface CompiledFilters {
  readonly filters: readonly Filter[]
  readonly failure: FilterFailure | undefined
}

export interface FilterFailure {
  readonly path: string
  readonly message: string
  /** `reference`: an extension that does not exist; `value`: a type that is not supported; `clash`: filters that exclude each other. */
  readonly cause: 'reference' | 'value' | 'clash'
}

/** Filters that may stand at most once in a rule. */
const singular: ReadonlySet<HttpRouteFilter['type']> = new Set([
  'RequestHeaderModifier',
  'ResponseHeaderModifier',
  'RequestRedirect',
  'URLRewrite',
  'CORS',
])

export function compileFilters(draft: RouteDraft, filters: readonly HttpRouteFilter[], path: string): CompiledFilters {
  const compiled: Filter[] = []
  let failure: FilterFailure | undefined
  for (const [index, filter] of filters.entries()) {
    const at = `${path}[${index}]`
    const result = compileFilter(draft, filter, at)
    if ('cause' in result) failure ??= result
    else compiled.push(...result.filters)
  }
  return { filters: compiled, failure: failure ?? findClash(filters, path) }
}

function findClash(filters: readonly HttpRouteFilter[], path: string): FilterFailure | undefined {
  const seen = new Set<HttpRouteFilter['type']>()
  for (const [index, { type }] of filters.entries()) {
    if (seen.has(type) && singular.has(type)) {
      return { path: `${path}[${index}]`, message: `a second ${type} filter in one rule`, cause: 'clash' }
    }
    seen.add(type)
  }
  if (seen.has('RequestRedirect') && seen.has('URLRewrite')) {
    return { path, message: 'RequestRedirect and URLRewrite exclude each other', cause: 'clash' }
  }
  return undefined
}

function compileFilter(
  draft: RouteDraft,
  filter: HttpRouteFilter,
  path: string,
): FilterFailure | { readonly filters: readonly Filter[] } {
  switch (filter.type) {
    case 'RequestHeaderModifier':
      return { filters: [{ kind: 'request-headers', ...headerEdits(filter.requestHeaderModifier) }] }
    case 'ResponseHeaderModifier':
      return { filters: [{ kind: 'response-headers', ...headerEdits(filter.responseHeaderModifier) }] }
    case 'RequestRedirect': {
      const { scheme, hostname, path: redirectPath, port, statusCode } = filter.requestRedirect
      const modifier = pathModifier(redirectPath)
      return { filters: [{ kind: 'redirect', scheme, hostname, path: modifier, port, status: statusCode }] }
    }
    case 'URLRewrite': {
      const { hostname, path: rewritePath } = filter.urlRewrite
      return { filters: [{ kind: 'rewrite', hostname, path: pathModifier(rewritePath) }] }
    }
    case 'RequestMirror': {
      const target = resolveBackend(draft, filter.requestMirror.backendRef, `${path}.requestMirror.backendRef`)
      // The copy of a request is not part of its answer: a mirror without a target is left out, not answered by 500.
      if (target.kind === 'invalid') return { filters: [] }
      return { filters: [{ kind: 'mirror', target, fraction: mirrorFraction(filter.requestMirror) }] }
    }
    case 'CORS':
      return { filters: [{ kind: 'cors', ...corsPolicy(filter.cors) }] }
    case 'ExtensionRef': {
      const { group, kind, name } = filter.extensionRef
      return { path: `${path}.extensionRef`, message: `no filter ${group}/${kind} ${name}`, cause: 'reference' }
    }
    case 'ExternalAuth':
      return { path: `${path}.type`, message: 'filters of type ExternalAuth are not supported', cause: 'value' }
    default:
      return assertNever(filter)
  }
}

function headerEdits({ set = [], add = [], remove = [] }: HttpHeaderModifier): HeaderEdits {
  return { set, add, remove: remove.map(name => name.toLowerCase()) }
}

function pathModifier(modifier: HttpPathModifier | undefined): PathModifier | undefined {
  if (modifier === undefined) return undefined
  return modifier.type === 'ReplaceFullPath'
    ? { kind: 'full', value: modifier.replaceFullPath }
    : { kind: 'prefix', value: modifier.replacePrefixMatch }
}

/** Percent or fraction as a share of 1; all requests without either. */
export function mirrorFraction({ percent, fraction }: Pick<HttpRequestMirror, 'percent' | 'fraction'>): number {
  if (percent !== undefined) return Math.min(1, percent / 100)
  if (fraction !== undefined) return Math.min(1, fraction.numerator / fraction.denominator)
  return 1
}

function corsPolicy(cors: HttpCors): CorsPolicy {
  return {
    allowOrigins: cors.allowOrigins ?? [],
    allowCredentials: cors.allowCredentials ?? false,
    allowMethods: cors.allowMethods ?? [],
    allowHeaders: cors.allowHeaders ?? [],
    exposeHeaders: cors.exposeHeaders ?? [],
    maxAgeSeconds: cors.maxAge,
  }
}
