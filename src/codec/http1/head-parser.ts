import { colon, cr, hash, htab, lf, nine, space, targetBytes, tokenBytes, valueBytes, zero } from './bytes.ts'
import { complete, invalid, methodCodes, needMore } from './codes.ts'
import { Head } from './head.ts'
import type { HeadLimits } from './limits.ts'
import { settleRequest, settleResponse } from './meaning.ts'
import { readTarget } from './target.ts'

// States: what the byte at `#at` must be.
const inMethod = 0
const inTarget = 1
const inVersion = 2
const inStatusVersion = 3
const inStatus = 4
const inReason = 5
const startLineLf = 6
const fieldLine = 7
const inName = 8
const beforeValue = 9
const inValue = 10
const valueLf = 11
const lastLf = 12
const isComplete = 13
const isInvalid = 14

/** Longer than every registered method; what is longer gets 501 (RFC 9112 section 3). */
const maxMethodBytes = 32

const versionBytes = 'HTTP/1.1'.length

/** After the bytes of a field line come CR and LF. */
const lineEndBytes = 2

/**
 * Parses one message head, RFC 9112 sections 2 to 6, in one pass and without
 * making anything. It stops at every byte: call it again with more bytes
 * appended, and it goes on where it was.
 *
 * It refuses instead of repairing. In particular it does not skip an empty
 * line before the start line, which section 2.2 recommends for clients of the
 * nineties: bytes after a body that are not a message are how a disagreement
 * about the body's end looks.
 */
export class HeadParser extends Head {
  readonly kind: 'request' | 'response'
  /** Code of the method that a response answers: HEAD and CONNECT change its framing. Set it before parsing. */
  requestMethod: number = 0
  readonly #limits: HeadLimits
  readonly #firstState: number
  #state: number
  #at: number = 0

  constructor(kind: 'request' | 'response', limits: HeadLimits) {
    super()
    this.kind = kind
    this.#limits = limits
    this.#firstState = kind === 'request' ? inMethod : inStatusVersion
    this.#state = this.#firstState
  }

  /** Forgets everything but `requestMethod`; the next `parse` starts a new head. */
  reset(): void {
    this.clear()
    this.#state = this.#firstState
    this.#at = 0
  }

