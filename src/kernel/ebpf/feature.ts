import { existsSync } from 'node:fs'
import { release } from 'node:os'
import { MeshError } from '../../core/index.ts'
import { assemble } from './assemble.ts'
import { command, errno } from './bpf.ts'
import type { Bpf } from './bpf.ts'
import type { Capability } from './capabilities.ts'
import { mapKinds, noPrealloc } from './map-kind.ts'
import type { MapKind } from './map-kind.ts'
import { programKind, programKinds, tracedBy } from './program-kind.ts'
import { kernelTypesPath } from './type-index.ts'
import type { PlainSection, ProgramSection } from './program-kind.ts'

/** Something a kernel may have or not, and how to find out. */
export interface Feature {
  /** `maps of kind ring-buffer` */
  readonly name: string
  /** First version that has it; distributions may have it earlier. */
  readonly firstKernel: string
  /** What a process has to have for it. */
  readonly needs: readonly Capability[]
  /** Tries it. @returns undefined when the kernel's answer says neither, such as EPERM */
  probe(bpf: Bpf): boolean | undefined
}

/** Whether this kernel has it. Yes and no are remembered, undefined (nobody knows) is not. */
export function supports(bpf: Bpf, feature: Feature): boolean | undefined {
  const known = bpf.answers.get(feature.name)
  if (known !== undefined) return known
  const answer = feature.probe(bpf)
  if (answer !== undefined) bpf.answers.set(feature.name, answer)
  return answer
}

/** MESH_KERNEL_UNSUPPORTED for a feature that is known to be missing. */
export function unsupported(feature: Feature, object: string): MeshError {
  return new MeshError(
    'MESH_KERNEL_UNSUPPORTED',
    `${object}: this kernel (${release()}) has no ${feature.name}, which came with Linux ${feature.firstKernel}`,
    { source: 'kernel', hint: `needs Linux ${feature.firstKernel} or newer` },
  )
}

/** Whether version `a` is older than `b`; `5.8`, `6.18.44-generic`. */
export function isOlder(a: string, b: string): boolean {
  const [aMajor = 0, aMinor = 0] = (a.match(/\d+/g) ?? []).map(Number)
  const [bMajor = 0, bMinor = 0] = (b.match(/\d+/g) ?? []).map(Number)
  return aMajor === bMajor ? aMinor < bMinor : aMajor < bMajor
}

/** BTF with one type, `int`: for maps that have to have types. */
function intBtf(): Buffer {
  const bytes = Buffer.alloc(24 + 16 + 5)
  bytes.writeUInt16LE(0xeb9f, 0)
  bytes[2] = 1
  for (const [index, word] of [24, 0, 16, 16, 5].entries()) bytes.writeUInt32LE(word, 4 + index * 4)
  for (const [index, word] of [1, 1 << 24, 4, (1 << 24) | 32].entries()) bytes.writeUInt32LE(word, 24 + index * 4)
  bytes.write('\0int\0', 40, 'latin1')
  return bytes
}

function loadIntBtf(bpf: Bpf): number {
  const types = intBtf()
  return bpf.try(command.btfLoad, bpf.attr(command.btfLoad).memory(0, types).u32(16, types.length))
}

/** What a descriptor, or an errno that tells it is unknown, says of a feature. */
function conclude(bpf: Bpf, answer: number): boolean | undefined {
  if (answer >= 0) {
    bpf.own(answer, 'probe')[Symbol.dispose]()
    return true
  }
  return answer === -errno.einval ? false : undefined
}

function createMap(bpf: Bpf, kind: MapKind): number {
  const attr = bpf.attr(command.mapCreate).u32(0, mapKinds[kind].type)
  const shape = (key: number, value: number, entries: number, flags = 0): void => {
    attr.u32(4, key).u32(8, value).u32(12, entries).u32(16, flags)
  }
  if (kind === 'ring-buffer') shape(0, 0, bpf.pageBytes)
  else if (kind === 'queue' || kind === 'stack') shape(0, 4, 1)
  else if (kind === 'lpm-trie') shape(8, 4, 1, noPrealloc)
  else if (kind === 'cgroup-storage' || kind === 'per-cpu-cgroup-storage') shape(16, 4, 0)
  else shape(4, 4, 1)
  if (kind !== 'sk-storage' && kind !== 'cgroup-local-storage') return bpf.try(command.mapCreate, attr)
  shape(4, 4, 0, noPrealloc)
  const btf = loadIntBtf(bpf)
  if (btf < 0) return btf
  using types = bpf.own(btf, 'probe')
  return bpf.try(command.mapCreate, attr.u32(48, types.fd).u32(52, 1).u32(56, 1))
}

