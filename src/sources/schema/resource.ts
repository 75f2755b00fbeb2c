/**
 * The resources Heddle reads, as the schema hands them on: validated, with the
 * defaults of the published schemas filled in. The shapes are those of the
 * files, so that what `heddle` shows is what its user wrote. Durations stay
 * text (`1m30s`); `durationMs` reads them.
 */

import type { BackendTLSPolicyResource } from './backend-tls-resource.ts'
import type {
  ConfigMapResource,
  EndpointSliceResource,
  NamespaceResource,
  SecretResource,
  ServiceResource,
} from './core-resource.ts'
import type {
  GatewayClassResource,
  GatewayResource,
  HTTPRouteResource,
  ListenerSetResource,
  ReferenceGrantResource,
  TCPRouteResource,
  TLSRouteResource,
  UDPRouteResource,
} from './gateway-resource.ts'
import type { GRPCRouteResource } from './grpc-route-resource.ts'
import type { BackendPolicyResource, WorkloadResource } from './heddle-resource.ts'
import type { HTTPFilterResource } from './http-filter-resource.ts'
import type { NetworkPolicyResource } from './network-policy-resource.ts'
import type { PluginResource } from './plugin-resource.ts'

export type * from './backend-tls-resource.ts'
export type * from './core-resource.ts'
export type * from './gateway-resource.ts'
export type * from './grpc-route-resource.ts'
export type * from './heddle-resource.ts'
export type * from './http-filter-resource.ts'
export type * from './network-policy-resource.ts'
export type * from './object.ts'
export type * from './plugin-resource.ts'

export type AnyResource =
  | NamespaceResource
  | ServiceResource
  | SecretResource
  | ConfigMapResource
  | EndpointSliceResource
  | GatewayClassResource
  | GatewayResource
  | ListenerSetResource
  | HTTPRouteResource
  | GRPCRouteResource
  | TCPRouteResource
  | UDPRouteResource
  | TLSRouteResource
  | ReferenceGrantResource
  | BackendTLSPolicyResource
  | BackendPolicyResource
  | HTTPFilterResource
  | NetworkPolicyResource
  | WorkloadResource
  | PluginResource

/** Resources that attach to Gateways and Services. */
export type RouteResource = Extract<AnyResource, { readonly kind: `${string}Route` }>

export type ResourceKind = AnyResource['kind']

/** `HTTPRoute shop/cart`, or `GatewayClass heddle` for cluster scope: the key of maps and what problems name. */
export function resourceId(kind: string, namespace: string, name: string): string {
  return namespace === '' ? `${kind} ${name}` : `${kind} ${namespace}/${name}`
}

export function resourceIdOf(resource: AnyResource): string {
  return resourceId(resource.kind, resource.metadata.namespace, resource.metadata.name)
}
