import { findType, typeAt } from './btf.ts'
import type { Btf } from './btf.ts'
import type { BtfExt, FunctionRecord, LineRecord } from './btf-ext.ts'
import type { ElfFile, ElfRelocation, ElfSymbol } from './elf.ts'
import { isDataSection } from './global-data.ts'
import { badObject } from './object-bytes.ts'
import { isProgramSection } from './program-kind.ts'
import type { ProgramSection } from './program-kind.ts'

export const instructionBytes = 8

/** What an instruction refers to that exists only once it is in a kernel. */
export interface MapReference {
  /** The instruction, a load of 64 bits. */
  readonly index: number
  /** A map by its name, or the map of a data section. */
  readonly map: string
  /** Into the data section's value; undefined for the map itself. */
  readonly offset: number | undefined
}

/** A call of a function that only a kernel has (kfunc). */
export interface KernelCall {
  readonly index: number
  readonly name: string
}

/** An instruction whose number depends on what the kernel's types look like (CO-RE). */
export interface TypeRelocation {
  readonly index: number
  /** Id of the type in the object's BTF. */
  readonly type: number
  /** Way from the type to a member, `0:1:2`; of an enum, which of its values. */
  readonly access: string
  /** bpf_core_relo_kind of linux/bpf.h. */
  readonly kind: number
}

export interface LineInfo {
  readonly index: number
  readonly file: string
  readonly line: number
  readonly column: number
  readonly text: string
}

/** One program with all functions that it reaches, laid out as the kernel wants it. */
export interface ProgramSpec {
  readonly name: string
  readonly section: ProgramSection
  /** Calls are linked; references to maps are still open. */
  readonly instructions: Uint8Array
  readonly references: readonly MapReference[]
  readonly kernelCalls: readonly KernelCall[]
  readonly typeRelocations: readonly TypeRelocation[]
  readonly functions: readonly { readonly index: number; readonly name: string; readonly type: number }[]
  readonly lines: readonly LineInfo[]
  /** Records for BPF_PROG_LOAD; empty without `.BTF.ext`. */
  readonly functionRecords: Uint8Array
  readonly lineRecords: Uint8Array
}

interface Sources {
  readonly elf: ElfFile
  readonly btf: Btf
  readonly ext: BtfExt
}

/** A function of the object: where its instructions are, and what `.BTF.ext` says of it. */
interface Code {
  readonly symbol: ElfSymbol
  readonly bytes: Uint8Array
  readonly relocations: ReadonlyMap<number, ElfRelocation>
}

/** A function in the linked program, from instruction `at` on. */
interface Part {
  readonly code: Code
  readonly at: number
}

/** R_BPF_64_64, R_BPF_64_32. */
const loadRelocation = 1
const callRelocation = 10

const opLoad64 = 0x18
const opCall = 0x85
/** Pseudo source registers of instructions (linux/bpf.h). */
const pseudoMapFd = 1
const pseudoMapValue = 2
const pseudoCall = 1
const pseudoFunction = 4
const pseudoKernelCall = 2

/** Linux takes at most a million instructions. */
const mostInstructions = 1_000_000

/**
 * Links every program of an object.
 * @throws MeshError MESH_EBPF_OBJECT
 */
