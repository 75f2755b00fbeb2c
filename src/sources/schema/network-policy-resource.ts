import type { LabelSelector, Resource } from './object.ts'

// networking.k8s.io/v1

export type PolicyDirection = 'Ingress' | 'Egress'

export interface IpBlock {
  /** `10.0.0.0/8`, `fd00::/8` */
  readonly cidr: string
  /** Smaller networks within `cidr`. @default [] */
  readonly except: readonly string[]
}

/** Either `ipBlock`, or one or both selectors; an absent selector is not an empty one. */
export interface NetworkPolicyPeer {
  /** Absent beside a `namespaceSelector`: every pod of those namespaces. */
  readonly podSelector?: LabelSelector
  /** Absent: the policy's own namespace. */
  readonly namespaceSelector?: LabelSelector
  readonly ipBlock?: IpBlock
}

export interface NetworkPolicyPort {
  /** @default 'TCP' */
  readonly protocol: 'TCP' | 'UDP' | 'SCTP'
  /** A number, or a name that each destination resolves for itself. Absent: every port of the protocol. */
  readonly port?: number | string
  /** Last port of a range that starts at `port`, inclusive. */
  readonly endPort?: number
}

/** An empty list means the same as an absent one: everybody, every port. */
export interface NetworkPolicyRule {
  readonly peers: readonly NetworkPolicyPeer[]
  readonly ports: readonly NetworkPolicyPort[]
}

export interface NetworkPolicySpec {
  /** @default {}, every pod of the namespace */
  readonly podSelector: LabelSelector
  /** Filled in where it is absent or empty: Ingress, and Egress if there are egress rules. */
  readonly policyTypes: readonly PolicyDirection[]
  /** `from` is called `peers` here. */
  readonly ingress: readonly NetworkPolicyRule[]
  /** `to` is called `peers` here. */
  readonly egress: readonly NetworkPolicyRule[]
}

export interface NetworkPolicyResource extends Resource<'NetworkPolicy', NetworkPolicySpec> {
  /** It stands for one that could not be read, and has no rules: what it selects is closed. */
  readonly isStandIn?: true
}
