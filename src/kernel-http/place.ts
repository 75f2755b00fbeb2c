import { addressBytes, swapPort } from '../datapath/index.ts'
import type { KhPair, KhPlace } from './generated/http.ts'

/** @throws RangeError for what is no IP address */
export function placeOf(address: string, port: number): KhPlace {
  const bytes = addressBytes(address)
  if (bytes === undefined) throw new RangeError(`${address} is no IP address`)
  return { address: bytes, portBe: swapPort(port), zero: new Uint8Array(2) }
}

/** One key for each pair, for maps of JavaScript. */
export function pairText({ netns, remote, local }: KhPair): string {
  const text = ({ address, portBe }: KhPlace): string => `${Buffer.from(address).toString('hex')}:${portBe}`
  return `${netns} ${text(remote)} ${text(local)}`
}
