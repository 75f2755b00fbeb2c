import { parseIpAddress } from '../../src/codec/index.ts'
import {
  ipProtocols,
  type CompiledNetworkPolicy,
  type IpProtocol,
  type NetworkPolicySet,
} from '../../src/model/index.ts'
import { compileNetworkPolicies, evaluateNetworkPolicy } from '../../src/policy/index.ts'
import type { NetworkParty, NetworkProbe, NetworkVerdict } from '../../src/policy/index.ts'
import type { Reconciler } from '../../src/sources/reconcile/reconcile.ts'
import { put } from '../../src/sources/reconcile/testing.ts'
import type { AnyResource } from '../../src/sources/schema/resource.ts'
import { addressOf } from './oracle.ts'
import type { RawParty, RawProbe, RawWorld } from './oracle.ts'

/** Raw resources on their way to tables, as the agent takes them. */
export function policySetOf(reconciler: Reconciler, world: RawWorld): NetworkPolicySet {
  const resources = new Map<string, AnyResource>()
  for (const each of world.namespaces) put(resources, { apiVersion: 'v1', kind: 'Namespace', ...each })
  for (const each of world.workloads) put(resources, { apiVersion: 'heddle.dev/v1alpha1', kind: 'Workload', ...each })
  for (const each of world.policies)
    put(resources, { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', ...each })
  return reconciler.reconcile(resources).networkPolicies
}

export function compileWorld(
  reconciler: Reconciler,
  world: RawWorld,
  before?: CompiledNetworkPolicy,
): { readonly set: NetworkPolicySet; readonly compiled: CompiledNetworkPolicy } {
  const set = policySetOf(reconciler, world)
  return { set, compiled: compileNetworkPolicies(set, before) }
}

export function probeOf(set: NetworkPolicySet, { from, to, protocol, port }: RawProbe): NetworkProbe {
  return {
    from: partyOf(set, from),
    to: partyOf(set, to),
    protocol: ipProtocols[protocol as IpProtocol],
    port,
  }
}

export function verdictOf(
  { set, compiled }: { readonly set: NetworkPolicySet; readonly compiled: CompiledNetworkPolicy },
  probe: RawProbe,
): NetworkVerdict {
  return evaluateNetworkPolicy(compiled, probeOf(set, probe))
}

function partyOf(set: NetworkPolicySet, party: RawParty): NetworkParty {
  const address = parseIpAddress(addressOf(party))
  if (typeof party === 'string') return { identity: 0, member: '', address }
  const key = `${party.metadata.namespace ?? 'default'}/${party.metadata.name}`
  const member = set.members.find(each => each.key === key)
  if (member === undefined) throw new TypeError(`no member ${key}`)
  return { identity: member.identity, member: key, address }
}
