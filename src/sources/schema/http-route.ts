import {
  dnsLabel,
  duration,
  group,
  headerName,
  headerValue,
  hostname,
  kind,
  localReference,
  objectName,
  port,
  preciseHostname,
  subdomain,
  urlPathPattern,
} from './formats.ts'
import {
  backendPort,
  distinctParents,
  filterCombination,
  fractionAtMostOne,
  loneStar,
  matchCount,
  pathValue,
  permanentCookie,
  authByProtocol,
  cookieOnly,
  redirectWithoutBackends,
  replacePrefixMatch,
  ruleNames,
  timeoutOrder,
} from './http-route-rules.ts'
import {
  array,
  atMostOne,
  boolean,
  byDefault,
  enumeration,
  integer,
  integerOf,
  object,
  optional,
  required,
  string,
  tagged,
} from './shape.ts'
import type { Fields, PresentField, Shape } from './shape.ts'
import type {
  BackendReference,
  HttpBackendReference,
  HttpCors,
  HttpExternalAuth,
  HttpHeaderModifier,
  HttpPathMatch,
  HttpPathModifier,
  HttpRequestMirror,
  HttpRequestRedirect,
  HttpRouteFilter,
  HttpRouteMatch,
  HttpRouteRetry,
  HttpRouteRule,
  HttpRouteSpec,
  HttpUrlRewrite,
  HttpValueMatch,
  ParentReference,
  SessionPersistenceSpec,
} from './resource.ts'

// HTTPRoute of Gateway API v1.6, experimental channel: limits and patterns of the CRD.

const text = string()

/** Also for the other kinds of routes. */
export const parentReference: Shape<ParentReference> = object<ParentReference>({
  group: byDefault(group, 'gateway.networking.k8s.io'),
  kind: byDefault(kind, 'Gateway'),
  namespace: optional(dnsLabel),
  name: required(objectName),
  sectionName: optional(subdomain),
  port: optional(port),
})

export const backendReferenceFields: Fields<BackendReference> = {
  group: byDefault(group, ''),
  kind: byDefault(kind, 'Service'),
  name: required(objectName),
  namespace: optional(dnsLabel),
  port: optional(port),
}

const backendReference: Shape<BackendReference> = object<BackendReference>(backendReferenceFields, {
  rules: [backendPort()],
})

/** Of lists whose items have distinct names. */
export const byName: { readonly by: (item: { readonly name: string }) => string; readonly what: string } = {
  by: (item: { readonly name: string }) => item.name,
  what: 'name',
}
const bySelf = { by: (item: string) => item, what: 'value' }

const path: Shape<HttpPathMatch> = object<HttpPathMatch>(
  {
    type: byDefault(enumeration('Exact', 'PathPrefix', 'RegularExpression'), 'PathPrefix'),
    value: byDefault(string({ max: 1024 }), '/'),
  },
  { rules: [pathValue] },
)

export const matchType: PresentField<'Exact' | 'RegularExpression'> = byDefault(
  enumeration('Exact', 'RegularExpression'),
  'Exact',
)

export const headerMatch: Shape<HttpValueMatch> = object<HttpValueMatch>({
  type: matchType,
  name: required(headerName),
  value: required(headerValue),
})

const queryMatch: Shape<HttpValueMatch> = object<HttpValueMatch>({
  type: matchType,
  name: required(headerName),
  value: required(string({ min: 1, max: 1024 })),
})

const everyPath: HttpPathMatch = Object.freeze({ type: 'PathPrefix', value: '/' })
const everything: readonly HttpRouteMatch[] = Object.freeze([Object.freeze({ path: everyPath })])

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'] as const

const match: Shape<HttpRouteMatch> = object<HttpRouteMatch>({
  path: byDefault(path, everyPath),
  headers: optional(array(headerMatch, { max: 16, unique: byName })),
  queryParams: optional(array(queryMatch, { max: 16, unique: byName })),
  method: optional(enumeration(...methods)),
})

export const headerField: Shape<{ name: string; value: string }> = object<{ name: string; value: string }>({
  name: required(headerName),
  value: required(headerValue),
})

export const headerModifier: Shape<HttpHeaderModifier> = object<HttpHeaderModifier>({
  set: optional(array(headerField, { max: 16, unique: byName })),
  add: optional(array(headerField, { max: 16, unique: byName })),
  remove: optional(array(text, { max: 16, unique: bySelf })),
})

const pathModifier: Shape<HttpPathModifier> = tagged<HttpPathModifier>('type', {
  ReplaceFullPath: { field: 'replaceFullPath', shape: string({ max: 1024 }) },
  ReplacePrefixMatch: { field: 'replacePrefixMatch', shape: string({ max: 1024 }) },
})

const requestRedirect: Shape<HttpRequestRedirect> = object<HttpRequestRedirect>({
  scheme: optional(enumeration('http', 'https')),
  hostname: optional(preciseHostname),
  path: optional(pathModifier),
  port: optional(port),
  statusCode: byDefault(integerOf(301, 302, 303, 307, 308), 302),
})

const urlRewrite: Shape<HttpUrlRewrite> = object<HttpUrlRewrite>({
  hostname: optional(preciseHostname),
  path: optional(pathModifier),
})

export const fraction: Shape<{ numerator: number; denominator: number }> = object<{
  numerator: number
  denominator: number
}>({ numerator: required(integer(0)), denominator: byDefault(integer(1), 100) }, { rules: [fractionAtMostOne] })

