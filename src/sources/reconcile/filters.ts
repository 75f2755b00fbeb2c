import { assertNever } from '../../core/index.ts'
import type { CorsPolicy, Filter, HeaderEdits, PathModifier, PluginKey } from '../../model/index.ts'
import type {
  HttpCors,
  HttpHeaderModifier,
  HttpPathModifier,
  HttpRouteFilter,
  LocalObjectReference,
} from '../schema/resource.ts'
import { resolveBackend } from './backend-refs.ts'
import { wasmOf } from './plugins.ts'
import type { RouteDraft } from './route-draft.ts'
import { compileExternalAuth, compileHttpFilter, shareOf, type UnusableFilter } from './safeguards.ts'

/** The filters that can be carried out, and why one of them can't: then none may be skipped, so the rule has to fail. */
export interface CompiledFilters {
  readonly filters: readonly Filter[]
  /** Named by ExtensionRefs, in their order. */
  readonly plugins: readonly PluginKey[]
  readonly failure: FilterFailure | undefined
}

export interface FilterFailure {
  readonly path: string
  readonly message: string
  /**
   * `kind`: an extension of an unknown kind; `reference`: one that does not exist;
   * `value`: what is not supported; `clash`: filters that exclude each other;
   * `reported`: the draft knows it already.
   */
  readonly cause: 'kind' | 'reference' | 'value' | 'clash' | 'reported'
}

/** What one filter of a resource comes to. */
interface FilterParts {
  readonly filters: readonly Filter[]
  readonly plugin?: PluginKey
}

/** Filters that may stand at most once in a rule. */
const singular: ReadonlySet<HttpRouteFilter['type']> = new Set([
  'RequestHeaderModifier',
  'ResponseHeaderModifier',
  'RequestRedirect',
  'URLRewrite',
  'CORS',
])

/** The same for what they come to. A second direct response, for one, would never be given. */
const singularKinds: ReadonlySet<Filter['kind']> = new Set(['compression', 'direct-response', 'body-limit'])

/** @param scope  safeguards hold for a rule; which backend gets the request is not known yet when they decide */
export function compileFilters(
  draft: RouteDraft,
  filters: readonly HttpRouteFilter[],
  path: string,
  scope: 'rule' | 'backend',
): CompiledFilters {
  const compiled: Filter[] = []
  const plugins: PluginKey[] = []
  let failure: FilterFailure | undefined
  for (const [index, filter] of filters.entries()) {
    const at = `${path}[${index}]`
    const result =
      scope === 'backend'
        ? (refuseForBackend(filter, at) ?? compileFilter(draft, filter, at))
        : compileFilter(draft, filter, at)
    if ('cause' in result) {
      failure ??= result
      continue
    }
    if (result.plugin !== undefined) plugins.push(result.plugin)
    for (const each of result.filters) {
      if (singularKinds.has(each.kind) && compiled.some(({ kind }) => kind === each.kind)) {
        failure ??= { path: at, message: `a second filter for ${each.kind} in one rule`, cause: 'clash' }
      }
      compiled.push(each)
    }
  }
  return { filters: compiled, plugins, failure: failure ?? findClash(filters, path) }
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

function compileFilter(draft: RouteDraft, filter: HttpRouteFilter, path: string): FilterFailure | FilterParts {
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
      return { filters: [{ kind: 'mirror', target, fraction: shareOf(filter.requestMirror) }] }
    }
    case 'CORS':
      return { filters: [{ kind: 'cors', ...corsPolicy(filter.cors) }] }
    case 'ExtensionRef':
      return compileExtension(draft, filter.extensionRef, `${path}.extensionRef`)
    case 'ExternalAuth':
      return oneOf(compileExternalAuth(draft, filter.externalAuth, `${path}.externalAuth.backendRef`), path)
    default:
      return assertNever(filter)
  }
}

function compileExtension(
  draft: RouteDraft,
  { group, kind, name }: LocalObjectReference,
  path: string,
): FilterFailure | FilterParts {
  if (group === 'extensions.istio.io' && (kind === 'WasmPlugin' || kind === 'TrafficExtension')) {
    return compilePlugin(draft, kind, name, path)
  }
  if (group !== 'heddle.dev' || kind !== 'HTTPFilter') {
    return { path, message: `no filter ${group}/${kind} ${name}`, cause: 'kind' }
  }
  const key = `${draft.resource.metadata.namespace}/${name}`
  const resource = draft.facts.httpFilter(key)
  if (resource !== undefined) return oneOf(compileHttpFilter(draft, resource, path), path)
  return { path, message: `no HTTPFilter ${key}${draft.facts.suggest('HTTPFilter', key)}`, cause: 'reference' }
}

function compilePlugin(
  draft: RouteDraft,
  kind: 'WasmPlugin' | 'TrafficExtension',
  name: string,
  path: string,
): FilterFailure | FilterParts {
  const key = `${draft.resource.metadata.namespace}/${name}`
  const resource = draft.facts.plugin(kind, key)
  if (resource === undefined) return { path, message: `no ${kind} ${key}`, cause: 'reference' }
  if (wasmOf(resource).type === 'NETWORK') {
    return { path, message: `${kind} ${key} is for connections (type NETWORK), not for requests`, cause: 'value' }
  }
  return { filters: [], plugin: `${kind} ${key}` }
}

function oneOf(compiled: Filter | UnusableFilter, path: string): FilterFailure | FilterParts {
  return 'cause' in compiled ? { path, ...compiled } : { filters: [compiled] }
}

const ownGroups: readonly string[] = ['heddle.dev', 'extensions.istio.io']

function refuseForBackend(filter: HttpRouteFilter, path: string): FilterFailure | undefined {
  const isOurs = filter.type === 'ExtensionRef' && ownGroups.includes(filter.extensionRef.group)
  if (!isOurs && filter.type !== 'ExternalAuth') return undefined
  const name = isOurs ? filter.extensionRef.kind : filter.type
  return { path, message: `${name} is a filter of a rule, not of one of its backends`, cause: 'value' }
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
