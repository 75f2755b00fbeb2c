import { createHash } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { isBpffs, openPinFolder } from '../kernel/index.ts'
import type { Bpf } from '../kernel/index.ts'

/** Where an agent keeps what outlives it; each agent of a machine has its own. */
export interface TierPlaces {
  /** Name of its cgroup, right below the root of version 2. */
  readonly cgroup: string
  /** Folder for pins. */
  readonly pins: string
  /** Whether a bpffs of its own is mounted on `pins`, since there is none at the usual place. */
  readonly isOwnMount: boolean
}

const usualSocket = '/run/heddle/agent.sock'
const usualBpffs = '/sys/fs/bpf'

/** Two agents differ by their sockets. */
export function tierPlaces(socketPath: string): TierPlaces {
  const hash = createHash('sha256').update(socketPath).digest('hex').slice(0, 8)
  const cgroup = socketPath === usualSocket ? 'heddle' : `heddle-${hash}`
  const beside = join(dirname(socketPath), `${cgroup}.bpf`)
  // One that an agent has mounted stays in use when somebody mounts the usual one later.
  return isBpffs(usualBpffs) && !isBpffs(beside)
    ? { cgroup, pins: join(usualBpffs, cgroup), isOwnMount: false }
    : { cgroup, pins: beside, isOwnMount: true }
}

/** @throws MeshError MESH_KERNEL_SYSCALL */
export function openPins(bpf: Bpf, { pins, isOwnMount }: TierPlaces): void {
  if (isOwnMount) openPinFolder(bpf, pins)
  else mkdirSync(pins, { recursive: true, mode: 0o700 })
}
