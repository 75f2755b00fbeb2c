import { invalidModule } from './byte-reader.ts'
import type { ByteReader } from './byte-reader.ts'

/** What an instruction means for the metering of time; most mean nothing. */
export type Instruction = 'plain' | 'loop' | 'call' | 'bulk' | 'grow'

/**
 * Reads one instruction with its immediates.
 *
 * @returns `bulk` for those that work on as many bytes or elements as the number on top of the stack says
 * @throws MeshError MESH_PLUGIN_INVALID for those not known here, such as garbage-collected types
 * @see WebAssembly Core Specification 3.0, section 5.4; threads proposal for 0xfe
 */
export function readInstruction(reader: ByteReader): Instruction {
  const code = reader.byte()
  if (code >= 0x45 && code <= 0xc4) return 'plain'
  if (code >= 0x28 && code <= 0x3e) return memoryArgument(reader)
  if (code >= 0x20 && code <= 0x26) return integers(reader, 1)
  switch (code) {
    case 0x02: // block
    case 0x04: // if
    case 0x06: // try
      return integers(reader, 1)
    case 0x03:
      reader.skipInteger()
      return 'loop'
    case 0x10: // call
    case 0x12: // return_call
    case 0x14: // call_ref
    case 0x15: // return_call_ref
      reader.skipInteger()
      return 'call'
    case 0x11: // call_indirect
    case 0x13: // return_call_indirect
      integers(reader, 2)
      return 'call'
    case 0x40: // memory.grow
      reader.skipInteger()
      return 'grow'
    case 0x0e: // br_table
      return integers(reader, reader.u32() + 1)
    case 0x1c: // select with types
      for (let count = reader.u32(); count > 0; count--) reader.skipValueType()
      return 'plain'
    case 0x1f:
      return tryTable(reader)
    case 0x43:
      return bytes(reader, 4)
    case 0x44:
      return bytes(reader, 8)
    case 0xfc:
      return prefixed(reader)
    case 0xfd:
      return vector(reader)
    case 0xfe:
      return reader.u32() === 3 ? bytes(reader, 1) : memoryArgument(reader)
    default:
      return other(reader, code)
  }
}

/** catch, throw, rethrow, br, br_if, delegate, memory.size, i32.const, i64.const, ref.null, ref.func, br_on_null, br_on_non_null */
const withInteger = new Set([0x07, 0x08, 0x09, 0x0c, 0x0d, 0x18, 0x3f, 0x41, 0x42, 0xd0, 0xd2, 0xd5, 0xd6])
/** unreachable, nop, else, throw_ref, end, return, catch_all, drop, select, ref.is_null, ref.eq, ref.as_non_null */
const withNothing = new Set([0x00, 0x01, 0x05, 0x0a, 0x0b, 0x0f, 0x19, 0x1a, 0x1b, 0xd1, 0xd3, 0xd4])

function other(reader: ByteReader, code: number): Instruction {
  if (withInteger.has(code)) return integers(reader, 1)
  if (withNothing.has(code)) return 'plain'
  throw invalidModule(`instruction 0x${code.toString(16)} at byte ${reader.at - 1} is not supported`)
}

function integers(reader: ByteReader, count: number): Instruction {
  for (let left = count; left > 0; left--) reader.skipInteger()
  return 'plain'
}

function bytes(reader: ByteReader, count: number): Instruction {
  reader.skip(count)
  return 'plain'
}

/** Alignment, the index of the memory if its bit 6 is set, offset. */
function memoryArgument(reader: ByteReader): Instruction {
  return integers(reader, (reader.u32() & 0x40) === 0 ? 1 : 2)
}

function tryTable(reader: ByteReader): Instruction {
  reader.skipInteger()
  for (let count = reader.u32(); count > 0; count--) integers(reader, reader.byte() < 2 ? 2 : 1)
  return 'plain'
}

/** Saturating conversions, then bulk operations on memories and tables. */
function prefixed(reader: ByteReader): Instruction {
  const code = reader.u32()
  if (code < 8) return 'plain'
  switch (code) {
    case 8: // memory.init
    case 10: // memory.copy
    case 12: // table.init
    case 14: // table.copy
      integers(reader, 2)
      return 'bulk'
    case 11: // memory.fill
    case 15: // table.grow
    case 17: // table.fill
      integers(reader, 1)
      return 'bulk'
    case 9: // data.drop
    case 13: // elem.drop
    case 16: // table.size
      return integers(reader, 1)
    default:
      throw invalidModule(`instruction 0xfc ${code} at byte ${reader.at} is not supported`)
  }
}

function vector(reader: ByteReader): Instruction {
  const code = reader.u32()
  if (code <= 11 || code === 92 || code === 93) return memoryArgument(reader)
  if (code === 12 || code === 13) return bytes(reader, 16)
  if (code >= 21 && code <= 34) return bytes(reader, 1)
  if (code >= 84 && code <= 91) {
    memoryArgument(reader)
    return bytes(reader, 1)
  }
  return 'plain'
}
