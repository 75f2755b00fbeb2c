import { mkdirSync, readFileSync } from 'node:fs'
import type { Bpf } from './bpf.ts'
import { isBpffs } from './pin.ts'

/** A mounted file system, as /proc/self/mountinfo tells it. */
export interface Mount {
  readonly folder: string
  readonly type: string
}

/**
 * Mounts in the order they were made; where two lie on one folder, the later one is seen.
 * @param text  /proc/self/mountinfo
 * @see proc_pid_mountinfo(5)
 */
export function parseMounts(text: string): readonly Mount[] {
  return text.split('\n').flatMap(line => {
    const fields = line.split(' ')
    const type = fields[fields.indexOf('-') + 1]
    const folder = fields[4]
    if (folder === undefined || type === undefined || !fields.includes('-')) return []
    // Blanks and backslashes are written in octal.
    return [
      {
        folder: folder.replaceAll(/\\([0-7]{3})/g, (_, octal: string) =>
          String.fromCodePoint(Number.parseInt(octal, 8)),
        ),
        type,
      },
    ]
  })
}

function mounts(): readonly Mount[] {
  return parseMounts(readFileSync('/proc/self/mountinfo', 'utf8'))
}

/** The first bpffs of this mount namespace, usually /sys/fs/bpf. @returns undefined when none is mounted */
export function findBpffs(): string | undefined {
  return mounts().find(({ type, folder }) => type === 'bpf' && isBpffs(folder))?.folder
}

/** Root of the cgroup v2 hierarchy: /sys/fs/cgroup, or /sys/fs/cgroup/unified beside version 1. */
export function findCgroup2(): string | undefined {
  return mounts().find(({ type }) => type === 'cgroup2')?.folder
}

/**
 * Makes a folder for pins: as it is when it lies in a bpffs, with one mounted on it otherwise. Such a mount is seen by
 * this mount namespace and those that share it, and keeps its pins until `bpf.unmount(folder)`.
 *
 * @returns whether something was mounted
 * @throws MeshError MESH_KERNEL_SYSCALL without CAP_SYS_ADMIN where a mount is needed
 */
export function openPinFolder(bpf: Bpf, folder: string): boolean {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  if (isBpffs(folder)) return false
  bpf.mountBpffs(folder)
  return true
}
