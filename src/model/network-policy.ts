/**
 * NetworkPolicies as decided: selectors are resolved to the identities they
 * select, networks are bytes. What is left to do is looking up: `policy`
 * compiles this to tables.
 */

/** Protocol numbers of IP. */
export const ipProtocols = { TCP: 6, UDP: 17, SCTP: 132 } as const
export type IpProtocol = keyof typeof ipProtocols

/** Numbers that are no workload's. */
export const reservedIdentities = {
  /** Nobody of the mesh: known by the address alone. */
  outside: 0,
  /** The agent itself, whose health checks every workload has to let in. */
  node: 1,
} as const

/** The first number that a workload may have; those below are ours to give a meaning. */
export const firstIdentity = 16

/** A network; bits beyond the prefix are zero. IPv4 has 4 bytes, IPv6 16. */
export interface NetworkBlock {
  readonly bytes: Uint8Array
  readonly prefixLength: number
}

export interface NamedPort {
  readonly name: string
  readonly protocol: IpProtocol
  readonly port: number
}

/**
 * What workloads are to policies: those that no selector and no named port can
 * tell apart are one. A number is never given to another identity while the
 * process runs.
 */
export interface NetworkIdentity {
  readonly id: number
  /** The label `heddle.dev/identity`, or else the Service, or else the Workload: `shop/reviews`. Several may share one. */
  readonly name: string
  /** Namespace, service, labels and named ports in one text: what the number stands for, also after a restart. */
  readonly key: string
  readonly namespace: string
  /** `namespace/name`; empty for a workload that names no Service. */
  readonly service: string
  readonly labels: Readonly<Record<string, string>>
  readonly ports: readonly NamedPort[]
}

/** One workload. */
export interface NetworkMember {
  /** `namespace/name` */
  readonly key: string
  readonly identity: number
  readonly address: Uint8Array
  /** Where it is known to listen. */
  readonly ports: readonly MemberPort[]
}

export interface MemberPort {
  readonly protocol: IpProtocol
  readonly port: number
  /** Nobody has said so: the port is known, and that it may be this protocol's. Whoever says it comes first. */
  readonly isImplied?: boolean
}

export type NetworkPeer =
  /** Every workload of the mesh, also those that come later. */
  | { readonly kind: 'members' }
  | { readonly kind: 'identities'; readonly ids: readonly number[] }
  /** By address, whoever has it. */
  | { readonly kind: 'block'; readonly block: NetworkBlock; readonly except: readonly NetworkBlock[] }

export type NetworkPort =
  /** Inclusive; 0 to 65535 for every port. */
  | { readonly kind: 'range'; readonly protocol: IpProtocol; readonly from: number; readonly to: number }
  | { readonly kind: 'named'; readonly protocol: IpProtocol; readonly name: string }

export interface NetworkRule {
  /** Undefined for everybody. */
  readonly peers: readonly NetworkPeer[] | undefined
  /** Undefined for every port of every protocol. */
  readonly ports: readonly NetworkPort[] | undefined
}

export interface NetworkPolicy {
  /** `namespace/name` */
  readonly key: string
  /** Identities it selects, ascending. */
  readonly subjects: readonly number[]
  /** Undefined: it says nothing about this direction. An empty list: nothing is allowed. */
  readonly ingress: readonly NetworkRule[] | undefined
  readonly egress: readonly NetworkRule[] | undefined
  /** It closes in the place of one that cannot be read. */
  readonly isStandIn: boolean
}

/** Everything that decides who may talk to whom. An unchanged member is the same object in the next set. */
export interface NetworkPolicySet {
  /** By number. */
  readonly identities: ReadonlyMap<number, NetworkIdentity>
  /** Sorted by key. */
  readonly members: readonly NetworkMember[]
  /** Sorted by key. */
  readonly policies: readonly NetworkPolicy[]
}

export const emptyNetworkPolicySet: NetworkPolicySet = { identities: new Map(), members: [], policies: [] }
