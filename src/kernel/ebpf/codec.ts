import { plainType, sizeOf } from './btf.ts'
import type { Btf, BtfMember, BtfStruct } from './btf.ts'
import { MeshError } from '../../core/index.ts'
import { fieldName } from './field-name.ts'
import { badObject } from './object-bytes.ts'

/**
 * Values to the bytes of a C type and back.
 *
 * | C | here |
 * | --- | --- |
 * | integers up to 32 bits, enum, float | number |
 * | integers of 64 bits, pointers, enums of 64 bits | bigint |
 * | bool | boolean |
 * | char[n] | string, up to the first zero byte |
 * | unsigned char[n], and what is wider than 64 bits | Uint8Array of n bytes, a copy |
 * | other arrays | array of exactly n |
 * | struct | object, its names in camelCase; members without a name are part of it |
 * | union | object with one member to encode, with all of them when decoded |
 *
 * Numbers are as C holds them: a field in network byte order says so in its name (`portBe`) and is not turned.
 */
export interface Codec<T> {
  readonly size: number
  /**
   * Writes all `size` bytes, padding as zeros.
   * @throws MeshError MESH_EBPF_VALUE with the path of what does not fit
   */
  encode(value: T, into: Buffer, at: number): void
  decode(from: Buffer, at: number): T
}

/** Writes over zeros; the path is for errors. */
interface Part {
  readonly size: number
  write(value: unknown, into: Buffer, at: number, path: string): void
  read(from: Buffer, at: number): unknown
}

/** How deep structs may lie in each other. */
const mostDepth = 16

/**
 * The codec of a type. The caller says what it is in TypeScript; `generateTypes` writes exactly that.
 * @throws MeshError MESH_EBPF_OBJECT for what has no value: functions, void, structs of unknown content
 */
export function codecOf<T>(btf: Btf, type: number): Codec<T> {
  const part = partOf(btf, type, 0)
  return {
    size: part.size,
    encode(value, into, at) {
      into.fill(0, at, at + part.size)
      part.write(value, into, at, '')
    },
    decode: (from, at) => part.read(from, at) as T,
  }
}

/**
 * Encodes, and says of what does not fit whose it is.
 * @throws MeshError MESH_EBPF_VALUE, `map services, key: portBe: wants an integer from 0 to 65535, not 70000`
 */
export function encodeNamed<T>(codec: Codec<T>, what: string, value: T, into: Buffer, at: number): void {
  try {
    codec.encode(value, into, at)
  } catch (error) {
    if (!(error instanceof MeshError)) throw error
    throw new MeshError(error.code, `${what}: ${error.message}`, { source: error.source, cause: error })
  }
}

/** Bytes as they are: for keys and values without a type. */
export function bytesCodec(size: number): Codec<Uint8Array> {
  const part = bytesPart(size)
  return {
    size,
    encode: (value, into, at) => part.write(value, into, at, ''),
    decode: (from, at) => part.read(from, at) as Uint8Array,
  }
}

/** One value for each CPU, each at a multiple of 8 bytes. */
export function perCpuCodec<T>(codec: Codec<T>, cpus: number): Codec<readonly T[]> {
  const stride = Math.ceil(codec.size / 8) * 8
  return {
    size: stride * cpus,
    encode(values, into, at) {
      if (values.length !== cpus) throw unfit('', `${cpus} values, one for each CPU`, values)
      into.fill(0, at, at + stride * cpus)
      for (const [index, value] of values.entries()) codec.encode(value, into, at + index * stride)
    },
    decode: (from, at) => Array.from({ length: cpus }, (_, index) => codec.decode(from, at + index * stride)),
  }
}

function partOf(btf: Btf, id: number, depth: number): Part {
  if (depth > mostDepth) throw badObject(`.BTF: type ${id} contains itself`)
  const { type } = plainType(btf, id)
  switch (type.kind) {
    case 'int':
      return type.size > 8 ? bytesPart(type.size) : intPart(type.size, type.encoding)
    case 'enum':
      return intPart(type.size, type.isSigned ? 'signed' : 'unsigned')
    case 'pointer':
      return intPart(8, 'unsigned')
    case 'float':
      return floatPart(type.size)
    case 'array':
      return arrayPart(btf, type, depth)
    case 'struct':
      return structPart(btf, type, depth)
    case 'union':
      return unionPart(btf, type, depth)
    case 'void':
    case 'forward':
    case 'function':
    case 'prototype':
    case 'variable':
    case 'data-section':
    case 'tag':
      throw badObject(`.BTF: type ${id} (${type.kind}) has no value`)
  }
}

function intPart(size: number, encoding: 'unsigned' | 'signed' | 'char' | 'bool'): Part {
  if (encoding === 'bool') {
    return {
      size,
      write(value, into, at, path) {
        if (typeof value !== 'boolean') throw unfit(path, 'true or false', value)
        into[at] = value ? 1 : 0
      },
      read: (from, at) => from[at] !== 0,
    }
  }
  const isSigned = encoding !== 'unsigned'
  return size === 8 ? bigPart(isSigned) : smallPart(size, isSigned)
}

