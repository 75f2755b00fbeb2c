import { badObject, ObjectBytes } from './object-bytes.ts'

/** A type of BTF. Names are '' where C has none; ids are indexes of `Btf.types`. */
export type BtfType =
  | { readonly kind: 'void' }
  | {
      readonly kind: 'int'
      readonly name: string
      readonly size: number
      readonly bits: number
      readonly encoding: 'unsigned' | 'signed' | 'char' | 'bool'
    }
  | { readonly kind: 'float'; readonly name: string; readonly size: number }
  | { readonly kind: 'pointer'; readonly target: number }
  | { readonly kind: 'array'; readonly element: number; readonly count: number }
  | BtfStruct
  | BtfEnum
  | { readonly kind: 'forward'; readonly name: string }
  | { readonly kind: 'alias'; readonly how: AliasKind; readonly name: string; readonly target: number }
  | { readonly kind: 'function'; readonly name: string; readonly prototype: number; readonly linkage: number }
  | { readonly kind: 'prototype'; readonly returns: number; readonly parameters: readonly BtfParameter[] }
  | { readonly kind: 'variable'; readonly name: string; readonly type: number; readonly linkage: number }
  | { readonly kind: 'data-section'; readonly name: string; readonly variables: readonly BtfSectionVariable[] }
  | { readonly kind: 'tag'; readonly name: string; readonly target: number; readonly component: number }

export type AliasKind = 'typedef' | 'const' | 'volatile' | 'restrict' | 'type-tag'

export interface BtfStruct {
  readonly kind: 'struct' | 'union'
  readonly name: string
  readonly size: number
  readonly members: readonly BtfMember[]
}

export interface BtfMember {
  readonly name: string
  readonly type: number
  readonly bitOffset: number
  /** 0: as wide as its type. */
  readonly bitSize: number
}

export interface BtfEnum {
  readonly kind: 'enum'
  readonly name: string
  readonly size: number
  readonly isSigned: boolean
  readonly values: readonly { readonly name: string; readonly value: bigint }[]
}

export interface BtfParameter {
  readonly name: string
  readonly type: number
}

export interface BtfSectionVariable {
  readonly type: number
  readonly offset: number
  readonly size: number
}

export interface Btf {
  /** By id; 0 is void. */
  readonly types: readonly BtfType[]
  /** Where in the bytes each type begins, by id. */
  readonly offsets: readonly number[]
  /** A string by its offset. @throws MeshError MESH_EBPF_OBJECT */
  text(offset: number): string
}

/** Pointers of the BPF machine, and of every machine this runs on. */
export const pointerBytes = 8

/** How deep types may lie in each other; C programs stay far below it, a circle does not. */
const mostDepth = 32

/**
 * Reads a `.BTF` section, or /sys/kernel/btf/vmlinux.
 * @throws MeshError MESH_EBPF_OBJECT
 * @see https://docs.kernel.org/bpf/btf.html
 */
export function readBtf(section: Uint8Array): Btf {
  const bytes = new ObjectBytes(section, '.BTF')
  if (bytes.length < 24 || bytes.u16(0) !== 0xeb9f) throw badObject('.BTF: no BTF of this byte order')
  const headerBytes = bytes.u32(4)
  const typesAt = headerBytes + bytes.u32(8)
  const typesEnd = typesAt + bytes.u32(12)
  const texts = new ObjectBytes(bytes.slice(headerBytes + bytes.u32(16), bytes.u32(20)), 'names in .BTF')
  const known = new Map<number, string>([[0, '']])
  const text = (offset: number): string => {
    let name = known.get(offset)
    if (name === undefined) known.set(offset, (name = texts.text(offset)))
    return name
  }
  const types: BtfType[] = [{ kind: 'void' }]
  const offsets: number[] = [0]
  bytes.slice(typesAt, typesEnd - typesAt)
  for (let at = typesAt; at < typesEnd;) {
    offsets.push(at)
    const { type, length } = readType(bytes, at, text)
    types.push(type)
    at += length
  }
  return { types, offsets, text }
}

