import { equalsIgnoringCase } from './bytes.ts'
import { identifyField, fieldIds as ids } from './field-ids.ts'
import { http1Problems, type Http1Problem } from './problems.ts'

/** Most heads have fewer fields; the arrays grow to the limit when one has more. */
const initialFields = 24

const noBytes: Buffer = Buffer.alloc(0)

/**
 * What a parser found out about one message head.
 *
 * All offsets are relative to the `start` given to `parse`. Names and values
 * are read from the buffer of the last `parse`: ask before it is overwritten.
 */
export class Head {
  /** Bytes of the head including the empty line; 0 until it is complete. */
  length: number = 0
  /** From `methodCodes`; 0 is any other valid token. It begins at 0. */
  method: number = 0
  methodEnd: number = 0
  targetStart: number = 0
  targetEnd: number = 0
  /** From `targetForms`. */
  targetForm: number = 0
  /** Path without query; empty when an absolute target has none, and for the authority and asterisk forms. */
  pathStart: number = 0
  pathEnd: number = 0
  /** After `?`, or -1; the query ends at `targetEnd`. */
  queryStart: number = -1
  /** Of the absolute and authority forms; 0, 0 otherwise. */
  authorityStart: number = 0
  authorityEnd: number = 0
  /** Value of a request's Host; 0, 0 when absent, which only HTTP/1.0 allows. */
  hostStart: number = 0
  hostEnd: number = 0
  minorVersion: number = 1
  status: number = 0
  reasonStart: number = 0
  reasonEnd: number = 0
  fieldCount: number = 0
  /** Four per field: nameStart, nameEnd, valueStart, valueEnd; values without whitespace around them. */
  fields: Int32Array = new Int32Array(initialFields * 4)
  /** From `fieldIds`; 0 is any other name. */
  fieldIds: Uint8Array = new Uint8Array(initialFields)
  /** 1 for a field that ends at this hop; see `connection.ts`. Transfer-Encoding is 0: the caller decides. */
  drop: Uint8Array = new Uint8Array(initialFields)
  /** From `framings`. */
  framing: number = 0
  /** Value of Content-Length, 0 when absent. Also set for an answer to HEAD and for 304, where nothing follows. */
  contentLength: number = 0
  /** The connection may carry another message after this one. */
  keepAlive: boolean = true
  /** A request that asks for an upgrade (never to h2c), or an answer 101. */
  upgrade: boolean = false
  /** The client waits for 100 before it sends content. */
  expectContinue: boolean = false
  problem: Http1Problem | undefined = undefined
  /** What a server answers to it. */
  problemStatus: number = 0
  /** Where it was noticed. */
  problemAt: number = 0

  protected source: Buffer = noBytes
  protected sourceStart: number = 0
  protected seenLow: number = 0
  protected seenHigh: number = 0
  protected repeatedLow: number = 0
  protected repeatedHigh: number = 0

  /** Index of the first field with this id, or -1. One comparison when there is none. */
  find(id: number): number {
    if (!this.has(id)) return -1
    const fieldIds = this.fieldIds
    for (let index = 0; index < this.fieldCount; index++) {
      if (fieldIds[index] === id) return index
    }
    return -1
  }

  /** Whether a field with this id is present. */
  has(id: number): boolean {
    return ((id < 32 ? this.seenLow : this.seenHigh) & (1 << (id & 31))) !== 0
  }

  /** Whether a field with this id is present more than once. */
  isRepeated(id: number): boolean {
    return ((id < 32 ? this.repeatedLow : this.repeatedHigh) & (1 << (id & 31))) !== 0
  }

  /** Index of the first field with this name at or after `from`, or -1. */
  findName(lowerCaseName: string, from: number = 0): number {
    for (let index = from; index < this.fieldCount; index++) {
      if (this.nameEquals(index, lowerCaseName)) return index
    }
    return -1
  }

