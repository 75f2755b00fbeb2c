import { ByteReader, unsigned } from './byte-reader.ts'
import { sectionIds } from './sections.ts'

const sectionName = 'sourceMappingURL'

/** Where a section lies: from the byte of its id to behind its content. */
interface Place {
  readonly start: number
  readonly end: number
  readonly url: string
}

/**
 * What the module says of its source map: a URL, relative to its own.
 *
 * @throws MeshError MESH_PLUGIN_INVALID
 * @see https://github.com/WebAssembly/tool-conventions/blob/main/Debugging.md
 */
export function sourceMapUrlOf(bytes: Uint8Array): string | undefined {
  return placeOf(bytes)?.url
}

/** The module with another URL of its source map, at its end: no byte of its code gets another place. */
export function withSourceMapUrl(bytes: Uint8Array, url: string): Uint8Array {
  const place = placeOf(bytes)
  // What stands before the code has to keep its length.
  const rest = place === undefined ? [bytes] : [bytes.subarray(0, place.start), bytes.subarray(place.end)]
  const content = Buffer.concat([textOf(sectionName), textOf(url)])
  return Buffer.concat([...rest, Uint8Array.from([sectionIds.custom, ...unsigned(content.length)]), content])
}

function placeOf(bytes: Uint8Array): Place | undefined {
  const reader = new ByteReader(bytes, 8)
  let isCodeSeen = false
  while (!reader.isAtEnd) {
    const start = reader.at
    const id = reader.byte()
    const content = new ByteReader(reader.take(reader.u32()))
    if (id === sectionIds.code) isCodeSeen = true
    if (id !== sectionIds.custom || !isCodeSeen || content.name() !== sectionName) continue
    return { start, end: reader.at, url: content.name() }
  }
  return undefined
}

function textOf(text: string): Buffer {
  const bytes = Buffer.from(text, 'utf8')
  return Buffer.concat([Uint8Array.from(unsigned(bytes.length)), bytes])
}