  /**
   * bytes[start,end) hold the head from its first byte; a caller that got a part
   * keeps those bytes and calls again with more behind them, maybe in another
   * buffer at another start.
   *
   * @returns `needMore`, `complete` or `invalid`; the last two stand until `reset`
   */
  parse(bytes: Buffer, start: number, end: number): number {
    if (this.#state >= isComplete) return this.#state === isComplete ? complete : invalid
    this.source = bytes
    this.sourceStart = start
    const stop = Math.min(end, start + this.#limits.headBytes)
    const isPastStartLine =
      this.#state >= fieldLine ||
      (this.kind === 'request' ? this.#requestLine(bytes, start, stop) : this.#statusLine(bytes, start, stop))
    if (isPastStartLine && this.#fieldLines(bytes, start, stop)) {
      const isSettled =
        this.kind === 'request'
          ? settleRequest(this, bytes, start)
          : settleResponse(this, bytes, start, this.requestMethod)
      if (isSettled) {
        this.length = this.#at
        this.#state = isComplete
        return complete
      }
    } else if (this.problem === undefined) {
      if (this.#at < this.#limits.headBytes) return needMore
      this.refuse('head-too-large', this.#at)
    }
    this.#state = isInvalid
    return invalid
  }

  #pause(state: number, at: number): false {
    this.#state = state
    this.#at = at
    return false
  }

  #requestLine(bytes: Buffer, start: number, stop: number): boolean {
    let position = start + this.#at
    if (this.#state === inMethod) {
      const methodStop = Math.min(stop, start + maxMethodBytes + 1)
      while (position < methodStop && tokenBytes[bytes[position] as number] === 1) position++
      if (position - start > maxMethodBytes) return this.refuse('method-too-long', position - start)
      if (position === methodStop) return this.#pause(inMethod, position - start)
      if (bytes[position] !== space || position === start) return this.#refuseMethod(bytes, start, position)
      this.methodEnd = position - start
      this.method = methodCode(bytes, start, position)
      position++
      this.targetStart = position - start
      this.#state = inTarget
    }
    if (this.#state === inTarget) {
      const limit = start + this.targetStart + this.#limits.targetBytes
      const targetStop = Math.min(stop, limit + 1)
      while (position < targetStop && targetBytes[bytes[position] as number] === 1) position++
      if (position > limit) return this.refuse('target-too-long', position - start)
      if (position === targetStop) return this.#pause(inTarget, position - start)
      if (bytes[position] !== space || position - start === this.targetStart) {
        return this.#refuseTarget(bytes, start, position)
      }
      this.targetEnd = position - start
      position++
      this.#state = inVersion
    }
    const versionStart = start + this.targetEnd + 1
    if (this.#state === inVersion) {
      position = this.#version(bytes, start, versionStart, position, stop)
      if (position === -1) return false
      if (position === stop) return this.#pause(inVersion, position - start)
      if (bytes[position] !== cr) {
        return this.refuse(bytes[position] === lf ? 'bare-lf' : 'invalid-version', position - start)
      }
      if (!this.#readVersion(bytes, start, versionStart)) return false
      position++
    }
    return this.#startLineEnd(bytes, start, position, stop) && readTarget(this, bytes, start)
  }

  #statusLine(bytes: Buffer, start: number, stop: number): boolean {
    let position = start + this.#at
    if (this.#state === inStatusVersion) {
      position = this.#version(bytes, start, start, position, stop)
      if (position === -1) return false
      if (position === stop) return this.#pause(inStatusVersion, position - start)
      if (bytes[position] !== space) return this.refuse('invalid-version', position - start)
      if (!this.#readVersion(bytes, start, start)) return false
      position++
      this.#state = inStatus
    }
    if (this.#state === inStatus) {
      const statusStart = start + versionBytes + 1
      while (position < stop && position < statusStart + 3) {
        const byte = bytes[position] as number
        if (byte < zero || byte > nine) return this.refuse('invalid-status', position - start)
        this.status = this.status * 10 + byte - zero
        position++
      }
      if (position === stop) return this.#pause(inStatus, position - start)
      if (this.status < 100 || this.status > 599) return this.refuse('invalid-status', statusStart - start)
      const byte = bytes[position]
      if (byte !== space && byte !== cr)
        return this.refuse(byte === lf ? 'bare-lf' : 'invalid-status', position - start)
      // Some servers leave out the space together with the reason.
      if (byte === space) position++
      this.reasonStart = position - start
      this.#state = inReason
    }
    if (this.#state === inReason) {
      while (position < stop && valueBytes[bytes[position] as number] === 1) position++
      if (position === stop) return this.#pause(inReason, position - start)
      if (bytes[position] !== cr) {
        return this.refuse(bytes[position] === lf ? 'bare-lf' : 'invalid-reason', position - start)
      }
      this.reasonEnd = position - start
      position++
    }
    return this.#startLineEnd(bytes, start, position, stop)
  }

  /** Matches `HTTP/d.d` from `versionStart` on; returns the place after it, `stop`, or -1 when it is refused. */
  #version(bytes: Buffer, start: number, versionStart: number, from: number, stop: number): number {
    let position = from
    while (position < stop && position < versionStart + versionBytes) {
      const byte = bytes[position] as number
      const index = position - versionStart
      const isDigit = byte >= zero && byte <= nine
      if (index === 5 || index === 7 ? !isDigit : byte !== 'HTTP/1.1'.charCodeAt(index)) {
        const isEmptyLine = position === start && (byte === cr || byte === lf)
        this.refuse(isEmptyLine ? 'leading-empty-line' : 'invalid-version', position - start)
        return -1
      }
      position++
    }
    return position
  }

  #readVersion(bytes: Buffer, start: number, versionStart: number): boolean {
    const minor = (bytes[versionStart + 7] as number) - zero
    if (bytes[versionStart + 5] !== zero + 1 || minor > 1) {
      return this.refuse('unsupported-version', versionStart - start)
    }
    this.minorVersion = minor
    return true
  }

  #startLineEnd(bytes: Buffer, start: number, position: number, stop: number): boolean {
    if (position === stop) return this.#pause(startLineLf, position - start)
    if (bytes[position] !== lf) return this.refuse('bare-cr', position - start)
    this.#state = fieldLine
    this.#at = position + 1 - start
    return true
  }

  /** Reads fields up to and including the empty line; false when bytes are missing or after `refuse`. */
  #fieldLines(bytes: Buffer, start: number, stop: number): boolean {
    const lineLimit = this.#limits.fieldBytes + lineEndBytes
    let position = start + this.#at
    let state = this.#state
    for (;;) {
      const offset = this.fieldCount * 4
      if (state === fieldLine) {
        if (position === stop) return this.#pause(fieldLine, position - start)
        const byte = bytes[position] as number
        if (byte === cr) {
          position++
          state = lastLf
        } else {
          if (byte === space || byte === htab) return this.#refuseFold(position - start)
          if (!this.#hasRoom() && !this.#makeRoom(position - start)) return false
          this.fields[offset] = position - start
          state = inName
        }
      }
      if (state === lastLf) {
        if (position === stop) return this.#pause(lastLf, position - start)
        if (bytes[position] !== lf) return this.refuse('bare-cr', position - start)
        this.#at = position + 1 - start
        return true
      }
      const fields = this.fields
      const lineStart = start + (fields[offset] as number)
      const lineStop = Math.min(stop, lineStart + lineLimit)
      if (state === inName) {
        while (position < lineStop && tokenBytes[bytes[position] as number] === 1) position++
        if (position === lineStop) return this.#pauseLine(inName, start, lineStart, position)
        if (bytes[position] !== colon || position === lineStart) {
          return this.#refuseName(bytes, start, lineStart, position)
        }
        fields[offset + 1] = position - start
        position++
        state = beforeValue
      }
      if (state === beforeValue) {
        while (position < lineStop && (bytes[position] === space || bytes[position] === htab)) position++
        if (position === lineStop) return this.#pauseLine(beforeValue, start, lineStart, position)
        fields[offset + 2] = position - start
        state = inValue
      }
      if (state === inValue) {
        while (position < lineStop && valueBytes[bytes[position] as number] === 1) position++
        if (position === lineStop) return this.#pauseLine(inValue, start, lineStart, position)
        if (bytes[position] !== cr) {
          return this.refuse(bytes[position] === lf ? 'bare-lf' : 'invalid-field-value', position - start)
        }
        position++
        state = valueLf
      }
      if (position === lineStop) return this.#pauseLine(valueLf, start, lineStart, position)
      if (bytes[position] !== lf) return this.refuse('bare-cr', position - start)
      this.#endField(bytes, start, position - 1)
      position++
      state = fieldLine
    }
  }

  /** Cuts the whitespace off the end of a value, and takes note of the field. */
  #endField(bytes: Buffer, start: number, lineEnd: number): void {
    const offset = this.fieldCount * 4
    const valueStart = start + (this.fields[offset + 2] as number)
    let valueEnd = lineEnd
    while (valueEnd > valueStart && (bytes[valueEnd - 1] === space || bytes[valueEnd - 1] === htab)) valueEnd--
    this.fields[offset + 3] = valueEnd - start
    this.addField(bytes, start)
  }

