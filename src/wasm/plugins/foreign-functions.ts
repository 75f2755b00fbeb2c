import { deflateSync, inflateSync } from 'node:zlib'
import type { ForeignFunction } from './ports.ts'

/** What a plugin may make of compressed bytes: a few of them can be a GB. */
const maxOutputBytes = 16 * 1024 * 1024

/** By the names that Envoy gave them; `clear_route_cache` is the stream's and always there. */
export const standardForeignFunctions: ReadonlyMap<string, ForeignFunction> = new Map<string, ForeignFunction>([
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
