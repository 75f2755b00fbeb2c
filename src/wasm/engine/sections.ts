import { ByteReader, invalidModule, unsigned } from './byte-reader.ts'

/** @see WebAssembly Core Specification 3.0, section 5.5.2 */
export const sectionIds = {
  custom: 0,
  type: 1,
  import: 2,
  function: 3,
  table: 4,
  memory: 5,
  global: 6,
  export: 7,
  start: 8,
  element: 9,
  code: 10,
  data: 11,
  dataCount: 12,
  tag: 13,
} as const

/** The order that the format asks for. */
const order: readonly number[] = [1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11]

export interface Section {
  readonly id: number
  readonly content: Uint8Array
}

const magic = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]

/**
 * The sections of a module, without those that carry machine code for other engines.
 *
 * @throws MeshError MESH_PLUGIN_INVALID
 */
export function readSections(bytes: Uint8Array): readonly Section[] {
  if (magic.some((byte, index) => bytes[index] !== byte))
    throw invalidModule('it is no WebAssembly module of version 1')
  const reader = new ByteReader(bytes, magic.length)
  const sections: Section[] = []
  while (!reader.isAtEnd) {
    const id = reader.byte()
    const content = reader.take(reader.u32())
    const isPrecompiled = id === sectionIds.custom && new ByteReader(content).name().startsWith('precompiled_')
    if (!isPrecompiled) sections.push({ id, content })
  }
  return sections
}

export function writeSections(sections: readonly Section[]): Buffer<ArrayBuffer> {
  const parts: Uint8Array[] = [Uint8Array.from(magic)]
  for (const { id, content } of sections) parts.push(Uint8Array.from([id, ...unsigned(content.length)]), content)
  return Buffer.concat(parts)
}

/** The content of the section, undefined if the module has none. */
export function sectionOf(sections: readonly Section[], id: number): Uint8Array | undefined {
  return sections.find(section => section.id === id)?.content
}

/** The sections with one replaced, or added at its place. */
export function withSection(sections: readonly Section[], id: number, content: Uint8Array): readonly Section[] {
  if (sections.some(section => section.id === id))
    return sections.map(section => (section.id === id ? { id, content } : section))
  const rank = order.indexOf(id)
  const place = sections.findIndex(section => order.indexOf(section.id) > rank)
  return place === -1 ? [...sections, { id, content }] : sections.toSpliced(place, 0, { id, content })
}

/** A section that is a vector, with elements added at its end. */
export function appendTo(
  sections: readonly Section[],
  id: number,
  ...elements: readonly Uint8Array[]
): readonly Section[] {
  const old = new ByteReader(sectionOf(sections, id) ?? Uint8Array.of(0))
  const count = old.u32() + elements.length
  return withSection(
    sections,
    id,
    Buffer.concat([Uint8Array.from(unsigned(count)), old.bytes.subarray(old.at), ...elements]),
  )
}