export const requestMirror: Shape<HttpRequestMirror> = object<HttpRequestMirror>(
  { backendRef: required(backendReference), percent: optional(integer(0, 100)), fraction: optional(fraction) },
  { rules: [atMostOne('percent', 'fraction')] },
)

const corsOrigin = string({
  min: 1,
  max: 253,
  pattern: /(^\*$)|(^(http(s)?):\/\/(((\*\.)?([a-zA-Z0-9-]+\.)*[a-zA-Z0-9-]+|\*)(:([0-9]{1,5}))?)$)/,
  about: 'an origin like "https://shop.example", with "*" for any host, or "*" alone',
})

const cors: Shape<HttpCors> = object<HttpCors>(
  {
    allowOrigins: optional(array(corsOrigin, { max: 64, unique: bySelf })),
    allowCredentials: optional(boolean),
    allowMethods: optional(array(enumeration(...methods, '*'), { max: 9, unique: bySelf })),
    allowHeaders: optional(array(headerName, { max: 64, unique: bySelf })),
    exposeHeaders: optional(array(headerName, { max: 64, unique: bySelf })),
    maxAge: byDefault(integer(1), 5),
  },
  { rules: [loneStar('allowOrigins'), loneStar('allowMethods'), loneStar('allowHeaders')] },
)

const names = array(text, { max: 64, unique: bySelf })

export const externalAuthFields: Fields<HttpExternalAuth> = {
  protocol: required(enumeration('HTTP', 'GRPC')),
  backendRef: required(backendReference),
  grpc: optional(object<NonNullable<HttpExternalAuth['grpc']>>({ allowedHeaders: optional(names) })),
  http: optional(
    object<NonNullable<HttpExternalAuth['http']>>({
      path: optional(string({ max: 1024, pattern: urlPathPattern, about: 'a URL path' })),
      allowedHeaders: optional(names),
      allowedResponseHeaders: optional(names),
    }),
  ),
  forwardBody: optional(object<{ maxSize?: number }>({ maxSize: optional(integer(0)) })),
}

const externalAuth: Shape<HttpExternalAuth> = object<HttpExternalAuth>(externalAuthFields, { rules: [authByProtocol] })

const filter: Shape<HttpRouteFilter> = tagged<HttpRouteFilter>('type', {
  RequestHeaderModifier: { field: 'requestHeaderModifier', shape: headerModifier },
  ResponseHeaderModifier: { field: 'responseHeaderModifier', shape: headerModifier },
  RequestMirror: { field: 'requestMirror', shape: requestMirror },
  RequestRedirect: { field: 'requestRedirect', shape: requestRedirect },
  URLRewrite: { field: 'urlRewrite', shape: urlRewrite },
  CORS: { field: 'cors', shape: cors },
  ExternalAuth: { field: 'externalAuth', shape: externalAuth },
  ExtensionRef: { field: 'extensionRef', shape: localReference },
})

const filters = array(filter, { max: 16 })

const httpBackendReference: Shape<HttpBackendReference> = object<HttpBackendReference>(
  { ...backendReferenceFields, weight: byDefault(integer(0, 1_000_000), 1), filters: optional(filters) },
  { rules: [backendPort(), filterCombination()] },
)

const retry: Shape<HttpRouteRetry> = object<HttpRouteRetry>({
  codes: optional(array(integer(400, 599), { unique: { by: code => code, what: 'code' } })),
  attempts: optional(integer(1)),
  backoff: optional(duration()),
})

export const sessionPersistence: Shape<SessionPersistenceSpec> = object<SessionPersistenceSpec>(
  {
    sessionName: optional(string({ max: 128 })),
    absoluteTimeout: optional(duration()),
    type: byDefault(enumeration('Cookie', 'Header'), 'Cookie'),
    cookieConfig: optional(
      object<NonNullable<SessionPersistenceSpec['cookieConfig']>>({
        lifetimeType: byDefault(enumeration('Permanent', 'Session'), 'Session'),
      }),
    ),
  },
  { rules: [permanentCookie, cookieOnly] },
)

const rule: Shape<HttpRouteRule> = object<HttpRouteRule>(
  {
    name: optional(subdomain),
    matches: byDefault(array(match, { max: 64 }), everything),
    filters: optional(filters),
    backendRefs: optional(array(httpBackendReference, { max: 16 })),
    timeouts: optional(
      object<NonNullable<HttpRouteRule['timeouts']>>(
        { request: optional(duration()), backendRequest: optional(duration()) },
        { rules: [timeoutOrder] },
      ),
    ),
    retry: optional(retry),
    sessionPersistence: optional(sessionPersistence),
  },
  { rules: [filterCombination(), redirectWithoutBackends, replacePrefixMatch] },
)

export const httpRouteSpec: Shape<HttpRouteSpec> = object<HttpRouteSpec>(
  {
    parentRefs: optional(array(parentReference, { max: 32 })),
    hostnames: optional(array(hostname, { max: 16 })),
    rules: byDefault(array(rule, { min: 1, max: 16 }), Object.freeze([Object.freeze({ matches: everything })])),
    useDefaultGateways: optional(enumeration('All', 'None')),
  },
  { rules: [distinctParents, matchCount(), ruleNames()] },
)
