/**
 * The resources Heddle reads, as the schema hands them on: validated, with the
 * defaults of the published schemas filled in. The shapes are those of the
 * files, so that what `heddle` shows is what its user wrote. Durations stay
 * text (`1m30s`); `durationMs` reads them.
 */

import type {
  GatewayClassResource,
  GatewayResource,
  HTTPRouteResource,
  ReferenceGrantResource,
} from './gateway-resource.ts'
import type { BackendPolicyResource, WorkloadResource } from './heddle-resource.ts'

export type * from './gateway-resource.ts'
export type * from './heddle-resource.ts'

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
