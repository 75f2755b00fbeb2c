import { sizeOf, typeAt } from './btf.ts'
import type { Btf, BtfSectionVariable } from './btf.ts'
import type { ElfFile, ElfSection } from './elf.ts'
import { badObject } from './object-bytes.ts'

export interface GlobalVariable {
  readonly name: string
  readonly offset: number
  readonly size: number
  /** Its BTF type. */
  readonly type: number
}

/** A data section: becomes an array map of one value. */
export interface GlobalSection {
  /** `.rodata`, `.data.counters` */
  readonly name: string
  readonly bytes: Uint8Array
  /** `.rodata`: constants, which the verifier knows once they are frozen. */
  readonly isConstant: boolean
  readonly variables: readonly GlobalVariable[]
}

/** Whether the sections' variables are reached through a map. */
export function isDataSection(name: string): boolean {
  return /^\.(rodata|data|bss)(\.|$)/.test(name)
}

interface Placed extends BtfSectionVariable {
  readonly name: string
}

/**
 * BTF as the kernel wants it: clang leaves the sizes of data sections and the offsets of their variables zero, they
 * come from the symbols.
 * @returns a copy of `section` with them filled in
 */
export function fixDataSections(section: Uint8Array, btf: Btf, elf: ElfFile): Uint8Array {
  const bytes = Buffer.from(section)
  for (const [id, type] of btf.types.entries()) {
    if (type.kind !== 'data-section') continue
    const at = btf.offsets[id] ?? 0
    if (type.name === '.ksyms') {
      dropKernelSymbols(bytes, btf, { at, variables: type.variables })
      continue
    }
    const elfSection = elf.sections.find(({ name }) => name === type.name)
    if (elfSection === undefined) {
      throw badObject(`${type.name}: variables outside of the object (kernel configuration) are not supported`)
    }
    bytes.writeUInt32LE(elfSection.size, at + 8)
    for (const [index, variable] of placeVariables(btf, elf, elfSection, type.variables).entries()) {
      const place = at + 12 + index * 12
      bytes.writeUInt32LE(variable.type, place)
      bytes.writeUInt32LE(variable.offset, place + 4)
      bytes.writeUInt32LE(variable.size, place + 8)
    }
  }
  return bytes
}

/**
 * Functions of the kernel that the object calls are no data, and the kernel takes no section of them: it becomes a
 * struct of as many numbers, which nobody refers to.
 */
function dropKernelSymbols(
  bytes: Buffer,
  btf: Btf,
  section: { readonly at: number; readonly variables: readonly BtfSectionVariable[] },
): void {
  const { at, variables } = section
  const number = btf.types.findIndex(type => type.kind === 'int' && type.size === 4)
  if (number < 0) throw badObject('.ksyms: an object without any int')
  const structKind = 4
  bytes.writeUInt32LE(0, at)
  bytes.writeUInt32LE((structKind << 24) | variables.length, at + 4)
  bytes.writeUInt32LE(variables.length * 4, at + 8)
  for (const [index, { type: id }] of variables.entries()) {
    const symbol = typeAt(btf, id)
    if (symbol.kind !== 'function')
      throw badObject(`.ksyms: type ${id} is a ${symbol.kind}; only functions are supported`)
    const place = at + 12 + index * 12
    bytes.writeUInt32LE(0, place)
    bytes.writeUInt32LE(number, place + 4)
    bytes.writeUInt32LE(index * 32, place + 8)
    nameFunction(bytes, btf, id, symbol.prototype)
  }
}

/** The kernel wants functions to be there (linkage 1), and all their parameters to have names. */
function nameFunction(bytes: Buffer, btf: Btf, id: number, prototype: number): void {
  const at = btf.offsets[id] ?? 0
  const functionKind = 12
  bytes.writeUInt32LE((functionKind << 24) | 1, at + 4)
  const type = typeAt(btf, prototype)
  if (type.kind !== 'prototype') throw badObject(`.BTF: type ${prototype} is no prototype`)
  for (const [index, { name, type: parameter }] of type.parameters.entries()) {
    // Any name will do: the function's own.
    const place = (btf.offsets[prototype] ?? 0) + 12 + index * 8
    if (name === '' && parameter !== 0) bytes.writeUInt32LE(bytes.readUInt32LE(at), place)
  }
}

function placeVariables(
  btf: Btf,
  elf: ElfFile,
  section: ElfSection,
  variables: readonly BtfSectionVariable[],
): Placed[] {
  const symbols = new Map(
    elf.symbols.filter(symbol => symbol.section === section.index).map(symbol => [symbol.name, symbol]),
  )
  return variables
    .map(({ type, size, offset }): Placed => {
      const variable = typeAt(btf, type)
      if (variable.kind !== 'variable') throw badObject(`${section.name}: type ${type} is no variable`)
      const symbol = symbols.get(variable.name)
      // Static variables of functions may have no symbol; then their offset is in place.
      const placed = { name: variable.name, type, offset: symbol?.value ?? offset, size: size || sizeOf(btf, type) }
      if (placed.offset + placed.size > section.size) {
        throw badObject(`${section.name}: ${variable.name} lies behind its end`)
      }
      return placed
    })
    .sort((a, b) => a.offset - b.offset)
}

/** The data sections that need a map: those that programs refer to are among them. */
export function readGlobals(btf: Btf, elf: ElfFile): readonly GlobalSection[] {
  return elf.sections
    .filter(({ name, size }) => isDataSection(name) && size > 0)
    .map(section => {
      const type = btf.types.find(each => each.kind === 'data-section' && each.name === section.name)
      // Texts of bpf_printk lie in sections of their own, without variables.
      const placed = type?.kind === 'data-section' ? placeVariables(btf, elf, section, type.variables) : []
      const variables = placed.map(({ name, offset, size, type: id }) => {
        const variable = typeAt(btf, id)
        return { name, offset, size, type: variable.kind === 'variable' ? variable.type : id }
      })
      return {
        name: section.name,
        bytes: Uint8Array.from(section.bytes),
        isConstant: section.name.startsWith('.rodata'),
        variables,
      }
    })
}
