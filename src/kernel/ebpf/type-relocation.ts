import { plainType, sizeOf, typeAt } from './btf.ts'
import type { Btf, BtfMember, BtfType } from './btf.ts'
import { instructionBytes } from './link-programs.ts'
import type { ProgramSpec, TypeRelocation } from './link-programs.ts'
import { badObject } from './object-bytes.ts'
import type { TypeIndex } from './type-index.ts'

/**
 * Fits a program to the types of one kernel ("compile once, run everywhere"): offsets, sizes and presence of members,
 * sizes and presence of types, values of enums.
 *
 * What this kernel lacks becomes a call that the verifier refuses, unless the program asks first (`bpf_core_field_exists`)
 * and so never gets there.
 *
 * @see https://docs.kernel.org/bpf/llvm_reloc.html#co-re-relocations
 */

/** Kinds of relocations (bpf_core_relo_kind of linux/bpf.h). */
const kinds = {
  byteOffset: 0,
  byteSize: 1,
  fieldExists: 2,
  isSigned: 3,
  leftShift: 4,
  rightShift: 5,
  typeIdLocal: 6,
  typeIdTarget: 7,
  typeExists: 8,
  typeSize: 9,
  enumExists: 10,
  enumValue: 11,
  typeMatches: 12,
} as const

/** Helper number of the call that stands for what is missing; no kernel has it. libbpf uses the same. */
export const missingHelper = 0xbad2310

/** What a program asks of a kernel that lacks it; `index` is the instruction. */
export interface MissingType {
  readonly index: number
  /** `struct sock.sk_priority` */
  readonly what: string
}

export interface FittedProgram {
  readonly instructions: Buffer
  readonly missing: readonly MissingType[]
}

/**
 * @param instructions  a copy that is changed
 * @param kernel  types of the kernel, or of one of its modules
 * @throws MeshError MESH_EBPF_OBJECT when the compiler wrote something else than expected
 */
export function fitProgram(
  program: ProgramSpec,
  instructions: Buffer,
  types: { readonly local: Btf; readonly kernel: TypeIndex },
): FittedProgram {
  const missing: MissingType[] = []
  for (const relocation of program.typeRelocations) {
    const { index } = relocation
    const value = resolve(relocation, types)
    if (value === undefined) {
      missing.push({ index, what: describe(relocation, types.local) })
      poison(instructions, index)
    } else {
      patch(instructions, { index, program: program.name, ...value })
    }
  }
  return { instructions, missing }
}

interface Resolved {
  readonly value: bigint
  /** Bytes of the member, where a load has to be wider or narrower than it was compiled. */
  readonly bytes: number | undefined
}

interface Types {
  readonly local: Btf
  readonly kernel: TypeIndex
}

/** @returns undefined for what this kernel lacks */
function resolve(relocation: TypeRelocation, types: Types): Resolved | undefined {
  const { kind } = relocation
  const plain = (value: number | bigint): Resolved => ({ value: BigInt(value), bytes: undefined })
  if (kind === kinds.typeIdLocal) return plain(relocation.type)
  const candidates = candidatesOf(relocation, types)
  switch (kind) {
    case kinds.typeIdTarget:
      return candidates[0] === undefined ? undefined : plain(candidates[0])
    case kinds.typeExists:
    case kinds.typeMatches:
      return plain(candidates.length > 0 ? 1 : 0)
    case kinds.typeSize:
      return candidates[0] === undefined ? plain(0) : plain(sizeOf(types.kernel.btf, candidates[0]))
    case kinds.enumExists:
    case kinds.enumValue: {
      const value = enumValue(relocation, candidates, types)
      if (kind === kinds.enumExists) return plain(value === undefined ? 0 : 1)
      return value === undefined ? undefined : plain(value)
    }
    default:
      return resolveField(relocation, candidates, types)
  }
}

function resolveField(relocation: TypeRelocation, candidates: readonly number[], types: Types): Resolved | undefined {
  const { kind } = relocation
  const path = pathOf(relocation, types.local)
  let found: Field | undefined
  for (const candidate of candidates) found ??= findField(types, candidate, path)
  if (kind === kinds.fieldExists) return { value: found === undefined ? 0n : 1n, bytes: undefined }
  if (found === undefined) return undefined
  const place = placeOf(found, types.kernel.btf)
  const isAsWide = found.bitSize !== 0 || place.bytes === bytesAt(relocation, types.local)
  switch (kind) {
    case kinds.byteOffset:
      return { value: BigInt(place.offset), bytes: isAsWide ? undefined : place.bytes }
    case kinds.byteSize:
      return { value: BigInt(place.bytes), bytes: undefined }
    case kinds.isSigned:
      return { value: isSigned(types.kernel.btf, found.type) ? 1n : 0n, bytes: undefined }
    case kinds.leftShift:
      return { value: BigInt(64 - (place.bits + place.fromBit)), bytes: undefined }
    case kinds.rightShift:
      return { value: BigInt(64 - place.bits), bytes: undefined }
    default:
      throw badObject(`a relocation of kind ${kind}, which this loader does not know`)
  }
}

