import { existsSync, readFileSync } from 'node:fs'
import { isAbsolute, join, relative, resolve } from 'node:path'
import { levelOfCgroup, mostLevels } from '../../datapath/index.ts'
import { findCgroup2 } from '../../kernel/index.ts'
import { ProcFiles } from '../callers/proc-files.ts'

/** How programs come into the mesh. */
export type JoinTarget =
  /** All that run in a cgroup, now and later, with the sockets they have. */
  | { readonly kind: 'cgroup'; readonly folder: string; readonly pids: readonly number[] }
  /** A process and those it has started, which are moved to a cgroup of the mesh; sockets they have stay outside. */
  | { readonly kind: 'processes'; readonly pids: readonly number[]; readonly from: string }
  | { readonly kind: 'wrong'; readonly message: string }

/**
 * What is meant by a PID or a cgroup. A process that has its cgroup for itself, as a service of the system or a
 * container has, brings all of it; one that shares it with others is taken out of it.
 *
 * @param text  number of a process, or a cgroup: a folder below where version 2 is mounted, or a path as in /proc/PID/cgroup
 * @param mesh  folder of the mesh's own cgroup
 */
export function findTarget(text: string, mesh: string, files: ProcFiles = new ProcFiles()): JoinTarget {
  const root = findCgroup2()
  if (root === undefined) return wrong('cgroups of version 2 are not mounted')
  if (/^\d+$/.test(text)) return ofProcess(Number(text), { root, mesh, files })
  const inside = isAbsolute(text) && !isBelow(root, text) ? join(root, text) : resolve(root, text)
  return ofCgroup(inside, { root, mesh })
}

interface Where {
  readonly root: string
  readonly mesh: string
}

function ofProcess(pid: number, { root, mesh, files }: Where & { readonly files: ProcFiles }): JoinTarget {
  const path = /^0::(.*)$/m.exec(files.text(`/${pid}/cgroup`))?.[1]
  if (path === undefined) return wrong(`there is no process ${pid}`)
  const folder = join(root, path)
  if (folder === mesh || isBelow(mesh, folder)) return wrong(`process ${pid} is in the mesh already, in ${path}`)
  const family = familyOf(pid, files)
  const others = processesIn(folder).filter(other => !family.has(other))
  if (folder !== root && others.length === 0) return ofCgroup(folder, { root, mesh })
  return { kind: 'processes', pids: [...family], from: folder }
}

function ofCgroup(folder: string, { root, mesh }: Where): JoinTarget {
  if (!isBelow(root, folder) || !existsSync(join(folder, 'cgroup.procs'))) {
    return wrong(`${folder} is no cgroup of version 2 below ${root}`)
  }
  if (folder === mesh || isBelow(mesh, folder)) return wrong(`${folder} is of the mesh already`)
  if (isBelow(folder, mesh)) return wrong(`${folder} has the mesh itself in it`)
  if (levelOfCgroup(folder) > mostLevels) return wrong(`${folder} lies more than ${mostLevels} levels deep`)
  const pids = processesIn(folder)
  if (pids.includes(process.pid)) return wrong(`the agent itself is in ${folder}`)
  return { kind: 'cgroup', folder, pids }
}

/** A process and its descendants. */
function familyOf(pid: number, files: ProcFiles): ReadonlySet<number> {
  const family = new Set([pid])
  for (const each of family) {
    for (const task of files.list(`/${each}/task`)) {
      const children = files.text(`/${each}/task/${task}/children`)
      for (const child of children.split(' ').filter(Boolean)) family.add(Number(child))
    }
  }
  return family
}

/** Of a cgroup itself, without those below it. */
export function processesIn(folder: string): readonly number[] {
  try {
    return readFileSync(join(folder, 'cgroup.procs'), 'latin1').split('\n').filter(Boolean).map(Number)
  } catch {
    return []
  }
}

/** Whether there is any process in a cgroup or below it. */
export function isPopulated(folder: string): boolean {
  try {
    return /^populated 1$/m.test(readFileSync(join(folder, 'cgroup.events'), 'latin1'))
  } catch {
    return false
  }
}

/** Ports of TCP that processes listen at. */
export function listeningPorts(pids: readonly number[], files: ProcFiles = new ProcFiles()): readonly number[] {
  const inodes = new Set<string>()
  const ports = new Set<number>()
  for (const pid of pids) {
    for (const fd of files.list(`/${pid}/fd`)) {
      const inode = /^socket:\[(\d+)\]$/.exec(files.link(`/${pid}/fd/${fd}`))?.[1]
      if (inode !== undefined) inodes.add(inode)
    }
  }
  const listening = '0A'
  for (const pid of pids.slice(0, 1)) {
    for (const table of ['tcp', 'tcp6']) {
      for (const line of files.text(`/${pid}/net/${table}`).split('\n').slice(1)) {
        const words = line.trim().split(/\s+/)
        const port = words[1]?.split(':')[1]
        if (words[3] === listening && port !== undefined && inodes.has(words[9] ?? '')) {
          ports.add(Number.parseInt(port, 16))
        }
      }
    }
  }
  return [...ports].toSorted((a, b) => a - b)
}

function isBelow(folder: string, path: string): boolean {
  const rest = relative(folder, path)
  return rest !== '' && !rest.startsWith('..') && !isAbsolute(rest)
}

function wrong(message: string): JoinTarget {
  return { kind: 'wrong', message }
}
