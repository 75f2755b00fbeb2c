import { endOfHost } from './authority.ts'
import { asterisk, at, colon, equalsIgnoringCase, hexValues, pathBytes, percent, question, slash } from './bytes.ts'
import { methodCodes, targetForms } from './codes.ts'
import type { Head } from './head.ts'

/**
 * Splits and checks the request target, RFC 9112 section 3.2. The scan of the
 * line has already refused control bytes, spaces, `#` and bytes above 0x7E.
 *
 * The path is what routes are matched against, so it is held to the grammar:
 * `%` needs two digits, `%00` is refused because C programs end strings there,
 * and so is every byte that both RFC 3986 and browsers would encode. The query
 * is opaque to a proxy and may be any visible ASCII (`?q=100%` is common).
 */
export function readTarget(head: Head, bytes: Uint8Array, start: number): boolean {
  const from = start + head.targetStart
  const to = start + head.targetEnd
  if (head.method === methodCodes.CONNECT) return readAuthorityForm(head, bytes, start, from, to)
  const first = bytes[from]
  if (first === slash) {
    head.targetForm = targetForms.origin
    return readPath(head, bytes, start, from, to)
  }
  if (first === asterisk && to - from === 1) {
    if (head.method !== methodCodes.OPTIONS) return head.refuse('asterisk-without-options', head.targetStart)
    head.targetForm = targetForms.asterisk
    head.pathStart = head.targetEnd
    head.pathEnd = head.targetEnd
    return true
  }
  return readAbsoluteForm(head, bytes, start, from, to)
}

/** CONNECT takes host and port, both (RFC 9110 section 9.3.6). */
function readAuthorityForm(head: Head, bytes: Uint8Array, start: number, from: number, to: number): boolean {
  head.targetForm = targetForms.authority
  head.authorityStart = head.targetStart
  head.authorityEnd = head.targetEnd
  head.pathStart = head.targetEnd
  head.pathEnd = head.targetEnd
  return checkAuthority(head, bytes, start, from, to, true)
}

function checkAuthority(
  head: Head,
  bytes: Uint8Array,
  start: number,
  from: number,
  to: number,
  needsPort: boolean,
): boolean {
  const end = endOfHost(bytes, from, to)
  if (end !== -1 && !(needsPort && end === to)) return true
  const hasUserinfo = bytes.subarray(from, to).includes(at)
  return head.refuse(hasUserinfo ? 'userinfo-in-authority' : 'invalid-authority', from - start)
}

function readAbsoluteForm(head: Head, bytes: Uint8Array, start: number, from: number, to: number): boolean {
  let authority = from
  while (authority < to && bytes[authority] !== colon && bytes[authority] !== slash) authority++
  const hasScheme =
    authority > from && authority + 2 < to && bytes[authority + 1] === slash && bytes[authority + 2] === slash
  if (!hasScheme || bytes[authority] !== colon) return head.refuse('invalid-target', head.targetStart)
  if (!equalsIgnoringCase(bytes, from, authority, 'http') && !equalsIgnoringCase(bytes, from, authority, 'https')) {
    return head.refuse('unsupported-scheme', head.targetStart)
  }
  authority += 3
  let path = authority
  while (path < to && bytes[path] !== slash && bytes[path] !== question) path++
  head.targetForm = targetForms.absolute
  head.authorityStart = authority - start
  head.authorityEnd = path - start
  return checkAuthority(head, bytes, start, authority, path, false) && readPath(head, bytes, start, path, to)
}

/** Only called at `/`, at `?` or at the end of the target. */
function readPath(head: Head, bytes: Uint8Array, start: number, from: number, to: number): boolean {
  let position = from
  while (position < to) {
    const byte = bytes[position] as number
    if (pathBytes[byte] === 1) position++
    else if (byte === question) break
    else if (byte !== percent) return head.refuse('invalid-target', position - start)
    else if (isEncodedByte(bytes, position, to)) position += 3
    else return head.refuse('invalid-percent-encoding', position - start)
  }
  head.pathStart = from - start
  head.pathEnd = position - start
  head.queryStart = position < to ? position + 1 - start : -1
  return true
}

function isEncodedByte(bytes: Uint8Array, position: number, to: number): boolean {
  if (position + 2 >= to) return false
  const high = hexValues[bytes[position + 1] as number] as number
  const low = hexValues[bytes[position + 2] as number] as number
  return high < 16 && low < 16 && high + low > 0
}
