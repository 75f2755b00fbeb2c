/**
 * Fields with a form of their own in gRPC over HTTP/2.
 *
 * @see https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 */

/** Longer messages are cut: they are for people, and header lists have limits. */
const maxMessageLength = 1024

/** The text of `grpc-message`: UTF-8, everything but visible ASCII (and `%`) as %XX. */
export function encodeGrpcMessage(message: string): string {
  const text = message.length > maxMessageLength ? cut(message) : message
  if (/^[ -$&-~]*$/.test(text)) return text
  let encoded = ''
  for (const byte of Buffer.from(text)) {
    const isPlain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25
    encoded += isPlain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return encoded
}

/** Not through the middle of a character of two code units. */
function cut(text: string): string {
  const last = text.charCodeAt(maxMessageLength - 1)
  const isHalf = last >= 0xd800 && last <= 0xdbff
  return text.slice(0, isHalf ? maxMessageLength - 1 : maxMessageLength)
}

/** The reverse, which never fails: what is not %XX stays as it is, and bytes that are no UTF-8 become U+FFFD. */
export function decodeGrpcMessage(value: string): string {
  if (!value.includes('%')) return value
  const bytes: number[] = []
  for (let at = 0; at < value.length; at++) {
    const hex = value[at] === '%' ? /^[0-9A-Fa-f]{2}/.exec(value.slice(at + 1, at + 3)) : null
    if (hex === null) {
      bytes.push(...Buffer.from(value[at] ?? ''))
      continue
    }
    bytes.push(Number.parseInt(hex[0], 16))
    at += 2
  }
  return Buffer.from(bytes).toString('utf8')
}

/** Milliseconds of each unit of `grpc-timeout`. */
const unitMs: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 }

/**
 * Milliseconds of a `grpc-timeout`, rounded up, so that a deadline never comes
 * early and 0 is only what the client wrote as 0; undefined for anything that is
 * not one to eight digits with a unit.
 */
export function parseGrpcTimeout(value: string): number | undefined {
  if (!/^[0-9]{1,8}[HMSmun]$/.test(value)) return undefined
  const ms = Number(value.slice(0, -1)) * (unitMs[value.slice(-1)] ?? 0)
  return Math.ceil(ms)
}

/** The largest number that eight digits hold. */
const maxDigits = 99_999_999

/** A `grpc-timeout` of whole milliseconds in the finest unit that holds it; a larger one rounds down. */
export function formatGrpcTimeout(ms: number): string {
  const whole = Math.max(0, Math.floor(ms))
  if (whole <= maxDigits) return `${whole}m`
  if (whole <= maxDigits * 1_000) return `${Math.floor(whole / 1_000)}S`
  if (whole <= maxDigits * 60_000) return `${Math.floor(whole / 60_000)}M`
  return `${Math.min(maxDigits, Math.floor(whole / 3_600_000))}H`
}

/** What a `content-type` makes of a request or answer. */
export const grpcForms = { none: 0, grpc: 1, web: 2, webText: 3 } as const

/**
 * Whether a message is gRPC, and in which form. `application/grpc` may be
 * followed by `+` and a format or by parameters; it is compared without regard
 * to case (RFC 9110 section 8.3.1).
 *
 * @returns one of `grpcForms`
 */
export function grpcFormOf(contentType: string | undefined): number {
  if (contentType === undefined || contentType.length < grpcType.length) return grpcForms.none
  if (contentType.slice(0, grpcType.length).toLowerCase() !== grpcType) return grpcForms.none
  const rest = contentType.slice(grpcType.length).toLowerCase()
  if (isEnd(rest)) return grpcForms.grpc
  if (rest.startsWith('-web-text') && isEnd(rest.slice(9))) return grpcForms.webText
  return rest.startsWith('-web') && isEnd(rest.slice(4)) ? grpcForms.web : grpcForms.none
}

const grpcType = 'application/grpc'

function isEnd(rest: string): boolean {
  return rest === '' || rest.startsWith('+') || rest.startsWith(';') || rest.startsWith(' ')
}
