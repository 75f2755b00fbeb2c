import { reservedIdentities } from '../model/index.ts'
import type { NetworkMember } from '../model/index.ts'
import { widen } from './address.ts'
import type { Member } from './generated/sockets.ts'
import { deleteEntry, setEntry } from './map-write.ts'
import type { MapWrite } from './map-write.ts'

/** Numbers of workloads: programs compare them to tell whether a workload speaks to itself. Never used twice. */
export class MemberNumbers {
  readonly #numbers = new Map<string, number>()

  /** @param member  `namespace/name`; 0 for the empty name, which is nobody's */
  of(member: string): number {
    if (member === '') return 0
    const number = this.#numbers.get(member) ?? this.#numbers.size + 1
    this.#numbers.set(member, number)
    return number
  }
}

/** Who runs in which cgroup, as the kernel holds it. A cgroup whose workload is gone keeps an entry that refuses. */
export class MemberTable {
  readonly #numbers: MemberNumbers
  readonly #held = new Map<bigint, Member>()
  readonly #workloads = new Map<bigint, string>()

  constructor(numbers: MemberNumbers) {
    this.#numbers = numbers
  }

  /** The workload of a cgroup right below the mesh's. */
  workloadOf(cgroup: bigint): string | undefined {
    return this.#workloads.get(cgroup)
  }

  /**
   * @param members  as policies know them
   * @param cgroups  workload by the id of its cgroup, for all cgroups that exist; a workload may have several
   * @param agent    id of the agent's own cgroup; undefined when it has none
   */
  update(members: readonly NetworkMember[], cgroups: ReadonlyMap<bigint, string>, agent?: bigint): readonly MapWrite[] {
    const writes: MapWrite[] = []
    const known = new Map(members.map(member => [member.key, member]))
    const existing = new Set<bigint>()
    const hold = (cgroup: bigint, value: Member): void => {
      existing.add(cgroup)
      const before = this.#held.get(cgroup)
      if (before !== undefined && isSame(before, value)) return
      this.#held.set(cgroup, value)
      writes.push(setEntry('hd_members', cgroup, value))
    }
    if (agent !== undefined) {
      hold(agent, { identity: reservedIdentities.node, number: 0, address: { bytes: new Uint8Array(16) } })
    }
    for (const [cgroup, key] of cgroups) {
      this.#workloads.set(cgroup, key)
      const member = known.get(key)
      hold(cgroup, {
        identity: member?.identity ?? 0,
        number: this.#numbers.of(key),
        address: { bytes: member === undefined ? new Uint8Array(16) : widen(member.address) },
      })
    }
    for (const cgroup of this.#held.keys()) {
      if (existing.has(cgroup)) continue
      this.#held.delete(cgroup)
      this.#workloads.delete(cgroup)
      writes.push(deleteEntry('hd_members', cgroup))
    }
    return writes
  }
}

function isSame(a: Member, b: Member): boolean {
  return a.identity === b.identity && a.number === b.number && Buffer.compare(a.address.bytes, b.address.bytes) === 0
}
