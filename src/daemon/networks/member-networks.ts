import type { NetworkNamespaces } from '../../kernel/index.ts'

/** A member of the mesh, and a process of it. */
export type MemberProcess = readonly [workload: string, pid: number]

/** Another network namespace in which members run. */
export interface FoundNetwork {
  /** As the kernel links it, `net:[4026531840]`: its own as long as somebody is in there. */
  readonly name: string
  /** One who is. */
  readonly pid: number
  readonly workloads: ReadonlySet<string>
}

/**
 * Network namespaces that members are in, besides our own.
 * @param unseen  told of processes that may not be looked at
 */
export function findNetworks(
  namespaces: Pick<NetworkNamespaces, 'own' | 'nameOf'>,
  members: Iterable<MemberProcess>,
  unseen: (workload: string, error: unknown) => void,
): ReadonlyMap<string, FoundNetwork> {
  const { own } = namespaces
  const found = new Map<string, { pid: number; workloads: Set<string> }>()
  for (const [workload, pid] of members) {
    let name: string | undefined
    try {
      name = namespaces.nameOf(pid)
    } catch (error) {
      unseen(workload, error)
    }
    if (name === undefined || name === own) continue
    const known = found.get(name) ?? { pid, workloads: new Set() }
    known.workloads.add(workload)
    found.set(name, known)
  }
  return new Map([...found].map(([name, each]) => [name, { name, ...each }]))
}
