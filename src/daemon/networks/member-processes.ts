import { membersOf, pidsBelow } from '../../datapath/index.ts'
import type { JoinedCgroup, MeshCgroup } from '../../datapath/index.ts'
import type { MemberProcess } from './member-networks.ts'

/** All processes of the mesh: below its cgroup, and in those that have joined. */
export function* memberProcesses(
  cgroup: MeshCgroup | undefined,
  joined: readonly JoinedCgroup[],
): Generator<MemberProcess> {
  for (const workload of cgroup?.workloads().values() ?? []) {
    for (const pid of cgroup?.pidsOf(workload) ?? []) yield [workload, pid]
  }
  for (const { folder, workload } of membersOf(joined)) for (const pid of pidsBelow(folder)) yield [workload, pid]
}
