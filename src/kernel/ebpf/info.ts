import { command, errno } from './bpf.ts'
import type { Bpf, Descriptor } from './bpf.ts'
import { mapKindOf } from './map-kind.ts'
import type { MapKind } from './map-kind.ts'

/** More than any kernel fills; it says how much it did. */
const infoBytes = 512

export interface MapInfo {
  readonly id: number
  readonly name: string
  /** Number of its bpf_map_type. */
  readonly type: number
  /** undefined for a kind that this library does not know. */
  readonly kind: MapKind | undefined
  readonly keyBytes: number
  readonly valueBytes: number
  readonly maxEntries: number
  readonly flags: number
  /** Id of its types in the kernel, and of key and value among them; 0 when it has none. */
  readonly btfId: number
  readonly keyType: number
  readonly valueType: number
}

export interface ProgramInfo {
  readonly id: number
  readonly name: string
  /** Number of its bpf_prog_type. */
  readonly type: number
  /** Hash of its instructions, hex. */
  readonly tag: string
  /** Maps it uses. */
  readonly mapIds: readonly number[]
  /** While statistics are on; see `enableStats`. */
  readonly runTimeNs: bigint
  readonly runCount: bigint
  /** Instructions the verifier walked; 0 before Linux 5.16. */
  readonly verifiedInstructions: number
}

export interface LinkInfo {
  readonly id: number
  /** Number of its bpf_link_type; 3 is cgroup, 14 sockmap. */
  readonly type: number
  readonly programId: number
  /** Of a link to a cgroup; 0 once the cgroup is gone. */
  readonly cgroupId: bigint
  /** Of a link to a map of sockets. */
  readonly mapId: number
  readonly attachType: number
}

function readInfo(bpf: Bpf, fd: number, what: string): Buffer {
  const info = Buffer.allocUnsafeSlow(infoBytes).fill(0)
  const answer = bpf.try(command.objInfo, bpf.attr(command.objInfo).u32(0, fd).u32(4, infoBytes).memory(8, info))
  if (answer < 0) throw bpf.failure({ call: 'bpf(OBJ_GET_INFO)', errno: -answer, object: what })
  return info
}

function nameAt(info: Buffer, at: number): string {
  return info.toString('latin1', at, at + 16).split('\0')[0] ?? ''
}

/** @throws MeshError MESH_KERNEL_SYSCALL */
export function mapInfo(bpf: Bpf, fd: number, what: string): MapInfo {
  const info = readInfo(bpf, fd, what)
  const type = info.readUInt32LE(0)
  return {
    id: info.readUInt32LE(4),
    name: nameAt(info, 24),
    type,
    kind: mapKindOf(type),
    keyBytes: info.readUInt32LE(8),
    valueBytes: info.readUInt32LE(12),
    maxEntries: info.readUInt32LE(16),
    flags: info.readUInt32LE(20),
    btfId: info.readUInt32LE(64),
    keyType: info.readUInt32LE(68),
    valueType: info.readUInt32LE(72),
  }
}

/** @throws MeshError MESH_KERNEL_SYSCALL */
export function programInfo(bpf: Bpf, fd: number, what: string): ProgramInfo {
  const info = readInfo(bpf, fd, what)
  return {
    id: info.readUInt32LE(4),
    name: nameAt(info, 64),
    type: info.readUInt32LE(0),
    tag: info.toString('hex', 8, 16),
    mapIds: mapIdsOf(bpf, fd, what, info.readUInt32LE(52)),
    runTimeNs: info.readBigUInt64LE(192),
    runCount: info.readBigUInt64LE(200),
    verifiedInstructions: info.readUInt32LE(216),
  }
}

function mapIdsOf(bpf: Bpf, fd: number, what: string, count: number): readonly number[] {
  if (count === 0) return []
  const ids = Buffer.allocUnsafeSlow(count * 4)
  const info = Buffer.allocUnsafeSlow(infoBytes).fill(0)
  info.writeUInt32LE(count, 52)
  info.writeBigUInt64LE(bpf.pointerTo(ids), 56)
  const answer = bpf.try(command.objInfo, bpf.attr(command.objInfo).u32(0, fd).u32(4, infoBytes).memory(8, info))
  if (answer < 0) throw bpf.failure({ call: 'bpf(OBJ_GET_INFO)', errno: -answer, object: what })
  return Array.from({ length: Math.min(count, info.readUInt32LE(52)) }, (_, index) => ids.readUInt32LE(index * 4))
}

