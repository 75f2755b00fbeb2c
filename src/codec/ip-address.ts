/** Addresses as bytes: 4 for IPv4, 16 for IPv6. */

/** @returns undefined for a text that is no address; zones (`%eth0`) are not taken */
export function parseIpAddress(text: string): Uint8Array | undefined {
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text)
}

/** An IPv4-mapped IPv6 address as the IPv4 address that it stands for (RFC 4291 section 2.5.5.2); others as they are. */
export function unmapIpAddress(bytes: Uint8Array): Uint8Array {
  const isMapped = bytes.length === 16 && bytes.subarray(0, 12).every((byte, at) => byte === (at < 10 ? 0 : 0xff))
  return isMapped ? bytes.slice(12) : bytes
}

/** The canonical text of RFC 5952, except that IPv4-mapped addresses are written like all others. */
export function formatIpAddress(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.')
  const groups = Array.from({ length: 8 }, (_, at) => ((bytes[at * 2] ?? 0) << 8) | (bytes[at * 2 + 1] ?? 0))
  const { start, length } = longestZeros(groups)
  const text = (from: number, to: number): string =>
    groups
      .slice(from, to)
      .map(group => group.toString(16))
      .join(':')
  return length < 2 ? text(0, 8) : `${text(0, start)}::${text(start + length, 8)}`
}

function longestZeros(groups: readonly number[]): { readonly start: number; readonly length: number } {
  let best = { start: 0, length: 0 }
  for (let start = 0; start < groups.length; start++) {
    let length = 0
    while (groups[start + length] === 0) length++
    if (length > best.length) best = { start, length }
    start += length
  }
  return best
}

function parseIpv4(text: string): Uint8Array | undefined {
  const parts = text.split('.')
  if (parts.length !== 4) return undefined
  const bytes = new Uint8Array(4)
  for (const [at, part] of parts.entries()) {
    if (!/^(0|[1-9][0-9]{0,2})$/.test(part) || Number(part) > 255) return undefined
    bytes[at] = Number(part)
  }
  return bytes
}

function parseIpv6(text: string): Uint8Array | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const head = parseGroups(halves[0] ?? '')
  const tail = halves.length === 2 ? parseGroups(halves[1] ?? '') : []
  if (head === undefined || tail === undefined) return undefined
  const given = head.length + tail.length
  // `::` stands for at least one group.
  if (halves.length === 2 ? given > 14 : given !== 16) return undefined
  const bytes = new Uint8Array(16)
  bytes.set(head, 0)
  bytes.set(tail, 16 - tail.length)
  return bytes
}

/** Groups between colons, the last of which may be an IPv4 address. */
function parseGroups(text: string): number[] | undefined {
  if (text === '') return []
  const bytes: number[] = []
  const groups = text.split(':')
  for (const [at, group] of groups.entries()) {
    if (group.includes('.') && at === groups.length - 1) {
      const last = parseIpv4(group)
      if (last === undefined) return undefined
      bytes.push(...last)
      continue
    }
    if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return undefined
    const value = Number.parseInt(group, 16)
    bytes.push(value >> 8, value & 0xff)
  }
  return bytes
}

/** A network: bits beyond the prefix are cleared. */
export interface ParsedCidr {
  /** 4 or 16. */
  readonly bytes: Uint8Array
  readonly prefixLength: number
  /** Whether the text had bits beyond the prefix. */
  readonly hadHostBits: boolean
}

/** `10.0.0.0/8`, `fd00::/8` (RFC 4632, RFC 4291 section 2.3). @returns undefined for a text that is no network */
export function parseCidr(text: string): ParsedCidr | undefined {
  const slash = text.lastIndexOf('/')
  const bytes = slash < 0 ? undefined : parseIpAddress(text.slice(0, slash))
  const digits = text.slice(slash + 1)
  if (bytes === undefined || !/^(0|[1-9][0-9]{0,2})$/.test(digits)) return undefined
  const prefixLength = Number(digits)
  if (prefixLength > bytes.length * 8) return undefined
  let hadHostBits = false
  for (let at = 0; at < bytes.length; at++) {
    const kept = Math.min(8, Math.max(0, prefixLength - at * 8))
    const byte = bytes[at] ?? 0
    bytes[at] = byte & (0xff00 >> kept)
    if (bytes[at] !== byte) hadHostBits = true
  }
  return { bytes, prefixLength, hadHostBits }
}
