import type { Resource, ResourceBase, StringMap } from './object.ts'

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
