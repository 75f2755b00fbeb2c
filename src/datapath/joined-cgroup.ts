import { statSync } from 'node:fs'
import { levelOfCgroup } from './mesh-cgroup.ts'
import { mostLevels } from './state-table.ts'

/** A cgroup that is not below the mesh's, whose programs are of the mesh: that of a service of the system, a container's. */
export interface JoinedCgroup {
  readonly folder: string
  readonly id: bigint
  /** How deep it lies below the root. */
  readonly level: number
  /** `namespace/name` of the workload that its programs are. */
  readonly workload: string
  /** All that run there; or only sockets that were made there by programs which have joined since. @default 'all' */
  readonly part?: 'all' | 'adopted'
}

/** Where sockets of a program that has joined were made. @returns undefined when there is no such cgroup now */
export function findLeft(folder: string, workload: string): JoinedCgroup | undefined {
  const stats = statSync(folder, { bigint: true, throwIfNoEntry: false })
  if (stats === undefined) return undefined
  return { folder, id: stats.ino, level: levelOfCgroup(folder), workload, part: 'adopted' }
}

/** Of all that run in their cgroups. */
export function membersOf(joined: readonly JoinedCgroup[]): readonly JoinedCgroup[] {
  return joined.filter(({ part = 'all' }) => part === 'all')
}

/** @returns undefined when there is no such cgroup now, or it lies too deep */
export function findJoined(folder: string, workload: string): JoinedCgroup | undefined {
  const stats = statSync(folder, { bigint: true, throwIfNoEntry: false })
  const level = levelOfCgroup(folder)
  if (stats === undefined || level > mostLevels) return undefined
  return { folder, id: stats.ino, level, workload }
}
