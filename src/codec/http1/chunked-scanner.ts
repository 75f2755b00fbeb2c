import {
  backslash,
  colon,
  cr,
  doubleQuote,
  equals,
  hexValues,
  htab,
  lf,
  quotedBytes,
  semicolon,
  space,
  tokenBytes,
  valueBytes,
} from './bytes.ts'
import { finished, invalid, running } from './codes.ts'
import { fieldIds, fieldNames, identifyField } from './field-ids.ts'
import type { ChunkLimits } from './limits.ts'
import { http1Problems, type Http1Problem } from './problems.ts'

// States: what the next byte must be.
const inSize = 0
const inExtensionName = 1
const beforeExtensionValue = 2
const inExtensionValue = 3
const inQuoted = 4
const afterBackslash = 5
const afterQuoted = 6
const sizeLf = 7
const inData = 8
const dataCr = 9
const dataLf = 10
const trailerLine = 11
const inTrailerName = 12
const inTrailerValue = 13
const trailerLf = 14
const lastLf = 15

const maxSizeDigits = 16
const longestKnownName = Math.max(...fieldNames.map(name => name.length))

/**
 * Walks a chunked body (RFC 9112 section 7.1) without copying it, and stops at every byte.
 *
 * Stricter than the RFC: whitespace around sizes and extensions is refused
 * although senders once padded with it, because parsers read it differently.
 * Every accepted framing byte may therefore be sent on as it came.
 */
export class ChunkedScanner {
  /** `running`, `finished` (the last byte was the body's last) or `invalid`. */
  state: number = running
  /** The run of body data found in this step, in the caller's buffer; equal when there is none. */
  dataStart: number = 0
  dataEnd: number = 0
  /** The part of the trailer section consumed in this step, its empty line included; equal when there is none. */
  trailersStart: number = 0
  trailersEnd: number = 0
  problem: Http1Problem | undefined = undefined
  /** What a server answers to it. */
  problemStatus: number = 0
  /** Data so far, without framing. */
  bodyBytes: number = 0

  readonly #limits: ChunkLimits
  #phase: number = inSize
  /** Of the current chunk; what is left of it while in its data. */
  #size: number = 0
  #sizeDigits: number = 0
  #extensionBytes: number = 0
  #overhead: number = 0
  #trailerBytes: number = 0
  #trailerCount: number = 0
  /** The trailer's name so far: it may be spread over buffers. */
  readonly #name: Uint8Array = new Uint8Array(longestKnownName)
  #nameLength: number = 0

  constructor(limits: ChunkLimits) {
    this.#limits = limits
  }

  /** Forgets everything; the next byte is the first of a body. */
  reset(): void {
    this.state = running
    this.dataStart = 0
    this.dataEnd = 0
    this.trailersStart = 0
    this.trailersEnd = 0
    this.problem = undefined
    this.problemStatus = 0
    this.bodyBytes = 0
    this.#phase = inSize
    this.#size = 0
    this.#sizeDigits = 0
    this.#extensionBytes = 0
    this.#overhead = 0
    this.#trailerBytes = 0
    this.#trailerCount = 0
    this.#nameLength = 0
  }

