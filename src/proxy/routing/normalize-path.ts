import { hexDigit } from './hex-digit.ts'

/**
 * One path, one spelling. A client can write `/admin` as `/%61dmin`,
 * `/x/../admin` or `/./admin`; if we matched one spelling and the endpoint read
 * another, a request could pass by the rule that was meant for it. So a path is
 * brought to the normal form of RFC 3986 section 6.2.2 first, and what was
 * matched is what is forwarded:
 *
 * - percent-encoded unreserved characters are decoded, other escapes get upper
 *   case digits (sections 6.2.2.1 and 6.2.2.2);
 * - dot segments are removed (section 5.2.4); above the root they end at the root;
 * - empty segments stay (`//` is not `/`): they may mean something to the
 *   endpoint, and no route can be written with them, so they match only what is
 *   above them. Envoy and Istio do the same by default;
 * - escaped slashes stay escaped and are no separators for matching;
 * - refused: a null byte, an escape without two hex digits, a backslash, and a
 *   segment that is a dot segment only after `%2F` or `%5C` is decoded
 *   (`..%2fadmin`): endpoints do not agree on what these mean.
 */
export type NormalPath = { readonly kind: 'ok'; readonly path: string } | { readonly kind: 'refuse' }

const slash = 0x2f
const percent = 0x25
const dot = 0x2e
const backslash = 0x5c
/** Above it, three searches by the runtime are faster than a loop. */
const longestLoop = 64

const refused: NormalPath = { kind: 'refuse' }

/** `.` or `..` with an escaped slash or backslash on at least one side. */
const hiddenDotSegment = /%(?:2F|5C)\.\.?(?:\/|%2F|%5C|$)|\/\.\.?%(?:2F|5C)/

/** @param raw path without query, as received; comes back as the same string when it is normal already */
export function normalizePath(raw: string): NormalPath {
  if (isNormal(raw)) return { kind: 'ok', path: raw }
  if (raw.indexOf('\\') >= 0) return refused
  const decoded = raw.indexOf('%') < 0 ? raw : decodeUnreserved(raw)
  if (decoded === undefined) return refused
  if (decoded.indexOf('%') >= 0 && hiddenDotSegment.test(decoded)) return refused
  return { kind: 'ok', path: removeDotSegments(decoded) }
}

/** No escape, no backslash and nothing that could be a dot segment. */
function isNormal(raw: string): boolean {
  const { length } = raw
  if (length > longestLoop) return raw.indexOf('%') < 0 && raw.indexOf('/.') < 0 && raw.indexOf('\\') < 0
  let before = 0
  for (let at = 0; at < length; at++) {
    const code = raw.charCodeAt(at)
    if (code === percent || code === backslash || (code === dot && before === slash)) return false
    before = code
  }
  return true
}

/** Undefined for an escape that is malformed or a null byte. */
function decodeUnreserved(raw: string): string | undefined {
  let result = ''
  let from = 0
  for (let at = raw.indexOf('%'); at >= 0; at = raw.indexOf('%', at + 3)) {
    const high = hexDigit(raw.charCodeAt(at + 1))
    const low = hexDigit(raw.charCodeAt(at + 2))
    if (high < 0 || low < 0) return undefined
    const code = high * 16 + low
    if (code === 0) return undefined
    result += raw.slice(from, at)
    result += isUnreserved(code) ? String.fromCharCode(code) : raw.slice(at, at + 3).toUpperCase()
    from = at + 3
  }
  result += raw.slice(from)
  return result === raw ? raw : result
}

/** RFC 3986 section 2.3 */
function isUnreserved(code: number): boolean {
  const lower = code | 0x20
  if ((lower >= 0x61 && lower <= 0x7a) || (code >= 0x30 && code <= 0x39)) return true
  return code === 0x2d || code === 0x2e || code === 0x5f || code === 0x7e
}

function removeDotSegments(path: string): string {
  if (path.indexOf('/.') < 0) return path
  const segments = path.split('/')
  const kept: string[] = []
  let changed = false
  for (let at = 1; at < segments.length; at++) {
    const segment = segments[at] ?? ''
    if (segment !== '.' && segment !== '..') {
      kept.push(segment)
      continue
    }
    changed = true
    if (segment === '..') kept.pop()
    // A final dot segment names a directory: `/a/..` is `/`, not empty.
    if (at === segments.length - 1) kept.push('')
  }
  return changed ? `/${kept.join('/')}` : path
}
