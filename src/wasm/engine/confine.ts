import { ByteReader, invalidModule, signed, unsigned } from './byte-reader.ts'
import { readInstruction } from './instructions.ts'
import { readLayout } from './module-layout.ts'
import type { ModuleLayout } from './module-layout.ts'
import { appendTo, readSections, sectionIds, sectionOf, withSection, writeSections } from './sections.ts'
import type { Section } from './sections.ts'

/** Names of what is added to a module; the host finds it by them. */
export const addedExports = { fuel: 'heddle_fuel', refuel: 'heddle_refuel' } as const

/** Of one start function, which runs before the host can look at a clock. */
const startFuel = 20_000_000
/** `memory.grow` is some microseconds, in which a loop goes round this often. */
const growFuel = 500
/** Bytes that are copied or filled in the time of one round: 2 to the power of this. */
const bulkShift = 6
/** Elements of a table, 8 bytes each: far more than the functions of any plugin. */
const maxTableElements = 1_000_000
const pageBytes = 65_536

export interface ConfineOptions {
  /** What the memory of an instance may grow to. */
  readonly memoryLimitBytes: number
  /** `unmetered` keeps the code as it is, so that debuggers find its lines; nothing can stop it then. */
  readonly time: 'metered' | 'unmetered'
}

/**
 * Rewrites a module so that its instances cannot take more than they are given:
 *
 * - memories and tables get a maximum;
 * - every loop and every function that calls others counts down a number, its
 *   fuel, and bulk operations count by their size. When it is used up the module
 *   asks the host for more, by the function in its table `heddle_refuel`, and
 *   traps if there is none.
 *
 * Nothing that exists gets another index, so names and references stay true;
 * only places in the code move.
 *
 * @throws MeshError MESH_PLUGIN_INVALID
 */
export function confine(bytes: Uint8Array, options: ConfineOptions): Buffer<ArrayBuffer> {
  let sections = limitMemories(readSections(bytes), Math.floor(options.memoryLimitBytes / pageBytes))
  const layout = readLayout(sections)
  sections = limitTables(sections)
  return writeSections(options.time === 'metered' ? meter(sections, layout) : sections)
}

function limitMemories(sections: readonly Section[], maxPages: number): readonly Section[] {
  const content = sectionOf(sections, sectionIds.memory)
  if (content === undefined) return sections
  const reader = new ByteReader(content)
  const count = reader.u32()
  const limited = unsigned(count)
  for (let index = 0; index < count; index++) {
    const flags = reader.byte()
    if (flags > 1) throw invalidModule('its memory is shared between threads or addressed by 64 bits')
    const least = reader.u32()
    const most = flags === 1 ? reader.u32() : maxPages
    if (least > maxPages)
      throw invalidModule(`it begins with ${least * pageBytes} bytes of memory, the limit is ${maxPages * pageBytes}`)
    limited.push(1, ...unsigned(least), ...unsigned(Math.min(most, maxPages)))
  }
  return withSection(sections, sectionIds.memory, Uint8Array.from(limited))
}

function limitTables(sections: readonly Section[]): readonly Section[] {
  const content = sectionOf(sections, sectionIds.table)
  if (content === undefined) return sections
  const reader = new ByteReader(content)
  const count = reader.u32()
  const limited = unsigned(count)
  for (let index = 0; index < count; index++) {
    const start = reader.at
    // With an initial value for its elements; compilers don't write this.
    if (reader.byte() === 0x40) throw invalidModule('a table has an expression for its elements')
    reader.at = start
    reader.skipValueType()
    limited.push(...content.subarray(start, reader.at))
    const flags = reader.byte()
    if (flags > 1) throw invalidModule('a table is shared or addressed by 64 bits')
    const least = reader.u32()
    const most = flags === 1 ? reader.u32() : maxTableElements
    if (least > maxTableElements)
      throw invalidModule(`a table begins with ${least} elements, the limit is ${maxTableElements}`)
    limited.push(1, ...unsigned(least), ...unsigned(Math.min(most, maxTableElements)))
  }
  return withSection(sections, sectionIds.table, Uint8Array.from(limited))
}

