/**
 * Byte values and byte classes. A class is a table of 256 entries that holds 1
 * for a member, so that a scan costs one load per byte and no branches on kinds.
 */
export const htab = 0x09
export const lf = 0x0a
export const cr = 0x0d
export const space = 0x20
export const doubleQuote = 0x22
export const percent = 0x25
export const asterisk = 0x2a
export const comma = 0x2c
export const slash = 0x2f
export const zero = 0x30
export const nine = 0x39
export const colon = 0x3a
export const semicolon = 0x3b
export const equals = 0x3d
export const question = 0x3f
export const at = 0x40
export const backslash = 0x5c
export const closingBracket = 0x5d
export const openingBracket = 0x5b
export const hash = 0x23

const alphanumeric = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

function members(isMember: (byte: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) => (isMember(byte) ? 1 : 0))
}

function anyOf(characters: string): Uint8Array {
  return members(byte => characters.includes(String.fromCharCode(byte)))
}

/** tchar, RFC 9110 section 5.6.2. */
export const tokenBytes: Uint8Array = anyOf(`${alphanumeric}!#$%&'*+-.^_\`|~`)

/** field-vchar, SP and HTAB, RFC 9110 section 5.5; obs-text (0x80 to 0xFF) included. */
export const valueBytes: Uint8Array = members(byte => byte === htab || (byte >= space && byte !== 0x7f))

/** Visible ASCII without `#`: what may stand in any form of the request target. */
export const targetBytes: Uint8Array = members(byte => byte > space && byte < 0x7f && byte !== hash)

/**
 * pchar and `/` of RFC 3986 without `%`, and `[ ] |`, which browsers send
 * as they are. `\` is out because some servers read it as `/`.
 */
export const pathBytes: Uint8Array = anyOf(`${alphanumeric}-._~!$&'()*+,;=:@/[]|`)

/**
 * What a registered name or an IPv4 address is made of. RFC 3986 also allows
 * percent-encoding and sub-delims; no resolver knows such names, and `,` there
 * is how two merged Host fields look.
 */
export const hostBytes: Uint8Array = anyOf(`${alphanumeric}-._~`)

/** qdtext of RFC 9110 section 5.6.4: a quoted string without `"` and `\`. */
export const quotedBytes: Uint8Array = members(
  byte => valueBytes[byte] === 1 && byte !== doubleQuote && byte !== backslash,
)

/** The value of a hexadecimal digit, 0xFF for any other byte. */
export const hexValues: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) => {
  const digit = '0123456789abcdef'.indexOf(String.fromCharCode(byte).toLowerCase())
  return digit === -1 ? 0xff : digit
})

/** Whether bytes[from,to) are the ASCII text `lowerCase`, in any case. */
export function equalsIgnoringCase(bytes: Uint8Array, from: number, to: number, lowerCase: string): boolean {
  if (to - from !== lowerCase.length) return false
  for (let index = 0; index < lowerCase.length; index++) {
    if (toLower(bytes[from + index] as number) !== lowerCase.charCodeAt(index)) return false
  }
  return true
}

/** Whether two ranges of the same bytes are equal, letters in any case. */
export function rangesEqualIgnoringCase(
  bytes: Uint8Array,
  from: number,
  to: number,
  otherFrom: number,
  otherTo: number,
): boolean {
  if (to - from !== otherTo - otherFrom) return false
  for (let index = 0; index < to - from; index++) {
    if (toLower(bytes[from + index] as number) !== toLower(bytes[otherFrom + index] as number)) return false
  }
  return true
}

function toLower(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte
}
