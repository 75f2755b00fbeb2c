import { compareText } from './hostname.ts'

/**
 * Virtual addresses of Services, so that each port of each Service has an
 * address and port of its own on loopback.
 *
 * A Service's address is a pure function of the set of Services: its own
 * `spec.clusterIP` where that is a loopback address that no earlier Service has,
 * else the hash of its key within the network, and on a collision the next free
 * one, in the order of the keys. The same files therefore give the same
 * addresses after a restart and on every machine; a new Service moves another
 * one's address only if both hash to the same place.
 */
export interface AddressWish {
  /** `namespace/name` */
  readonly key: string
  /** A loopback address to take if nobody else has it. */
  readonly wanted: string | undefined
}

export interface Network {
  readonly base: number
  readonly size: number
}

/** @returns the network of `127.77.0.0/16`; undefined when it is not an IPv4 network of at least 4 addresses */
export function parseNetwork(cidr: string): Network | undefined {
  const slash = cidr.indexOf('/')
  const base = parseIpv4(cidr.slice(0, slash))
  const bits = Number(cidr.slice(slash + 1))
  if (slash < 0 || base === undefined || !Number.isInteger(bits) || bits < 8 || bits > 30) return undefined
  const size = 2 ** (32 - bits)
  return { base: base - (base % size), size }
}

/** @returns address by key; a Service is missing only when the network is full */
export function allocateAddresses(
  wishes: Iterable<AddressWish>,
  network: Network,
  taken: Iterable<string>,
): Map<string, string> {
  const sorted = [...wishes].toSorted((a, b) => compareText(a.key, b.key))
  const addresses = new Map<string, string>()
  const used = new Set(taken)
  for (const { key, wanted } of sorted) {
    if (wanted === undefined || used.has(wanted)) continue
    used.add(wanted)
    addresses.set(key, wanted)
  }
  for (const { key } of sorted) {
    if (addresses.has(key)) continue
    const address = firstFree(key, network, used)
    if (address === undefined) break
    used.add(address)
    addresses.set(key, address)
  }
  return addresses
}

function firstFree(key: string, network: Network, used: ReadonlySet<string>): string | undefined {
  // The first and the last address of a network have meanings of their own.
  const count = network.size - 2
  const start = hashText(key) % count
  for (let step = 0; step < count; step++) {
    const address = formatIpv4(network.base + 1 + ((start + step) % count))
    if (!used.has(address)) return address
  }
  return undefined
}

/** FNV-1a, 32 bits, with a final mix: keys that differ in the last letter land far apart. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  return (hash ^ (hash >>> 13)) >>> 0
}

export function isLoopbackIpv4(address: string): boolean {
  return address.startsWith('127.') && parseIpv4(address) !== undefined
}

function parseIpv4(text: string): number | undefined {
  const parts = text.split('.')
  if (parts.length !== 4) return undefined
  let value = 0
  for (const part of parts) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined
    value = value * 256 + Number(part)
  }
  return value
}

function formatIpv4(value: number): string {
  return `${Math.floor(value / 2 ** 24)}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`
}