type Text = (offset: number) => string

function readType(bytes: ObjectBytes, at: number, text: Text): { type: BtfType; length: number } {
  const name = text(bytes.u32(at))
  const info = bytes.u32(at + 4)
  const count = info & 0xffff
  const flag = info >>> 31 === 1
  const word = bytes.u32(at + 8)
  const more = at + 12
  switch ((info >>> 24) & 31) {
    case 1:
      return { type: intType(name, word, bytes.u32(more)), length: 16 }
    case 2:
      return { type: { kind: 'pointer', target: word }, length: 12 }
    case 3:
      return { type: { kind: 'array', element: bytes.u32(more), count: bytes.u32(more + 8) }, length: 24 }
    case 4:
    case 5: {
      const members = Array.from({ length: count }, (_, index) => member(bytes, more + index * 12, { flag, text }))
      const kind = ((info >>> 24) & 31) === 4 ? 'struct' : 'union'
      return { type: { kind, name, size: word, members }, length: 12 + 12 * count }
    }
    case 6: {
      const values = Array.from({ length: count }, (_, index) => {
        const value = more + index * 8
        return { name: text(bytes.u32(value)), value: BigInt(flag ? bytes.i32(value + 4) : bytes.u32(value + 4)) }
      })
      return { type: { kind: 'enum', name, size: word, isSigned: flag, values }, length: 12 + 8 * count }
    }
    case 7:
      return { type: { kind: 'forward', name }, length: 12 }
    case 8:
      return { type: { kind: 'alias', how: 'typedef', name, target: word }, length: 12 }
    case 9:
      return { type: { kind: 'alias', how: 'volatile', name, target: word }, length: 12 }
    case 10:
      return { type: { kind: 'alias', how: 'const', name, target: word }, length: 12 }
    case 11:
      return { type: { kind: 'alias', how: 'restrict', name, target: word }, length: 12 }
    case 12:
      return { type: { kind: 'function', name, prototype: word, linkage: count }, length: 12 }
    case 13: {
      const parameters = Array.from({ length: count }, (_, index) => ({
        name: text(bytes.u32(more + index * 8)),
        type: bytes.u32(more + index * 8 + 4),
      }))
      return { type: { kind: 'prototype', returns: word, parameters }, length: 12 + 8 * count }
    }
    case 14:
      return { type: { kind: 'variable', name, type: word, linkage: bytes.u32(more) }, length: 16 }
    case 15: {
      const variables = Array.from({ length: count }, (_, index) => ({
        type: bytes.u32(more + index * 12),
        offset: bytes.u32(more + index * 12 + 4),
        size: bytes.u32(more + index * 12 + 8),
      }))
      return { type: { kind: 'data-section', name, variables }, length: 12 + 12 * count }
    }
    case 16:
      return { type: { kind: 'float', name, size: word }, length: 12 }
    case 17:
      return { type: { kind: 'tag', name, target: word, component: bytes.i32(more) }, length: 16 }
    case 18:
      return { type: { kind: 'alias', how: 'type-tag', name, target: word }, length: 12 }
    case 19: {
      const values = Array.from({ length: count }, (_, index) => {
        const value = more + index * 12
        const whole = (BigInt(bytes.u32(value + 8)) << 32n) | BigInt(bytes.u32(value + 4))
        return { name: text(bytes.u32(value)), value: flag ? BigInt.asIntN(64, whole) : whole }
      })
      return { type: { kind: 'enum', name, size: word, isSigned: flag, values }, length: 12 + 12 * count }
    }
    default:
      throw badObject(`.BTF: a type of kind ${(info >>> 24) & 31}, which this reader does not know`)
  }
}