  /**
   * Consumes bytes from `pos` on: framing, and then at most one run of data.
   *
   * @returns the place after the last byte consumed: `end` when more bytes are
   *   needed, the end of the body when it is finished, the offending byte when
   *   it is invalid; `pos` itself only when nothing was left to do
   */
  next(bytes: Buffer, pos: number, end: number): number {
    this.dataStart = pos
    this.dataEnd = pos
    this.trailersStart = pos
    this.trailersEnd = pos
    let position = pos
    while (position < end && this.state === running) {
      if (this.#phase === inData) return this.#data(position, end)
      if (this.#phase >= trailerLine) return this.#trailers(bytes, position, end)
      if (!this.#framing(bytes[position] as number)) return position
      position++
    }
    return position
  }

  #refuse(problem: Http1Problem): false {
    this.state = invalid
    this.problem = problem
    this.problemStatus = http1Problems[problem].status
    return false
  }

  #data(position: number, end: number): number {
    const dataEnd = Math.min(end, position + this.#size)
    this.dataStart = position
    this.dataEnd = dataEnd
    this.#size -= dataEnd - position
    this.bodyBytes += dataEnd - position
    if (this.#size === 0) this.#phase = dataCr
    return dataEnd
  }

  /** One byte outside of data and trailers. */
  #framing(byte: number): boolean {
    switch (this.#phase) {
      case inSize:
        return this.#sizeByte(byte)
      case sizeLf:
        if (byte !== lf) return this.#refuse('bare-cr')
        return this.#beginChunk()
      case dataCr:
        if (byte !== cr) return this.#refuse('missing-chunk-end')
        this.#phase = dataLf
        return true
      case dataLf:
        if (byte !== lf) return this.#refuse('missing-chunk-end')
        this.#phase = inSize
        return true
      default:
        return this.#extensionByte(byte)
    }
  }

  #sizeByte(byte: number): boolean {
    const digit = hexValues[byte] as number
    if (digit < 16) {
      const size = this.#size * 16 + digit
      if (this.#sizeDigits === maxSizeDigits || size > Number.MAX_SAFE_INTEGER) {
        return this.#refuse('chunk-size-overflow')
      }
      this.#size = size
      this.#sizeDigits++
      return true
    }
    if (byte === lf) return this.#refuse('bare-lf')
    if (this.#sizeDigits === 0) return this.#refuse('invalid-chunk-size')
    if (byte === cr) this.#phase = sizeLf
    else if (byte === semicolon) return this.#beginExtension()
    else return this.#refuse('invalid-chunk-size')
    return true
  }

  #beginExtension(): boolean {
    this.#phase = inExtensionName
    this.#nameLength = 0
    return this.#countExtension()
  }

  #countExtension(): boolean {
    return ++this.#extensionBytes <= this.#limits.extensionBytes || this.#refuse('chunk-extension-too-large')
  }

  /** `;name`, `;name=token` or `;name="quoted"`, without whitespace. `#nameLength` counts the name or value so far. */
  #extensionByte(byte: number): boolean {
    if (byte === lf) return this.#refuse('bare-lf')
    const phase = this.#phase
    if (phase === inQuoted) {
      if (byte === doubleQuote) this.#phase = afterQuoted
      else if (byte === backslash) this.#phase = afterBackslash
      else if (quotedBytes[byte] === 0) return this.#refuse('invalid-chunk-extension')
      return this.#countExtension()
    }
    if (phase === afterBackslash) {
      if (valueBytes[byte] === 0) return this.#refuse('invalid-chunk-extension')
      this.#phase = inQuoted
      return this.#countExtension()
    }
    if (phase !== afterQuoted && tokenBytes[byte] === 1) {
      if (phase === beforeExtensionValue) this.#phase = inExtensionValue
      this.#nameLength++
      return this.#countExtension()
    }
    if (phase === beforeExtensionValue && byte === doubleQuote) {
      this.#phase = inQuoted
      return this.#countExtension()
    }
    // What is left may only end a name or a value that is not empty.
    if (phase === beforeExtensionValue || this.#nameLength === 0) return this.#refuse('invalid-chunk-extension')
    if (byte === semicolon) return this.#beginExtension()
    if (byte === cr) {
      this.#phase = sizeLf
      return true
    }
    if (byte !== equals || phase !== inExtensionName) return this.#refuse('invalid-chunk-extension')
    this.#phase = beforeExtensionValue
    return this.#countExtension()
  }

  /** After the line with the size. */
  #beginChunk(): boolean {
    this.#overhead = Math.max(0, this.#overhead + this.#extensionBytes - this.#size)
    if (this.#overhead > this.#limits.overheadBytes) return this.#refuse('chunk-extension-too-large')
    this.#phase = this.#size === 0 ? trailerLine : inData
    this.#sizeDigits = 0
    this.#extensionBytes = 0
    return true
  }