  /** Out of bytes in a field line: either more are to come, or the line is too long. */
  #pauseLine(state: number, start: number, lineStart: number, position: number): false {
    if (position - lineStart >= this.#limits.fieldBytes + lineEndBytes) {
      return this.refuse('field-too-large', position - start)
    }
    return this.#pause(state, position - start)
  }

  #hasRoom(): boolean {
    return this.fieldCount < this.fieldIds.length && this.fieldCount < this.#limits.fieldCount
  }

  #makeRoom(at: number): boolean {
    if (this.fieldCount >= this.#limits.fieldCount) return this.refuse('too-many-fields', at)
    this.grow(this.#limits.fieldCount)
    return true
  }

  #refuseMethod(bytes: Buffer, start: number, position: number): false {
    const byte = bytes[position]
    const isFirst = position === start
    if (byte === cr) return this.refuse(isFirst ? 'leading-empty-line' : 'empty-target', position - start)
    if (byte === lf) return this.refuse(isFirst ? 'leading-empty-line' : 'bare-lf', position - start)
    return this.refuse('invalid-method', position - start)
  }

  #refuseTarget(bytes: Buffer, start: number, position: number): false {
    const byte = bytes[position] as number
    const at = position - start
    if (byte === lf) return this.refuse('bare-lf', at)
    if (byte === space || (byte === cr && at === this.targetStart)) return this.refuse('empty-target', at)
    if (byte === cr) return this.refuse('missing-version', at)
    if (byte === hash) return this.refuse('fragment-in-target', at)
    return this.refuse(byte > 0x7f ? 'non-ascii-target' : 'invalid-target', at)
  }

  #refuseFold(at: number): false {
    return this.refuse(this.fieldCount === 0 ? 'whitespace-after-start-line' : 'obs-fold', at)
  }

  #refuseName(bytes: Buffer, start: number, lineStart: number, position: number): false {
    const byte = bytes[position]
    const at = position - start
    if (byte === colon) return this.refuse('empty-field-name', at)
    if (byte === lf) return this.refuse('bare-lf', at)
    if (byte === cr) return this.refuse('missing-colon', at)
    if (byte === space || byte === htab) return this.refuse('whitespace-before-colon', at)
    return this.refuse('invalid-field-name', position > lineStart ? at : lineStart - start)
  }
}

function methodCode(bytes: Uint8Array, from: number, to: number): number {
  switch (to - from) {
    case 3:
      return isText(bytes, from, 'GET') ? methodCodes.GET : isText(bytes, from, 'PUT') ? methodCodes.PUT : 0
    case 4:
      return isText(bytes, from, 'POST') ? methodCodes.POST : isText(bytes, from, 'HEAD') ? methodCodes.HEAD : 0
    case 5:
      return isText(bytes, from, 'PATCH') ? methodCodes.PATCH : isText(bytes, from, 'TRACE') ? methodCodes.TRACE : 0
    case 6:
      return isText(bytes, from, 'DELETE') ? methodCodes.DELETE : 0
    case 7:
      if (isText(bytes, from, 'OPTIONS')) return methodCodes.OPTIONS
      return isText(bytes, from, 'CONNECT') ? methodCodes.CONNECT : 0
    default:
      return 0
  }
}

function isText(bytes: Uint8Array, from: number, text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    if (bytes[from + index] !== text.charCodeAt(index)) return false
  }
  return true
}
