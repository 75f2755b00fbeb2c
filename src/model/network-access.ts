import type { CompiledNetworkPolicy } from './compiled-network-policy.ts'
import type { NetworkMember } from './network-policy.ts'
import type { Caller } from './workload.ts'

/** What a proxy needs to enforce NetworkPolicies on what it forwards. */
export interface NetworkAccess {
  readonly compiled: CompiledNetworkPolicy
  readonly members: readonly NetworkMember[]
  /** By the id of the cgroup that their processes are in. */
  readonly callers: ReadonlyMap<bigint, Caller>
}
