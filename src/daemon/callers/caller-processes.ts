import type { Caller } from '../../model/index.ts'
import type { Breath } from './breath.ts'
import type { ProcFiles } from './proc-files.ts'

/** A process that was started as, or for, a workload. */
export interface CallerRoot {
  readonly pid: number
  readonly caller: Caller
}

/** Between two looks at the clock: each takes a few microseconds. */
const descriptorsPerStep = 256

/**
 * Finds out which workload holds a socket. To a workload belong its root
 * process, its descendants, and whatever else is in the root's session or
 * process group: a process whose parent has ended is the child of an ancestor
 * of the root from then on (init, or a subreaper; prctl(2)), so that only the
 * children of those are looked at, never all processes of the machine. Roots
 * within the tree of another root are on their own.
 *
 * Descriptors are inherited and handed over, so that one socket may be held by
 * processes of two workloads, and nobody can say which of them speaks: it is
 * nobody's then, unless both are the same to routes. That is only known when
 * all processes of all workloads were looked at, so every search does, and
 * nothing is remembered of the last one: numbers of processes are used again. A
 * process that may not be looked into, as one of another user, holds nothing.
 *
 * @returns by inode of a socket the workload that holds it; sockets of others are left out
 */
export async function findHolders(
  files: ProcFiles,
  inodes: Iterable<number>,
  roots: readonly CallerRoot[],
  breath: Breath,
): Promise<ReadonlyMap<number, Caller>> {
  const search = new Search(files, inodes, roots)
  for (const { pid, caller } of roots) await search.walk(pid, caller, breath)
  await search.walkOrphans(breath)
  return search.found()
}

/** What `/proc/PID/stat` says of a process (proc_pid_stat(5)). */
interface ProcessState {
  readonly parent: number
  readonly group: number
  readonly session: number
}

class Search {
  readonly #files: ProcFiles
  readonly #roots: ReadonlyMap<number, Caller>
  /** As descriptors name them, `socket:[4711]`. */
  readonly #wanted = new Map<string, number>()
  /** By inode; undefined for a socket of several workloads. */
  readonly #holders = new Map<number, Caller | undefined>()
  readonly #seen = new Set<number>()
  readonly #tellsChildren: boolean
  /** Children by parent, on kernels that do not tell them one by one. */
  #families: ReadonlyMap<number, readonly number[]> | undefined = undefined

  constructor(files: ProcFiles, inodes: Iterable<number>, roots: readonly CallerRoot[]) {
    this.#files = files
    this.#tellsChildren = files.has('/thread-self/children')
    this.#roots = new Map(roots.map(({ pid, caller }) => [pid, caller]))
    for (const inode of inodes) this.#wanted.set(`socket:[${inode}]`, inode)
  }

  found(): ReadonlyMap<number, Caller> {
    const found = new Map<number, Caller>()
    for (const [inode, caller] of this.#holders) if (caller !== undefined) found.set(inode, caller)
    return found
  }

  #memberOf({ group, session }: ProcessState): Caller | undefined {
    return this.#roots.get(group) ?? this.#roots.get(session)
  }

  /** Reads the descriptors of a process and all that come from it. */
  async walk(pid: number, caller: Caller, breath: Breath): Promise<void> {
    const open = [pid]
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      if (this.#seen.has(at)) continue
      this.#seen.add(at)
      await this.#look(at, caller, breath)
      for (const child of this.#children(at)) if (!this.#roots.has(child)) open.push(child)
    }
  }

  async #look(pid: number, caller: Caller, breath: Breath): Promise<void> {
    const directory = `/${pid}/fd`
    for (const [at, name] of this.#files.list(directory).entries()) {
      const turn = at % descriptorsPerStep === 0 ? breath.take() : undefined
      if (turn !== undefined) await turn
      const inode = this.#wanted.get(this.#files.link(`${directory}/${name}`))
      if (inode === undefined) continue
      const isShared = this.#holders.has(inode) && !isSame(this.#holders.get(inode), caller)
      this.#holders.set(inode, isShared ? undefined : caller)
    }
  }

  /** Looks for members of the roots' sessions and groups where they end up when their parents are gone. */
  async walkOrphans(breath: Breath): Promise<void> {
    for (const ancestor of this.#ancestors()) {
      for (const child of this.#children(ancestor)) {
        if (this.#seen.has(child) || this.#roots.has(child)) continue
        const state = this.#state(child)
        const caller = state && this.#memberOf(state)
        if (caller !== undefined) await this.walk(child, caller, breath)
      }
    }
  }

  #ancestors(): ReadonlySet<number> {
    const ancestors = new Set<number>()
    for (const root of this.#roots.keys()) {
      let at = this.#state(root)?.parent ?? 0
      while (at > 0 && !ancestors.has(at)) {
        ancestors.add(at)
        at = this.#state(at)?.parent ?? 0
      }
    }
    return ancestors
  }

  #state(pid: number): ProcessState | undefined {
    const text = this.#files.text(`/${pid}/stat`)
    // The name of the program, in brackets, may hold anything.
    const [, parent, group, session] = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return parent === undefined ? undefined : { parent: Number(parent), group: Number(group), session: Number(session) }
  }

  #children(pid: number): readonly number[] {
    if (this.#families === undefined && !this.#tellsChildren) this.#families = this.#readFamilies()
    if (this.#families !== undefined) return this.#families.get(pid) ?? []
    const tasks = `/${pid}/task`
    return this.#files.list(tasks).flatMap(task => numbers(this.#files.text(`${tasks}/${task}/children`)))
  }

  /** Without CONFIG_PROC_CHILDREN, which distributions have, every process has to be asked for its parent. */
  #readFamilies(): Map<number, number[]> {
    const families = new Map<number, number[]>()
    for (const name of this.#files.list('/')) {
      const child = Number(name)
      const parent = child > 0 ? this.#state(child)?.parent : undefined
      if (parent === undefined) continue
      const siblings = families.get(parent)
      if (siblings === undefined) families.set(parent, [child])
      else siblings.push(child)
    }
    return families
  }
}

function numbers(text: string): readonly number[] {
  return text
    .split(' ')
    .filter(word => word !== '')
    .map(Number)
}

function isSame(a: Caller | undefined, b: Caller): boolean {
  return a?.namespace === b.namespace && a.service === b.service
}