export function mapFeature(kind: MapKind): Feature {
  const { firstKernel } = mapKinds[kind]
  return {
    name: `maps of kind ${kind}`,
    firstKernel,
    needs: kind === 'sockmap' || kind === 'sockhash' ? ['CAP_BPF', 'CAP_NET_ADMIN'] : ['CAP_BPF'],
    probe(bpf) {
      if (kind !== 'array-of-maps' && kind !== 'hash-of-maps') return conclude(bpf, createMap(bpf, kind))
      const inner = createMap(bpf, 'array')
      if (inner < 0) return undefined
      using template = bpf.own(inner, 'probe')
      const attr = bpf.attr(command.mapCreate).u32(0, mapKinds[kind].type).u32(4, 4).u32(8, 4).u32(12, 1)
      return conclude(bpf, bpf.try(command.mapCreate, attr.u32(20, template.fd)))
    },
  }
}

/** BPF_F_SLEEPABLE, which programs of type syscall have to say. */
export const sleepable = 16

function loadAllow(bpf: Bpf, section: ProgramSection): number {
  const { type, attach } = programKind(section)
  const allow = assemble([{ op: 'set', register: 0, value: 1 }, { op: 'exit' }])
  const attr = bpf.attr(command.progLoad).u32(0, type).u32(4, 2).memory(8, allow).memory(16, Buffer.from('GPL\0'))
  if (section === 'syscall') attr.u32(44, sleepable)
  const traced = tracedBy(section)
  if (traced !== undefined) attr.u32(108, bpf.kernelTypes().tracedId(traced) ?? 0)
  return bpf.try(command.progLoad, attr.u32(68, attach))
}

/** Programs that see packets or change connections want CAP_NET_ADMIN, those that read the kernel CAP_PERFMON. */
function neededBy(section: ProgramSection): readonly Capability[] {
  if (section === 'socket' || section === 'syscall') return ['CAP_BPF']
  return tracedBy(section) === undefined ? ['CAP_BPF', 'CAP_NET_ADMIN'] : ['CAP_BPF', 'CAP_PERFMON']
}

export function programFeature(section: ProgramSection): Feature {
  return {
    name: `programs of kind ${section}`,
    firstKernel: programKind(section).firstKernel,
    needs: neededBy(section),
    probe: bpf => conclude(bpf, loadAllow(bpf, section)),
  }
}

/** A helper of the kernel, by its number in linux/bpf.h. */
export interface Helper {
  readonly helper: number
  /** `bpf_get_socket_cookie` */
  readonly name: string
  readonly firstKernel: string
}

/**
 * Whether programs of a section may call a helper. Its arguments are missing, so the verifier refuses the program in any
 * case; what counts is whether it refuses the helper.
 */
export function helperFeature(section: ProgramSection, { helper, name, firstKernel }: Helper): Feature {
  return {
    name: `${name}() in programs of kind ${section}`,
    firstKernel,
    needs: neededBy(section),
    probe(bpf) {
      const { type, attach } = programKind(section)
      const log = Buffer.allocUnsafeSlow(64 << 10)
      log[0] = 0
      const call = assemble([{ op: 'call', helper }, { op: 'exit' }])
      const attr = bpf.attr(command.progLoad).u32(0, type).u32(4, 2).memory(8, call).memory(16, Buffer.from('GPL\0'))
      if (section === 'syscall') attr.u32(44, sleepable)
      const answer = bpf.try(command.progLoad, attr.u32(24, 1).u32(28, log.length).memory(32, log).u32(68, attach))
      if (answer >= 0) return conclude(bpf, answer)
      const said = log.toString('latin1', 0, log.indexOf(0))
      if (said === '') return undefined
      return !/unknown func|invalid func|cannot use helper/.test(said)
    },
  }
}

