import {
  btfFeature,
  cgroupLinkFeature,
  helperFeature,
  loadObject,
  mapFeature,
  programFeature,
  supports,
} from '../kernel/index.ts'
import type { Bpf, Feature } from '../kernel/index.ts'
import { readSockets } from './object.ts'

/** What our programs ask of a kernel. */
export function datapathFeatures(): readonly Feature[] {
  const { maps, programs } = readSockets()
  const features = [
    btfFeature,
    cgroupLinkFeature,
    ...maps.map(({ kind }) => mapFeature(kind)),
    ...programs.map(({ section }) => programFeature(section)),
  ]
  return [...new Map(features.map(feature => [feature.name, feature])).values()]
}

/** For members in network namespaces of their own; without it they are judged, and reach no Services. */
export const networksFeature: Feature = helperFeature('cgroup_skb/egress', {
  helper: 122,
  name: 'bpf_get_netns_cookie',
  firstKernel: '6.15',
})

/** Whether programs tell network namespaces apart. */
export function seesNetworks(bpf: Bpf): boolean {
  return supports(bpf, networksFeature) === true
}

/**
 * Loads our programs and lets them go, which tells more than all features together. They call bpf_set_retval(), which
 * came last, with Linux 5.18.
 *
 * @returns how many there are
 * @throws MeshError MESH_EBPF_REFUSED, MESH_KERNEL_UNSUPPORTED, MESH_KERNEL_SYSCALL
 */
export function tryPrograms(bpf: Bpf): number {
  using object = loadObject(bpf, readSockets())
  return object.programs.size
}
