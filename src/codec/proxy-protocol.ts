import { formatIpAddress, parseIpAddress } from './ip-address.ts'

/**
 * The PROXY protocol, versions 1 (a line of text) and 2 (binary): what a proxy
 * puts in front of a connection to say whose it is.
 *
 * @see https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt
 */
export interface SocketAddress {
  readonly address: string
  readonly port: number
}

export interface ProxyAddresses {
  readonly source: SocketAddress
  readonly destination: SocketAddress
}

export type ProxyHeaderOutcome =
  | { readonly kind: 'need-more' }
  | {
      readonly kind: 'header'
      readonly version: 1 | 2
      /** Bytes of the header; the connection's own begin behind it. */
      readonly length: number
      /** Undefined for a connection of the proxy itself (LOCAL) or of an unknown kind: the socket's own addresses hold. */
      readonly addresses: ProxyAddresses | undefined
    }
  | { readonly kind: 'invalid'; readonly reason: string }

/** The longest line of version 1 with its line end (section 2.1). */
const maxLineBytes = 107

/** Of version 2 with all its extensions: certificates of clients may be among them; more would only be memory to fill. */
export const maxProxyHeaderBytes = 4096

const signature: readonly number[] = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]
const linePrefix = Buffer.from('PROXY ')
const fixedBytes = 16

const needMore: ProxyHeaderOutcome = { kind: 'need-more' }

/**
 * Reads the header at the start of `bytes[0, end)`. What is neither version is
 * invalid from its first wrong byte on: whether there is a header is configured,
 * never guessed (section 2: anybody could claim any address otherwise).
 */
export function parseProxyHeader(bytes: Uint8Array, end: number): ProxyHeaderOutcome {
  if (end === 0) return needMore
  if (bytes[0] === linePrefix[0]) return parseLine(bytes, end)
  for (let at = 0; at < Math.min(end, signature.length); at++) {
    if (bytes[at] !== signature[at]) return invalid('no PROXY protocol header')
  }
  return parseBinary(bytes, end)
}

function parseLine(bytes: Uint8Array, end: number): ProxyHeaderOutcome {
  for (let at = 0; at < Math.min(end, linePrefix.length); at++) {
    if (bytes[at] !== linePrefix[at]) return invalid('no PROXY protocol header')
  }
  const limit = Math.min(end, maxLineBytes)
  let lineEnd = -1
  for (let at = linePrefix.length; at + 1 < limit; at++) {
    if (bytes[at] === 0x0d && bytes[at + 1] === 0x0a) {
      lineEnd = at
      break
    }
  }
  if (lineEnd < 0) return end < maxLineBytes ? needMore : invalid('the line of the PROXY header does not end')
  const length = lineEnd + 2
  const parts = Buffer.from(bytes.buffer, bytes.byteOffset, lineEnd).toString('latin1').split(' ')
  const [, family] = parts
  if (family === 'UNKNOWN') return { kind: 'header', version: 1, length, addresses: undefined }
  if ((family !== 'TCP4' && family !== 'TCP6') || parts.length !== 6) return invalid('a PROXY line of an unknown form')
  const [, , source = '', destination = '', sourcePort = '', destinationPort = ''] = parts
  const size = family === 'TCP4' ? 4 : 16
  const from = toAddress(source, sourcePort, size)
  const to = toAddress(destination, destinationPort, size)
  if (from === undefined || to === undefined) return invalid('a PROXY line with an address that is none')
  return { kind: 'header', version: 1, length, addresses: { source: from, destination: to } }
}

function toAddress(text: string, port: string, size: number): SocketAddress | undefined {
  const bytes = parseIpAddress(text)
  if (bytes?.length !== size || !/^(0|[1-9][0-9]{0,4})$/.test(port) || Number(port) > 65_535) return undefined
  return { address: formatIpAddress(bytes), port: Number(port) }
}