/** @throws MeshError MESH_KERNEL_SYSCALL */
export function linkInfo(bpf: Bpf, fd: number, what: string): LinkInfo {
  const info = readInfo(bpf, fd, what)
  const type = info.readUInt32LE(0)
  const isCgroup = type === linkTypes.cgroup
  const isSockets = type === linkTypes.sockets
  return {
    id: info.readUInt32LE(4),
    type,
    programId: info.readUInt32LE(8),
    cgroupId: isCgroup ? info.readBigUInt64LE(16) : 0n,
    mapId: isSockets ? info.readUInt32LE(16) : 0,
    attachType: isCgroup ? info.readUInt32LE(24) : isSockets ? info.readUInt32LE(20) : 0,
  }
}

/** bpf_link_type of linux/bpf.h. */
const linkTypes = { cgroup: 3, sockets: 14 } as const

/**
 * Types that were given to the kernel, or are its own, by their id.
 * @returns undefined when they are gone
 * @throws MeshError MESH_KERNEL_SYSCALL, EPERM without CAP_SYS_ADMIN
 */
export function readTypesById(bpf: Bpf, id: number): Uint8Array | undefined {
  using types = openById(bpf, 'btf', id)
  if (types === undefined) return undefined
  const read = (into: Buffer): number => {
    const info = Buffer.allocUnsafeSlow(btfInfoBytes).fill(0)
    if (into.length > 0) info.writeBigUInt64LE(bpf.pointerTo(into), 0)
    info.writeUInt32LE(into.length, 8)
    const attr = bpf.attr(command.objInfo).u32(0, types.fd).u32(4, btfInfoBytes).memory(8, info)
    const answer = bpf.try(command.objInfo, attr)
    if (answer < 0) throw bpf.failure({ call: 'bpf(OBJ_GET_INFO)', errno: -answer, object: `types ${id}` })
    return info.readUInt32LE(8)
  }
  const bytes = Buffer.allocUnsafeSlow(read(Buffer.alloc(0)))
  read(bytes)
  return bytes
}

/** Size of bpf_btf_info up to the size of the types: the kernel takes shorter ones than its own. */
const btfInfoBytes = 16

export type ObjectKind = 'map' | 'program' | 'link' | 'btf'

const idCommands: Readonly<Record<ObjectKind, { readonly next: number; readonly open: number }>> = {
  map: { next: command.mapNextId, open: command.mapById },
  program: { next: command.progNextId, open: command.progById },
  link: { next: command.linkNextId, open: command.linkById },
  btf: { next: command.btfNextId, open: command.btfById },
}

/**
 * Ids of everything of a kind in this kernel, whoever loaded it. Needs CAP_SYS_ADMIN, or CAP_BPF from Linux 5.8 on.
 * @throws MeshError MESH_KERNEL_SYSCALL
 */
export function* objectIds(bpf: Bpf, kind: ObjectKind): Generator<number> {
  const { next } = idCommands[kind]
  for (let id = 0; ;) {
    const attr = bpf.attr(next).u32(0, id)
    const answer = bpf.try(next, attr)
    if (answer === -errno.enoent) return
    if (answer < 0) {
      throw bpf.failure({
        call: 'bpf(GET_NEXT_ID)',
        errno: -answer,
        object: `${kind} after ${id}`,
        needs: ['CAP_SYS_ADMIN'],
      })
    }
    id = attr.bytes.readUInt32LE(4)
    yield id
  }
}

/**
 * Opens something by its id.
 * @returns undefined when it is gone
 * @throws MeshError MESH_KERNEL_SYSCALL
 */
export function openById(bpf: Bpf, kind: ObjectKind, id: number): Descriptor | undefined {
  const answer = bpf.try(idCommands[kind].open, bpf.attr(idCommands[kind].open).u32(0, id))
  if (answer >= 0) return bpf.own(answer, `${kind} ${id}`)
  // EAGAIN: a link whose program is being taken away.
  if (answer === -errno.enoent || answer === -errno.eagain) return undefined
  throw bpf.failure({ call: 'bpf(GET_FD_BY_ID)', errno: -answer, object: `${kind} ${id}`, needs: ['CAP_SYS_ADMIN'] })
}

/** Keeps count of runs and run times of all programs while it is open; costs each run some 20 ns. */
export function enableStats(bpf: Bpf): Disposable {
  const answer = bpf.try(command.enableStats, bpf.attr(command.enableStats))
  if (answer >= 0) return bpf.own(answer, 'run time statistics')
  throw bpf.failure({ call: 'bpf(ENABLE_STATS)', errno: -answer, object: 'run time', needs: ['CAP_SYS_ADMIN'] })
}
