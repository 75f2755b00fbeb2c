import { formatIpAddress, unmapIpAddress } from '../codec/index.ts'
import { addressBytes, swapPort } from '../datapath/index.ts'
import type { KhListener, KhPair, KhPlace } from './generated/http.ts'

/** @throws RangeError for what is no IP address */
export function placeOf(address: string, port: number): KhPlace {
  const bytes = addressBytes(address)
  if (bytes === undefined) throw new RangeError(`${address} is no IP address`)
  return { address: bytes, portBe: swapPort(port), zero: new Uint8Array(2) }
}

/** Where clients of a Service connect to. @param netns  cookie of the network namespace that the address is of */
export function listenerAt(netns: bigint, address: string, port: number): KhListener {
  return { netns, place: placeOf(address, port), zero: 0 }
}

/** `127.0.0.1:80`, `[::1]:80` */
export function placeText(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

/** The same, of what `placeOf` has made. */
export function textOfPlace({ address, portBe }: KhPlace): string {
  return placeText(formatIpAddress(unmapIpAddress(address)), swapPort(portBe))
}

/** One key for each pair, for maps of JavaScript. */
export function pairText({ netns, remote, local }: KhPair): string {
  const text = ({ address, portBe }: KhPlace): string => `${Buffer.from(address).toString('hex')}:${portBe}`
  return `${netns} ${text(remote)} ${text(local)}`
}
