/** What the library has to know of a kind of map. */
export interface MapKindFacts {
  /** bpf_map_type of linux/bpf.h. */
  readonly type: number
  readonly firstKernel: string
  /** Whether the kernel takes the BTF of keys and values; it refuses it for some. */
  readonly takesBtf: boolean
  /** One value for each possible CPU. */
  readonly isPerCpu: boolean
}

const kind = (
  type: number,
  firstKernel: string,
  how: { takesBtf?: boolean; isPerCpu?: boolean } = {},
): MapKindFacts => ({
  type,
  firstKernel,
  takesBtf: how.takesBtf ?? true,
  isPerCpu: how.isPerCpu ?? false,
})

/** Kinds of maps that the library opens. */
export type MapKind =
  | 'hash'
  | 'array'
  | 'program-array'
  | 'per-cpu-hash'
  | 'per-cpu-array'
  | 'lru-hash'
  | 'lru-per-cpu-hash'
  | 'lpm-trie'
  | 'array-of-maps'
  | 'hash-of-maps'
  | 'sockmap'
  | 'sockhash'
  | 'cgroup-storage'
  | 'per-cpu-cgroup-storage'
  | 'queue'
  | 'stack'
  | 'sk-storage'
  | 'ring-buffer'
  | 'cgroup-local-storage'

export const mapKinds: Readonly<Record<MapKind, MapKindFacts>> = {
  hash: kind(1, '3.19'),
  array: kind(2, '3.19'),
  'program-array': kind(3, '4.2', { takesBtf: false }),
  'per-cpu-hash': kind(5, '4.6', { isPerCpu: true }),
  'per-cpu-array': kind(6, '4.6', { isPerCpu: true }),
  'lru-hash': kind(9, '4.10'),
  'lru-per-cpu-hash': kind(10, '4.10', { isPerCpu: true }),
  'lpm-trie': kind(11, '4.11'),
  'array-of-maps': kind(12, '4.12', { takesBtf: false }),
  'hash-of-maps': kind(13, '4.12', { takesBtf: false }),
  sockmap: kind(15, '4.14', { takesBtf: false }),
  sockhash: kind(18, '4.18', { takesBtf: false }),
  'cgroup-storage': kind(19, '4.19'),
  'per-cpu-cgroup-storage': kind(21, '4.20', { isPerCpu: true }),
  queue: kind(22, '4.20', { takesBtf: false }),
  stack: kind(23, '4.20', { takesBtf: false }),
  'sk-storage': kind(24, '5.2'),
  'ring-buffer': kind(27, '5.8', { takesBtf: false }),
  'cgroup-local-storage': kind(32, '6.2'),
}

/** @returns undefined for a type that this library does not know */
export function mapKindOf(type: number): MapKind | undefined {
  for (const [name, facts] of Object.entries(mapKinds)) if (facts.type === type) return name as MapKind
  return undefined
}

/** Flags of BPF_MAP_CREATE (linux/bpf.h). */
export const noPrealloc = 1
export const readOnlyProgram = 0x80
export const mmapable = 0x400
