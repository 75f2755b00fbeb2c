/**
 * The resources Heddle reads, as the schema hands them on: validated, with the
 * defaults of the published schemas filled in. The shapes are those of the
 * files, so that what `heddle` shows is what its user wrote. Durations stay
 * text (`1m30s`); `durationMs` reads them.
 */

export interface ObjectMeta {
  readonly name: string
  /** `default` where a namespaced resource has none; empty for kinds of cluster scope. */
  readonly namespace: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  /** Grows by one whenever what is configured (not labels or annotations) changes while the process runs. */
  readonly generation: number
  /** RFC 3339. */
  readonly creationTimestamp?: string
  readonly uid?: string
}

/** Where a resource stands. The values move along when text above the resource grows or shrinks. */
export interface Origin {
  readonly file: string
  /** Line of the resource's first field, counted from 1. */
  readonly line: number
  /** Place of a path like `spec.rules[2].backendRefs[0]`, or of its nearest parent that exists. Reads the text again: for problems, not for the data path. */
  locate(path: string): Place
}

/** Both counted from 1. */
export interface Place {
  readonly line: number
  readonly column: number
}

/** What every kind has. */
export interface ResourceBase<Kind extends string> {
  readonly apiVersion: string
  readonly kind: Kind
  readonly metadata: ObjectMeta
  readonly origin: Origin
}

export interface Resource<Kind extends string, Spec> extends ResourceBase<Kind> {
  readonly spec: Spec
}

/** `([0-9]{1,5}(h|m|s|ms)){1,4}`: units in any order, summed (Gateway API, GEP-2257). */
export type Duration = string

export type StringMap = Readonly<Record<string, string>>

export interface LabelSelector {
  readonly matchLabels?: StringMap
  readonly matchExpressions?: readonly {
    readonly key: string
    readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist'
    readonly values?: readonly string[]
  }[]
}

export interface LocalObjectReference {
  readonly group: string
  readonly kind: string
  readonly name: string
}

export interface ObjectReference extends LocalObjectReference {
  readonly namespace?: string
}

// Core kinds

export type NamespaceResource = Resource<'Namespace', { readonly finalizers?: readonly string[] }>

export interface ServicePort {
  readonly name?: string
  readonly port: number
  /** A number, or the name of a port of the pod. @default the port */
  readonly targetPort: number | string
  /** @default 'TCP' */
  readonly protocol: 'TCP' | 'UDP' | 'SCTP'
  readonly appProtocol?: string
  readonly nodePort?: number
}

export interface ServiceSpec {
  /** @default 'ClusterIP' */
  readonly type: 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName'
  /** An address, or `None` for a headless Service. */
  readonly clusterIP?: string
  readonly clusterIPs?: readonly string[]
  readonly externalName?: string
  readonly selector?: StringMap
  readonly ports: readonly ServicePort[]
  /** @default false */
  readonly publishNotReadyAddresses: boolean
  /** @default 'None' */
  readonly sessionAffinity: 'None' | 'ClientIP'
  readonly sessionAffinityConfig?: { readonly clientIP?: { readonly timeoutSeconds?: number } }
  readonly internalTrafficPolicy?: 'Cluster' | 'Local'
  readonly externalTrafficPolicy?: 'Cluster' | 'Local'
  readonly trafficDistribution?: string
  readonly ipFamilies?: readonly ('IPv4' | 'IPv6')[]
  readonly ipFamilyPolicy?: 'SingleStack' | 'PreferDualStack' | 'RequireDualStack'
  readonly externalIPs?: readonly string[]
  readonly allocateLoadBalancerNodePorts?: boolean
  readonly healthCheckNodePort?: number
  readonly loadBalancerClass?: string
  readonly loadBalancerIP?: string
  readonly loadBalancerSourceRanges?: readonly string[]
}

export type ServiceResource = Resource<'Service', ServiceSpec>

export interface SecretResource extends ResourceBase<'Secret'> {
  /** `kubernetes.io/tls`, … @default 'Opaque' */
  readonly type: string
  /** Base64 as in the file, with the values of `stringData` encoded and merged in. */
  readonly data: StringMap
  readonly immutable: boolean
}

export interface ConfigMapResource extends ResourceBase<'ConfigMap'> {
  readonly data: StringMap
  /** Base64. */
  readonly binaryData: StringMap
  readonly immutable: boolean
}

export interface SliceEndpoint {
  readonly addresses: readonly string[]
  /** Filled in: ready and serving unless said otherwise, not terminating. */
  readonly conditions: { readonly ready: boolean; readonly serving: boolean; readonly terminating: boolean }
  readonly hostname?: string
  readonly nodeName?: string
  readonly zone?: string
  readonly targetRef?: {
    readonly apiVersion?: string
    readonly kind?: string
    readonly name?: string
    readonly namespace?: string
    readonly uid?: string
  }
  readonly hints?: {
    readonly forZones?: readonly { readonly name: string }[]
    readonly forNodes?: readonly { readonly name: string }[]
  }
  readonly deprecatedTopology?: StringMap
}

export interface SlicePort {
  /** Empty for the only port. */
  readonly name: string
  /** Absent: any port. */
  readonly port?: number
  /** @default 'TCP' */
  readonly protocol: 'TCP' | 'UDP' | 'SCTP'
  readonly appProtocol?: string
}

