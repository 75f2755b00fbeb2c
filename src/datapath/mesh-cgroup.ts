import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from 'node:fs'
import { basename, join, relative } from 'node:path'
import { MeshError } from '../core/index.ts'
import { findCgroup2 } from '../kernel/index.ts'

/**
 * The mesh's cgroup, in which each workload has one of its own: who a process is, is in which of them it is, and it
 * cannot leave without privileges. Cgroups of version 2, also beside those of version 1.
 *
 * Cgroups stay when this is closed: the processes in them stay, too.
 */
export class MeshCgroup {
  readonly folder: string

  private constructor(folder: string) {
    this.folder = folder
  }

  /**
   * Makes it, or takes what is there.
   * @param name  of a folder in the root of version 2
   * @throws MeshError MESH_KERNEL_UNSUPPORTED when version 2 is not mounted, MESH_KERNEL_SYSCALL
   */
  static open(name: string): MeshCgroup {
    const root = findCgroup2()
    if (root === undefined) {
      throw new MeshError('MESH_KERNEL_UNSUPPORTED', 'cgroups of version 2 are not mounted', {
        source: 'kernel',
        hint: 'mount -t cgroup2 none /sys/fs/cgroup',
      })
    }
    return new MeshCgroup(makeFolder(join(root, name)))
  }

  /** @returns undefined when there is none */
  static find(name: string): MeshCgroup | undefined {
    const root = findCgroup2()
    return root !== undefined && existsSync(join(root, name)) ? new MeshCgroup(join(root, name)) : undefined
  }

  get id(): bigint {
    return idOfCgroup(this.folder)
  }

  /** How deep below the root the cgroups of workloads lie. */
  get memberLevel(): number {
    return levelOfCgroup(this.folder) + 1
  }

  /**
   * The cgroup of a workload, made if it is not there.
   * @param workload  `namespace/name`
   * @throws MeshError MESH_KERNEL_SYSCALL
   */
  enter(workload: string): string {
    return makeFolder(this.#folderOf(workload))
  }

  /** Removes the cgroup of a workload, unless there are processes in it. @returns whether it is gone */
  leave(workload: string): boolean {
    return removeCgroups(this.#folderOf(workload)).length === 0
  }

  /** Processes of a workload. */
  pidsOf(workload: string): Iterable<number> {
    return pidsBelow(this.#folderOf(workload))
  }

  /** Where the agent itself belongs, so that its own sockets are known from all others. */
  get agentFolder(): string {
    return makeFolder(join(this.folder, agentName))
  }

  get agentId(): bigint {
    return idOfCgroup(this.agentFolder)
  }

  /** This process, with all its threads; sockets that it has already stay where they were made. */
  enterAgent(): void {
    moveProcess(process.pid, this.agentFolder)
  }

  /** Workloads by the ids of their cgroups, of all that exist. */
  workloads(): ReadonlyMap<bigint, string> {
    const workloads = new Map<bigint, string>()
    for (const entry of readdirSync(this.folder, { withFileTypes: true })) {
      if (!entry.isDirectory() || entry.name === agentName) continue
      // Namespaces have no dots.
      const workload = entry.name.replace('.', '/')
      const stats = statSync(join(this.folder, entry.name), { bigint: true, throwIfNoEntry: false })
      if (stats !== undefined) workloads.set(stats.ino, workload)
    }
    return workloads
  }

  #folderOf(workload: string): string {
    return join(this.folder, workload.replace('/', '.'))
  }
}

/** No workload's: those have a dot in the names of their folders. */
const agentName = 'agent'

export function isAgentFolder(folder: string): boolean {
  return basename(folder) === agentName
}

/** By which the kernel knows it. */
export function idOfCgroup(folder: string): bigint {
  return statSync(folder, { bigint: true }).ino
}

/** 1 right below the root. */
export function levelOfCgroup(folder: string): number {
  return relative(findCgroup2() ?? '/', folder).split('/').length
}

/** @throws MeshError MESH_KERNEL_SYSCALL */
export function moveProcess(pid: number, folder: string): void {
  try {
    writeFileSync(join(folder, 'cgroup.procs'), String(pid))
  } catch (error) {
    const { code = 'failed' } = error as NodeJS.ErrnoException
    throw new MeshError('MESH_KERNEL_SYSCALL', `write: ${code} (process ${pid} to cgroup ${folder})`, {
      source: 'kernel',
      cause: error,
      hint: 'the agent has to be root, or the owner of both cgroups',
    })
  }
}

function makeFolder(folder: string): string {
  try {
    mkdirSync(folder, { recursive: true })
    return folder
  } catch (error) {
    const { code = 'failed' } = error as NodeJS.ErrnoException
    throw new MeshError('MESH_KERNEL_SYSCALL', `mkdir: ${code} (cgroup ${folder})`, {
      source: 'kernel',
      cause: error,
      hint: 'the agent has to be root, or the owner of that cgroup',
    })
  }
}

/** Processes that are in it, not in one below. @throws when there is no such cgroup */
export function pidsInCgroup(folder: string): readonly number[] {
  return readFileSync(join(folder, 'cgroup.procs'), 'latin1').split('\n').filter(Boolean).map(Number)
}

/** Processes that are in it or in one below; nobody when there is no such cgroup. */
export function* pidsBelow(folder: string): Generator<number> {
  try {
    yield* pidsInCgroup(folder)
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (entry.isDirectory()) yield* pidsBelow(join(folder, entry.name))
    }
  } catch (error) {
    // ENODEV: removed while it is read.
    if (!['ENOENT', 'ENODEV'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
}

/** A cgroup that could not be removed, and what is in it. */
export interface BusyCgroup {
  readonly folder: string
  readonly pids: readonly number[]
}

/** Removes a cgroup and all below it. @returns those that have processes in them; nothing when all is gone */
export function removeCgroups(folder: string): readonly BusyCgroup[] {
  let entries
  try {
    entries = readdirSync(folder, { withFileTypes: true })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
  const busy = entries.filter(entry => entry.isDirectory()).flatMap(({ name }) => removeCgroups(join(folder, name)))
  if (busy.length > 0) return busy
  try {
    rmdirSync(folder)
    return []
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    return [{ folder, pids: pidsInCgroup(folder) }]
  }
}

/**
 * A command that runs `command` in a cgroup from its first instruction on: sockets belong to the cgroup in which they
 * were made. Exits with 126 when it may not enter; what cannot be run ends with 127 as in a shell.
 */
export function commandInCgroup(folder: string, command: readonly string[]): readonly [string, ...string[]] {
  const script = 'echo 0 >"$0/cgroup.procs" || exit 126; exec "$@"'
  return ['/bin/sh', '-c', script, folder, ...command]
}
