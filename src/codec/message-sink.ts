import type { HeaderMap } from './header-map.ts'

/** Whether more of a message or of a connection's data follows. */
export type Flow = 'more' | 'end'

/**
 * Takes a message in its order: `headers`, any `body`, and `trailers` if there
 * are some; `end` comes once. Streams of plugins are sinks and have sinks, so
 * that one plugin's sink is the next plugin's stream.
 *
 * Maps are the sink's from then on. Bytes are good until the call returns, so
 * that those that nobody holds up need no copy: a sink copies what it keeps.
 */
export interface MessageSink {
  headers(headers: HeaderMap, flow: Flow): void
  body(bytes: Uint8Array, flow: Flow): void
  trailers(trailers: HeaderMap): void
}
