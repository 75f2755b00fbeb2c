import { endOfHost } from '../http1/authority.ts'
import {
  hash,
  hexValues,
  htab,
  nine,
  pathBytes,
  percent,
  question,
  slash,
  space,
  tokenBytes,
  valueBytes,
  zero,
} from '../http1/bytes.ts'
import { fieldIds } from '../http1/field-ids.ts'
import { pseudoIds } from './field-kinds.ts'
import type { Http2Problem } from './problems.ts'

const colonCode = 0x3a

/** Names that speak of one hop in HTTP/1.1, RFC 9113 section 8.2.2. */
const connectionSpecific: ReadonlySet<number> = new Set([
  fieldIds.connection,
  fieldIds.keepAlive,
  fieldIds.proxyConnection,
  fieldIds.transferEncoding,
  fieldIds.upgrade,
])

/** RFC 9113 section 8.2.1, and stricter: a name is a token in lower case. */
export function checkName(name: string, nameId: number): Http2Problem | undefined {
  if (nameId >= pseudoIds.method) return undefined
  if (name === '') return 'invalid-field-name'
  if (name.charCodeAt(0) === colonCode) return 'unknown-pseudo-field'
  for (let index = 0; index < name.length; index++) {
    const code = name.charCodeAt(index)
    if (tokenBytes[code] !== 1) return 'invalid-field-name'
    if (code >= 0x41 && code <= 0x5a) return 'uppercase-field-name'
  }
  return connectionSpecific.has(nameId) ? 'connection-specific-field' : undefined
}

/** What is wrong with a value in any message, RFC 9113 section 8.2.1 and 8.3. */
export function checkValue(nameId: number, value: string): Http2Problem | undefined {
  if (!isFieldValue(value)) return 'invalid-field-value'
  switch (nameId) {
    case pseudoIds.method:
      return isToken(value) ? undefined : 'invalid-method'
    case pseudoIds.path:
      return isPath(value) ? undefined : 'invalid-path'
    case pseudoIds.scheme:
      return isScheme(value) ? undefined : 'invalid-scheme'
    case pseudoIds.authority:
    case fieldIds.host:
      return isAuthority(value) ? undefined : 'invalid-authority'
    case pseudoIds.status:
      return readStatus(value) === -1 ? 'invalid-status' : undefined
    case pseudoIds.protocol:
      return isToken(value) ? undefined : 'invalid-protocol'
    case fieldIds.contentLength:
      return readContentLength(value) === -1 ? 'invalid-content-length' : undefined
    case fieldIds.te:
      return value.toLowerCase() === 'trailers' ? undefined : 'invalid-te'
    default:
      return undefined
  }
}

function isFieldValue(value: string): boolean {
  const length = value.length
  if (length === 0) return true
  for (let index = 0; index < length; index++) {
    if (valueBytes[value.charCodeAt(index)] !== 1) return false
  }
  return !isWhitespace(value.charCodeAt(0)) && !isWhitespace(value.charCodeAt(length - 1))
}

function isWhitespace(code: number): boolean {
  return code === space || code === htab
}

function isToken(value: string): boolean {
  for (let index = 0; index < value.length; index++) {
    if (tokenBytes[value.charCodeAt(index)] !== 1) return false
  }
  return value !== ''
}

/** RFC 3986 section 3.1; in lower case, so that nobody compares it wrongly. */
function isScheme(value: string): boolean {
  return /^[a-z][a-z0-9+.-]*$/.test(value)
}

function isAuthority(value: string): boolean {
  return endOfHost(Buffer.from(value, 'latin1'), 0, value.length) !== -1
}

/**
 * `*`, or a path by the rules of HTTP/1.1 targets: `%` needs two digits and
 * may not hide NUL, and the query is any visible ASCII without `#`.
 */
function isPath(value: string): boolean {
  if (value === '*') return true
  if (value.charCodeAt(0) !== slash) return false
  let index = 1
  for (; index < value.length; index++) {
    const code = value.charCodeAt(index)
    if (pathBytes[code] === 1) continue
    if (code === question) break
    if (code !== percent) return false
    const high = hexValues[value.charCodeAt(index + 1)]
    const low = hexValues[value.charCodeAt(index + 2)]
    if (high === undefined || low === undefined || high > 15 || low > 15 || high + low === 0) return false
    index += 2
  }
  for (; index < value.length; index++) {
    const code = value.charCodeAt(index)
    if (code <= space || code >= 0x7f || code === hash) return false
  }
  return true
}

/** Three digits from 100 to 599, or -1. 101 has no place in HTTP/2 (RFC 9113 section 8.6). */
export function readStatus(value: string): number {
  const status = value.length === 3 ? readDigits(value) : -1
  return status < 100 || status > 599 || status === 101 ? -1 : status
}

/** A decimal number up to 2^53 - 1, or -1. */
export function readContentLength(value: string): number {
  return value.length === 0 || value.length > 16 ? -1 : readDigits(value)
}

function readDigits(value: string): number {
  let number = 0
  for (let index = 0; index < value.length; index++) {
    const code = value.charCodeAt(index)
    if (code < zero || code > nine) return -1
    number = number * 10 + code - zero
  }
  return number <= Number.MAX_SAFE_INTEGER ? number : -1
}
