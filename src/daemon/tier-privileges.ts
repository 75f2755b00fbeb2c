import { tierPlaces } from '../datapath/index.ts'
import { isBpffs, missingCapabilities } from '../kernel/index.ts'

type Capability = Parameters<typeof missingCapabilities>[0][number]

/** What a process needs for the kernel tier. The last one mounts a bpffs, where there is none yet. */
export function tierCapabilities(socketPath: string): readonly Capability[] {
  const { pins, isOwnMount } = tierPlaces(socketPath)
  const always = ['CAP_BPF', 'CAP_NET_ADMIN', 'CAP_PERFMON'] as const
  return isOwnMount && !isBpffs(pins) ? [...always, 'CAP_SYS_ADMIN'] : always
}

/** `this process lacks CAP_BPF …: run it as root`; undefined when it lacks none. */
export function lackedPrivileges(socketPath: string): string | undefined {
  const missing = missingCapabilities(tierCapabilities(socketPath))
  return missing.length === 0 ? undefined : `this process lacks ${missing.join(' ')}: run it as root`
}
