import { createHash } from 'node:crypto'

/** What large bodies are made of, again and again: no two neighbours alike, so that a lost or doubled byte shows. */
export const block: Buffer = Buffer.from(Uint8Array.from({ length: 65_521 }, (_, index) => (index * 31 + 7) & 0xff))

/** SHA-256 of the first `length` bytes of the repeated pattern. */
export function patternDigest(length: number): string {
  const hash = createHash('sha256')
  for (let done = 0; done < length; done += block.length) hash.update(block.subarray(0, length - done))
  return hash.digest('hex')
}
