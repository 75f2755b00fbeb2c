import type { IpProtocol, PortPrefix } from '../../model/index.ts'
import { ipProtocols } from '../../model/index.ts'

/** Every port of every protocol. */
export const everyPort: PortPrefix = 0

const protocolBits = 8
const portBits = 16
/** Bits of the longest prefix. */
export const prefixBits: number = protocolBits + portBits

/** The first `bits` bits of a protocol number and a port; what lies beyond is cleared. */
export function portPrefix(bits: number, protocol: number, port: number): PortPrefix {
  const value = (protocol << portBits) | port
  const kept = bits === 0 ? 0 : value & (0xff_ffff << (prefixBits - bits)) & 0xff_ffff
  return bits * 0x100_0000 + kept
}

/**
 * The fewest prefixes that make up a range: at most 29, one for a single
 * port and for all of them. Port 0 cannot be connected to, so that a range from
 * 1 may take it in.
 */
export function rangePrefixes(protocol: IpProtocol, from: number, to: number): readonly PortPrefix[] {
  const number = ipProtocols[protocol]
  const prefixes: PortPrefix[] = []
  let at = from === 1 && to > 1 ? 0 : from
  while (at <= to) {
    let size = 0
    // As large as it is aligned, and does not go beyond the end.
    while (size < portBits && at % (2 << size) === 0 && at + (2 << size) - 1 <= to) size++
    prefixes.push(portPrefix(prefixBits - size, number, at))
    at += 1 << size
  }
  return prefixes
}