export function linkPrograms(elf: ElfFile, btf: Btf, ext: BtfExt): readonly ProgramSpec[] {
  const programs: ProgramSpec[] = []
  for (const symbol of elf.symbols) {
    if (symbol.kind !== 'function' || !symbol.isGlobal) continue
    const section = elf.sections[symbol.section]?.name ?? ''
    if (section === '.text' || symbol.section === 0) continue
    if (!isProgramSection(section)) {
      throw badObject(`program ${symbol.name}: SEC("${section}") is no kind of program that is supported`)
    }
    programs.push(new Linker({ elf, btf, ext }).link(symbol, section))
  }
  return programs.toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

class Linker {
  readonly #sources: Sources
  readonly #places = new Map<ElfSymbol, number>()
  readonly #parts: Part[] = []
  readonly #references: MapReference[] = []
  readonly #kernelCalls: KernelCall[] = []
  #length = 0

  constructor(sources: Sources) {
    this.#sources = sources
  }

  link(program: ElfSymbol, section: ProgramSection): ProgramSpec {
    this.#place(program)
    // Functions found on the way are appended, and walked in their turn.
    for (const part of this.#parts) this.#walk(part)
    const instructions = Buffer.concat(this.#parts.map(({ code }) => code.bytes))
    return {
      name: program.name,
      section,
      instructions,
      references: this.#references,
      kernelCalls: this.#kernelCalls,
      typeRelocations: this.#typeRelocations(),
      ...this.#describe(),
    }
  }

  /** @returns where the function begins in the linked program, in instructions */
  #place(symbol: ElfSymbol): number {
    const known = this.#places.get(symbol)
    if (known !== undefined) return known
    const { elf } = this.#sources
    const section = elf.sections[symbol.section]
    const end = symbol.value + symbol.size
    if (section === undefined || symbol.size === 0 || symbol.size % 8 !== 0 || symbol.value % 8 !== 0) {
      throw badObject(`function ${symbol.name}: its place in the object is not known`)
    }
    if (end > section.bytes.length) throw badObject(`function ${symbol.name}: ends behind ${section.name}`)
    const at = this.#length
    this.#length += symbol.size / instructionBytes
    if (this.#length > mostInstructions)
      throw badObject(`function ${symbol.name}: more than ${mostInstructions} instructions`)
    const relocations = (elf.relocations.get(symbol.section) ?? [])
      .filter(({ offset }) => offset >= symbol.value && offset < end)
      .map(relocation => [(relocation.offset - symbol.value) / instructionBytes, relocation] as const)
    const code = {
      symbol,
      bytes: Uint8Array.from(section.bytes.subarray(symbol.value, end)),
      relocations: new Map(relocations),
    }
    this.#parts.push({ code, at })
    this.#places.set(symbol, at)
    return at
  }

  #walk({ code, at }: Part): void {
    const bytes = Buffer.from(code.bytes.buffer)
    const done = new Set<number>()
    for (let index = 0; index * instructionBytes < bytes.length; index++) {
      const opcode = bytes[index * instructionBytes] ?? 0
      const relocation = code.relocations.get(index)
      if (relocation !== undefined) done.add(index)
      if (opcode === opLoad64) {
        if ((index + 2) * instructionBytes > bytes.length) throw this.#fault(code, index, 'half a load of 64 bits')
        if (relocation !== undefined) this.#linkLoad({ code, bytes, index, at, relocation })
        index++
      } else if (opcode === opCall && (bytes[index * instructionBytes + 1] ?? 0) >> 4 === pseudoCall) {
        this.#linkCall({ code, bytes, index, at, relocation })
      } else if (relocation !== undefined) {
        throw this.#fault(code, index, `a relocation of type ${relocation.type} on opcode ${opcode}`)
      }
    }
    for (const index of code.relocations.keys()) {
      if (!done.has(index)) throw this.#fault(code, index, 'a relocation inside of an instruction')
    }
  }

  #linkLoad(of: { code: Code; bytes: Buffer; index: number; at: number; relocation: ElfRelocation }): void {
    const { code, bytes, index, at, relocation } = of
    const { symbol } = relocation
    const byte = index * instructionBytes
    const section = this.#sources.elf.sections[symbol.section]?.name ?? ''
    if (relocation.type !== loadRelocation) {
      throw this.#fault(code, index, `unknown relocation ${relocation.type} for ${symbol.name || section}`)
    }
    const addend = bytes.readInt32LE(byte + 4)
    if (
      symbol.kind === 'function' ||
      (symbol.kind === 'section' && (section === '.text' || isProgramSection(section)))
    ) {
      const target = this.#functionAt(of, symbol.section, symbol.value + addend)
      setSource(bytes, byte, pseudoFunction)
      bytes.writeInt32LE(this.#place(target) - (at + index) - 1, byte + 4)
    } else if (section === '.maps') {
      this.#references.push({ index: at + index, map: this.#mapAt(symbol, addend), offset: undefined })
      setSource(bytes, byte, pseudoMapFd)
      bytes.writeInt32LE(0, byte + 4)
    } else if (isDataSection(section)) {
      this.#references.push({ index: at + index, map: section, offset: symbol.value + addend })
      setSource(bytes, byte, pseudoMapValue)
      bytes.writeInt32LE(0, byte + 4)
    } else {
      throw this.#fault(code, index, `${symbol.name || 'something'} is not defined in this object`)
    }
  }

  #linkCall(of: { code: Code; bytes: Buffer; index: number; at: number; relocation: ElfRelocation | undefined }): void {
    const { code, bytes, index, at, relocation } = of
    const byte = index * instructionBytes
    if (relocation !== undefined && relocation.type !== callRelocation) {
      throw this.#fault(code, index, `unknown relocation ${relocation.type} for ${relocation.symbol.name}`)
    }
    if (relocation !== undefined && this.#isKernelFunction(relocation.symbol)) {
      this.#kernelCalls.push({ index: at + index, name: relocation.symbol.name })
      setSource(bytes, byte, pseudoKernelCall)
      bytes.writeInt32LE(0, byte + 4)
      return
    }
    // Counted in instructions from the next one, or from the symbol.
    const distance = (bytes.readInt32LE(byte + 4) + 1) * instructionBytes
    const target =
      relocation === undefined
        ? this.#functionAt(of, code.symbol.section, code.symbol.value + byte + distance)
        : this.#functionAt(of, relocation.symbol.section, relocation.symbol.value + distance)
    bytes.writeInt32LE(this.#place(target) - (at + index) - 1, byte + 4)
  }

  /** Declared with `__ksym`. */
  #isKernelFunction(symbol: ElfSymbol): boolean {
    return symbol.section === 0 && symbol.name !== '' && findType(this.#sources.btf, 'function', symbol.name) !== 0
  }

  /** A static map is known by its place in the section only. */
  #mapAt(symbol: ElfSymbol, addend: number): string {
    if (symbol.kind !== 'section') return symbol.name
    const found = this.#sources.elf.symbols.find(
      ({ kind, section, value }) => kind === 'object' && section === symbol.section && value === addend,
    )
    if (found === undefined) throw badObject(`.maps: no map at byte ${addend}`)
    return found.name
  }

  #functionAt(
    of: { code: Code; index: number; relocation: ElfRelocation | undefined },
    section: number,
    value: number,
  ): ElfSymbol {
    const found = this.#sources.elf.symbols.find(
      symbol => symbol.kind === 'function' && symbol.section === section && symbol.value === value,
    )
    if (found !== undefined && section !== 0) return found
    const name = of.relocation?.symbol.name ?? ''
    throw this.#fault(of.code, of.index, `calls ${name || 'a function'} that is not defined in this object`)
  }

  #typeRelocations(): readonly TypeRelocation[] {
    const { elf, btf, ext } = this.#sources
    return this.#parts.flatMap(({ code, at }) => {
      const { symbol } = code
      const records = ext.typeRelocations.get(elf.sections[symbol.section]?.name ?? '') ?? []
      return records
        .filter(({ offset }) => offset >= symbol.value && offset < symbol.value + symbol.size)
        .map(({ offset, type, access, kind }) => ({
          index: at + Math.floor((offset - symbol.value) / instructionBytes),
          type,
          access: btf.text(access),
          kind,
        }))
    })
  }

  /** Function and line records, with the indexes of the linked program. */
  #describe(): Pick<ProgramSpec, 'functions' | 'lines' | 'functionRecords' | 'lineRecords'> {
    const { elf, btf, ext } = this.#sources
    const functions: ProgramSpec['functions'][number][] = []
    const lines: (LineRecord & { readonly index: number })[] = []
    for (const { code, at } of this.#parts) {
      const { symbol } = code
      const section = elf.sections[symbol.section]?.name ?? ''
      const end = symbol.value + symbol.size
      const own = <T extends { readonly offset: number }>(records: readonly T[] = []): T[] =>
        records.filter(({ offset }) => offset >= symbol.value && offset < end)
      const record: FunctionRecord | undefined = own(ext.functions.get(section))[0]
      if (record !== undefined && record.offset === symbol.value) {
        functions.push({ index: at, name: symbol.name, type: record.type })
        if (typeAt(btf, record.type).kind !== 'function') throw badObject(`function ${symbol.name}: its type is none`)
      }
      for (const line of own(ext.lines.get(section))) {
        lines.push({ ...line, index: at + Math.floor((line.offset - symbol.value) / instructionBytes) })
      }
    }
    // All or none: the kernel refuses half of it.
    const isComplete = functions.length === this.#parts.length
    return {
      functions: isComplete ? functions : [],
      functionRecords: isComplete ? words(functions.map(({ index, type }) => [index, type])) : new Uint8Array(),
      lineRecords: isComplete
        ? words(lines.map(({ index, file, text, place }) => [index, file, text, place]))
        : new Uint8Array(),
      lines: lines.map(({ index, file, text, place }) => ({
        index,
        file: btf.text(file).replace(/^\.\//, ''),
        line: place >>> 10,
        column: place & 1023,
        text: btf.text(text).trim(),
      })),
    }
  }

  #fault(code: Code, index: number, problem: string): Error {
    const { ext, btf, elf } = this.#sources
    const offset = code.symbol.value + index * instructionBytes
    const line = ext.lines.get(elf.sections[code.symbol.section]?.name ?? '')?.findLast(each => each.offset <= offset)
    const place =
      line === undefined ? '' : ` (${btf.text(line.file)}:${line.place >>> 10}: ${btf.text(line.text).trim()})`
    return badObject(`function ${code.symbol.name}, instruction ${index}${place}: ${problem}`)
  }
}

function setSource(bytes: Buffer, byte: number, register: number): void {
  bytes[byte + 1] = ((bytes[byte + 1] ?? 0) & 15) | (register << 4)
}

function words(rows: readonly (readonly number[])[]): Uint8Array {
  const flat = rows.flat()
  const bytes = Buffer.alloc(flat.length * 4)
  for (const [index, word] of flat.entries()) bytes.writeUInt32LE(word, index * 4)
  return bytes
}
