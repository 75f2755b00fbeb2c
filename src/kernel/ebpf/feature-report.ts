import { release } from 'node:os'
import type { Bpf } from './bpf.ts'
import { findBpffs, findCgroup2 } from './bpffs.ts'
import { missingCapabilities, permissionHint } from './capabilities.ts'
import type { Capability } from './capabilities.ts'
import { allFeatures, isOlder, supports } from './feature.ts'

/** One line of what this machine has. */
export interface FeatureReport {
  readonly name: string
  /** undefined: it could not be found out, `remedy` says why. */
  readonly isAvailable: boolean | undefined
  /** First version that has it; undefined for what is no matter of versions, such as mounts. */
  readonly firstKernel: string | undefined
  readonly needs: readonly Capability[]
  /** One clause for the operator; undefined when nothing is to be done. */
  readonly remedy: string | undefined
}

/**
 * Everything the library can use, tried out on this kernel, and the mounts it needs. Changes nothing; takes some 10 ms.
 */
export function checkFeatures(bpf: Bpf): readonly FeatureReport[] {
  const features = allFeatures().map((feature): FeatureReport => {
    const isAvailable = supports(bpf, feature)
    const { name, firstKernel, needs } = feature
    return { name, isAvailable, firstKernel, needs, remedy: isAvailable === true ? undefined : remedyOf(feature) }
  })
  const bpffs = findBpffs()
  const cgroup2 = findCgroup2()
  return [
    ...features,
    {
      name: bpffs === undefined ? 'bpffs' : `bpffs on ${bpffs}`,
      isAvailable: bpffs !== undefined,
      firstKernel: undefined,
      needs: bpffs === undefined ? ['CAP_SYS_ADMIN'] : [],
      remedy: bpffs === undefined ? 'mount -t bpf bpffs /sys/fs/bpf' : undefined,
    },
    {
      name: cgroup2 === undefined ? 'cgroups of version 2' : `cgroups of version 2 on ${cgroup2}`,
      isAvailable: cgroup2 !== undefined,
      firstKernel: undefined,
      needs: cgroup2 === undefined ? ['CAP_SYS_ADMIN'] : [],
      remedy: cgroup2 === undefined ? 'mount -t cgroup2 none /sys/fs/cgroup' : undefined,
    },
  ]
}

function remedyOf(feature: { readonly firstKernel: string; readonly needs: readonly Capability[] }): string {
  if (missingCapabilities(feature.needs).length > 0) return permissionHint(feature.needs)
  if (isOlder(release(), feature.firstKernel)) return `Linux ${feature.firstKernel} or newer`
  return `this kernel (${release()}) is new enough but was built without it, or something forbids it`
}
