import { fieldKinds, indexings, ownIndexingOf } from './field-kinds.ts'
import { HeaderEntry, nameOf, receivedEntry, type FieldName } from './header-entry.ts'
import { readLatin1 } from './latin1.ts'
import { staticIndexOf } from './static-fields.ts'

/** A longer value rarely comes twice, and would make the cache's memory worth attacking. */
const longestCached = 256

interface CodedEntry {
  readonly entry: HeaderEntry
  readonly code: Uint8Array
}

/**
 * Entries for fields that do not come from HPACK, above all from HTTP/1.1: the
 * same bytes give the same entry, so that encoders find it by identity. Each
 * place has room for two; a third takes the place of the older one, so that of
 * a hundred paths that come in turn hardly any push each other out.
 *
 * Entries are immutable, so all connections of a worker may share one cache.
 * Fields that are never indexed are not kept.
 */
export class EntryCache {
  readonly #fields: (HeaderEntry | undefined)[]
  readonly #literals: (HeaderEntry | undefined)[]
  /** The same entries by their values in Huffman code. */
  readonly #coded: (CodedEntry | undefined)[]

  /** @param places a power of two, for each kind; one holds at most some 1,200 bytes */
  constructor(places: number = 512) {
    this.#fields = Array.from({ length: 2 * places })
    this.#literals = Array.from({ length: 2 * places })
    this.#coded = Array.from({ length: 2 * places })
  }

  /**
   * A field that a peer sent as a literal, with the value bytes[from,to). Clients say the same of themselves on each
   * of their connections: then it is one entry in the tables of all.
   *
   * @param asked  from `indexings`, but for `never`
   */
  literal(name: FieldName, bytes: Buffer, from: number, to: number, asked: number): HeaderEntry {
    const place = placeOf(literalHash(name, bytes, from, to), this.#literals)
    for (let slot = place; slot < place + 2; slot++) {
      const kept = this.#literals[slot]
      if (kept === undefined || kept.name !== name.name || kept.indexing !== asked) continue
      if (isText(kept.value, bytes, from, to, 0)) return kept
    }
    const entry = receivedEntry(name, readLatin1(bytes, from, to), asked)
    // A cookie is one client's, and would only push out what many say.
    const isShared = entry.indexing !== indexings.never && entry.kind !== fieldKinds.cookie
    if (isShared && to - from <= longestCached) put(this.#literals, place, entry)
    return entry
  }

  /**
   * What `literal` gave for a value whose Huffman code is bytes[from,to): clients send the same paths again and again,
   * and a comparison costs less than to read the code.
   *
   * @returns undefined when it has to be read
   */
  coded(name: FieldName, bytes: Buffer, from: number, to: number): HeaderEntry | undefined {
    const place = placeOf(literalHash(name, bytes, from, to), this.#coded)
    for (let slot = place; slot < place + 2; slot++) {
      const kept = this.#coded[slot]
      if (kept !== undefined && kept.entry.name === name.name && isCode(kept.code, bytes, from, to)) return kept.entry
    }
    return undefined
  }

  /** Remembers `entry` for `coded`, if it is one that may be kept. */
  keepCoded(entry: HeaderEntry, bytes: Buffer, from: number, to: number): void {
    if (entry.indexing === indexings.never || to - from > longestCached) return
    const code = new Uint8Array(to - from)
    for (let index = 0; index < code.length; index++) code[index] = bytes[from + index] as number
    put(this.#coded, placeOf(literalHash(entry, bytes, from, to), this.#coded), { entry, code })
  }

  /**
   * The field with the name bytes[nameFrom,nameTo), a token in any case, and
   * the value bytes[valueFrom,valueTo), as a parser of HTTP/1.1 has found them.
   *
   * The caller leaves out fields that end at the hop; `problem` of the entry is
   * set when the field may not stand in HTTP/2.
   */
  entry(bytes: Buffer, nameFrom: number, nameTo: number, valueFrom: number, valueTo: number): HeaderEntry {
    const place = placeOf(fieldHash(bytes, nameFrom, nameTo, valueFrom, valueTo), this.#fields)
    for (let slot = place; slot < place + 2; slot++) {
      const kept = this.#fields[slot]
      if (
        kept !== undefined &&
        isText(kept.name, bytes, nameFrom, nameTo, 0x20) &&
        isText(kept.value, bytes, valueFrom, valueTo, 0)
      ) {
        return kept
      }
    }
    const name = nameOf(readLatin1(bytes, nameFrom, nameTo).toLowerCase())
    const value = readLatin1(bytes, valueFrom, valueTo)
    const indexing = ownIndexingOf(name.nameId, value.length)
    const entry = new HeaderEntry(name, value, indexing, staticIndexOf(name.name, value))
    if (indexing !== indexings.never && value.length <= longestCached) put(this.#fields, place, entry)
    return entry
  }
}

/** The first of the two slots for this hash. */
function placeOf(hash: number, slots: readonly unknown[]): number {
  return (hash << 1) & (slots.length - 1)
}

/** In front of the one that came last. */
function put<T>(slots: (T | undefined)[], place: number, entry: T): void {
  slots[place + 1] = slots[place]
  slots[place] = entry
}

function literalHash(name: FieldName, bytes: Buffer, from: number, to: number): number {
  return valueHash(name.nameId * 31 + name.name.length, bytes, from, to)
}

/** Looks at lengths and a few bytes: a bad mixture costs a miss, never a wrong answer. */
function fieldHash(bytes: Buffer, nameFrom: number, nameTo: number, valueFrom: number, valueTo: number): number {
  const first = (bytes[nameFrom] as number) | 0x20
  const last = (bytes[nameTo - 1] as number) | 0x20
  return valueHash(((nameTo - nameFrom) * 31 + first) * 31 + last, bytes, valueFrom, valueTo)
}

/** All of a short value counts, and every so many bytes of a longer one: paths of a family differ somewhere in the middle. */
function valueHash(seed: number, bytes: Buffer, from: number, to: number): number {
  let hash = seed * 31 + (to - from)
  const step = 1 + ((to - from) >>> 5)
  for (let at = to - 1; at >= from; at -= step) hash = (Math.imul(hash, 31) + (bytes[at] as number)) | 0
  return hash ^ (hash >>> 15)
}

function isCode(code: Uint8Array, bytes: Buffer, from: number, to: number): boolean {
  if (code.length !== to - from) return false
  for (let index = 0; index < code.length; index++) if (code[index] !== bytes[from + index]) return false
  return true
}

/** @param fold 0x20 reads capitals as small letters, which is honest for tokens */
function isText(text: string, bytes: Buffer, from: number, to: number, fold: number): boolean {
  if (text.length !== to - from) return false
  for (let index = 0; index < text.length; index++) {
    const byte = bytes[from + index] as number
    const code = text.charCodeAt(index)
    if (byte !== code && (fold === 0 || byte < 0x41 || byte > 0x5a || (byte | fold) !== code)) return false
  }
  return true
}