/** `tcp_sock` of `tcp_sock___old`: what programs call a version of a struct. */
function plainName(name: string): string {
  const at = name.indexOf('___')
  return at > 0 ? name.slice(0, at) : name
}

function nameOf(type: BtfType): string {
  return 'name' in type ? type.name : ''
}

/** Types of the kernel that have the name and the kind of the program's. */
function candidatesOf({ type: id }: TypeRelocation, { local, kernel }: Types): readonly number[] {
  const { type } = typeAt(local, id).kind === 'alias' ? plainType(local, id) : { type: typeAt(local, id) }
  const alias = typeAt(local, id)
  const name = plainName(nameOf(alias.kind === 'alias' && alias.how === 'typedef' ? alias : type))
  if (name === '') throw badObject(`.BTF: a relocation of type ${id}, which has no name`)
  return kernel.named(name).filter(each => plainType(kernel.btf, each).type.kind === type.kind)
}

/** One step from a type into it. */
type Step =
  | { readonly kind: 'member'; readonly member: BtfMember }
  | { readonly kind: 'element'; readonly index: number }

function numbersOf({ access, type }: TypeRelocation): readonly number[] {
  if (!/^\d+(:\d+)*$/.test(access)) throw badObject(`.BTF.ext: "${access}" of type ${type} is no way to a member`)
  return access.split(':').map(Number)
}

/** Size of what the program thinks it reads. */
function bytesAt(relocation: TypeRelocation, local: Btf): number {
  let at = relocation.type
  for (const number of numbersOf(relocation).slice(1)) {
    const { type } = plainType(local, at)
    if (type.kind === 'array') at = type.element
    else if (type.kind === 'struct' || type.kind === 'union') at = type.members[number]?.type ?? 0
  }
  return sizeOf(local, at)
}

/** The way as names. The first number counts in an array of the type itself. */
function pathOf(relocation: TypeRelocation, local: Btf): readonly Step[] {
  const [first = 0, ...others] = numbersOf(relocation)
  const steps: Step[] = first === 0 ? [] : [{ kind: 'element', index: first }]
  let at = relocation.type
  for (const number of others) {
    const { type } = plainType(local, at)
    if (type.kind === 'struct' || type.kind === 'union') {
      const member = type.members[number]
      if (member === undefined) throw badObject(`.BTF.ext: ${type.name} has no member ${number}`)
      // Those without a name may be nested otherwise in the kernel: they are looked through.
      if (member.name !== '') steps.push({ kind: 'member', member })
      at = member.type
    } else if (type.kind === 'array') {
      steps.push({ kind: 'element', index: number })
      at = type.element
    } else {
      throw badObject(`.BTF.ext: "${relocation.access}" leads into a ${type.kind}`)
    }
  }
  return steps
}

interface Field {
  readonly type: number
  readonly bitOffset: number
  /** 0: as wide as its type. */
  readonly bitSize: number
}

function findField(types: Types, root: number, path: readonly Step[]): Field | undefined {
  const { btf } = types.kernel
  let at: Field = { type: root, bitOffset: 0, bitSize: 0 }
  for (const [depth, step] of path.entries()) {
    if (step.kind === 'member') {
      const found = findMember(btf, at.type, step.member.name)
      if (found === undefined || !isAlike(types, step.member.type, found.type)) return undefined
      at = { type: found.type, bitOffset: at.bitOffset + found.bitOffset, bitSize: found.bitSize }
      continue
    }
    const { type } = plainType(btf, at.type)
    // Index of the type itself, as of an array of it.
    const element = depth === 0 && type.kind !== 'array' ? at.type : type.kind === 'array' ? type.element : undefined
    if (element === undefined) return undefined
    // Arrays of 0 or 1 elements stand at the end of structs and are longer than they say.
    if (type.kind === 'array' && type.count > 1 && step.index >= type.count) return undefined
    at = { type: element, bitOffset: at.bitOffset + step.index * sizeOf(btf, element) * 8, bitSize: 0 }
  }
  return at
}

function findMember(btf: Btf, id: number, name: string, depth = 0): Field | undefined {
  const { type } = plainType(btf, id)
  if ((type.kind !== 'struct' && type.kind !== 'union') || depth > 16) return undefined
  for (const member of type.members) {
    if (member.name === name) return member
    if (member.name !== '') continue
    const inner = findMember(btf, member.type, name, depth + 1)
    if (inner !== undefined) return { ...inner, bitOffset: member.bitOffset + inner.bitOffset }
  }
  return undefined
}

/** Whether a member of the kernel can be what the program takes it for: a number for a number, a struct for a struct. */
function isAlike({ local, kernel }: Types, ours: number, theirs: number, depth = 0): boolean {
  const a = plainType(local, ours).type
  const b = plainType(kernel.btf, theirs).type
  const isWhole = (type: BtfType): boolean => type.kind === 'struct' || type.kind === 'union'
  if (isWhole(a) && isWhole(b)) return true
  if (a.kind !== b.kind) return false
  if (a.kind === 'array' && b.kind === 'array' && depth < 8) {
    return isAlike({ local, kernel }, a.element, b.element, depth + 1)
  }
  if (a.kind !== 'enum' || a.name === '') return true
  return nameOf(b) === '' || plainName(a.name) === plainName(nameOf(b))
}

