import { HeaderMap } from '../../codec/index.ts'

/** As much as Envoy reads: a list from a module becomes memory of the host. */
const maxPairsBytes = 1024 * 1024
const maxPairs = 1024

/**
 * Reads a map that a module wrote: nothing, one NUL, or a count of 0 are the empty one.
 *
 * @returns undefined for malformed ones, and for fields that no message may have
 * @see proxy-wasm spec 0.2.1, "Serialization", "Maps"
 */
export function readPairs(bytes: Uint8Array): HeaderMap | undefined {
  if (bytes.length === 0 || (bytes.length === 1 && bytes[0] === 0)) return new HeaderMap()
  if (bytes.length < 4 || bytes.length > maxPairsBytes) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const count = view.getUint32(0, true)
  let at = 4 + count * 8
  if (count > maxPairs || at > bytes.length) return undefined
  const map = new HeaderMap(bytes.length)
  for (let index = 0; index < count; index++) {
    const nameLength = view.getUint32(4 + index * 8, true)
    const valueLength = view.getUint32(8 + index * 8, true)
    const value = at + nameLength + 1
    const end = value + valueLength + 1
    if (end > bytes.length || bytes[value - 1] !== 0 || bytes[end - 1] !== 0) return undefined
    if (map.add(bytes, at, nameLength, bytes, value, valueLength) !== 'added') return undefined
    at = end
  }
  return at === bytes.length ? map : undefined
}
