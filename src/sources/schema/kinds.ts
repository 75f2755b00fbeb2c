import { backendTlsPolicySpec, tlsStandInFor } from './backend-tls-policy.ts'
import { base64Data, namespaceSpec, serviceSpec, sliceEndpoints, slicePorts, textData } from './core-kinds.ts'
import { gatewayClassSpec, gatewaySpec, referenceGrantSpec } from './gateway-kinds.ts'
import { backendPolicySpec, workloadSpec } from './heddle-kinds.ts'
import { httpFilterSpec } from './http-filter.ts'
import { grpcRouteSpec } from './grpc-route.ts'
import { httpRouteSpec } from './http-route.ts'
import { listenerSetSpec } from './listener-set.ts'
import { objectMeta } from './metadata.ts'
import { emptyPolicySpec, networkPolicySpec, standInFor } from './network-policy.ts'
import {
  envoyExtensionPolicySpec,
  envoyExtensionPolicyStandIn,
  trafficExtensionSpec,
  trafficExtensionStandIn,
  wasmPluginSpec,
  wasmPluginStandIn,
} from './plugin-kinds.ts'
import { streamRouteSpec, tlsRouteSpec } from './stream-routes.ts'
import { anything, boolean, byDefault, enumeration, object, optional, required, string } from './shape.ts'
import type { Field, Fields, Shape } from './shape.ts'
import type {
  AnyResource,
  ConfigMapResource,
  EndpointSliceResource,
  Identity,
  ResourceKind,
  SecretResource,
  StringMap,
} from './resource.ts'

/** A resource before it has a place. */
export type Unplaced<R> = R extends unknown ? Omit<R, 'origin'> : never

export interface KindDefinition {
  /** Empty for the core group. */
  readonly group: string
  /** The first one is the one to write. */
  readonly versions: readonly string[]
  readonly scope: 'namespaced' | 'cluster'
  readonly shape: Shape<Unplaced<AnyResource>>
  /**
   * What takes the place of a resource with mistakes that has no good version yet, for kinds whose absence would open
   * something; undefined if too little of it can be read.
   */
  readonly standIn?: (value: Readonly<Record<string, unknown>>, identity: Identity) => Unplaced<AnyResource> | undefined
}

const gateway = 'gateway.networking.k8s.io'
const istio = 'extensions.istio.io'
const envoyGateway = 'gateway.envoyproxy.io'

const noEntries: StringMap = Object.freeze({})

/** The kinds Heddle serves. */
export const servedKinds: Readonly<Record<ResourceKind, KindDefinition>> = {
  Namespace: withSpec('Namespace', '', ['v1'], 'cluster', byDefault(namespaceSpec, Object.freeze({})), 'label'),
  Service: withSpec('Service', '', ['v1'], 'namespaced', required(serviceSpec), 'label'),
  Secret: { group: '', versions: ['v1'], scope: 'namespaced', shape: secretShape() },
  ConfigMap: { group: '', versions: ['v1'], scope: 'namespaced', shape: configMapShape() },
  EndpointSlice: {
    group: 'discovery.k8s.io',
    versions: ['v1'],
    scope: 'namespaced',
    shape: endpointSliceShape(),
  },
  GatewayClass: withSpec('GatewayClass', gateway, ['v1', 'v1beta1'], 'cluster', required(gatewayClassSpec)),
  Gateway: withSpec('Gateway', gateway, ['v1', 'v1beta1'], 'namespaced', required(gatewaySpec)),
  ListenerSet: withSpec('ListenerSet', gateway, ['v1'], 'namespaced', required(listenerSetSpec)),
  HTTPRoute: withSpec('HTTPRoute', gateway, ['v1', 'v1beta1'], 'namespaced', required(httpRouteSpec)),
  GRPCRoute: withSpec('GRPCRoute', gateway, ['v1'], 'namespaced', required(grpcRouteSpec)),
  TCPRoute: withSpec('TCPRoute', gateway, ['v1', 'v1alpha2'], 'namespaced', required(streamRouteSpec)),
  UDPRoute: withSpec('UDPRoute', gateway, ['v1', 'v1alpha2'], 'namespaced', required(streamRouteSpec)),
  TLSRoute: withSpec('TLSRoute', gateway, ['v1', 'v1alpha3', 'v1alpha2'], 'namespaced', required(tlsRouteSpec)),
  NetworkPolicy: {
    ...withSpec(
      'NetworkPolicy',
      'networking.k8s.io',
      ['v1'],
      'namespaced',
      byDefault(networkPolicySpec, emptyPolicySpec),
    ),
    standIn: standInFor,
  },
  ReferenceGrant: withSpec('ReferenceGrant', gateway, ['v1', 'v1beta1'], 'namespaced', required(referenceGrantSpec)),
  BackendTLSPolicy: {
    ...withSpec('BackendTLSPolicy', gateway, ['v1', 'v1alpha3'], 'namespaced', required(backendTlsPolicySpec)),
    standIn: tlsStandInFor,
  },
  BackendPolicy: withSpec('BackendPolicy', 'heddle.dev', ['v1alpha1'], 'namespaced', required(backendPolicySpec)),
  HTTPFilter: withSpec('HTTPFilter', 'heddle.dev', ['v1alpha1'], 'namespaced', required(httpFilterSpec)),
  Workload: withSpec('Workload', 'heddle.dev', ['v1alpha1'], 'namespaced', required(workloadSpec)),
  WasmPlugin: {
    ...withSpec('WasmPlugin', istio, ['v1alpha1'], 'namespaced', required(wasmPluginSpec)),
    standIn: wasmPluginStandIn,
  },
  TrafficExtension: {
    ...withSpec('TrafficExtension', istio, ['v1alpha1'], 'namespaced', required(trafficExtensionSpec)),
    standIn: trafficExtensionStandIn,
  },
  EnvoyExtensionPolicy: {
    ...withSpec('EnvoyExtensionPolicy', envoyGateway, ['v1alpha1'], 'namespaced', required(envoyExtensionPolicySpec)),
    standIn: envoyExtensionPolicyStandIn,
  },
}

