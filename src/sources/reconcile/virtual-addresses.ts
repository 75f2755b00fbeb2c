import { formatIpAddress, parseIpAddress } from '../../codec/index.ts'
import { virtualIpv6Network } from '../../model/index.ts'
import { compareText } from './hostname.ts'

/**
 * Virtual addresses of Services, so that each port of each Service has an
 * address and port of its own on loopback.
 *
 * A Service has its own `spec.clusterIP` where that is a loopback address that
 * no earlier Service has, else the place that the hash of its key has in the
 * network, and on a collision the next free one, in the order of the keys. The
 * same files therefore give the same addresses after a restart and on every
 * machine. A Service keeps what it has when another comes or goes that hashes to
 * the same place: addresses beside their hash are remembered for that, also from
 * one run of the agent to the next.
 *
 * The IPv6 address is the IPv4 address at the end of `virtualIpv6Network`,
 * or the address of `spec.clusterIPs` where that is a unique local one (RFC 4193).
 */
export interface AddressWish {
  /** `namespace/name` */
  readonly key: string
  /** A loopback address to take if nobody else has it. */
  readonly wanted: string | undefined
  /** A unique local IPv6 address to take if nobody else has it. */
  readonly wantedIpv6: string | undefined
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

/**
 * @param taken  addresses that no Service may have
 * @param kept   by key, what Services had before
 * @returns address by key; a Service is missing only when the network is full
 */
export function allocateAddresses(
  wishes: Iterable<AddressWish>,
  network: Network,
  taken: Iterable<string>,
  kept: ReadonlyMap<string, string> = new Map(),
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
    const address = kept.get(key)
    if (addresses.has(key) || address === undefined || used.has(address) || !isWithin(address, network)) continue
    used.add(address)
    addresses.set(key, address)
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

/** Those addresses that hashing alone would not give again, by key: what has to be remembered. */
export function displacedAddresses(
  wishes: Iterable<AddressWish>,
  network: Network,
  addresses: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  const displaced = new Map<string, string>()
  for (const { key, wanted } of wishes) {
    const address = addresses.get(key)
    if (address !== undefined && address !== wanted && address !== placeOf(key, network, 0)) displaced.set(key, address)
  }
  return displaced
}

/** @param addresses  IPv4 by key @returns IPv6 by key, for each of them */
export function allocateIpv6(
  wishes: Iterable<AddressWish>,
  addresses: ReadonlyMap<string, string>,
): Map<string, string> {
  const sorted = [...wishes].toSorted((a, b) => compareText(a.key, b.key))
  const given = new Map<string, string>()
  const used = new Set<string>()
  for (const { key, wantedIpv6 } of sorted) {
    if (wantedIpv6 === undefined || used.has(wantedIpv6) || !addresses.has(key)) continue
    used.add(wantedIpv6)
    given.set(key, wantedIpv6)
  }
  for (const { key } of sorted) {
    const address = addresses.get(key)
    if (address === undefined || given.has(key)) continue
    // Another one is needed only where somebody wants just this one.
    let subnet = 0
    while (used.has(ipv6Of(address, subnet))) subnet++
    used.add(ipv6Of(address, subnet))
    given.set(key, ipv6Of(address, subnet))
  }
  return given
}

function ipv6Of(ipv4: string, subnet: number): string {
  const bytes = new Uint8Array(16)
  bytes.set(parseIpAddress(virtualIpv6Network.replace(/\/.*/, '')) ?? [])
  bytes[6] = subnet >> 8
  bytes[7] = subnet & 0xff
  bytes.set(parseIpAddress(ipv4) ?? [], 12)
  return formatIpAddress(bytes)
}

/** The same address as everybody writes it; undefined for what is no unique local address. */
export function uniqueLocalIpv6(text: string): string | undefined {
  const bytes = parseIpAddress(text)
  return bytes?.length === 16 && ((bytes[0] ?? 0) & 0xfe) === 0xfc ? formatIpAddress(bytes) : undefined
}

function firstFree(key: string, network: Network, used: ReadonlySet<string>): string | undefined {
  for (let step = 0; step < network.size - 2; step++) {
    const address = placeOf(key, network, step)
    if (!used.has(address)) return address
  }
  return undefined
}

/** The first and the last address of a network have meanings of their own. */
function placeOf(key: string, network: Network, step: number): string {
  return formatIpv4(network.base + 1 + ((hashText(key) + step) % (network.size - 2)))
}

function isWithin(address: string, network: Network): boolean {
  const value = parseIpv4(address)
  return value !== undefined && value > network.base && value < network.base + network.size - 1
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
