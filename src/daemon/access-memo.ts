import type { CompiledNetworkPolicy, NetworkAccess, NetworkMember, Workload } from '../model/index.ts'
import { callerOf } from './callers/caller-roots.ts'

/** What the workers' tables of NetworkPolicies are made of. */
export interface AccessParts {
  readonly compiled: CompiledNetworkPolicy
  readonly members: readonly NetworkMember[]
  readonly workloads: readonly Workload[]
  /** Workloads by the ids of their cgroups. */
  readonly cgroups: ReadonlyMap<bigint, string>
}

/** Makes the workers' tables anew only when something that is in them has changed: they are large, and are copied. */
export class AccessMemo {
  #parts: AccessParts | undefined
  #access: NetworkAccess | undefined

  /** Whether the last tables were made of these; of cgroups is only known once they have been made. */
  isMadeOf(parts: Omit<AccessParts, 'cgroups'>): boolean {
    const before = this.#parts
    return (
      before?.compiled === parts.compiled && before.members === parts.members && before.workloads === parts.workloads
    )
  }

  take(parts: AccessParts): NetworkAccess {
    if (this.#access !== undefined && this.isMadeOf(parts) && this.#parts?.cgroups === parts.cgroups) {
      return this.#access
    }
    const callers = new Map(parts.workloads.map(workload => [workload.key, callerOf(workload)]))
    const { compiled, members } = parts
    this.#parts = parts
    this.#access = {
      compiled,
      members,
      callers: new Map(
        [...parts.cgroups].flatMap(([id, key]) => {
          const caller = callers.get(key)
          return caller === undefined ? [] : [[id, caller] as const]
        }),
      ),
    }
    return this.#access
  }
}
