import type { Socket } from 'node:net'

/**
 * Who keeps descriptors open for the next agent, under names: `map kh_clients`, `link kh_sockops`, `queue 7`,
 * `client 4711` and `pooled 7 4712` (by cookie, of C and of B).
 */
export interface Holder {
  /** Takes a copy, perhaps a moment later. The descriptor stays open until it is released. */
  hold(name: string, of: number | Socket): void
  /** Soon there is no copy any more; only then a connection that was closed here ends for the other side. */
  release(name: string): void
  /** Tells at once what was to be told. @returns false where nobody holds anything any more */
  flush(): boolean
}