function meter(sections: readonly Section[], layout: ModuleLayout): readonly Section[] {
  if (sectionOf(sections, sectionIds.code) === undefined) return sections
  const { typeCount, tableCount, globalCount } = layout
  const code = meterCode(sections, layout)
  let result = appendTo(sections, sectionIds.type, Uint8Array.of(0x60, 0, 1, 0x7f), Uint8Array.of(0x60, 0, 0))
  result = appendTo(result, sectionIds.function, Uint8Array.from(unsigned(typeCount + 1)))
  result = appendTo(result, sectionIds.table, Uint8Array.of(0x70, 1, 1, 1))
  result = appendTo(result, sectionIds.global, Uint8Array.of(0x7f, 1, 0x41, ...signed(startFuel), 0x0b))
  result = appendTo(
    result,
    sectionIds.export,
    exportOf(addedExports.fuel, 3, globalCount),
    exportOf(addedExports.refuel, 1, tableCount),
  )
  return withSection(result, sectionIds.code, Buffer.concat([code, refuelFunction(layout)]))
}

function exportOf(name: string, kind: number, index: number): Uint8Array {
  return Uint8Array.from([...unsigned(name.length), ...Buffer.from(name), kind, ...unsigned(index)])
}

/** `fuel = refuel[0](); if fuel == 0, trap`. */
function refuelFunction({ typeCount, tableCount, globalCount }: ModuleLayout): Uint8Array {
  const fuel = unsigned(globalCount)
  const body = [
    [0, 0x41, 0, 0x11, ...unsigned(typeCount), ...unsigned(tableCount)],
    [0x24, ...fuel, 0x23, ...fuel, 0x45, 0x04, 0x40, 0x00, 0x0b, 0x0b],
  ].flat()
  return Uint8Array.from([...unsigned(body.length), ...body])
}

/** The code section with its count raised by one, for the function that is added. */
function meterCode(sections: readonly Section[], layout: ModuleLayout): Buffer {
  const reader = new ByteReader(sectionOf(sections, sectionIds.code) ?? Uint8Array.of(0))
  const count = reader.u32()
  if (count !== layout.parameterCounts.length) throw invalidModule('it has not as much code as functions')
  const parts: Uint8Array[] = [Uint8Array.from(unsigned(count + 1))]
  const check = checkCode(layout)
  for (const parameterCount of layout.parameterCounts) {
    const length = reader.u32()
    const body = meterFunction(
      new ByteReader(reader.bytes, reader.at, reader.at + length),
      parameterCount,
      layout,
      check,
    )
    reader.skip(length)
    parts.push(Uint8Array.from(unsigned(body.length)), body)
  }
  return Buffer.concat(parts)
}

/** `if --fuel < 0, refuel` */
function checkCode({ globalCount, functionCount }: ModuleLayout): Uint8Array {
  const fuel = unsigned(globalCount)
  const countDown = [0x23, ...fuel, 0x41, 1, 0x6b, 0x24, ...fuel]
  const refuel = [0x23, ...fuel, 0x41, 0, 0x48, 0x04, 0x40, 0x10, ...unsigned(functionCount), 0x0b]
  return Uint8Array.from([...countDown, ...refuel])
}

function meterFunction(
  reader: ByteReader,
  parameterCount: number,
  { globalCount }: ModuleLayout,
  check: Uint8Array,
): Buffer {
  const start = reader.at
  const groups = reader.u32()
  const groupsAt = reader.at
  let localCount = parameterCount
  for (let group = 0; group < groups; group++) {
    localCount += reader.u32()
    reader.skipValueType()
  }
  const codeAt = reader.at
  const parts: Uint8Array[] = []
  let copied = codeAt
  let hasCalls = false
  let hasBulk = false
  const fuel = unsigned(globalCount)
  const size = unsigned(localCount)
  const charge = [0x22, ...size, 0x23, ...fuel, 0x20, ...size, 0x41, bulkShift, 0x76, 0x6b, 0x24, ...fuel]
  const bulk = Uint8Array.from([...charge, ...check])
  const grow = Uint8Array.from([0x23, ...fuel, 0x41, ...signed(growFuel), 0x6b, 0x24, ...fuel, ...check])
  while (!reader.isAtEnd) {
    const at = reader.at
    const instruction = readInstruction(reader)
    if (instruction === 'plain') continue
    if (instruction === 'call') {
      hasCalls = true
      continue
    }
    if (instruction === 'bulk') hasBulk = true
    const place = instruction === 'loop' ? reader.at : at
    parts.push(
      reader.bytes.subarray(copied, place),
      instruction === 'loop' ? check : instruction === 'bulk' ? bulk : grow,
    )
    copied = place
  }
  parts.push(reader.bytes.subarray(copied, reader.end))
  const locals = reader.bytes.subarray(groupsAt, codeAt)
  // The size of a bulk operation needs a place to be read twice.
  const declared = hasBulk ? [unsigned(groups + 1), locals, [1, 0x7f]] : [reader.bytes.subarray(start, codeAt)]
  return Buffer.concat([...declared.map(part => Uint8Array.from(part)), ...(hasCalls ? [check] : []), ...parts])
}