/** Kinds of the groups above that exist and that Heddle does not use yet. */
export const unusedKinds: Readonly<Record<string, readonly string[]>> = {
  '': [
    'Binding',
    'ComponentStatus',
    'Endpoints',
    'Event',
    'LimitRange',
    'Node',
    'PersistentVolume',
    'PersistentVolumeClaim',
    'Pod',
    'PodTemplate',
    'ReplicationController',
    'ResourceQuota',
    'ServiceAccount',
  ],
  'discovery.k8s.io': [],
  'gateway.networking.k8s.io': [],
  'networking.k8s.io': ['Ingress', 'IngressClass', 'IPAddress', 'ServiceCIDR'],
  'heddle.dev': [],
}

function head(kind: ResourceKind, scope: 'namespaced' | 'cluster', name: 'label' | 'subdomain' = 'subdomain') {
  return {
    apiVersion: required(string()),
    kind: required(enumeration(kind)),
    metadata: required(objectMeta(scope, name)),
  }
}

function withSpec<S>(
  kind: ResourceKind,
  group: string,
  versions: readonly string[],
  scope: 'namespaced' | 'cluster',
  spec: Field<S>,
  name: 'label' | 'subdomain' = 'subdomain',
): KindDefinition {
  const fields = { ...head(kind, scope, name), spec, status: optional(anything) }
  // The table pairs each kind with the shape of its spec, which the type of a union cannot express.
  const shape = object<object>(fields as Fields<object>) as unknown as Shape<Unplaced<AnyResource>>
  return { group, versions, scope, shape: withoutStatus(shape) }
}

function withoutStatus(shape: Shape<Unplaced<AnyResource>>): Shape<Unplaced<AnyResource>> {
  return {
    expects: shape.expects,
    read(value, reading) {
      const resource = shape.read(value, reading)
      if (resource !== undefined) Reflect.deleteProperty(resource, 'status')
      return resource
    },
  }
}

function secretShape(): Shape<Unplaced<AnyResource>> {
  const given = object<Omit<SecretResource, 'origin'> & { readonly stringData: StringMap }>(
    {
      ...(head('Secret', 'namespaced') as Fields<Pick<SecretResource, 'apiVersion' | 'kind' | 'metadata'>>),
      type: byDefault(string({ max: 253 }), 'Opaque'),
      data: byDefault(base64Data, noEntries),
      stringData: byDefault(textData, noEntries),
      immutable: byDefault(boolean, false),
    },
    { nulls: 'absent' },
  )
  return {
    expects: 'an object',
    read(value, reading) {
      const secret = given.read(value, reading)
      if (secret === undefined) return undefined
      const { stringData, ...rest } = secret
      const data: Record<string, string> = { ...rest.data }
      for (const [key, text] of Object.entries(stringData)) data[key] = Buffer.from(text).toString('base64')
      return { ...rest, data }
    },
  }
}

function configMapShape(): Shape<Unplaced<AnyResource>> {
  return object<Omit<ConfigMapResource, 'origin'>>(
    {
      ...(head('ConfigMap', 'namespaced') as Fields<Pick<ConfigMapResource, 'apiVersion' | 'kind' | 'metadata'>>),
      data: byDefault(textData, noEntries),
      binaryData: byDefault(base64Data, noEntries),
      immutable: byDefault(boolean, false),
    },
    { nulls: 'absent' },
  )
}

function endpointSliceShape(): Shape<Unplaced<AnyResource>> {
  return object<Omit<EndpointSliceResource, 'origin'>>(
    {
      ...(head('EndpointSlice', 'namespaced') as Fields<
        Pick<EndpointSliceResource, 'apiVersion' | 'kind' | 'metadata'>
      >),
      addressType: required(enumeration('IPv4', 'IPv6', 'FQDN')),
      endpoints: byDefault(sliceEndpoints, []),
      ports: byDefault(slicePorts, []),
    },
    { nulls: 'absent' },
  )
}