  /** Whether the name of field `index` is `lowerCaseName`, in any case. */
  nameEquals(index: number, lowerCaseName: string): boolean {
    const start = this.sourceStart
    const from = start + (this.fields[index * 4] as number)
    return equalsIgnoringCase(this.source, from, start + (this.fields[index * 4 + 1] as number), lowerCaseName)
  }

  /** Whether the value of field `index` is `lowerCaseValue`, in any case. */
  valueEquals(index: number, lowerCaseValue: string): boolean {
    const start = this.sourceStart
    const from = start + (this.fields[index * 4 + 2] as number)
    return equalsIgnoringCase(this.source, from, start + (this.fields[index * 4 + 3] as number), lowerCaseValue)
  }

  /** Name of field `index` as sent. */
  name(index: number): string {
    return this.text(this.fields[index * 4] as number, this.fields[index * 4 + 1] as number)
  }

  /** Value of field `index`, each byte one character (latin1). */
  value(index: number): string {
    return this.text(this.fields[index * 4 + 2] as number, this.fields[index * 4 + 3] as number)
  }

  /** Any range of the head as latin1. */
  text(from: number, to: number): string {
    return this.source.toString('latin1', this.sourceStart + from, this.sourceStart + to)
  }

  /** Notes what is wrong, with its place relative to the head; the first problem stands. */
  refuse(problem: Http1Problem, at: number): false {
    this.problem = problem
    this.problemStatus = http1Problems[problem].status
    this.problemAt = at
    return false
  }

  protected clear(): void {
    this.length = 0
    this.method = 0
    this.methodEnd = 0
    this.targetStart = 0
    this.targetEnd = 0
    this.targetForm = 0
    this.pathStart = 0
    this.pathEnd = 0
    this.queryStart = -1
    this.authorityStart = 0
    this.authorityEnd = 0
    this.hostStart = 0
    this.hostEnd = 0
    this.minorVersion = 1
    this.status = 0
    this.reasonStart = 0
    this.reasonEnd = 0
    this.fieldCount = 0
    this.framing = 0
    this.contentLength = 0
    this.keepAlive = true
    this.upgrade = false
    this.expectContinue = false
    this.problem = undefined
    this.problemStatus = 0
    this.problemAt = 0
    this.seenLow = 0
    this.seenHigh = 0
    this.repeatedLow = 0
    this.repeatedHigh = 0
    this.source = noBytes
    this.sourceStart = 0
  }

  /** Takes note of field `fieldCount`, whose four offsets are already in `fields`. */
  protected addField(bytes: Buffer, start: number): void {
    const index = this.fieldCount
    const offset = index * 4
    const id = identifyField(
      bytes,
      start + (this.fields[offset] as number),
      start + (this.fields[offset + 1] as number),
    )
    this.fieldIds[index] = id
    this.drop[index] = hopByHop[id] as number
    this.fieldCount = index + 1
    if (id === 0) return
    const bit = 1 << (id & 31)
    if (id < 32) {
      this.repeatedLow |= this.seenLow & bit
      this.seenLow |= bit
    } else {
      this.repeatedHigh |= this.seenHigh & bit
      this.seenHigh |= bit
    }
  }

  protected grow(limit: number): void {
    const count = Math.min(limit, this.fieldIds.length * 2)
    const fields = new Int32Array(count * 4)
    const fieldIds = new Uint8Array(count)
    const drop = new Uint8Array(count)
    fields.set(this.fields)
    fieldIds.set(this.fieldIds)
    drop.set(this.drop)
    this.fields = fields
    this.fieldIds = fieldIds
    this.drop = drop
  }
}

/** By id: fields that always end at this hop, RFC 9110 section 7.6.1. */
const hopByHop: Uint8Array = Uint8Array.from({ length: 64 }, (_, id) => {
  const always: readonly number[] = [ids.connection, ids.keepAlive, ids.proxyConnection, ids.te, ids.upgrade]
  return always.includes(id) ? 1 : 0
})
