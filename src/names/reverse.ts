import { formatIpAddress, parseIpAddress } from '../codec/index.ts'
import { virtualIpv6Network } from '../model/index.ts'

/** @returns the address of `1.0.77.127.in-addr.arpa` or of 32 digits below `ip6.arpa`; undefined for other names */
export function addressOfReverseName(name: string): string | undefined {
  const found = /^((?:\d{1,3}\.){4})in-addr\.arpa$/.exec(name)
  if (found !== null) {
    const text = (found[1] ?? '').split('.').slice(0, 4).toReversed().join('.')
    return parseIpAddress(text) === undefined ? undefined : text
  }
  const digits = /^((?:[0-9a-f]\.){32})ip6\.arpa$/.exec(name)?.[1]
  if (digits === undefined) return undefined
  return formatIpAddress(Uint8Array.fromHex(digits.replaceAll('.', '').split('').toReversed().join('')))
}

export function isIpv6(address: string): boolean {
  return address.includes(':')
}

/** The networks whose reverse names are the mesh's. */
export class VirtualRanges {
  readonly #ranges: readonly { readonly bytes: Uint8Array; readonly bits: number }[]

  constructor(serviceCidr: string) {
    this.#ranges = [serviceCidr, virtualIpv6Network].map(cidr => {
      const [address = '', bits = ''] = cidr.split('/')
      return { bytes: parseIpAddress(address) ?? new Uint8Array(4), bits: Number(bits) }
    })
  }

  /** @returns `77.127.in-addr.arpa`, the reverse name of the virtual network that has the address; undefined for none */
  zoneOf(address: string): string | undefined {
    const bytes = parseIpAddress(address)
    if (bytes === undefined) return undefined
    const range = this.#ranges.find(
      each => each.bytes.length === bytes.length && isWithin(bytes, each.bytes, each.bits),
    )
    if (range === undefined) return undefined
    const isIpv4 = bytes.length === 4
    // Names end between bytes or half bytes: the zone is that of the network or a little larger.
    const parts = isIpv4 ? [...bytes].map(String) : bytes.toHex().split('')
    const count = Math.floor(range.bits / (isIpv4 ? 8 : 4))
    return [...parts.slice(0, count).toReversed(), isIpv4 ? 'in-addr.arpa' : 'ip6.arpa'].join('.')
  }
}

function isWithin(bytes: Uint8Array, network: Uint8Array, bits: number): boolean {
  return bytes.every((byte, at) => {
    const significant = Math.max(0, Math.min(8, bits - at * 8))
    const mask = (0xff00 >> significant) & 0xff
    return (byte & mask) === ((network[at] ?? 0) & mask)
  })
}
