import type { Btf } from './btf.ts'
import { ObjectBytes } from './object-bytes.ts'

export interface FunctionRecord {
  /** From the section's start, bytes. */
  readonly offset: number
  /** Id of its BTF type. */
  readonly type: number
}

export interface LineRecord {
  /** From the section's start, bytes. */
  readonly offset: number
  /** Offset of the file's name in the strings of BTF. */
  readonly file: number
  /** Offset of the line's text there. */
  readonly text: number
  /** Line << 10 | column. */
  readonly place: number
}

/** bpf_core_relo of linux/bpf.h. */
export interface TypeRelocationRecord {
  /** From the section's start, bytes. */
  readonly offset: number
  readonly type: number
  /** Offset of its text in the strings of BTF. */
  readonly access: number
  readonly kind: number
}

/** What `.BTF.ext` says of the code, by section name; records in order of their offsets. */
export interface BtfExt {
  readonly functions: ReadonlyMap<string, readonly FunctionRecord[]>
  readonly lines: ReadonlyMap<string, readonly LineRecord[]>
  readonly typeRelocations: ReadonlyMap<string, readonly TypeRelocationRecord[]>
}

/**
 * @param section  undefined when the object has none
 * @throws MeshError MESH_EBPF_OBJECT
 * @see https://docs.kernel.org/bpf/btf.html#btf-ext-section
 */
export function readBtfExt(section: Uint8Array | undefined, btf: Btf): BtfExt {
  if (section === undefined) return { functions: new Map(), lines: new Map(), typeRelocations: new Map() }
  const bytes = new ObjectBytes(section, '.BTF.ext')
  const start = bytes.u32(4)
  const functions = readBlocks(bytes.slice(start + bytes.u32(8), bytes.u32(12)), btf, 8)
  const lines = readBlocks(bytes.slice(start + bytes.u32(16), bytes.u32(20)), btf, 16)
  // Headers of older compilers end before it.
  const hasRelocations = start >= 32
  const relocations = hasRelocations
    ? readBlocks(bytes.slice(start + bytes.u32(24), bytes.u32(28)), btf, 16)
    : new Map<string, Records>()
  return {
    typeRelocations: mapRecords(relocations, (table, at) => ({
      offset: table.u32(at),
      type: table.u32(at + 4),
      access: table.u32(at + 8),
      kind: table.u32(at + 12),
    })),
    functions: mapRecords(functions, (table, at) => ({ offset: table.u32(at), type: table.u32(at + 4) })),
    lines: mapRecords(lines, (table, at) => ({
      offset: table.u32(at),
      file: table.u32(at + 4),
      text: table.u32(at + 8),
      place: table.u32(at + 12),
    })),
  }
}

interface Records {
  readonly table: ObjectBytes
  readonly at: readonly number[]
}

function readBlocks(part: Buffer, btf: Btf, leastBytes: number): ReadonlyMap<string, Records> {
  const found = new Map<string, Records>()
  if (part.length < 4) return found
  const table = new ObjectBytes(part, '.BTF.ext')
  const recordBytes = Math.max(leastBytes, table.u32(0))
  for (let at = 4; at < table.length;) {
    const name = btf.text(table.u32(at))
    const count = table.u32(at + 4)
    table.slice(at + 8, count * recordBytes)
    found.set(name, { table, at: Array.from({ length: count }, (_, index) => at + 8 + index * recordBytes) })
    at += 8 + count * recordBytes
  }
  return found
}

function mapRecords<T extends { readonly offset: number }>(
  blocks: ReadonlyMap<string, Records>,
  read: (table: ObjectBytes, at: number) => T,
): ReadonlyMap<string, readonly T[]> {
  return new Map(
    [...blocks].map(([name, { table, at }]) => [
      name,
      at.map(each => read(table, each)).sort((a, b) => a.offset - b.offset),
    ]),
  )
}
