import type { NetworkBlock } from './network-policy.ts'

/**
 * NetworkPolicies as tables of numbers: the evaluation in TypeScript and the
 * kernel programs look up the same entries in the same order, so that they
 * cannot disagree.
 *
 * One decision for one direction, with the subject (the source for egress, the
 * destination for ingress) and its peer:
 *
 * 1. subject -> class. No class: the direction is open.
 * 2. peer -> groups: that of (class, peer's identity), that of the longest prefix
 *    of (class, peer's address), `members` if the peer is a workload, `anybody`.
 * 3. For each group in this order the longest prefix of (class, group, protocol,
 *    port). The first that is found allows and names the rule; none denies.
 *
 * There are no entries that deny, so prefixes never contradict each other. In the
 * kernel these are a hash by identity, a hash by class and identity, a trie (LPM)
 * by class and address, and a trie by class, group, protocol and port; a test of
 * the suite `test/policy` keeps them in such maps, and has their layouts.
 */
export interface CompiledNetworkPolicy {
  /** By identity; one that is not here is in no class. */
  readonly subjects: ReadonlyMap<number, SubjectClasses>
  /** By number. A class never changes: another content has another number, so that the kernel can fill it before anybody is in it. */
  readonly classes: ReadonlyMap<number, PolicyClass>
  /** By number. */
  readonly rules: ReadonlyMap<number, PolicyRule>
  readonly places: readonly NetworkPlace[]
  /** Policies for which there was no room; their classes have no entries, and so deny. */
  readonly overfull: readonly string[]
  /** Numbers from here on were never given. */
  readonly next: { readonly classId: number; readonly ruleId: number }
}

/** 0 for none. */
export interface SubjectClasses {
  readonly ingress: number
  readonly egress: number
}

/** All that holds for subjects with the same policies, in one direction. */
export interface PolicyClass {
  readonly id: number
  readonly direction: 'ingress' | 'egress'
  /** `namespace/name`, sorted: those that isolate the subjects, and whose fault a refusal is. */
  readonly policies: readonly string[]
  /** Groups of identities; one that is not here is in none. */
  readonly peers: ReadonlyMap<number, number>
  /** Groups of addresses, longest prefixes first. */
  readonly blocks: readonly BlockGroup[]
  /** Rule numbers by group and port prefix. */
  readonly ports: ReadonlyMap<number, ReadonlyMap<PortPrefix, number>>
  readonly isOverfull: boolean
}

/** Addresses whose longest prefix is this one are in the group; group 0 is none, and hides shorter prefixes. */
export interface BlockGroup extends NetworkBlock {
  readonly group: number
}

/** Groups that every class has. */
export const fixedGroups = {
  anybody: 1,
  /** Every workload of the mesh. */
  members: 2,
} as const
/** Groups from here on are made as they are needed, and mean something else in each class. */
export const firstGroup = 3

/**
 * The first `bits` bits of protocol (8) and port (16), as one number:
 * `bits << 24 | protocol << 16 | port`, with zeros beyond the prefix. 0 is every
 * port of every protocol, 8 bits are every port of one.
 */
export type PortPrefix = number

export interface PolicyRule {
  readonly id: number
  /** `namespace/name` */
  readonly policy: string
  readonly direction: 'ingress' | 'egress'
  /** In the list of that direction, from 0. */
  readonly index: number
}

/** Who is at a destination. */
export interface NetworkPlace {
  readonly address: Uint8Array
  /** 0 for every port: an address that is one workload's alone. */
  readonly port: number
  /** Number of the protocol; 0 with port 0. */
  readonly protocol: number
  readonly identity: number
  /** `namespace/name` of the workload. */
  readonly member: string
}

/** The sizes that the kernel's maps have room for, per generation; the maps themselves hold two, the old and the new. */
export const networkPolicyLimits = {
  /** Identities in groups, of all classes together. */
  peers: 524_288,
  /** Network prefixes of all classes together. */
  blocks: 131_072,
  /** Port prefixes of all classes together. */
  ports: 131_072,
} as const

export type NetworkPolicyRoom = { readonly [Table in keyof typeof networkPolicyLimits]: number }

/**
 * One edit of the tables. Carried out in the order in which they come, each
 * leaves tables by which every connection is judged as before or as after, and
 * nobody is ever in a class that is half filled, or in none.
 */
export type NetworkPolicyStep =
  /** Nobody is in the class yet. */
  | { readonly kind: 'fill-class'; readonly class: PolicyClass }
  | { readonly kind: 'set-subject'; readonly identity: number; readonly classes: SubjectClasses }
  /** A process may be given a new identity between the steps before this kind and those after `remove-place`. */
  | { readonly kind: 'set-place'; readonly place: NetworkPlace }
  | { readonly kind: 'remove-place'; readonly place: NetworkPlace }
  /** No policy selects it any more, or there is nobody with this identity. */
  | { readonly kind: 'remove-subject'; readonly identity: number }
  /** Nobody is in the class any more. */
  | { readonly kind: 'drop-class'; readonly class: PolicyClass }
