import { readLatin1, writeLatin1 } from './http2/latin1.ts'

/** A field of a message: name in lower case, value as it came, one character for each byte (latin1). */
export type HeaderField = readonly [name: string, value: string]

/** Fields that are known, and in no map yet; it owns what it needs to write them. */
export interface HeaderSource {
  /** How many `writeTo` will append. */
  readonly count: number
  writeTo(map: HeaderMap): void
}

/** Where a field's numbers begin: hash and length of its name, where name and value are. */
const stride = 5

/**
 * Fields of a message, or metadata, in their order; those whose names begin with
 * a colon are first. Names are in lower case, and may occur several times.
 *
 * All is bytes in one block, with numbers that say where: plugins ask for single
 * fields again and again, and a string for each would cost more than the plugin.
 */
export class HeaderMap {
  #bytes: Buffer
  /** Small numbers in an array of the heap: one of its own memory would cost more to make than to use. */
  readonly #fields: number[] = []
  #end = 0
  #count = 0
  /** Of names and values. */
  #size = 0
  /** Counts changes, so that whoever passed the map on sees whether it changed since. */
  edits = 0
  /** What `add` and `replace` obey. */
  maxBytes: number = 256 * 1024
  maxCount: number = 1024
  /** Of fields that nobody has asked for yet. */
  #source: HeaderSource | undefined = undefined

  constructor(capacity = 1024) {
    // Only what was written is ever read.
    this.#bytes = capacity === 0 ? noBytes : Buffer.allocUnsafe(capacity)
  }

  /** Most plugins look at few messages: the fields are written when somebody asks for more than their number. */
  static from(source: HeaderSource): HeaderMap {
    const map = new HeaderMap(0)
    map.#source = source
    return map
  }

  static of(fields: Iterable<HeaderField>): HeaderMap {
    const map = new HeaderMap()
    for (const [name, value] of fields) map.append(name, value)
    return map
  }

  get count(): number {
    return this.#source?.count ?? this.#count
  }