interface Place {
  /** Where to read, bytes from the type's start. */
  readonly offset: number
  /** How much to read. */
  readonly bytes: number
  /** Width of the member in it, and where it begins. */
  readonly bits: number
  readonly fromBit: number
}

function placeOf({ type, bitOffset, bitSize }: Field, btf: Btf): Place {
  let bytes = sizeOf(btf, type)
  if (bitSize === 0) return { offset: bitOffset / 8, bytes, bits: Math.min(bytes, 8) * 8, fromBit: 0 }
  // A bit field is read by the smallest aligned word that holds all of it.
  let offset = Math.floor(bitOffset / 8 / bytes) * bytes
  while (bitOffset + bitSize - offset * 8 > bytes * 8) {
    if (bytes >= 8) throw badObject('.BTF of the kernel: a bit field that no word holds')
    bytes *= 2
    offset = Math.floor(bitOffset / 8 / bytes) * bytes
  }
  return { offset, bytes, bits: bitSize, fromBit: bitOffset - offset * 8 }
}

function isSigned(btf: Btf, id: number): boolean {
  const { type } = plainType(btf, id)
  return type.kind === 'int' ? type.encoding === 'signed' : type.kind === 'enum' && type.isSigned
}

function enumValue(relocation: TypeRelocation, candidates: readonly number[], types: Types): bigint | undefined {
  const wanted = enumName(relocation, types.local)
  for (const candidate of candidates) {
    const { type } = plainType(types.kernel.btf, candidate)
    if (type.kind !== 'enum') continue
    const found = type.values.find(({ name }) => plainName(name) === wanted)
    if (found !== undefined) return found.value
  }
  return undefined
}

function enumName(relocation: TypeRelocation, local: Btf): string {
  const { type } = plainType(local, relocation.type)
  const value = type.kind === 'enum' ? type.values[numbersOf(relocation)[0] ?? 0] : undefined
  if (value === undefined) throw badObject(`.BTF.ext: type ${relocation.type} has no value ${relocation.access}`)
  return plainName(value.name)
}

function describe(relocation: TypeRelocation, local: Btf): string {
  const { type } = plainType(local, relocation.type)
  const whole = `${type.kind} ${plainName(nameOf(type))}`
  if (relocation.kind === kinds.enumValue) return `${whole}: ${enumName(relocation, local)}`
  if (relocation.kind > kinds.rightShift) return whole
  const path = pathOf(relocation, local).map(step =>
    step.kind === 'member' ? `.${step.member.name}` : `[${step.index}]`,
  )
  return `${whole}${path.join('')}`
}

const classes = { load: 0, loadMemory: 1, store: 2, storeRegister: 3, alu32: 4, alu64: 7 } as const
const opLoad64 = 0x18
/** Bits of an opcode that say how wide a load is, by bytes. */
const widths: Readonly<Record<number, number>> = { 1: 0x10, 2: 0x08, 4: 0x00, 8: 0x18 }

function patch(
  instructions: Buffer,
  of: { readonly index: number; readonly program: string; readonly value: bigint; readonly bytes: number | undefined },
): void {
  const at = of.index * instructionBytes
  const opcode = instructions[at] ?? 0
  const fault = (problem: string): Error => badObject(`program ${of.program}, instruction ${of.index}: ${problem}`)
  if (opcode === opLoad64) {
    const value = BigInt.asUintN(64, of.value)
    instructions.writeUInt32LE(Number(value & 0xffff_ffffn), at + 4)
    instructions.writeUInt32LE(Number(value >> 32n), at + 12)
    return
  }
  switch (opcode & 7) {
    case classes.alu32:
    case classes.alu64:
      instructions.writeInt32LE(Number(BigInt.asIntN(32, of.value)), at + 4)
      return
    case classes.loadMemory:
    case classes.store:
    case classes.storeRegister: {
      if (of.value > 0x7fffn) throw fault(`offset ${of.value} of this kernel does not fit into a load`)
      instructions.writeInt16LE(Number(of.value), at + 2)
      const width = of.bytes === undefined ? undefined : widths[of.bytes]
      if (width !== undefined) instructions[at] = (opcode & ~0x18) | width
      return
    }
    default:
      throw fault(`a relocation of types on opcode ${opcode}`)
  }
}

/** Puts a call in its place that no kernel knows. */
function poison(instructions: Buffer, index: number): void {
  const call = Buffer.from('8500000000000000', 'hex')
  call.writeInt32LE(missingHelper, 4)
  const at = index * instructionBytes
  const count = instructions[at] === opLoad64 ? 2 : 1
  for (let each = 0; each < count; each++) call.copy(instructions, at + each * instructionBytes)
}
