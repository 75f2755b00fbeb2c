import { defaultTableBytes } from './codes.ts'
import { indexings } from './field-kinds.ts'
import type { HeaderEntry } from './header-entry.ts'
import type { HeaderList } from './header-list.ts'
import { encodedHuffmanBytes, encodeHuffman } from './huffman.ts'
import { writeLatin1 } from './latin1.ts'
import { staticCount, staticIndexOf } from './static-fields.ts'

/** Prefix, and what is left of any integer. */
const integerBytes = 6

/** A longer literal rarely comes twice. */
const longestKept = 256
/** What entries remember that stay out of tables. */
const writtenBefore: object = {}

/** What the table holds of one name. */
interface NameSlot {
  /** Number of the newest insertion with this name. */
  newest: number
  readonly values: Map<string, number>
}

export interface HpackEncoderOptions {
  /** The most the table may hold, whatever the peer allows. @default 4,096 */
  readonly tableBytes?: number
  /** Saves about a quarter of each literal's bytes and costs more than copying them. @default false */
  readonly huffman?: boolean
}

/**
 * Writes field blocks of one direction of a connection (RFC 7541).
 *
 * An entry remembers where the encoder that wrote it last has it in its table,
 * so that a repeated field costs a comparison and an integer. Another entry
 * with the same text, or one that other encoders wrote meanwhile, costs two
 * look-ups by text.
 */
export class HpackEncoder {
  /** Ring of the dynamic table, as in the decoder. */
  #ring: (HeaderEntry | undefined)[] = Array.from({ length: 64 })
  #inserted: number = 0
  #count: number = 0
  #size: number = 0
  #max: number
  readonly #cap: number
  /** The smallest maximum since the last block, or -1: it must be told (RFC 7541 section 4.2). */
  #smallest: number = -1
  readonly #huffman: boolean
  readonly #names: Map<string, NameSlot> = new Map()
  /** What entries remember instead of the encoder, so that they do not keep it alive. */
  readonly #token: object = {}

  constructor(options: HpackEncoderOptions = {}) {
    this.#cap = options.tableBytes ?? defaultTableBytes
    this.#huffman = options.huffman ?? false
    this.#max = defaultTableBytes
    if (this.#cap < defaultTableBytes) this.allowTable(defaultTableBytes)
  }

  get tableSize(): number {
    return this.#size
  }

  get tableCount(): number {
    return this.#count
  }

  /** Applies the peer's SETTINGS_HEADER_TABLE_SIZE; the next block tells a change. */
  allowTable(bytes: number): void {
    const max = Math.min(bytes, this.#cap)
    if (max === this.#max) return
    this.#max = max
    this.#smallest = this.#smallest === -1 ? max : Math.min(this.#smallest, max)
    this.#evict(max)
  }

  /** The most bytes that `encode` writes for this list. */
  bound(list: HeaderList): number {
    // `size` has 32 bytes of each field for what comes besides name and value.
    return 2 * integerBytes + list.size
  }

  /** Writes the whole block at `at`, where `bound` bytes are free; returns the place after it. */
  encode(list: HeaderList, into: Buffer, at: number): number {
    let position = this.#smallest === -1 ? at : this.#writeUpdates(into, at)
    const entries = list.entries
    const length = list.length
    for (let index = 0; index < length; index++) {
      const entry = entries[index] as HeaderEntry
      if (entry.indexing === indexings.allowed) {
        // A static entry with its index, or one of ours that is still in the table.
        let place = entry.staticIndex
        if (place === 0 && entry.writtenBy === this.#token) place = this.#placeOf(entry.writtenAt)
        if (place === 0) place = this.#lookUp(entry)
        if (place > 0 && place < 0x7f) into[position++] = 0x80 | place
        else if (place > 0) position = writeInteger(into, position, 0x80, 0x7f, place)
        else position = this.#writeIndexed(entry, into, position)
      } else {
        position = this.#writeUnindexed(entry, into, position)
      }
    }
    return position
  }

  /** The index of an insertion, or 0 when it was evicted. */
  #placeOf(insertion: number): number {
    const back = this.#inserted - insertion
    return back <= this.#count ? staticCount + back : 0
  }

  /** By text: the field may have come over another connection. */
  #lookUp(entry: HeaderEntry): number {
    if (entry.staticName !== 0) {
      const place = staticIndexOf(entry.name, entry.value)
      if (place !== 0) return place
    }
    const insertion = this.#names.get(entry.name)?.values.get(entry.value)
    if (insertion === undefined) return 0
    entry.writtenBy = this.#token
    entry.writtenAt = insertion
    return this.#placeOf(insertion)
  }

  #writeUpdates(into: Buffer, at: number): number {
    let position = at
    if (this.#smallest < this.#max) position = writeInteger(into, position, 0x20, 0x1f, this.#smallest)
    this.#smallest = -1
    return writeInteger(into, position, 0x20, 0x1f, this.#max)
  }

  #writeIndexed(entry: HeaderEntry, into: Buffer, at: number): number {
    // One that fills more than half of the table would push out what repeats.
    if (entry.size > this.#max >>> 1) return this.#writeLiteral(entry, into, at, 0, 0x0f)
    const position = this.#writeLiteral(entry, into, at, 0x40, 0x3f)
    this.#insert(entry)
    return position
  }

  /** A path or an address that comes again is the same entry, and what was written for it is kept. */
  #writeUnindexed(entry: HeaderEntry, into: Buffer, at: number): number {
    const { literal } = entry
    if (literal !== undefined && !this.#huffman) {
      into.set(literal, at)
      return at + literal.length
    }
    if (entry.indexing === indexings.never) return this.#writeLiteral(entry, into, at, 0x10, 0x0f)
    const end = this.#writeLiteral(entry, into, at, 0, 0x0f)
    if (entry.writtenBy === writtenBefore) this.#keepLiteral(entry, into, at, end)
    entry.writtenBy = writtenBefore
    return end
  }

  /** Unless it only means this in our table, or is too long. */
  #keepLiteral(entry: HeaderEntry, into: Buffer, from: number, to: number): void {
    const isOurs = entry.staticName === 0 && this.#placeOfName(entry.name) !== 0
    if (!isOurs && !this.#huffman && to - from <= longestKept) entry.literal = new Uint8Array(into.subarray(from, to))
  }

  #writeLiteral(entry: HeaderEntry, into: Buffer, at: number, pattern: number, prefix: number): number {
    let position = at
    const name = entry.staticName !== 0 ? entry.staticName : this.#placeOfName(entry.name)
    if (name < prefix) into[position++] = pattern | name
    else position = writeInteger(into, position, pattern, prefix, name)
    if (name === 0) position = this.#writeText(entry.name, into, position)
    return this.#writeText(entry.value, into, position)
  }

  #placeOfName(name: string): number {
    const slot = this.#names.get(name)
    return slot === undefined ? 0 : this.#placeOf(slot.newest)
  }

