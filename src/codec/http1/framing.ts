import { comma, equalsIgnoringCase, htab, nine, space, tokenBytes, zero } from './bytes.ts'
import { fieldIds } from './field-ids.ts'
import type { Head } from './head.ts'
import type { Http1Problem } from './problems.ts'

/** Digits of 2^53 - 1. More digits are refused even if they are zeros: nobody writes them in good faith. */
const maxLengthDigits = 16

/** What the framing fields say, before method and status have their word. */
export const nothingSaid = 0
export const lengthSaid = 1
export const chunkedSaid = 2

/**
 * Reads Content-Length and Transfer-Encoding (RFC 9112 section 6.3). Stricter
 * than the RFC where it leaves a choice: both together, a repeated field even
 * with equal values, and transfer codings other than chunked are refused, in
 * requests and in responses, because two readers could find two ends.
 *
 * @returns nothingSaid, lengthSaid (with `head.contentLength` set), chunkedSaid, or -1 after `head.refuse`
 */
export function readFramingFields(head: Head, bytes: Uint8Array, start: number): number {
  const lengthIndex = head.find(fieldIds.contentLength)
  const codingIndex = head.find(fieldIds.transferEncoding)
  if (lengthIndex === -1 && codingIndex === -1) return nothingSaid
  if (lengthIndex !== -1 && codingIndex !== -1) {
    return refuse(head, 'content-length-with-transfer-encoding', Math.max(lengthIndex, codingIndex))
  }
  if (codingIndex !== -1) {
    if (head.isRepeated(fieldIds.transferEncoding)) return refuse(head, 'duplicate-transfer-encoding', codingIndex)
    if (head.minorVersion === 0) return refuse(head, 'transfer-encoding-in-http10', codingIndex)
    const problem = codingProblem(bytes, start + valueStart(head, codingIndex), start + valueEnd(head, codingIndex))
    return problem === undefined ? chunkedSaid : refuse(head, problem, codingIndex)
  }
  if (head.isRepeated(fieldIds.contentLength)) return refuse(head, 'duplicate-content-length', lengthIndex)
  const length = readLength(bytes, start + valueStart(head, lengthIndex), start + valueEnd(head, lengthIndex))
  if (length === -1) return refuse(head, 'invalid-content-length', lengthIndex)
  if (length > Number.MAX_SAFE_INTEGER) return refuse(head, 'content-length-overflow', lengthIndex)
  head.contentLength = length
  return lengthSaid
}

function refuse(head: Head, problem: Http1Problem, index: number): -1 {
  head.refuse(problem, valueStart(head, index))
  return -1
}

function valueStart(head: Head, index: number): number {
  return head.fields[index * 4 + 2] as number
}

function valueEnd(head: Head, index: number): number {
  return head.fields[index * 4 + 3] as number
}

/** A plain decimal number; -1 when it is none, Infinity when it has too many digits. */
function readLength(bytes: Uint8Array, from: number, to: number): number {
  if (from === to) return -1
  let length = 0
  for (let position = from; position < to; position++) {
    const byte = bytes[position] as number
    if (byte < zero || byte > nine) return -1
    length = length * 10 + byte - zero
  }
  return to - from > maxLengthDigits ? Infinity : length
}

/**
 * Only `chunked` is understood. A list of other codings that ends in chunked
 * has a known end but cannot be decoded: 501. Without chunked at its end the
 * length is unknown: 400 (RFC 9112 sections 6.1 and 6.3).
 */
function codingProblem(bytes: Uint8Array, from: number, to: number): Http1Problem | undefined {
  if (equalsIgnoringCase(bytes, from, to, 'chunked')) return undefined
  let position = from
  let isLastChunked = false
  while (position < to) {
    const codingStart = position
    while (position < to && tokenBytes[bytes[position] as number] === 1) position++
    if (position === codingStart || isLastChunked) return 'invalid-transfer-encoding'
    isLastChunked = equalsIgnoringCase(bytes, codingStart, position, 'chunked')
    position = skipWhitespace(bytes, position, to)
    if (position === to) break
    if (bytes[position] !== comma) return 'invalid-transfer-encoding'
    position = skipWhitespace(bytes, position + 1, to)
    if (position === to) return 'invalid-transfer-encoding'
  }
  return isLastChunked ? 'unsupported-transfer-coding' : 'invalid-transfer-encoding'
}

function skipWhitespace(bytes: Uint8Array, from: number, to: number): number {
  let position = from
  while (position < to && (bytes[position] === space || bytes[position] === htab)) position++
  return position
}
