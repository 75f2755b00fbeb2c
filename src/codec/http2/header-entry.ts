import { MeshError } from '../../core/index.ts'
import { identifyField } from '../http1/field-ids.ts'
import { methodCodes } from '../http1/codes.ts'
import { checkName, checkValue, readContentLength, readStatus } from './field-checks.ts'
import { fieldKinds, indexingOf, kindOf, ownIndexingOf, pseudoIdByName } from './field-kinds.ts'
import type { Http2Problem } from './problems.ts'
import { staticIndexOf, staticNames } from './static-fields.ts'

/** What RFC 7541 section 4.1 adds to the bytes of name and value. */
export const entryOverhead = 32

const noEncoder: object = {}

/**
 * What is known about a field name, shared by all fields with that name that
 * one table holds.
 */
export interface FieldName {
  /** In lower case, each byte one character. */
  readonly name: string
  /** From `fieldIds` or `pseudoIds`; 0 for any other name. */
  readonly nameId: number
  /** From `fieldKinds`. */
  readonly kind: number
  /** Index of the first static entry with this name, or 0. */
  readonly staticName: number
  readonly nameProblem: Http2Problem | undefined
  /** Every value is of our own making and needs no check. @default false */
  readonly isTrusted?: boolean
}

/**
 * One field, read once and shared: a table entry, or a literal that is in no
 * table. Immutable but for the encoders' memory, so it may be kept, passed on
 * to any encoder and compared by identity.
 */
export class HeaderEntry implements FieldName {
  readonly name: string
  /** Undefined while nobody has asked for a value that is there as bytes. */
  protected text: string | undefined
  readonly nameId: number
  readonly kind: number
  /** As RFC 7541 section 4.1 counts it. */
  readonly size: number
  /** From `indexings`. */
  readonly indexing: number
  /** Index of the equal static entry, or 0. */
  readonly staticIndex: number
  readonly staticName: number
  readonly nameProblem: Http2Problem | undefined
  /** Why a message with this field is malformed, whatever else it holds. */
  readonly problem: Http2Problem | undefined
  /** Code of a method (0 for an unusual one), the status, or the content length; 0 for other fields. */
  readonly number: number
  /** Memory of the encoder that wrote it last: its token, and the number of the insertion. */
  writtenBy: object = noEncoder
  writtenAt: number = 0
  /** What encoders write for it, if it stays out of tables and was written before. */
  literal: Uint8Array | undefined = undefined
  /** What a reader has made of the value, kept for when the entry comes again. */
  reading: object | undefined = undefined

  constructor(name: FieldName, value: string, indexing: number, staticIndex: number) {
    this.name = name.name
    this.text = value
    this.nameId = name.nameId
    this.kind = name.kind
    this.size = name.name.length + value.length + entryOverhead
    this.indexing = indexing
    this.staticIndex = staticIndex
    this.staticName = name.staticName
    this.nameProblem = name.nameProblem
    this.problem = name.isTrusted === true ? undefined : (name.nameProblem ?? checkValue(name.nameId, value))
    this.number = this.problem === undefined ? readNumber(name.kind, value) : 0
  }

  /** Each byte one character (latin1). */
  get value(): string {
    return (this.text ??= this.read())
  }

  /** For those whose value comes as bytes. */
  protected read(): string {
    return ''
  }
}

function readNumber(kind: number, value: string): number {
  switch (kind) {
    case fieldKinds.method:
      return Object.hasOwn(methodCodes, value) ? methodCodes[value as keyof typeof methodCodes] : 0
    case fieldKinds.status:
      return readStatus(value)
    case fieldKinds.contentLength:
      return readContentLength(value)
    default:
      return 0
  }
}

/** Makes what is known of a name, given as in the bytes[from,to) and as text. */
export function readName(name: string, bytes: Uint8Array, from: number, to: number): FieldName {
  let nameId = pseudoIdByName.get(name) ?? 0
  // `identifyField` takes tokens only, and reads capitals as small letters.
  if (nameId === 0 && checkName(name, 0) === undefined) nameId = identifyField(bytes, from, to)
  const staticName = staticNames.get(name) ?? 0
  return { name, nameId, kind: kindOf(nameId), staticName, nameProblem: checkName(name, nameId), isTrusted: false }
}

/** What is known of a name in lower case. */
export function nameOf(name: string): FieldName {
  const bytes = Buffer.from(name, 'latin1')
  return readName(name, bytes, 0, bytes.length)
}

/** A name for values that we make and that need no check, as one for each request. @param name  as of `nameOf` */
export function trustedNameOf(name: string): FieldName {
  return { ...nameOf(name), isTrusted: true }
}

/** A field that a peer sent as a literal; the policy for secrets may forbid what the peer allowed. */
export function receivedEntry(name: FieldName, value: string, asked: number): HeaderEntry {
  return new HeaderEntry(name, value, indexingOf(name.nameId, value.length, asked), 0)
}

/**
 * A field of our own making, with a name that was looked up before. Its
 * `problem` says why it may stand in no message.
 *
 * @param value latin1, without whitespace around it
 */
export function entryOf(name: FieldName, value: string): HeaderEntry {
  return new HeaderEntry(name, value, ownIndexingOf(name.nameId, value.length), staticIndexOf(name.name, value))
}

/**
 * A field of our own making, or translated from HTTP/1.1.
 *
 * @param name in lower case; pseudo-header fields begin with a colon
 * @param value latin1, without whitespace around it
 * @throws MeshError MESH_HTTP2_INVALID_FIELD when it may not stand in any message
 */
export function createEntry(name: string, value: string, options: CreateEntryOptions = {}): HeaderEntry {
  const known = nameOf(name)
  const indexing = options.indexing ?? ownIndexingOf(known.nameId, value.length)
  const entry = new HeaderEntry(known, value, indexing, staticIndexOf(name, value))
  if (entry.problem !== undefined) {
    throw new MeshError('MESH_HTTP2_INVALID_FIELD', `field ${JSON.stringify(name)}: ${entry.problem}`, {
      source: 'internal',
      retry: 'never',
    })
  }
  return entry
}

export interface CreateEntryOptions {
  /** From `indexings`. @default by name: secrets never, values that rarely repeat not */
  readonly indexing?: number
}