  #writeText(text: string, into: Buffer, at: number): number {
    const length = text.length
    if (this.#huffman) {
      const coded = encodedHuffmanBytes(text)
      if (coded <= length) return encodeHuffman(text, into, writeInteger(into, at, 0x80, 0x7f, coded))
    }
    let position = at
    if (length < 0x7f) into[position++] = length
    else position = writeInteger(into, position, 0, 0x7f, length)
    return writeLatin1(text, into, position)
  }

  #insert(entry: HeaderEntry): void {
    this.#evict(this.#max - entry.size)
    if (this.#count === this.#ring.length) this.#grow()
    const insertion = this.#inserted++
    this.#ring[insertion & (this.#ring.length - 1)] = entry
    this.#count++
    this.#size += entry.size
    entry.writtenBy = this.#token
    entry.writtenAt = insertion
    let slot = this.#names.get(entry.name)
    if (slot === undefined) {
      slot = { newest: insertion, values: new Map() }
      this.#names.set(entry.name, slot)
    }
    slot.newest = insertion
    slot.values.set(entry.value, insertion)
  }

  #evict(room: number): void {
    const mask = this.#ring.length - 1
    while (this.#count > 0 && this.#size > room) {
      const insertion = this.#inserted - this.#count
      const entry = this.#ring[insertion & mask] as HeaderEntry
      this.#ring[insertion & mask] = undefined
      this.#size -= entry.size
      this.#count--
      // A text is never in the table twice, so what is found is this entry.
      const slot = this.#names.get(entry.name)
      if (slot === undefined) continue
      slot.values.delete(entry.value)
      if (slot.values.size === 0) this.#names.delete(entry.name)
    }
  }

  #grow(): void {
    const ring: (HeaderEntry | undefined)[] = Array.from({ length: this.#ring.length * 2 })
    for (let back = 1; back <= this.#count; back++) {
      const place = this.#inserted - back
      ring[place & (ring.length - 1)] = this.#ring[place & (this.#ring.length - 1)]
    }
    this.#ring = ring
  }
}

/** An integer of RFC 7541 section 5.1, `pattern` in the bits above `prefix`; returns the place after it. */
export function writeInteger(into: Uint8Array, at: number, pattern: number, prefix: number, value: number): number {
  let position = at
  if (value < prefix) {
    into[position++] = pattern | value
    return position
  }
  into[position++] = pattern | prefix
  let rest = value - prefix
  while (rest >= 0x80) {
    into[position++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  into[position++] = rest
  return position
}
