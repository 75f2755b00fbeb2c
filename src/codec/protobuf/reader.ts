/** Wire types of the protocol buffers encoding; the other two numbers do not exist. */
export const wireTypes = { varint: 0, fixed64: 1, bytes: 2, startGroup: 3, endGroup: 4, fixed32: 5 } as const

/** What can be wrong with a message; the first one ends its reading. */
export type ProtobufProblem =
  | 'truncated'
  | 'varint-too-long'
  | 'invalid-field-number'
  | 'invalid-wire-type'
  | 'unexpected-wire-type'
  | 'unbalanced-group'
  | 'too-deep'
  | 'invalid-utf8'

/** Messages nested deeper are an attack on the stack; the official libraries stop at 100. */
export const maxProtobufDepth = 100

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Reads one message of the protocol buffers encoding, field by field, without
 * knowing its type: `next()` goes to a field, then one of the value readers
 * takes its value, and a value that nobody takes is skipped by the following
 * `next()`. Fields of types that are not known so cost nothing but their bytes.
 *
 * Bad bytes are no exception: reading ends as at the end of the message, values
 * are zero or empty from there on, and `problem` says why. Whoever decodes a
 * message looks at it once, at the end; a nested reader tells its parent.
 *
 * Nothing is copied; `bytes()` gives views of what the reader was given.
 *
 * @see https://protobuf.dev/programming-guides/encoding/
 */
export class ProtobufReader {
  /** Number of the current field. */
  field = 0
  wireType = 0
  problem: ProtobufProblem | undefined = undefined
  readonly #bytes: Uint8Array
  readonly #end: number
  readonly #depth: number
  readonly #parent: ProtobufReader | undefined
  #at: number
  #isValuePending = false

  constructor(bytes: Uint8Array, parent?: ProtobufReader) {
    this.#bytes = bytes
    this.#at = 0
    this.#end = bytes.length
    this.#parent = parent
    this.#depth = parent === undefined ? 0 : parent.#depth + 1
    if (this.#depth > maxProtobufDepth) this.#fail('too-deep')
  }

  /** Goes to the next field. @returns false at the end of the message and after a problem */
  next(): boolean {
    if (this.#isValuePending) this.#skipValue(0)
    this.#isValuePending = false
    if (this.problem !== undefined || this.#at >= this.#end) return false
    const tag = this.#tag()
    if (tag === undefined) return false
    this.#isValuePending = true
    return true
  }

  /** 32 bits without sign; longer varints lose their high bits, as the encoding asks. */
  uint32(): number {
    if (!this.#takes(wireTypes.varint)) return 0
    return Number(BigInt.asUintN(32, this.#varint()))
  }

  int32(): number {
    if (!this.#takes(wireTypes.varint)) return 0
    return Number(BigInt.asIntN(32, this.#varint()))
  }

  uint64(): bigint {
    return this.#takes(wireTypes.varint) ? this.#varint() : 0n
  }

  int64(): bigint {
    return BigInt.asIntN(64, this.uint64())
  }

  bool(): boolean {
    return this.#takes(wireTypes.varint) && this.#varint() !== 0n
  }

  double(): number {
    if (!this.#takes(wireTypes.fixed64)) return 0
    if (!this.#has(8)) return 0
    const view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset + this.#at, 8)
    this.#at += 8
    return view.getFloat64(0, true)
  }

  /** A view of the given bytes, not a copy. */
  bytes(): Uint8Array {
    if (!this.#takes(wireTypes.bytes)) return empty
    return this.#delimited()
  }

  /** Bytes that are not UTF-8 are a problem of the message. */
  string(): string {
    const bytes = this.bytes()
    if (bytes.length === 0) return ''
    try {
      return utf8.decode(bytes)
    } catch {
      this.#fail('invalid-utf8')
      return ''
    }
  }

  /** A message inside this one. Read it to its end before the next field of this one. */
  message(): ProtobufReader {
    return new ProtobufReader(this.bytes(), this)
  }

  #takes(wireType: number): boolean {
    if (this.problem !== undefined || !this.#isValuePending) return false
    this.#isValuePending = false
    if (this.wireType === wireType) return true
    this.#fail('unexpected-wire-type')
    return false
  }

  #fail(problem: ProtobufProblem): void {
    this.problem ??= problem
    this.#at = this.#end
    if (this.#parent !== undefined) this.#parent.#fail(problem)
  }

  #has(count: number): boolean {
    if (this.#end - this.#at >= count) return true
    this.#fail('truncated')
    return false
  }

  /** The tag of a field into `field` and `wireType`; undefined after a problem. */
  #tag(): number | undefined {
    const tag = this.#varint()
    if (this.problem !== undefined) return undefined
    const field = tag >> 3n
    this.wireType = Number(tag & 7n)
    if (field === 0n || field > 0x1fff_ffffn) {
      this.#fail('invalid-field-number')
      return undefined
    }
    this.field = Number(field)
    if (this.wireType > wireTypes.fixed32) {
      this.#fail('invalid-wire-type')
      return undefined
    }
    return this.field
  }

  #varint(): bigint {
    let low = 0
    let shift = 0
    // Four bytes fit into a small integer; nearly every varint ends there.
    for (; shift < 28; shift += 7) {
      if (!this.#has(1)) return 0n
      const byte = this.#bytes[this.#at++] ?? 0
      low |= (byte & 0x7f) << shift
      if (byte < 0x80) return BigInt(low)
    }
    let value = BigInt(low)
    for (; shift < 70; shift += 7) {
      if (!this.#has(1)) return 0n
      const byte = this.#bytes[this.#at++] ?? 0
      value |= BigInt(byte & 0x7f) << BigInt(shift)
      if (byte < 0x80) return BigInt.asUintN(64, value)
    }
    this.#fail('varint-too-long')
    return 0n
  }

  #delimited(): Uint8Array {
    const length = this.#varint()
    if (this.problem !== undefined) return empty
    if (length > BigInt(this.#end - this.#at)) {
      this.#fail('truncated')
      return empty
    }
    const from = this.#at
    this.#at += Number(length)
    return this.#bytes.subarray(from, this.#at)
  }

  #skipValue(groups: number): void {
    switch (this.wireType) {
      case wireTypes.varint:
        this.#varint()
        return
      case wireTypes.fixed64:
        if (this.#has(8)) this.#at += 8
        return
      case wireTypes.bytes:
        this.#delimited()
        return
      case wireTypes.startGroup:
        this.#skipGroup(groups)
        return
      case wireTypes.endGroup:
        this.#fail('unbalanced-group')
        return
      default:
        if (this.#has(4)) this.#at += 4
    }
  }

  /** Groups are a form of nesting that nobody writes any more; they are only passed over. */
  #skipGroup(groups: number): void {
    if (this.#depth + groups >= maxProtobufDepth) {
      this.#fail('too-deep')
      return
    }
    const { field } = this
    while (this.problem === undefined) {
      if (this.#at >= this.#end) {
        this.#fail('truncated')
        return
      }
      if (this.#tag() === undefined) return
      if (this.wireType !== wireTypes.endGroup) {
        this.#skipValue(groups + 1)
        continue
      }
      if (this.field !== field) this.#fail('unbalanced-group')
      return
    }
  }
}

const empty = new Uint8Array(0)
