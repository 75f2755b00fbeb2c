import { defaultTableBytes } from './codes.ts'
import type { EntryCache } from './entry-cache.ts'
import { indexings } from './field-kinds.ts'
import { entryOverhead, readName, receivedEntry, type FieldName, type HeaderEntry } from './header-entry.ts'
import type { HeaderList } from './header-list.ts'
import { decodeHuffman, maxDecodedBytes } from './huffman.ts'
import { readLatin1 } from './latin1.ts'
import type { Http2Problem } from './problems.ts'
import { staticCount } from './static-fields.ts'
import { staticTable } from './static-table.ts'

const noBytes: Buffer = Buffer.alloc(0)
/** Nothing that HPACK counts is larger: lengths are bounded by the block, sizes by 2^24. */
const maxInteger = 0x0fff_ffff
/** Most literals fit; a longer one gets a buffer of its own, which is not kept. */
const scratchBytes = 512

/**
 * Reads field blocks of one direction of a connection (RFC 7541).
 *
 * The tables hold entries, so an indexed field is an array read and makes
 * nothing. The work is bounded by the bytes of the block, the memory by the
 * table and the limits of the list.
 */
export class HpackDecoder {
  /** Ring of the dynamic table: the entry with the dynamic index 1 was inserted last. */
  #ring: (HeaderEntry | undefined)[] = Array.from({ length: 64 })
  #inserted: number = 0
  #count: number = 0
  #size: number = 0
  /** What the encoder uses, at most `#allowed`. */
  #max: number = defaultTableBytes
  #allowed: number = defaultTableBytes
  /** The next block must begin with a size update, RFC 9113 section 4.3.1. */
  #needsUpdate: boolean = false
  readonly #values: EntryCache | undefined
  #position: number = 0
  #end: number = 0
  #problem: Http2Problem | undefined = undefined
  /** Where the bytes of the string that was read last are. */
  #textBytes: Buffer = noBytes
  #textFrom: number = 0
  #textTo: number = 0
  #isCoded: boolean = false
  readonly #scratch: Buffer = Buffer.allocUnsafeSlow(scratchBytes)

  /** @param values finds literals without indexing that were read before, on any connection */
  constructor(values?: EntryCache) {
    this.#values = values
  }

  /** Bytes of the dynamic table as RFC 7541 section 4.1 counts them. */
  get tableSize(): number {
    return this.#size
  }

  get tableCount(): number {
    return this.#count
  }

  /**
   * The table that we allow with SETTINGS_HEADER_TABLE_SIZE. A larger one may
   * be allowed when it is announced, a smaller one only when that is acknowledged.
   */
  allowTable(bytes: number): void {
    this.#allowed = bytes
    this.#needsUpdate = this.#max > bytes
  }

  /**
   * Reads a whole field block into `list`, which is cleared first.
   *
   * Decodes to the end even when the list is full, because the table must stay
   * in step. After a problem the decoder is of no more use.
   */
  decode(bytes: Buffer, from: number, to: number, list: HeaderList): Http2Problem | undefined {
    list.clear()
    this.#position = from
    this.#end = to
    this.#problem = undefined
    const problem = this.#fields(bytes, to, list)
    // The caller's buffer must not be kept alive from here.
    this.#textBytes = noBytes
    return problem
  }

  #fields(bytes: Buffer, to: number, list: HeaderList): Http2Problem | undefined {
    let mayUpdate = true
    while (this.#position < to) {
      const byte = bytes[this.#position++] as number
      if (byte >= 0x80) {
        const index = byte === 0xff ? this.#integer(bytes, 0x7f) : byte & 0x7f
        const entry = this.#entry(index)
        if (entry === undefined) return this.#problem ?? 'hpack-invalid-index'
        list.add(entry)
      } else if (byte >= 0x20 && byte < 0x40) {
        if (!mayUpdate) return 'hpack-late-size-update'
        if (!this.#update(bytes, byte)) return this.#problem
        continue
      } else {
        const entry = this.#literal(bytes, byte)
        if (entry === undefined) return this.#problem
        if (byte >= 0x40) this.#insert(entry)
        list.add(entry)
      }
      if (mayUpdate) {
        if (this.#needsUpdate) return 'hpack-missing-size-update'
        mayUpdate = false
      }
    }
    return undefined
  }

  #entry(index: number): HeaderEntry | undefined {
    if (index <= staticCount) return index <= 0 ? undefined : staticTable[index]
    const dynamic = index - staticCount
    if (dynamic > this.#count) return undefined
    return this.#ring[(this.#inserted - dynamic) & (this.#ring.length - 1)]
  }

  /** The rest of an integer whose prefix is full (RFC 7541 section 5.1), or -1 after a problem. */
  #integer(bytes: Buffer, prefix: number): number {
    let value = prefix
    for (let factor = 1; this.#position < this.#end; factor *= 128) {
      const byte = bytes[this.#position++] as number
      value += (byte & 0x7f) * factor
      if (value > maxInteger || factor > maxInteger) return this.#fail('hpack-integer-overflow')
      if (byte < 0x80) return value
    }
    return this.#fail('hpack-truncated')
  }

  #fail(problem: Http2Problem): -1 {
    this.#problem = problem
    return -1
  }

  /** Dynamic table size update, RFC 7541 section 6.3. */
  #update(bytes: Buffer, byte: number): boolean {
    const size = (byte & 0x1f) === 0x1f ? this.#integer(bytes, 0x1f) : byte & 0x1f
    if (size === -1) return false
    if (size > this.#allowed) {
      this.#problem = 'hpack-table-too-large'
      return false
    }
    this.#max = size
    this.#needsUpdate = false
    this.#evict(size)
    return true
  }