  /** Every member that sees fields calls it first. */
  #load(): void {
    const source = this.#source
    if (source === undefined) return
    this.#source = undefined
    const { edits } = this
    source.writeTo(this)
    // To be written late is no change.
    this.edits = edits
  }

  /** Of names and values together. */
  get fieldBytes(): number {
    this.#load()
    return this.#size
  }

  // For programs: by strings

  append(name: string, value: string): void {
    this.#load()
    const { length } = name
    if (this.#end + length + value.length > this.#bytes.length) this.#makeRoom(length + value.length)
    const nameAt = this.#writeText(name)
    for (let index = nameAt; index < nameAt + length; index++) this.#bytes[index] = lower(this.#bytes[index] ?? 0)
    const valueAt = this.#writeText(value)
    this.#place({ hash: hashOf(this.#bytes, nameAt, length), nameAt, nameLength: length, valueAt }, value.length)
  }

  #writeText(text: string): number {
    const at = this.#end
    this.#end = writeLatin1(text, this.#bytes, at)
    return at
  }

  /** A field of a message that was read: it is valid already. */
  appendBytes(bytes: Uint8Array, nameStart: number, nameEnd: number, valueStart: number, valueEnd: number): void {
    this.#load()
    this.#insert(bytes, nameStart, nameEnd - nameStart, bytes, valueStart, valueEnd - valueStart)
  }

  /** The first value. */
  get(name: string): string | undefined {
    const at = this.#findText(name)
    return at === -1 ? undefined : this.#value(at)
  }

  #findText(name: string): number {
    this.#load()
    const { length } = name
    const fields = this.#fields
    for (let index = 0, at = 0; index < this.#count; index++, at += stride) {
      if (fields[at + 1] !== length) continue
      const start = fields[at + 2] as number
      let matched = 0
      while (matched < length && this.#bytes[start + matched] === lower(name.charCodeAt(matched))) matched++
      if (matched === length) return index
    }
    return -1
  }

  /** All values of the name, joined with commas. */
  joined(name: string): string | undefined {
    const values = [...this].filter(([candidate]) => candidate === name.toLowerCase())
    return values.length === 0 ? undefined : values.map(([, value]) => value).join(',')
  }

  set(name: string, value: string): void {
    const bytes = Buffer.from(name + value, 'latin1')
    this.replace(bytes, 0, name.length, bytes, name.length, value.length)
  }

  delete(name: string): void {
    if (this.#findText(name) === -1) return
    const bytes = Buffer.from(name, 'latin1')
    this.remove(bytes, 0, bytes.length)
  }

  clear(): void {
    this.#load()
    this.#count = this.#end = this.#size = 0
    this.edits++
  }

  *[Symbol.iterator](): IterableIterator<HeaderField> {
    this.#load()
    for (let index = 0; index < this.#count; index++) {
      const at = index * stride
      const start = this.#fields[at + 2] ?? 0
      const name = readLatin1(this.#bytes, start, start + (this.#fields[at + 1] ?? 0))
      yield [name, this.#value(index)]
    }
  }

  #value(index: number): string {
    const start = this.valueStart(index)
    return readLatin1(this.#bytes, start, start + this.valueLength(index))
  }

  // For host functions: by bytes

  /** Where the values are. Not to be kept: changes may move them. */
  get bytes(): Buffer {
    this.#load()
    return this.#bytes
  }

  nameStart(index: number): number {
    this.#load()
    return this.#fields[index * stride + 2] ?? 0
  }

  nameLength(index: number): number {
    this.#load()
    return this.#fields[index * stride + 1] ?? 0
  }

  valueStart(index: number): number {
    this.#load()
    return this.#fields[index * stride + 3] ?? 0
  }

  valueLength(index: number): number {
    this.#load()
    return this.#fields[index * stride + 4] ?? 0
  }

  /** @returns the index of the first field of that name from `from` on, or -1 */
  find(bytes: Uint8Array, start: number, length: number, from = 0): number {
    this.#load()
    return this.#findHashed(hashOf(bytes, start, length), bytes, start, length, from)
  }

  #findHashed(hash: number, bytes: Uint8Array, start: number, length: number, from: number): number {
    const fields = this.#fields
    const end = this.#count * stride
    for (let at = from * stride; at < end; at += stride) {
      if (
        fields[at] === hash &&
        fields[at + 1] === length &&
        this.#isNamed(fields[at + 2] as number, bytes, start, length)
      )
        return at / stride
    }
    return -1
  }

  #isNamed(at: number, bytes: Uint8Array, start: number, length: number): boolean {
    const own = this.#bytes
    for (let index = 0; index < length; index++)
      if (own[at + index] !== lower(bytes[start + index] as number)) return false
    return true
  }

  /** @returns why not: the field is none by RFC 9110 section 5, or the limits are reached */
  add(
    names: Uint8Array,
    nameStart: number,
    nameLength: number,
    values: Uint8Array,
    valueStart: number,
    valueLength: number,
  ): 'added' | 'malformed' | 'too-large' {
    this.#load()
    if (this.#count >= this.maxCount || this.#size + nameLength + valueLength > this.maxBytes) return 'too-large'
    if (!isName(names, nameStart, nameLength) || !isValue(values, valueStart, valueLength)) return 'malformed'
    this.#insert(names, nameStart, nameLength, values, valueStart, valueLength)
    return 'added'
  }

  /** One field of the name is left, where its first was. */
  replace(
    names: Uint8Array,
    nameStart: number,
    nameLength: number,
    values: Uint8Array,
    valueStart: number,
    valueLength: number,
  ): 'added' | 'malformed' | 'too-large' {
    const first = this.find(names, nameStart, nameLength)
    if (first === -1) return this.add(names, nameStart, nameLength, values, valueStart, valueLength)
    if (this.#size - this.valueLength(first) + valueLength > this.maxBytes) return 'too-large'
    if (!isValue(values, valueStart, valueLength)) return 'malformed'
    const start = this.#write(values, valueStart, valueLength)
    const at = first * stride
    this.#size += valueLength - this.valueLength(first)
    this.#fields[at + 3] = start
    this.#fields[at + 4] = valueLength
    this.edits++
    this.#removeFrom(first + 1, names, nameStart, nameLength)
    return 'added'
  }

  /** Removes every field of that name. */
  remove(bytes: Uint8Array, start: number, length: number): void {
    this.#removeFrom(0, bytes, start, length)
  }

  #removeFrom(from: number, bytes: Uint8Array, start: number, length: number): void {
    this.#load()
    const hash = hashOf(bytes, start, length)
    const first = this.#findHashed(hash, bytes, start, length, from)
    if (first === -1) return
    const fields = this.#fields
    let kept = first * stride
    for (let index = first, next = first; index < this.#count; index++) {
      const at = index * stride
      if (index === next) {
        this.#size -= length + (fields[at + 4] as number)
        next = this.#findHashed(hash, bytes, start, length, index + 1)
        continue
      }
      for (let part = 0; part < stride; part++) fields[kept + part] = fields[at + part] as number
      kept += stride
    }
    this.#count = kept / stride
    this.edits++
  }

  #insert(
    names: Uint8Array,
    nameStart: number,
    nameLength: number,
    values: Uint8Array,
    valueStart: number,
    valueLength: number,
  ): void {
    // At once for both: making room moves what is not in a field yet.
    if (this.#end + nameLength + valueLength > this.#bytes.length) this.#makeRoom(nameLength + valueLength)
    const hash = hashOf(names, nameStart, nameLength)
    const nameAt = this.#writeName(names, nameStart, nameLength)
    const valueAt = this.#write(values, valueStart, valueLength)
    this.#place({ hash, nameAt, nameLength, valueAt }, valueLength)
  }

  #place({ hash, nameAt, nameLength, valueAt }: WrittenField, valueLength: number): void {
    let index = this.#count
    if (this.#bytes[nameAt] === colon) {
      index = 0
      while (index < this.#count && this.#bytes[this.#fields[index * stride + 2] ?? 0] === colon) index++
      for (let at = this.#count * stride - 1; at >= index * stride; at--)
        this.#fields[at + stride] = this.#fields[at] as number
    }
    const at = index * stride
    this.#fields[at] = hash
    this.#fields[at + 1] = nameLength
    this.#fields[at + 2] = nameAt
    this.#fields[at + 3] = valueAt
    this.#fields[at + 4] = valueLength
    this.#count++
    this.#size += nameLength + valueLength
    this.edits++
  }

  #writeName(bytes: Uint8Array, start: number, length: number): number {
    const at = this.#write(bytes, start, length)
    for (let index = at; index < at + length; index++) this.#bytes[index] = lower(this.#bytes[index] ?? 0)
    return at
  }

  #write(bytes: Uint8Array, start: number, length: number): number {
    if (this.#end + length > this.#bytes.length) this.#makeRoom(length)
    const at = this.#end
    copy(bytes, start, length, this.#bytes, at)
    this.#end += length
    return at
  }

  /** Leaves out what replaced and removed fields left behind, in a block that is twice as large as what is needed. */
  #makeRoom(length: number): void {
    const old = this.#bytes
    this.#bytes = Buffer.allocUnsafe(Math.max(1024, (this.#size + length) * 2))
    this.#end = 0
    for (let at = 0; at < this.#count * stride; at += stride) {
      for (const [start, size] of [
        [at + 2, at + 1],
        [at + 3, at + 4],
      ] as const) {
        const bytes = this.#fields[size] ?? 0
        copy(old, this.#fields[start] ?? 0, bytes, this.#bytes, this.#end)
        this.#fields[start] = this.#end
        this.#end += bytes
      }
    }
  }

  // The form in which maps go to modules and back

  /** 0 for an empty map. */
  get pairsBytes(): number {
    this.#load()
    return this.#count === 0 ? 0 : 4 + this.#count * 10 + this.#size
  }

  /** Writes count, lengths, and names and values with a NUL behind each. */
  writePairs(view: DataView, target: Uint8Array, start: number): void {
    this.#load()
    view.setUint32(start, this.#count, true)
    let lengths = start + 4
    let at = lengths + this.#count * 8
    const fields = this.#fields
    for (let field = 0; field < this.#count * stride; field += stride) {
      const nameLength = fields[field + 1] ?? 0
      const valueLength = fields[field + 4] ?? 0
      view.setUint32(lengths, nameLength, true)
      view.setUint32(lengths + 4, valueLength, true)
      lengths += 8
      copy(this.#bytes, fields[field + 2] ?? 0, nameLength, target, at)
      at += nameLength
      target[at++] = 0
      copy(this.#bytes, fields[field + 3] ?? 0, valueLength, target, at)
      at += valueLength
      target[at++] = 0
    }
  }

  toPairs(): Buffer {
    const target = Buffer.alloc(this.pairsBytes)
    if (target.length > 0) this.writePairs(new DataView(target.buffer, target.byteOffset, target.length), target, 0)
    return target
  }
}

const colon = 0x3a
const noBytes: Buffer = Buffer.alloc(0)

/** Name and value are in the block already. */
interface WrittenField {
  readonly hash: number
  readonly nameAt: number
  readonly nameLength: number
  readonly valueAt: number
}

/** A view for each short copy costs more than the copy. */
function copy(source: Uint8Array, start: number, length: number, target: Uint8Array, at: number): void {
  if (length > 48) {
    target.set(source.subarray(start, start + length), at)
    return
  }
  for (let index = 0; index < length; index++) target[at + index] = source[start + index] ?? 0
}

function lower(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte + 32 : byte
}

/** Of three letters and the length: names differ most at their ends, and those with the same hash are compared anyway. */
function hashOf(bytes: Uint8Array, start: number, length: number): number {
  if (length === 0) return 0
  const end = start + length
  const middle = lower(bytes[start + (length >> 1)] ?? 0)
  const beforeLast = lower(bytes[Math.max(start, end - 2)] ?? 0)
  return (length & 0x3f) | (middle << 6) | (beforeLast << 14) | (lower(bytes[end - 1] ?? 0) << 22)
}

/** RFC 9110 section 5.6.2, and names that begin with a colon. */
function isName(bytes: Uint8Array, start: number, length: number): boolean {
  for (let index = start; index < start + length; index++) {
    const byte = bytes[index] ?? 0
    if (byte <= 0x20 || byte >= 0x7f) return false
    if (byte === colon && index > start) return false
  }
  return length > 0
}

/** Nothing that would end the field early: RFC 9110 section 5.5. */
function isValue(bytes: Uint8Array, start: number, length: number): boolean {
  for (let index = start; index < start + length; index++) {
    const byte = bytes[index] ?? 0
    if (byte === 0x0d || byte === 0x0a || byte === 0) return false
  }
  return true
}