/** A command that is told nonsense: its own complaint proves that it exists. */
function answers(name: string, firstKernel: string, ask: (bpf: Bpf) => number, proof: number): Feature {
  return {
    name,
    firstKernel,
    needs: ['CAP_BPF'],
    probe(bpf) {
      const answer = ask(bpf)
      return answer === -proof ? true : conclude(bpf, answer)
    },
  }
}

/** Tries a command on a fresh hash map of two u32. */
function onHash(bpf: Bpf, of: number, fill: (fd: number) => void): number {
  const answer = createMap(bpf, 'hash')
  if (answer < 0) return answer === -errno.einval ? -errno.eperm : answer
  using map = bpf.own(answer, 'probe')
  const attr = bpf.attr(of)
  fill(map.fd)
  return bpf.try(of, attr)
}

export const btfFeature: Feature = {
  name: 'BTF',
  firstKernel: '4.18',
  needs: ['CAP_BPF'],
  probe: bpf => conclude(bpf, loadIntBtf(bpf)),
}

export const batchFeature: Feature = {
  name: 'batch operations on maps',
  firstKernel: '5.6',
  needs: ['CAP_BPF'],
  probe(bpf) {
    const [token, keys, values] = [Buffer.allocUnsafeSlow(8), Buffer.allocUnsafeSlow(8), Buffer.allocUnsafeSlow(8)]
    const answer = onHash(bpf, command.mapLookupBatch, fd => {
      const attr = bpf.attr(command.mapLookupBatch)
      attr.memory(8, token).memory(16, keys).memory(24, values).u32(32, 1).u32(36, fd)
    })
    if (answer === -errno.enoent || answer === 0) return true
    return answer === -errno.einval ? false : undefined
  },
}

export const freezeFeature: Feature = {
  name: 'frozen maps',
  firstKernel: '5.2',
  needs: ['CAP_BPF'],
  probe(bpf) {
    const answer = onHash(bpf, command.mapFreeze, fd => bpf.attr(command.mapFreeze).u32(0, fd))
    if (answer === 0) return true
    return answer === -errno.einval ? false : undefined
  },
}

export const cgroupLinkFeature: Feature = answers(
  'links of cgroup programs',
  '5.7',
  bpf => bpf.try(command.linkCreate, bpf.attr(command.linkCreate).u32(0, -1).u32(4, -1)),
  errno.ebadf,
)

export const socketsLinkFeature: Feature = {
  name: 'links of sk_msg programs',
  firstKernel: '6.10',
  needs: ['CAP_BPF', 'CAP_NET_ADMIN'],
  probe(bpf) {
    const answer = loadAllow(bpf, 'sk_msg')
    if (answer < 0) return undefined
    using program = bpf.own(answer, 'probe')
    const attr = bpf.attr(command.linkCreate).u32(0, program.fd).u32(4, -1).u32(8, programKinds.sk_msg.attach)
    const asked = bpf.try(command.linkCreate, attr)
    return asked === -errno.ebadf ? true : conclude(bpf, asked)
  },
}

/** For programs that follow structs of the kernel. */
export const kernelTypesFeature: Feature = {
  name: 'types of the kernel (/sys/kernel/btf/vmlinux)',
  firstKernel: '5.4',
  needs: [],
  probe: () => existsSync(kernelTypesPath),
}

export const statsFeature: Feature = {
  name: 'run time statistics by descriptor',
  firstKernel: '5.8',
  needs: ['CAP_SYS_ADMIN'],
  probe: bpf => conclude(bpf, bpf.try(command.enableStats, bpf.attr(command.enableStats))),
}

/** Everything the library can use, for `heddle doctor`. */
export function allFeatures(): readonly Feature[] {
  return [
    btfFeature,
    batchFeature,
    freezeFeature,
    cgroupLinkFeature,
    socketsLinkFeature,
    statsFeature,
    kernelTypesFeature,
    ...(Object.keys(mapKinds) as MapKind[]).map(mapFeature),
    ...(Object.keys(programKinds) as PlainSection[]).map(programFeature),
  ]
}
