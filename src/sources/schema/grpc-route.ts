import { headerName, hostname, localReference, subdomain } from './formats.ts'
import {
  backendReferenceFields,
  byName,
  headerModifier,
  matchType,
  parentReference,
  requestMirror,
  sessionPersistence,
} from './http-route.ts'
import { backendPort, distinctParents, filterCombination, matchCount, ruleNames } from './http-route-rules.ts'
import { array, byDefault, enumeration, integer, object, optional, required, string, tagged } from './shape.ts'
import type { Rule, Shape } from './shape.ts'
import type {
  GrpcBackendReference,
  GrpcMethodMatch,
  GrpcRouteFilter,
  GrpcRouteMatch,
  GrpcRouteRule,
  GrpcRouteSpec,
  HttpValueMatch,
} from './resource.ts'

// GRPCRoute of Gateway API v1.6, experimental channel: limits and patterns of the CRD.

const serviceOrMethod: Rule<GrpcMethodMatch> = {
  reads: ['service', 'method'],
  check({ service, method }, reading) {
    if (service === undefined && method === undefined) reading.error('needs service or method, or both')
  },
}

const servicePattern = /^\.?[a-z_][a-z_0-9]*(\.[a-z_][a-z_0-9]*)*$/i
const methodPattern = /^[A-Za-z_][A-Za-z_0-9]*$/

const exactNames: Rule<GrpcMethodMatch> = {
  reads: ['type', 'service', 'method'],
  check({ type, service, method }, reading) {
    if (type !== 'Exact') return
    if (service !== undefined && !servicePattern.test(service)) {
      reading.error('must be a service with its package, like "shop.Cart", for type Exact', 'service')
    }
    if (method !== undefined && !methodPattern.test(method)) {
      reading.error('must be a method like "AddItem" for type Exact', 'method')
    }
  },
}

const name = string({ max: 1024 })

const methodMatch: Shape<GrpcMethodMatch> = object<GrpcMethodMatch>(
  { type: matchType, service: optional(name), method: optional(name) },
  { rules: [serviceOrMethod, exactNames] },
)

const headerMatch: Shape<HttpValueMatch> = object<HttpValueMatch>({
  type: matchType,
  name: required(headerName),
  value: required(string({ min: 1, max: 4096 })),
})

const match: Shape<GrpcRouteMatch> = object<GrpcRouteMatch>({
  method: optional(methodMatch),
  headers: optional(array(headerMatch, { max: 16, unique: byName })),
})

const filter: Shape<GrpcRouteFilter> = tagged<GrpcRouteFilter>('type', {
  RequestHeaderModifier: { field: 'requestHeaderModifier', shape: headerModifier },
  ResponseHeaderModifier: { field: 'responseHeaderModifier', shape: headerModifier },
  RequestMirror: { field: 'requestMirror', shape: requestMirror },
  ExtensionRef: { field: 'extensionRef', shape: localReference },
})

const filters = array(filter, { max: 16 })

const backendReference: Shape<GrpcBackendReference> = object<GrpcBackendReference>(
  { ...backendReferenceFields, weight: byDefault(integer(0, 1_000_000), 1), filters: optional(filters) },
  { rules: [backendPort(), filterCombination()] },
)

const rule: Shape<GrpcRouteRule> = object<GrpcRouteRule>(
  {
    name: optional(subdomain),
    matches: byDefault(array(match, { max: 64 }), Object.freeze([])),
    filters: optional(filters),
    backendRefs: optional(array(backendReference, { max: 16 })),
    sessionPersistence: optional(sessionPersistence),
  },
  { rules: [filterCombination()] },
)

export const grpcRouteSpec: Shape<GrpcRouteSpec> = object<GrpcRouteSpec>(
  {
    parentRefs: optional(array(parentReference, { max: 32 })),
    hostnames: optional(array(hostname, { max: 16 })),
    rules: byDefault(array(rule, { max: 16 }), Object.freeze([])),
    useDefaultGateways: optional(enumeration('All', 'None')),
  },
  { rules: [distinctParents, matchCount(), ruleNames()] },
)
