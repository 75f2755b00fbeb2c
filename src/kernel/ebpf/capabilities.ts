import { readFileSync } from 'node:fs'

/** Capabilities that bpf(2) asks for (linux/capability.h). */
const bits = {
  CAP_NET_ADMIN: 12,
  CAP_SYS_ADMIN: 21,
  CAP_PERFMON: 38,
  CAP_BPF: 39,
} as const

export type Capability = keyof typeof bits

/** Which of them this process lacks. CAP_SYS_ADMIN stands in for CAP_BPF and CAP_PERFMON. */
export function missingCapabilities(wanted: readonly Capability[]): readonly Capability[] {
  const mask = effectiveCapabilities()
  const has = (name: Capability): boolean => ((mask >> BigInt(bits[name])) & 1n) === 1n
  return wanted.filter(name => !has(name) && !(name !== 'CAP_NET_ADMIN' && has('CAP_SYS_ADMIN')))
}

function effectiveCapabilities(): bigint {
  const line = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'latin1'))
  return BigInt(`0x${line?.[1] ?? '0'}`)
}

/** Capabilities count for bpf(2) only in the machine's first user namespace. */
function isInUserNamespace(): boolean {
  return !/^\s*0\s+0\s+4294967295\s*$/.test(readFileSync('/proc/self/uid_map', 'latin1'))
}

/** One sentence for the operator whom the kernel answered EPERM. */
export function permissionHint(wanted: readonly Capability[]): string {
  const missing = missingCapabilities(wanted)
  if (missing.length > 0) {
    const list = missing.join(' and ')
    return `this process lacks ${list}: run it as root, or give it AmbientCapabilities=${missing.join(' ')} in its systemd unit`
  }
  if (isInUserNamespace()) {
    return 'this process runs in a user namespace, where no capability counts for eBPF: start it outside of the container'
  }
  return 'all capabilities are there, so something else forbids it: kernel lockdown, a seccomp filter, or (before Linux 5.11) the limit of locked memory'
}