  #literal(bytes: Buffer, byte: number): HeaderEntry | undefined {
    const isIndexed = byte >= 0x40
    const prefix = isIndexed ? 0x3f : 0x0f
    let index = byte & prefix
    if (index === prefix) index = this.#integer(bytes, prefix)
    let name: FieldName | undefined
    if (index === 0) name = this.#name(bytes)
    else {
      name = this.#entry(index)
      if (name === undefined) this.#problem ??= 'hpack-invalid-index'
    }
    if (name === undefined) return undefined
    const values = this.#values
    if (byte < 0x10 && values !== undefined) return this.#plainLiteral(bytes, name, values)
    if (!this.#text(bytes)) return undefined
    if (isIndexed && values !== undefined) {
      return values.literal(name, this.#textBytes, this.#textFrom, this.#textTo, indexings.allowed)
    }
    const value = readLatin1(this.#textBytes, this.#textFrom, this.#textTo)
    return receivedEntry(
      name,
      value,
      isIndexed ? indexings.allowed : byte >= 0x10 ? indexings.never : indexings.without,
    )
  }

  /** One that stays out of tables, and may have been read before. */
  #plainLiteral(bytes: Buffer, name: FieldName, values: EntryCache): HeaderEntry | undefined {
    if (!this.#locate(bytes)) return undefined
    if (!this.#isCoded) return values.literal(name, bytes, this.#textFrom, this.#textTo, indexings.without)
    const from = this.#textFrom
    const to = this.#textTo
    const known = values.coded(name, bytes, from, to)
    if (known !== undefined) return known
    if (!this.#decodeText(bytes)) return undefined
    const entry = values.literal(name, this.#textBytes, this.#textFrom, this.#textTo, indexings.without)
    values.keepCoded(entry, bytes, from, to)
    return entry
  }

  #name(bytes: Buffer): FieldName | undefined {
    if (!this.#text(bytes)) return undefined
    const name = readLatin1(this.#textBytes, this.#textFrom, this.#textTo)
    return readName(name, this.#textBytes, this.#textFrom, this.#textTo)
  }

  /** Reads a string literal, RFC 7541 section 5.2; false after a problem. */
  #text(bytes: Buffer): boolean {
    return this.#locate(bytes) && (!this.#isCoded || this.#decodeText(bytes))
  }

  /** Finds where a string literal is, and whether it is in Huffman code. */
  #locate(bytes: Buffer): boolean {
    if (this.#position === this.#end) {
      this.#problem = 'hpack-truncated'
      return false
    }
    const byte = bytes[this.#position++] as number
    let length = byte & 0x7f
    if (length === 0x7f) {
      length = this.#integer(bytes, 0x7f)
      if (length === -1) return false
    }
    const from = this.#position
    const to = from + length
    if (to > this.#end) {
      this.#problem = 'hpack-truncated'
      return false
    }
    this.#position = to
    this.#isCoded = byte >= 0x80
    this.#textBytes = bytes
    this.#textFrom = from
    this.#textTo = to
    return true
  }

  /** Reads the Huffman code that was located. */
  #decodeText(bytes: Buffer): boolean {
    const from = this.#textFrom
    const to = this.#textTo
    const room = maxDecodedBytes(to - from)
    const into = room <= scratchBytes ? this.#scratch : Buffer.allocUnsafeSlow(room)
    const decoded = decodeHuffman(bytes, from, to, into)
    if (decoded === -1) {
      this.#problem = 'hpack-invalid-huffman'
      return false
    }
    this.#textBytes = into
    this.#textFrom = 0
    this.#textTo = decoded
    return true
  }

  /** RFC 7541 section 4.4: an entry larger than the table empties it, which is no error. */
  #insert(entry: HeaderEntry): void {
    this.#evict(this.#max - entry.size)
    if (entry.size > this.#max) return
    if (this.#count === this.#ring.length) this.#grow()
    this.#ring[this.#inserted & (this.#ring.length - 1)] = entry
    this.#inserted++
    this.#count++
    this.#size += entry.size
  }

  #evict(room: number): void {
    const mask = this.#ring.length - 1
    while (this.#count > 0 && this.#size > room) {
      const slot = (this.#inserted - this.#count) & mask
      this.#size -= (this.#ring[slot] as HeaderEntry).size
      this.#ring[slot] = undefined
      this.#count--
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

/** The most entries that a table of so many bytes can hold. */
export function maxTableEntries(bytes: number): number {
  return Math.floor(bytes / entryOverhead)
}
