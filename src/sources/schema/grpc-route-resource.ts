import type {
  BackendReference,
  HttpRouteFilter,
  HttpValueMatch,
  ParentReference,
  SessionPersistenceSpec,
} from './gateway-resource.ts'
import type { Resource } from './object.ts'

// GRPCRoute of Gateway API v1.6, experimental channel included

export interface GrpcMethodMatch {
  /** @default 'Exact' */
  readonly type: 'Exact' | 'RegularExpression'
  /** With its package: `shop.Cart`. At least one of the two is there. */
  readonly service?: string
  readonly method?: string
}

export interface GrpcRouteMatch {
  /** Absent: every method. */
  readonly method?: GrpcMethodMatch
  readonly headers?: readonly HttpValueMatch[]
}

/** What gRPC has of the filters of HTTP. */
export type GrpcRouteFilter = Extract<
  HttpRouteFilter,
  { readonly type: 'RequestHeaderModifier' | 'ResponseHeaderModifier' | 'RequestMirror' | 'ExtensionRef' }
>

export interface GrpcBackendReference extends BackendReference {
  /** @default 1 */
  readonly weight: number
  readonly filters?: readonly GrpcRouteFilter[]
}

export interface GrpcRouteRule {
  readonly name?: string
  /** Empty: every request. @default [] */
  readonly matches: readonly GrpcRouteMatch[]
  readonly filters?: readonly GrpcRouteFilter[]
  readonly backendRefs?: readonly GrpcBackendReference[]
  /** Experimental. */
  readonly sessionPersistence?: SessionPersistenceSpec
}

export interface GrpcRouteSpec {
  readonly parentRefs?: readonly ParentReference[]
  readonly hostnames?: readonly string[]
  /** @default [] */
  readonly rules: readonly GrpcRouteRule[]
  /** Experimental. */
  readonly useDefaultGateways?: 'All' | 'None'
}

export type GRPCRouteResource = Resource<'GRPCRoute', GrpcRouteSpec>
