import { hexDigit } from './hex-digit.ts'

/**
 * The first parameter of that name (names compare exactly, both sides decoded),
 * undefined when there is none; a parameter without `=` has the empty value.
 *
 * Percent escapes and `+` (a space) are decoded as the WHATWG URL standard does
 * for forms, since that is how the endpoints' frameworks read them; a malformed
 * escape stands for itself.
 */
export function queryValue(query: string, name: string): string | undefined {
  for (let from = 0; from < query.length;) {
    let end = query.indexOf('&', from)
    if (end < 0) end = query.length
    let equals = query.indexOf('=', from)
    if (equals < 0 || equals > end) equals = end
    if (end > from && isName(query, from, equals, name)) {
      return equals === end ? '' : decodeFormText(query.slice(equals + 1, end))
    }
    from = end + 1
  }
  return undefined
}

function isName(query: string, from: number, to: number, name: string): boolean {
  if (to - from === name.length && query.startsWith(name, from)) {
    // The same characters, unless they are an escape on one side only.
    if (name.indexOf('%') < 0 && name.indexOf('+') < 0) return true
  }
  const text = query.slice(from, to)
  return (text.indexOf('%') >= 0 || text.indexOf('+') >= 0) && decodeFormText(text) === name
}

/** All parameters in order, decoded; for showing, not for the data path. */
export function parseQuery(query: string): readonly { readonly name: string; readonly value: string }[] {
  return query
    .split('&')
    .filter(part => part !== '')
    .map(part => {
      const equals = part.indexOf('=')
      const name = equals < 0 ? part : part.slice(0, equals)
      return { name: decodeFormText(name), value: equals < 0 ? '' : decodeFormText(part.slice(equals + 1)) }
    })
}

function decodeFormText(text: string): string {
  const spaced = text.indexOf('+') < 0 ? text : text.replaceAll('+', ' ')
  let result = ''
  let from = 0
  for (let at = spaced.indexOf('%'); at >= 0; at = spaced.indexOf('%', at + 1)) {
    const code = escapedByte(spaced, at)
    if (code < 0) continue
    if (code > 0x7f) return decodeUtf8(spaced)
    result += spaced.slice(from, at) + String.fromCharCode(code)
    from = at + 3
    at += 2
  }
  return from === 0 ? spaced : result + spaced.slice(from)
}

/** Of the escape at `at`; -1 when it is malformed. */
function escapedByte(text: string, at: number): number {
  const high = hexDigit(text.charCodeAt(at + 1))
  const low = hexDigit(text.charCodeAt(at + 2))
  return high < 0 || low < 0 ? -1 : high * 16 + low
}

/** Not decodeURIComponent: it throws at bytes that are not UTF-8, which any client can send. */
function decodeUtf8(text: string): string {
  const bytes = Buffer.from(text, 'latin1')
  let length = 0
  for (let at = 0; at < bytes.length; at++) {
    const code = bytes[at] === 0x25 ? escapedByte(text, at) : -1
    bytes[length++] = code < 0 ? (bytes[at] ?? 0) : code
    if (code >= 0) at += 2
  }
  return bytes.toString('utf8', 0, length)
}
