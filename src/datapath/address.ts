import { isIP } from 'node:net'
import type { Endpoint } from './generated/sockets.ts'

/** Addresses as programs have them: 16 bytes, IPv4 as ::ffff:a.b.c.d. */
export type AddressBytes = Uint8Array

/** @param address  4 or 16 bytes */
export function widen(address: Uint8Array): AddressBytes {
  if (address.length === 16) return address
  const bytes = new Uint8Array(16)
  bytes.fill(0xff, 10, 12)
  bytes.set(address, 12)
  return bytes
}

/** @returns undefined for what is no address */
export function addressBytes(text: string): AddressBytes | undefined {
  const family = isIP(text)
  if (family === 4) return widen(Uint8Array.from(text.split('.'), Number))
  if (family !== 6 || text.includes('%')) return undefined
  // Groups of hexadecimal digits only, whatever it was written like.
  const plain = new URL(`http://[${text}]`).hostname.slice(1, -1)
  const [head = '', tail] = plain.split('::')
  const groupsOf = (part: string): readonly string[] => (part === '' ? [] : part.split(':'))
  const [before, after] = [groupsOf(head), groupsOf(tail ?? '')]
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0')
  const words = [...before, ...zeros, ...after].map(group => Number.parseInt(group, 16))
  return Uint8Array.from(words.flatMap(word => [word >> 8, word & 0xff]))
}

export function isIpv4(address: AddressBytes): boolean {
  return address.every((byte, at) => at >= 12 || byte === (at < 10 ? 0 : 0xff))
}

/** As sockets have it: 4 bytes of IPv4. */
export function narrow(address: AddressBytes): Uint8Array {
  return isIpv4(address) ? address.subarray(12) : address
}

/** A port as C reads it from bytes in network order on a little-endian machine, and back. */
export function swapPort(port: number): number {
  return ((port & 0xff) << 8) | (port >> 8)
}

/** `port` and `protocol` 0 for all. */
export function endpointOf(address: AddressBytes, port: number, protocol: number): Endpoint {
  return { address: { bytes: address }, portBe: swapPort(port), protocol, zero: 0 }
}
