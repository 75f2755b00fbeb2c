import { badObject, ObjectBytes } from './object-bytes.ts'

/** Section types of ELF (elf(5)). */
const shtSymtab = 2
const shtRela = 4
const shtNobits = 8
const shtRel = 9

const machineBpf = 247
const symbolBytes = 24
const relocationBytes = 16

/** Zeros (`.bss`) are made here; a damaged file shall not ask for all memory. */
const mostZeros = 64 << 20

export interface ElfSection {
  readonly index: number
  readonly name: string
  readonly type: number
  readonly flags: number
  readonly size: number
  readonly bytes: Uint8Array
}

export interface ElfSymbol {
  readonly name: string
  readonly kind: 'function' | 'object' | 'section' | 'other'
  readonly isGlobal: boolean
  /** Index of its section; 0 when it is not defined here. */
  readonly section: number
  /** Offset in the section, bytes. */
  readonly value: number
  readonly size: number
}

export interface ElfRelocation {
  /** In the section it applies to, bytes. */
  readonly offset: number
  /** R_BPF_64_64 is 1, R_BPF_64_32 is 10. */
  readonly type: number
  readonly symbol: ElfSymbol
}

export interface ElfFile {
  /** By index. */
  readonly sections: readonly ElfSection[]
  readonly symbols: readonly ElfSymbol[]
  /** Of a section, by its index; in the order of their offsets. */
  readonly relocations: ReadonlyMap<number, readonly ElfRelocation[]>
}

/**
 * Reads what clang wrote for `-target bpf`: ELF64, little-endian.
 * @throws MeshError MESH_EBPF_OBJECT
 */
export function readElf(file: Uint8Array): ElfFile {
  const bytes = new ObjectBytes(file, 'ELF')
  if (bytes.length < 64 || bytes.u32(0) !== 0x46_4c_45_7f) throw badObject('no ELF file')
  if (bytes.u8(4) !== 2 || bytes.u8(5) !== 1) throw badObject('not of 64 bits and little-endian')
  if (bytes.u16(18) !== machineBpf) throw badObject(`machine ${bytes.u16(18)}, not BPF (${machineBpf})`)
  if (bytes.u16(16) !== 1) throw badObject('linked already: an object file (ET_REL) is wanted')
  const headers = readHeaders(bytes)
  const sections = readSections(bytes, headers)
  const symbols = readSymbols(headers, sections)
  return { sections, symbols, relocations: readRelocations(headers, sections, symbols) }
}

interface Header {
  readonly name: number
  readonly type: number
  readonly flags: number
  readonly offset: number
  readonly size: number
  readonly link: number
  readonly info: number
}

function readHeaders(bytes: ObjectBytes): Header[] {
  const start = bytes.u64(40)
  const entryBytes = bytes.u16(58)
  const count = bytes.u16(60)
  if (entryBytes !== 64) throw badObject(`section headers of ${entryBytes} bytes`)
  return Array.from({ length: count }, (_, index) => {
    const at = start + index * entryBytes
    return {
      name: bytes.u32(at),
      type: bytes.u32(at + 4),
      flags: bytes.u64(at + 8),
      offset: bytes.u64(at + 24),
      size: bytes.u64(at + 32),
      link: bytes.u32(at + 40),
      info: bytes.u32(at + 44),
    }
  })
}

function readSections(bytes: ObjectBytes, headers: readonly Header[]): ElfSection[] {
  const namesHeader = headers[bytes.u16(62)]
  if (namesHeader === undefined) throw badObject('no names of sections')
  const names = new ObjectBytes(bytes.slice(namesHeader.offset, namesHeader.size), 'names of sections')
  let zeros = 0
  return headers.map(({ name, type, flags, offset, size }, index) => {
    if (type === shtNobits) zeros += size
    if (zeros > mostZeros) throw badObject(`sections of zeros take more than ${mostZeros} bytes`)
    return {
      index,
      name: index === 0 ? '' : names.text(name),
      type,
      flags,
      size: index === 0 ? 0 : size,
      bytes: index === 0 ? new Uint8Array() : type === shtNobits ? new Uint8Array(size) : bytes.slice(offset, size),
    }
  })
}

function readSymbols(headers: readonly Header[], sections: readonly ElfSection[]): ElfSymbol[] {
  const section = sections.find(({ type }) => type === shtSymtab)
  if (section === undefined) throw badObject('no symbol table')
  const texts = sections[headers[section.index]?.link ?? 0]
  if (texts === undefined) throw badObject('no names of symbols')
  const table = new ObjectBytes(section.bytes, '.symtab')
  const names = new ObjectBytes(texts.bytes, 'names of symbols')
  return Array.from({ length: Math.floor(table.length / symbolBytes) }, (_, index) => {
    const at = index * symbolBytes
    const info = table.u8(at + 4)
    const place = table.u16(at + 6)
    return {
      name: names.text(table.u32(at)),
      kind: symbolKind(info & 15),
      isGlobal: info >> 4 !== 0,
      // Above are marks such as SHN_ABS, which name no section.
      section: place < sections.length ? place : 0,
      value: table.u64(at + 8),
      size: table.u64(at + 16),
    }
  })
}

function symbolKind(type: number): ElfSymbol['kind'] {
  if (type === 1) return 'object'
  if (type === 2) return 'function'
  return type === 3 ? 'section' : 'other'
}

function readRelocations(
  headers: readonly Header[],
  sections: readonly ElfSection[],
  symbols: readonly ElfSymbol[],
): ReadonlyMap<number, readonly ElfRelocation[]> {
  const found = new Map<number, readonly ElfRelocation[]>()
  for (const section of sections) {
    const target = headers[section.index]?.info ?? 0
    const name = sections[target]?.name ?? ''
    if (section.type === shtRela) throw badObject(`${section.name}: relocations with addends (RELA) are not of BPF`)
    // Values in DWARF are in place, those in BTF come from the symbols.
    if (section.type !== shtRel || /^\.(debug|BTF|eh_frame)/.test(name)) continue
    const table = new ObjectBytes(section.bytes, section.name)
    const list = Array.from({ length: Math.floor(table.length / relocationBytes) }, (_, index): ElfRelocation => {
      const at = index * relocationBytes
      const symbol = symbols[table.u32(at + 12)]
      if (symbol === undefined) throw badObject(`${section.name}: relocation ${index} of a symbol that does not exist`)
      return { offset: table.u64(at), type: table.u32(at + 8), symbol }
    })
    found.set(
      target,
      list.sort((a, b) => a.offset - b.offset),
    )
  }
  return found
}