function smallPart(size: number, isSigned: boolean): Part {
  if (size !== 1 && size !== 2 && size !== 4) throw badObject(`.BTF: an integer of ${size} bytes`)
  const most = 2 ** (8 * size - (isSigned ? 1 : 0)) - 1
  const least = isSigned ? -most - 1 : 0
  return {
    size,
    write(value, into, at, path) {
      if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most) {
        throw unfit(path, `an integer from ${least} to ${most}`, value)
      }
      if (isSigned) into.writeIntLE(value, at, size)
      else into.writeUIntLE(value, at, size)
    },
    read: isSigned ? (from, at) => from.readIntLE(at, size) : (from, at) => from.readUIntLE(at, size),
  }
}

function bigPart(isSigned: boolean): Part {
  return {
    size: 8,
    write(value, into, at, path) {
      const fits =
        typeof value === 'bigint' && (isSigned ? BigInt.asIntN(64, value) : BigInt.asUintN(64, value)) === value
      if (!fits) throw unfit(path, `a bigint of 64 bits, ${isSigned ? 'signed' : 'not negative'}`, value)
      into.writeBigUInt64LE(BigInt.asUintN(64, value), at)
    },
    read: isSigned ? (from, at) => from.readBigInt64LE(at) : (from, at) => from.readBigUInt64LE(at),
  }
}

function floatPart(size: number): Part {
  if (size !== 4 && size !== 8) throw badObject(`.BTF: a floating point number of ${size} bytes`)
  return {
    size,
    write(value, into, at, path) {
      if (typeof value !== 'number') throw unfit(path, 'a number', value)
      if (size === 4) into.writeFloatLE(value, at)
      else into.writeDoubleLE(value, at)
    },
    read: (from, at) => (size === 4 ? from.readFloatLE(at) : from.readDoubleLE(at)),
  }
}

function bytesPart(size: number): Part {
  return {
    size,
    write(value, into, at, path) {
      if (!(value instanceof Uint8Array) || value.length !== size) throw unfit(path, `${size} bytes`, value)
      into.set(value, at)
    },
    // A plain array: `slice` of a Buffer would be a Buffer.
    read: (from, at) => new Uint8Array(from.subarray(at, at + size)),
  }
}

function textPart(size: number): Part {
  return {
    size,
    write(value, into, at, path) {
      if (typeof value !== 'string' || Buffer.byteLength(value) > size || value.includes('\0')) {
        throw unfit(path, `text of at most ${size} bytes`, value)
      }
      into.write(value, at, size)
    },
    read(from, at) {
      const end = from.indexOf(0, at)
      return from.toString('utf8', at, end < 0 ? at + size : Math.min(end, at + size))
    },
  }
}

function arrayPart(btf: Btf, type: { readonly element: number; readonly count: number }, depth: number): Part {
  const element = plainType(btf, type.element).type
  if (element.kind === 'int' && element.size === 1) {
    if (element.encoding === 'char') return textPart(type.count)
    if (element.encoding === 'unsigned') return bytesPart(type.count)
  }
  const part = partOf(btf, type.element, depth + 1)
  const { count } = type
  return {
    size: count * part.size,
    write(value, into, at, path) {
      if (!Array.isArray(value) || value.length !== count) throw unfit(path, `an array of ${count}`, value)
      for (let index = 0; index < count; index++)
        part.write(value[index], into, at + index * part.size, `${path}[${index}]`)
    },
    read: (from, at) => Array.from({ length: count }, (_, index) => part.read(from, at + index * part.size)),
  }
}

interface Field {
  /** '' for a struct or union without a name, whose members count as those around it. */
  readonly name: string
  readonly offset: number
  readonly part: Part
  readonly names: readonly string[]
}

function fieldsOf(btf: Btf, type: BtfStruct, depth: number): Field[] {
  const fields = type.members
    // Named by nobody and not a struct: padding.
    .filter(({ name, type: id }) => name !== '' || ['struct', 'union'].includes(plainType(btf, id).type.kind))
    .map((member): Field => {
      const isBits = member.bitSize !== 0
      const part = isBits ? bitPart(btf, member) : partOf(btf, member.type, depth + 1)
      return {
        name: fieldName(member.name),
        offset: isBits ? 0 : member.bitOffset / 8,
        part,
        names: member.name === '' ? namesIn(btf, member.type) : [fieldName(member.name)],
      }
    })
  const names = fields.flatMap(field => field.names)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) throw badObject(`.BTF: ${type.kind} ${type.name}: two members would be named ${twice}`)
  for (const { offset, part, name } of fields) {
    if (offset + part.size > type.size || !Number.isInteger(offset)) {
      throw badObject(`.BTF: ${type.kind} ${type.name}: ${name} lies outside of it`)
    }
  }
  return fields
}