function parseBinary(bytes: Uint8Array, end: number): ProxyHeaderOutcome {
  const [version, family] = [bytes[12] ?? 0, bytes[13] ?? 0]
  if (end > 12 && version !== 0x20 && version !== 0x21)
    return invalid('a PROXY header of an unknown version or command')
  if (end < fixedBytes) return needMore
  const length = fixedBytes + (((bytes[14] ?? 0) << 8) | (bytes[15] ?? 0))
  if (length > maxProxyHeaderBytes) return invalid('the PROXY header is too long')
  const size = addressBytes(family)
  if (size !== undefined && version === 0x21 && length < fixedBytes + 2 * size + 4) {
    return invalid('the PROXY header is too short for its addresses')
  }
  if (end < length) return needMore
  if (version === 0x20 || size === undefined) return { kind: 'header', version: 2, length, addresses: undefined }
  const port = (at: number): number => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
  const ports = fixedBytes + 2 * size
  const addresses = {
    source: { address: formatIpAddress(bytes.subarray(fixedBytes, fixedBytes + size)), port: port(ports) },
    destination: { address: formatIpAddress(bytes.subarray(fixedBytes + size, ports)), port: port(ports + 2) },
  }
  return { kind: 'header', version: 2, length, addresses }
}

/** Bytes of one address of TCP or UDP over IPv4 or IPv6; undefined for all else, whose addresses are left unread. */
function addressBytes(family: number): number | undefined {
  switch (family) {
    case 0x11:
    case 0x12:
      return 4
    case 0x21:
    case 0x22:
      return 16
    default:
      return undefined
  }
}

/**
 * The header for a connection that is made on behalf of `addresses.source`.
 * When an address is not known it says so, and the receiver takes the socket's.
 */
export function encodeProxyHeader(version: 'v1' | 'v2', addresses: ProxyAddresses): Buffer {
  const { source, destination } = addresses
  const [from, to] = toOneFamily(parseIpAddress(source.address), parseIpAddress(destination.address))
  if (version === 'v1') {
    if (from === undefined || to === undefined) return Buffer.from('PROXY UNKNOWN\r\n')
    const family = from.length === 4 ? 'TCP4' : 'TCP6'
    const pair = `${formatIpAddress(from)} ${formatIpAddress(to)}`
    return Buffer.from(`PROXY ${family} ${pair} ${source.port} ${destination.port}\r\n`)
  }
  const size = from === undefined || to === undefined ? 0 : from.length
  const body = size === 0 ? 0 : 2 * size + 4
  const bytes = Buffer.alloc(fixedBytes + body)
  bytes.set(signature, 0)
  bytes[12] = size === 0 ? 0x20 : 0x21
  bytes[13] = size === 0 ? 0x00 : size === 4 ? 0x11 : 0x21
  bytes.writeUInt16BE(body, 14)
  if (from === undefined || to === undefined) return bytes
  bytes.set(from, fixedBytes)
  bytes.set(to, fixedBytes + size)
  bytes.writeUInt16BE(source.port, fixedBytes + 2 * size)
  bytes.writeUInt16BE(destination.port, fixedBytes + 2 * size + 2)
  return bytes
}

/** For connections that are not made for any client: of ours alone, or shared (section 2, LOCAL and UNKNOWN). */
export function encodeOwnProxyHeader(version: 'v1' | 'v2'): Buffer {
  return encodeProxyHeader(version, { source: nobody, destination: nobody })
}

const nobody: SocketAddress = { address: '', port: 0 }

/** IPv4-mapped addresses become IPv4; of a mixed pair the IPv4 one is mapped. */
function toOneFamily(
  a: Uint8Array | undefined,
  b: Uint8Array | undefined,
): readonly [Uint8Array | undefined, Uint8Array | undefined] {
  const [from, to] = [unmapped(a), unmapped(b)]
  if (from === undefined || to === undefined || from.length === to.length) return [from, to]
  return [mapped(from), mapped(to)]
}

const mappedPrefix: readonly number[] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]

function unmapped(bytes: Uint8Array | undefined): Uint8Array | undefined {
  if (bytes?.length !== 16 || !mappedPrefix.every((byte, at) => bytes[at] === byte)) return bytes
  return bytes.subarray(12)
}

function mapped(bytes: Uint8Array): Uint8Array {
  return bytes.length === 16 ? bytes : Uint8Array.from([...mappedPrefix, ...bytes])
}

function invalid(reason: string): ProxyHeaderOutcome {
  return { kind: 'invalid', reason }
}
