import type { Duration, LabelSelector, LocalObjectReference, ObjectReference, Resource, StringMap } from './object.ts'

// Gateway API v1.6, experimental channel included

export interface GatewayClassSpec {
  readonly controllerName: string
  readonly description?: string
  readonly parametersRef?: ObjectReference
}

export type GatewayClassResource = Resource<'GatewayClass', GatewayClassSpec>

export interface SecretReference {
  /** @default '' */
  readonly group: string
  /** @default 'Secret' */
  readonly kind: string
  readonly name: string
  readonly namespace?: string
}

export interface ListenerTls {
  /** @default 'Terminate' */
  readonly mode: 'Terminate' | 'Passthrough'
  readonly certificateRefs?: readonly SecretReference[]
  readonly options?: StringMap
}

export interface AllowedRoutes {
  /** @default {from: Same} */
  readonly namespaces: { readonly from: 'All' | 'Same' | 'Selector'; readonly selector?: LabelSelector }
  readonly kinds?: readonly { readonly group: string; readonly kind: string }[]
}

export interface GatewayListener {
  readonly name: string
  readonly hostname?: string
  readonly port: number
  /** `HTTP`, `HTTPS`, `TLS`, `TCP`, `UDP` or a controller's own. */
  readonly protocol: string
  readonly tls?: ListenerTls
  readonly allowedRoutes: AllowedRoutes
}

export interface FrontendValidation {
  readonly validation?: {
    readonly caCertificateRefs: readonly ObjectReference[]
    /** @default 'AllowValidOnly' */
    readonly mode: 'AllowValidOnly' | 'AllowInsecureFallback'
  }
}

export interface GatewaySpec {
  readonly gatewayClassName: string
  readonly listeners: readonly GatewayListener[]
  /** `type` is IPAddress where absent. */
  readonly addresses?: readonly { readonly type: string; readonly value?: string }[]
  readonly infrastructure?: {
    readonly labels?: StringMap
    readonly annotations?: StringMap
    readonly parametersRef?: LocalObjectReference
  }
  readonly allowedListeners?: {
    /** @default {from: None} */
    readonly namespaces: { readonly from: 'All' | 'Same' | 'Selector' | 'None'; readonly selector?: LabelSelector }
  }
  readonly tls?: {
    readonly backend?: { readonly clientCertificateRef?: SecretReference }
    readonly frontend?: {
      readonly default: FrontendValidation
      readonly perPort?: readonly { readonly port: number; readonly tls: FrontendValidation }[]
    }
  }
  /** Experimental. */
  readonly defaultScope?: 'All' | 'None'
}

export type GatewayResource = Resource<'Gateway', GatewaySpec>

/** Listeners that somebody else than its owner adds to a Gateway. */
export interface ListenerSetSpec {
  readonly parentRef: {
    /** @default 'gateway.networking.k8s.io' */
    readonly group: string
    /** @default 'Gateway' */
    readonly kind: string
    readonly name: string
    readonly namespace?: string
  }
  readonly listeners: readonly GatewayListener[]
}

export type ListenerSetResource = Resource<'ListenerSet', ListenerSetSpec>

export interface ParentReference {
  /** @default 'gateway.networking.k8s.io' */
  readonly group: string
  /** @default 'Gateway' */
  readonly kind: string
  readonly namespace?: string
  readonly name: string
  readonly sectionName?: string
  readonly port?: number
}

export interface BackendReference {
  /** @default '' */
  readonly group: string
  /** @default 'Service' */
  readonly kind: string
  readonly name: string
  readonly namespace?: string
  /** Always there for a Service. */
  readonly port?: number
}

export interface HttpBackendReference extends BackendReference {
  /** @default 1 */
  readonly weight: number
  readonly filters?: readonly HttpRouteFilter[]
}

export interface HttpPathMatch {
  /** @default 'PathPrefix' */
  readonly type: 'Exact' | 'PathPrefix' | 'RegularExpression'
  /** @default '/' */
  readonly value: string
}

/** A header or a query parameter. */
export interface HttpValueMatch {
  /** @default 'Exact' */
  readonly type: 'Exact' | 'RegularExpression'
  readonly name: string
  readonly value: string
}

export interface HttpRouteMatch {
  readonly path: HttpPathMatch
  readonly headers?: readonly HttpValueMatch[]
  readonly queryParams?: readonly HttpValueMatch[]
  readonly method?: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE' | 'CONNECT' | 'OPTIONS' | 'TRACE' | 'PATCH'
}

export interface HttpHeaderModifier {
  readonly set?: readonly { readonly name: string; readonly value: string }[]
  readonly add?: readonly { readonly name: string; readonly value: string }[]
  readonly remove?: readonly string[]
}

export type HttpPathModifier =
  | { readonly type: 'ReplaceFullPath'; readonly replaceFullPath: string }
  | { readonly type: 'ReplacePrefixMatch'; readonly replacePrefixMatch: string }