function intType(name: string, size: number, word: number): BtfType {
  const bits = word & 0xff
  const encoding = (word >>> 24) & 15
  // clang calls a char signed, nothing more.
  const isChar = (encoding & 2) !== 0 || (name === 'char' && size === 1)
  return {
    kind: 'int',
    name,
    size,
    bits,
    encoding: (encoding & 4) !== 0 ? 'bool' : isChar ? 'char' : (encoding & 1) !== 0 ? 'signed' : 'unsigned',
  }
}

function member(bytes: ObjectBytes, at: number, how: { readonly flag: boolean; readonly text: Text }): BtfMember {
  const offset = bytes.u32(at + 8)
  return {
    name: how.text(bytes.u32(at)),
    type: bytes.u32(at + 4),
    bitOffset: how.flag ? offset & 0xff_ffff : offset,
    bitSize: how.flag ? offset >>> 24 : 0,
  }
}

/** @throws MeshError MESH_EBPF_OBJECT when there is no such type */
export function typeAt(btf: Btf, id: number): BtfType {
  const type = btf.types[id]
  if (type === undefined) throw badObject(`.BTF: type ${id} does not exist`)
  return type
}

/** The type behind typedef, const, volatile and their like, with its id. */
export function plainType(
  btf: Btf,
  id: number,
): { readonly id: number; readonly type: Exclude<BtfType, { kind: 'alias' }> } {
  for (let at = id, depth = 0; depth < mostDepth; depth++) {
    const type = typeAt(btf, at)
    if (type.kind !== 'alias') return { id: at, type }
    at = type.target
  }
  throw badObject(`.BTF: type ${id} leads to itself`)
}

/** Bytes that a value of a type takes. @throws MeshError MESH_EBPF_OBJECT for what has no size */
export function sizeOf(btf: Btf, id: number, depth = 0): number {
  const { type } = plainType(btf, id)
  if (depth > mostDepth) throw badObject(`.BTF: type ${id} contains itself`)
  switch (type.kind) {
    case 'int':
    case 'float':
    case 'struct':
    case 'union':
    case 'enum':
      return type.size
    case 'pointer':
      return pointerBytes
    case 'array': {
      const size = type.count * sizeOf(btf, type.element, depth + 1)
      if (size > 0xffff_ffff) throw badObject(`.BTF: type ${id} takes ${size} bytes`)
      return size
    }
    case 'variable':
      return sizeOf(btf, type.type, depth + 1)
    case 'void':
    case 'forward':
    case 'function':
    case 'prototype':
    case 'data-section':
    case 'tag':
      throw badObject(`.BTF: type ${id} (${type.kind}) has no size`)
  }
}

/** Id of the first type of that kind and name, 0 if there is none. A typedef is found as `alias`. */
export function findType(btf: Btf, kind: BtfType['kind'], name: string): number {
  return Math.max(
    0,
    btf.types.findIndex(type => type.kind === kind && 'name' in type && type.name === name),
  )
}

/**
 * Where a member lies in a struct, also within anonymous members: for offsets of kernel structs from
 * /sys/kernel/btf/vmlinux.
 * @returns bytes, undefined when there is no such struct or member, or it is a bit field
 */
export function memberOffset(btf: Btf, struct: string, name: string): number | undefined {
  const id = findType(btf, 'struct', struct)
  return id === 0 ? undefined : offsetIn(btf, id, name, 0)
}

function offsetIn(btf: Btf, id: number, name: string, depth: number): number | undefined {
  const { type } = plainType(btf, id)
  if ((type.kind !== 'struct' && type.kind !== 'union') || depth > mostDepth) return undefined
  for (const each of type.members) {
    if (each.name === name) return each.bitSize === 0 ? each.bitOffset / 8 : undefined
    if (each.name !== '') continue
    const inner = offsetIn(btf, each.type, name, depth + 1)
    if (inner !== undefined) return each.bitOffset / 8 + inner
  }
  return undefined
}
