import { firstIdentity, fixedGroups, reservedIdentities } from '../../model/index.ts'
import type { CompiledNetworkPolicy, PolicyClass, PolicyRule } from '../../model/index.ts'
import { contains } from './block-groups.ts'
import { portPrefix, prefixBits } from './port-prefix.ts'

/** One end of a connection. */
export interface NetworkParty {
  /** 0 for nobody of the mesh. */
  readonly identity: number
  /** `namespace/name` of the workload; empty for none. */
  readonly member: string
  /** 4 or 16 bytes, IPv4-mapped ones as IPv4; undefined when it is not known, and then in no network. */
  readonly address: Uint8Array | undefined
}

/** A connection that is about to be opened, or the first datagram of a flow. What answers it is not asked about. */
export interface NetworkProbe {
  readonly from: NetworkParty
  readonly to: NetworkParty
  /** Of IP: 6, 17, 132. */
  readonly protocol: number
  /** Of the destination itself, behind every virtual address. */
  readonly port: number
}

export type DirectionVerdict =
  /** No policy selects this end for this direction. */
  | { readonly kind: 'open' }
  | { readonly kind: 'allowed'; readonly rule: PolicyRule }
  /** None of the rules of these policies fits. */
  | { readonly kind: 'denied'; readonly policies: readonly string[]; readonly isOverfull: boolean }
  /** A workload to itself. */
  | { readonly kind: 'self' }
  /** From or to the agent. */
  | { readonly kind: 'node' }

export interface NetworkVerdict {
  readonly isAllowed: boolean
  /** Of the source. */
  readonly egress: DirectionVerdict
  /** Of the destination. */
  readonly ingress: DirectionVerdict
}

/** Whether a connection may be opened: the source's egress and the destination's ingress both have to allow it. */
export function evaluateNetworkPolicy(compiled: CompiledNetworkPolicy, probe: NetworkProbe): NetworkVerdict {
  const { from, to } = probe
  const egress = decide(compiled, 'egress', from, to, probe)
  const ingress = decide(compiled, 'ingress', to, from, probe)
  return { isAllowed: egress.kind !== 'denied' && ingress.kind !== 'denied', egress, ingress }
}

function decide(
  compiled: CompiledNetworkPolicy,
  direction: PolicyClass['direction'],
  subject: NetworkParty,
  peer: NetworkParty,
  probe: NetworkProbe,
): DirectionVerdict {
  if (subject.member !== '' && subject.member === peer.member) return { kind: 'self' }
  if (peer.identity === reservedIdentities.node) return { kind: 'node' }
  const id = compiled.subjects.get(subject.identity)?.[direction] ?? 0
  const found = id === 0 ? undefined : compiled.classes.get(id)
  if (found === undefined) return { kind: 'open' }
  const rule = compiled.rules.get(ruleFor(found, peer, probe))
  if (rule !== undefined) return { kind: 'allowed', rule }
  return { kind: 'denied', policies: found.policies, isOverfull: found.isOverfull }
}

/** The lookups of `CompiledNetworkPolicy`, in their order. @returns 0 for none */
function ruleFor(found: PolicyClass, { identity, address }: NetworkParty, { protocol, port }: NetworkProbe): number {
  const isMember = identity >= firstIdentity
  const at = (group: number): number => longestPort(found, group, protocol, port)
  return (
    (isMember && at(found.peers.get(identity) ?? 0)) ||
    at(groupOf(found, address)) ||
    (isMember && at(fixedGroups.members)) ||
    at(fixedGroups.anybody)
  )
}

function longestPort({ ports }: PolicyClass, group: number, protocol: number, port: number): number {
  const prefixes = group === 0 ? undefined : ports.get(group)
  if (prefixes === undefined) return 0
  for (let bits = prefixBits; bits >= 0; bits--) {
    const rule = prefixes.get(portPrefix(bits, protocol, port))
    if (rule !== undefined) return rule
  }
  return 0
}

function groupOf({ blocks }: PolicyClass, address: Uint8Array | undefined): number {
  if (address === undefined) return 0
  const whole = { bytes: address, prefixLength: address.length * 8 }
  return blocks.find(block => contains(block, whole))?.group ?? 0
}