export interface EndpointSliceResource extends ResourceBase<'EndpointSlice'> {
  readonly addressType: 'IPv4' | 'IPv6' | 'FQDN'
  readonly endpoints: readonly SliceEndpoint[]
  readonly ports: readonly SlicePort[]
}

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

export interface ReferenceGrantSpec {
  readonly from: readonly { readonly group: string; readonly kind: string; readonly namespace: string }[]
  readonly to: readonly { readonly group: string; readonly kind: string; readonly name?: string }[]
}

export type ReferenceGrantResource = Resource<'ReferenceGrant', ReferenceGrantSpec>

// Our own kinds, heddle.dev/v1alpha1

/** Exactly one of `http` and `tcp`. */
export interface HealthCheckSpec {
  readonly http?: {
    /** @default '/' */
    readonly path: string
    /** The Host header. Absent: the endpoint's address. */
    readonly host?: string
    /** Codes (`200`) and inclusive ranges (`200-299`). @default ['200-299'] */
    readonly expectedStatuses: readonly string[]
  }
  readonly tcp?: Readonly<Record<string, never>>
  /** @default '5s' */
  readonly interval: Duration
  /** @default '1s' */
  readonly timeout: Duration
  /** @default 1 */
  readonly healthyThreshold: number
  /** @default 3 */
  readonly unhealthyThreshold: number
}

/** Exactly one of its members. */
export interface HashSpec {
  readonly header?: { readonly name: string }
  /** `ttl` 0s: a session cookie; `path` is `/` where absent. */
  readonly cookie?: { readonly name: string; readonly ttl: Duration; readonly path: string }
  readonly source?: Readonly<Record<string, never>>
  readonly query?: { readonly name: string }
}

export interface LoadBalancingSpec {
  /** @default 'LeastRequest' */
  readonly type: 'RoundRobin' | 'LeastRequest' | 'PeakEwma' | 'Random' | 'RingHash' | 'Maglev'
  /** There exactly for RingHash and Maglev. */
  readonly hash?: HashSpec
  /** RingHash. @default 1024 */
  readonly minRingSize: number
  /** Maglev; raised to the next prime. @default 65537 */
  readonly tableSize: number
  /** @default '0s' */
  readonly slowStart: Duration
  /** @default 'None' */
  readonly locality: 'PreferLocal' | 'None'
}

/** Every setting is filled in with its default; the reconciler maps them one to one. */
export interface BackendPolicySpec {
  readonly targetRefs: readonly {
    /** @default '' */
    readonly group: ''
    /** @default 'Service' */
    readonly kind: 'Service'
    readonly name: string
    /** Name of a port of the Service; absent: all ports. */
    readonly sectionName?: string
  }[]
  readonly loadBalancing: LoadBalancingSpec
  readonly healthCheck?: HealthCheckSpec
  readonly outlierDetection: {
    readonly consecutiveFailures: number
    readonly consecutiveGatewayFailures: number
    readonly baseEjection: Duration
    readonly maxEjection: Duration
    readonly maxEjectionPercent: number
  }
  /** Percent; 0 switches panic off. */
  readonly panicThreshold: number
  readonly circuitBreaker: {
    readonly maxConnections: number
    readonly maxPending: number
    readonly maxRequests: number
    readonly retryBudget: { readonly percent: number; readonly minConcurrency: number }
  }
  /** Absent: the `appProtocol` of the Service's port decides. */
  readonly protocol?: 'HTTP1' | 'H2C' | 'TCP'
  readonly connectTimeout: Duration
  readonly idleTimeout: Duration
}

export type BackendPolicyResource = Resource<'BackendPolicy', BackendPolicySpec>

export interface WorkloadSpec {
  /** Name of a Service of the same namespace; absent when Services select it by its labels. */
  readonly service?: string
  readonly port: number
  /** @default '127.0.0.1' */
  readonly address: string
  readonly process?: {
    readonly command: readonly string[]
    /** @default {} */
    readonly env: StringMap
    /** Relative ones start at the directory of the file. */
    readonly workingDirectory?: string
    /** @default '1s' */
    readonly restartBackoff: Duration
  }
  readonly healthCheck?: HealthCheckSpec
  readonly zone?: string
  /** @default 1 */
  readonly weight: number
}

export type WorkloadResource = Resource<'Workload', WorkloadSpec>

export type AnyResource =
  | NamespaceResource
  | ServiceResource
  | SecretResource
  | ConfigMapResource
  | EndpointSliceResource
  | GatewayClassResource
  | GatewayResource
  | HTTPRouteResource
  | ReferenceGrantResource
  | BackendPolicyResource
  | WorkloadResource

export type ResourceKind = AnyResource['kind']

/** `HTTPRoute shop/cart`, or `GatewayClass heddle` for cluster scope: the key of maps and what problems name. */
export function resourceId(kind: string, namespace: string, name: string): string {
  return namespace === '' ? `${kind} ${name}` : `${kind} ${namespace}/${name}`
}

export function resourceIdOf(resource: AnyResource): string {
  return resourceId(resource.kind, resource.metadata.namespace, resource.metadata.name)
}