  #trailers(bytes: Buffer, from: number, end: number): number {
    let position = from
    while (position < end && this.state === running) {
      if (this.#trailerBytes === this.#limits.trailerBytes) {
        this.#refuse('trailers-too-large')
        break
      }
      if (!this.#trailerByte(bytes[position] as number)) break
      this.#trailerBytes++
      position++
    }
    this.trailersStart = from
    this.trailersEnd = position
    return position
  }

  #trailerByte(byte: number): boolean {
    switch (this.#phase) {
      case trailerLine:
        if (byte === cr) {
          this.#phase = lastLf
          return true
        }
        if (byte === space || byte === htab) return this.#refuse('obs-fold')
        if (this.#trailerCount++ === this.#limits.trailerCount) return this.#refuse('trailers-too-large')
        this.#phase = inTrailerName
        this.#nameLength = 0
        return this.#trailerNameByte(byte)
      case inTrailerName:
        return this.#trailerNameByte(byte)
      case inTrailerValue:
        if (valueBytes[byte] === 1) return true
        if (byte !== cr) return this.#refuse(byte === lf ? 'bare-lf' : 'invalid-field-value')
        this.#phase = trailerLf
        return true
      case trailerLf:
        if (byte !== lf) return this.#refuse('bare-cr')
        this.#phase = trailerLine
        return true
      default:
        if (byte !== lf) return this.#refuse('bare-cr')
        this.state = finished
        return true
    }
  }

  #trailerNameByte(byte: number): boolean {
    if (tokenBytes[byte] === 1) {
      if (this.#nameLength < longestKnownName) this.#name[this.#nameLength] = byte
      this.#nameLength++
      return true
    }
    if (byte === colon) {
      if (this.#nameLength === 0) return this.#refuse('empty-field-name')
      if (this.#nameLength <= longestKnownName) {
        const id = identifyField(this.#name, 0, this.#nameLength)
        if (forbiddenTrailers[id] === 1) return this.#refuse('forbidden-trailer')
      }
      this.#phase = inTrailerValue
      return true
    }
    if (byte === lf) return this.#refuse('bare-lf')
    if (byte === cr) return this.#refuse('missing-colon')
    return this.#refuse(byte === space || byte === htab ? 'whitespace-before-colon' : 'invalid-field-name')
  }
}

/**
 * By id: fields that would change framing, routing, access or the meaning of
 * the content after it was read (RFC 9110 section 6.5.1). Some servers merge
 * trailers into the fields, so these are refused rather than passed on.
 */
const forbiddenTrailers: Uint8Array = Uint8Array.from({ length: 64 }, (_, id) => {
  const forbidden: readonly number[] = [
    fieldIds.host,
    fieldIds.contentLength,
    fieldIds.transferEncoding,
    fieldIds.connection,
    fieldIds.keepAlive,
    fieldIds.proxyConnection,
    fieldIds.te,
    fieldIds.trailer,
    fieldIds.upgrade,
    fieldIds.expect,
    fieldIds.forwarded,
    fieldIds.xForwardedFor,
    fieldIds.xForwardedProto,
    fieldIds.xForwardedHost,
    fieldIds.xForwardedPort,
    fieldIds.cookie,
    fieldIds.setCookie,
    fieldIds.authorization,
    fieldIds.proxyAuthenticate,
    fieldIds.proxyAuthorization,
    fieldIds.wwwAuthenticate,
    fieldIds.contentType,
    fieldIds.contentEncoding,
    fieldIds.contentRange,
    fieldIds.range,
    fieldIds.cacheControl,
    fieldIds.maxForwards,
    fieldIds.ifMatch,
    fieldIds.ifNoneMatch,
    fieldIds.ifModifiedSince,
    fieldIds.ifUnmodifiedSince,
    fieldIds.ifRange,
    fieldIds.location,
    fieldIds.vary,
    fieldIds.age,
    fieldIds.expires,
    fieldIds.retryAfter,
  ]
  return forbidden.includes(id) ? 1 : 0
})
