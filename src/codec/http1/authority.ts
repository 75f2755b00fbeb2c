import {
  closingBracket,
  colon,
  hexValues,
  hostBytes,
  nine,
  openingBracket,
  rangesEqualIgnoringCase,
  zero,
} from './bytes.ts'

/** No name is longer: RFC 1035 section 2.3.4. */
const maxHostBytes = 255

/**
 * Checks `host` or `host:port` (RFC 3986 section 3.2 without user information).
 *
 * Stricter than the RFC: the host is not empty, has no percent-encoding and no
 * sub-delims, and a colon is followed by a port from 1 to 65535.
 *
 * @returns where the host ends, that is at the colon or at `to`; -1 when it is invalid
 */
export function endOfHost(bytes: Uint8Array, from: number, to: number): number {
  let end = from
  if (from < to && bytes[from] === openingBracket) {
    end = endOfIpv6(bytes, from + 1, to)
    if (end === -1) return -1
  } else {
    while (end < to && hostBytes[bytes[end] as number] === 1) end++
  }
  if (end === from || end - from > maxHostBytes) return -1
  if (end === to) return end
  if (bytes[end] !== colon) return -1
  return readPort(bytes, end + 1, to) === -1 ? -1 : end
}

/** A decimal port from 1 to 65535, or -1. */
function readPort(bytes: Uint8Array, from: number, to: number): number {
  if (from === to || to - from > 5) return -1
  let port = 0
  for (let position = from; position < to; position++) {
    const byte = bytes[position] as number
    if (byte < zero || byte > nine) return -1
    port = port * 10 + byte - zero
  }
  return port >= 1 && port <= 65_535 ? port : -1
}

/** Checks an IPv6 address up to its bracket; returns the place after the bracket or -1. */
function endOfIpv6(bytes: Uint8Array, from: number, to: number): number {
  let groups = 0
  let compressed = false
  let position = from
  if (bytes[position] === colon) {
    if (bytes[position + 1] !== colon) return -1
    compressed = true
    position += 2
  }
  while (position < to && bytes[position] !== closingBracket) {
    const groupStart = position
    while (position < to && position - groupStart < 4 && (hexValues[bytes[position] as number] as number) < 16) {
      position++
    }
    if (position === groupStart || position >= to) return -1
    if (bytes[position] === 0x2e) {
      position = endOfIpv4(bytes, groupStart, to)
      groups += 2
      break
    }
    groups++
    if (bytes[position] === closingBracket) break
    if (bytes[position] !== colon) return -1
    position++
    if (bytes[position] === colon) {
      if (compressed) return -1
      compressed = true
      position++
    } else if (bytes[position] === closingBracket) return -1
  }
  if (position === -1 || position >= to || bytes[position] !== closingBracket) return -1
  return (compressed ? groups <= 7 : groups === 8) ? position + 1 : -1
}

/** Where four decimal numbers below 256 end, or -1. */
function endOfIpv4(bytes: Uint8Array, from: number, to: number): number {
  let position = from
  for (let part = 0; part < 4; part++) {
    if (part > 0 && bytes[position++] !== 0x2e) return -1
    const partStart = position
    let value = 0
    while (position < to && (bytes[position] as number) >= zero && (bytes[position] as number) <= nine) {
      value = value * 10 + (bytes[position] as number) - zero
      position++
    }
    const digits = position - partStart
    if (digits === 0 || digits > 3 || value > 255 || (digits > 1 && bytes[partStart] === zero)) return -1
  }
  return position
}

/** Stands for a port that was left out where no scheme tells one. */
export const anyPort = 0

/**
 * Whether two valid authorities name the same place: the hosts are equal in
 * any case, and so are the ports.
 *
 * @param defaultPort fills in for a port that was left out; with `anyPort` it then matches every port
 */
export function sameAuthority(
  bytes: Uint8Array,
  from: number,
  to: number,
  otherFrom: number,
  otherTo: number,
  defaultPort: number,
): boolean {
  const end = endOfHost(bytes, from, to)
  const otherEnd = endOfHost(bytes, otherFrom, otherTo)
  if (!rangesEqualIgnoringCase(bytes, from, end, otherFrom, otherEnd)) return false
  const port = end === to ? defaultPort : readPort(bytes, end + 1, to)
  const otherPort = otherEnd === otherTo ? defaultPort : readPort(bytes, otherEnd + 1, otherTo)
  return port === otherPort || port === anyPort || otherPort === anyPort
}