function namesIn(btf: Btf, id: number, depth = 0): string[] {
  const { type } = plainType(btf, id)
  if ((type.kind !== 'struct' && type.kind !== 'union') || depth > mostDepth) return []
  return type.members.flatMap(({ name, type: inner }) =>
    name === '' ? namesIn(btf, inner, depth + 1) : [fieldName(name)],
  )
}

function structPart(btf: Btf, type: BtfStruct, depth: number): Part {
  const fields = fieldsOf(btf, type, depth)
  const known = new Set(fields.flatMap(({ names }) => names))
  const inner = depth > 0
  return {
    size: type.size,
    write(value, into, at, path) {
      const object = objectOf(value, path, type)
      for (const { name, offset, part } of fields) {
        part.write(name === '' ? object : object[name], into, at + offset, name === '' ? path : join(path, name))
      }
      // A member without a name is handed the object around it, and cannot know all of its names.
      if (inner && type.name === '') return
      for (const name of Object.keys(object))
        if (!known.has(name)) throw unfit(join(path, name), 'nothing: no such member', object[name])
    },
    read(from, at) {
      const object: Record<string, unknown> = {}
      for (const { name, offset, part } of fields) {
        if (name === '') Object.assign(object, part.read(from, at + offset))
        else object[name] = part.read(from, at + offset)
      }
      return object
    },
  }
}

function unionPart(btf: Btf, type: BtfStruct, depth: number): Part {
  const fields = fieldsOf(btf, type, depth)
  return {
    size: type.size,
    write(value, into, at, path) {
      const object = objectOf(value, path, type)
      const given = fields.filter(({ names }) => names.some(name => object[name] !== undefined))
      if (given.length === 0) throw unfit(path, `one of ${fields.flatMap(({ names }) => names).join(', ')}`, value)
      const writeField = ({ name, part, offset }: Field, target: Buffer, start: number): void =>
        part.write(name === '' ? object : object[name], target, start + offset, name === '' ? path : join(path, name))
      const [first, ...others] = given.toSorted((a, b) => b.part.size - a.part.size)
      if (first !== undefined) writeField(first, into, at)
      // What was decoded has all members, and goes back if nobody changed only one of them.
      for (const other of others) {
        const copy = Buffer.from(into.subarray(at, at + type.size))
        writeField(other, copy, 0)
        if (!copy.equals(into.subarray(at, at + type.size))) {
          throw unfit(path, `${first?.names[0]} and ${other.names[0]} to agree, or one of them alone`, value)
        }
      }
    },
    read(from, at) {
      const object: Record<string, unknown> = {}
      for (const { name, offset, part } of fields) {
        if (name === '') Object.assign(object, part.read(from, at + offset))
        else object[name] = part.read(from, at + offset)
      }
      return object
    },
  }
}

/** A bit field, by its bits from the struct's start. */
function bitPart(btf: Btf, member: BtfMember): Part {
  const bytes = Math.ceil((member.bitOffset + member.bitSize) / 8)
  const size = sizeOf(btf, member.type)
  const { type } = plainType(btf, member.type)
  const isSigned = type.kind === 'int' ? type.encoding === 'signed' : type.kind === 'enum' && type.isSigned
  const isBig = size === 8
  const width = BigInt(member.bitSize)
  return {
    size: bytes,
    write(value, into, at, path) {
      const big = isBig ? value : typeof value === 'number' && Number.isInteger(value) ? BigInt(value) : undefined
      if (
        typeof big !== 'bigint' ||
        (isSigned ? BigInt.asIntN(member.bitSize, big) : BigInt.asUintN(member.bitSize, big)) !== big
      ) {
        throw unfit(path, `an integer of ${width} bits`, value)
      }
      for (let bit = 0; bit < member.bitSize; bit++) {
        const place = member.bitOffset + bit
        const mask = 1 << (place & 7)
        const byte = at + (place >> 3)
        const isSet = ((big >> BigInt(bit)) & 1n) === 1n
        into[byte] = isSet ? (into[byte] ?? 0) | mask : (into[byte] ?? 0) & ~mask
      }
    },
    read(from, at) {
      let big = 0n
      for (let bit = 0; bit < member.bitSize; bit++) {
        const place = member.bitOffset + bit
        if (((from[at + (place >> 3)] ?? 0) >> (place & 7)) & 1) big |= 1n << BigInt(bit)
      }
      if (isSigned) big = BigInt.asIntN(member.bitSize, big)
      return isBig ? big : Number(big)
    },
  }
}

function objectOf(value: unknown, path: string, type: BtfStruct): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) throw unfit(path, `an object (${type.kind} ${type.name})`, value)
  return value as Readonly<Record<string, unknown>>
}

function join(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`
}

function unfit(path: string, wanted: string, value: unknown): MeshError {
  const told = typeof value === 'bigint' ? `${value}n` : typeof value === 'object' ? 'an object' : JSON.stringify(value)
  return new MeshError(
    'MESH_EBPF_VALUE',
    `${path === '' ? 'value' : path}: wants ${wanted}, not ${told ?? 'nothing'}`,
    {
      source: 'kernel',
    },
  )
}