export interface HttpRequestRedirect {
  readonly scheme?: 'http' | 'https'
  readonly hostname?: string
  readonly path?: HttpPathModifier
  readonly port?: number
  /** @default 302 */
  readonly statusCode: 301 | 302 | 303 | 307 | 308
}

export interface HttpUrlRewrite {
  readonly hostname?: string
  readonly path?: HttpPathModifier
}

export interface HttpRequestMirror {
  readonly backendRef: BackendReference
  /** Neither `percent` nor `fraction`: every request. */
  readonly percent?: number
  readonly fraction?: { readonly numerator: number; readonly denominator: number }
}

export interface HttpCors {
  readonly allowOrigins?: readonly string[]
  readonly allowCredentials?: boolean
  readonly allowMethods?: readonly string[]
  readonly allowHeaders?: readonly string[]
  readonly exposeHeaders?: readonly string[]
  /** Seconds. @default 5 */
  readonly maxAge: number
}

/** Experimental. */
export interface HttpExternalAuth {
  readonly protocol: 'HTTP' | 'GRPC'
  readonly backendRef: BackendReference
  readonly grpc?: { readonly allowedHeaders?: readonly string[] }
  readonly http?: {
    readonly path?: string
    readonly allowedHeaders?: readonly string[]
    readonly allowedResponseHeaders?: readonly string[]
  }
  readonly forwardBody?: { readonly maxSize?: number }
}

export type HttpRouteFilter =
  | { readonly type: 'RequestHeaderModifier'; readonly requestHeaderModifier: HttpHeaderModifier }
  | { readonly type: 'ResponseHeaderModifier'; readonly responseHeaderModifier: HttpHeaderModifier }
  | { readonly type: 'RequestMirror'; readonly requestMirror: HttpRequestMirror }
  | { readonly type: 'RequestRedirect'; readonly requestRedirect: HttpRequestRedirect }
  | { readonly type: 'URLRewrite'; readonly urlRewrite: HttpUrlRewrite }
  | { readonly type: 'CORS'; readonly cors: HttpCors }
  | { readonly type: 'ExternalAuth'; readonly externalAuth: HttpExternalAuth }
  | { readonly type: 'ExtensionRef'; readonly extensionRef: LocalObjectReference }

/** Experimental. */
export interface HttpRouteRetry {
  readonly codes?: readonly number[]
  /** Retries after the first try. */
  readonly attempts?: number
  readonly backoff?: Duration
}

/** Experimental. */
export interface SessionPersistenceSpec {
  readonly sessionName?: string
  readonly absoluteTimeout?: Duration
  /** @default 'Cookie' */
  readonly type: 'Cookie' | 'Header'
  readonly cookieConfig?: {
    /** @default 'Session' */
    readonly lifetimeType: 'Permanent' | 'Session'
  }
}

export interface HttpRouteRule {
  readonly name?: string
  /** Empty only if written so; absent ones are the default, one PathPrefix `/`. */
  readonly matches: readonly HttpRouteMatch[]
  readonly filters?: readonly HttpRouteFilter[]
  readonly backendRefs?: readonly HttpBackendReference[]
  readonly timeouts?: { readonly request?: Duration; readonly backendRequest?: Duration }
  /** Experimental. */
  readonly retry?: HttpRouteRetry
  /** Experimental. */
  readonly sessionPersistence?: SessionPersistenceSpec
}

export interface HttpRouteSpec {
  readonly parentRefs?: readonly ParentReference[]
  readonly hostnames?: readonly string[]
  readonly rules: readonly HttpRouteRule[]
  /** Experimental. */
  readonly useDefaultGateways?: 'All' | 'None'
}

export type HTTPRouteResource = Resource<'HTTPRoute', HttpRouteSpec>

export interface WeightedBackendReference extends BackendReference {
  /** @default 1 */
  readonly weight: number
}

/** The one rule of a TCPRoute, UDPRoute or TLSRoute. */
export interface StreamRouteRule {
  readonly name?: string
  readonly backendRefs: readonly WeightedBackendReference[]
}

export interface StreamRouteSpec {
  readonly parentRefs?: readonly ParentReference[]
  /** Exactly one. */
  readonly rules: readonly StreamRouteRule[]
  /** Experimental. */
  readonly useDefaultGateways?: 'All' | 'None'
}

export interface TlsRouteSpec extends StreamRouteSpec {
  /** Matched with the server name of the ClientHello. */
  readonly hostnames: readonly string[]
}

export type TCPRouteResource = Resource<'TCPRoute', StreamRouteSpec>
export type UDPRouteResource = Resource<'UDPRoute', StreamRouteSpec>
export type TLSRouteResource = Resource<'TLSRoute', TlsRouteSpec>

export interface ReferenceGrantSpec {
  readonly from: readonly { readonly group: string; readonly kind: string; readonly namespace: string }[]
  readonly to: readonly { readonly group: string; readonly kind: string; readonly name?: string }[]
}

export type ReferenceGrantResource = Resource<'ReferenceGrant', ReferenceGrantSpec>
