const blockFactor1 = 0xcc9e2d51
const blockFactor2 = 0x1b873593

/**
 * 32-bit hash of a text, 0 to 2^32 - 1: MurmurHash3 (x86, 32 bit) over one byte
 * per character. Texts of bytes (header values are) hash as their bytes, so
 * `hashBytes` gives the same; other characters are folded into a byte.
 * Not for secrets: whoever knows the seed can choose collisions.
 */
export function hashString(value: string, seed = 0): number {
  const length = value.length
  const blocksEnd = length & ~3
  let hash = seed
  for (let i = 0; i < blocksEnd; i += 4) {
    hash = addBlock(hash, byteAt(value, i), byteAt(value, i + 1), byteAt(value, i + 2), byteAt(value, i + 3))
  }
  const rest = length - blocksEnd
  return finish(
    hash,
    rest,
    rest > 0 ? byteAt(value, blocksEnd) : 0,
    rest > 1 ? byteAt(value, blocksEnd + 1) : 0,
    rest > 2 ? byteAt(value, blocksEnd + 2) : 0,
    length,
  )
}

/** The same hash over `bytes[start]` to `bytes[end - 1]`, without making a string. */
export function hashBytes(bytes: Uint8Array, start = 0, end: number = bytes.length, seed = 0): number {
  const length = end - start
  const blocksEnd = start + (length & ~3)
  let hash = seed
  for (let i = start; i < blocksEnd; i += 4) {
    hash = addBlock(hash, bytes[i] ?? 0, bytes[i + 1] ?? 0, bytes[i + 2] ?? 0, bytes[i + 3] ?? 0)
  }
  const rest = end - blocksEnd
  return finish(
    hash,
    rest,
    rest > 0 ? (bytes[blocksEnd] ?? 0) : 0,
    rest > 1 ? (bytes[blocksEnd + 1] ?? 0) : 0,
    rest > 2 ? (bytes[blocksEnd + 2] ?? 0) : 0,
    length,
  )
}

/** Spreads every bit of a 32-bit number over all bits of the result, 0 to 2^32 - 1. */
export function mix32(value: number): number {
  let mixed = value
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}

function byteAt(value: string, index: number): number {
  const unit = value.charCodeAt(index)
  return (unit & 0xff) ^ (unit >>> 8)
}

function addBlock(hash: number, b0: number, b1: number, b2: number, b3: number): number {
  const mixed = hash ^ scramble(b0 | (b1 << 8) | (b2 << 16) | (b3 << 24))
  return (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) | 0
}

function finish(hash: number, rest: number, b0: number, b1: number, b2: number, length: number): number {
  const tail = rest === 0 ? hash : hash ^ scramble(b0 | (b1 << 8) | (b2 << 16))
  return mix32(tail ^ length)
}

function scramble(block: number): number {
  const scaled = Math.imul(block, blockFactor1)
  return Math.imul((scaled << 15) | (scaled >>> 17), blockFactor2)
}
