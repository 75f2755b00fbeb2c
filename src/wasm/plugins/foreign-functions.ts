import { deflateSync, inflateSync } from 'node:zlib'
import type { ForeignFunction } from './ports.ts'
import { signText, verifySignature } from './signatures.ts'

/** What a plugin may make of compressed bytes: a few of them can be a GB. */
const maxOutputBytes = 16 * 1024 * 1024

/** By the names that Envoy gave them; those that act on a stream or an instance are in `host/foreign.ts`. */
export const standardForeignFunctions: ReadonlyMap<string, ForeignFunction> = new Map<string, ForeignFunction>([
  ['verify_signature', verifySignature],
  ['sign', signText],
  ['compress', bytes => deflateSync(bytes)],
  [
    'uncompress',
    bytes => {
      try {
        return inflateSync(bytes, { maxOutputLength: maxOutputBytes })
      } catch {
        // Not what `compress` writes, or too much of it.
        return 'bad-argument'
      }
    },
  ],
])
