import { ByteReader, invalidModule } from './byte-reader.ts'
import { sectionIds, sectionOf } from './sections.ts'
import type { Section } from './sections.ts'

/** What is needed of a module's index spaces to add to them without moving anything. */
export interface ModuleLayout {
  readonly typeCount: number
  readonly functionCount: number
  readonly tableCount: number
  readonly globalCount: number
  /** How many parameters each function of its own has, in the order of the code section. */
  readonly parameterCounts: readonly number[]
}

/**
 * Counts types, functions, tables and globals, the imported ones included.
 *
 * @throws MeshError MESH_PLUGIN_INVALID, also for imported memories, which could not be limited
 */
export function readLayout(sections: readonly Section[]): ModuleLayout {
  const parameters = readTypes(sections)
  const imported = countImports(sections)
  const functions = vector(sections, sectionIds.function)
  const parameterCounts: number[] = []
  for (let left = functions.u32(); left > 0; left--) {
    const count = parameters[functions.u32()]
    if (count === undefined) throw invalidModule('a function has no type')
    parameterCounts.push(count)
  }
  return {
    typeCount: parameters.length,
    functionCount: imported.functions + parameterCounts.length,
    tableCount: imported.tables + vector(sections, sectionIds.table).u32(),
    globalCount: imported.globals + vector(sections, sectionIds.global).u32(),
    parameterCounts,
  }
}

function vector(sections: readonly Section[], id: number): ByteReader {
  return new ByteReader(sectionOf(sections, id) ?? Uint8Array.of(0))
}

function readTypes(sections: readonly Section[]): readonly number[] {
  const reader = vector(sections, sectionIds.type)
  const parameters: number[] = []
  for (let left = reader.u32(); left > 0; left--) {
    if (reader.byte() !== 0x60) throw invalidModule('it uses garbage-collected types, whose memory has no limit')
    const count = reader.u32()
    parameters.push(count)
    for (let index = 0; index < count; index++) reader.skipValueType()
    for (let results = reader.u32(); results > 0; results--) reader.skipValueType()
  }
  return parameters
}

function countImports(sections: readonly Section[]): { functions: number; tables: number; globals: number } {
  const reader = vector(sections, sectionIds.import)
  const counts = { functions: 0, tables: 0, globals: 0 }
  for (let left = reader.u32(); left > 0; left--) {
    const name = `${reader.name()}.${reader.name()}`
    switch (reader.byte()) {
      case 0:
        reader.u32()
        counts.functions++
        break
      case 1:
        reader.skipValueType()
        skipLimits(reader)
        counts.tables++
        break
      case 2:
        throw invalidModule(
          `it imports its memory (${name}) instead of having one, as modules before proxy-wasm 0.1.0 did`,
        )
      case 3:
        reader.skipValueType()
        reader.byte()
        counts.globals++
        break
      default:
        reader.byte()
        reader.u32()
    }
  }
  return counts
}

function skipLimits(reader: ByteReader): void {
  const flags = reader.byte()
  reader.skipInteger()
  if ((flags & 1) !== 0) reader.skipInteger()
}
