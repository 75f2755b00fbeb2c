/** Bounds of the names' server. */
export interface NamesLimits {
  /** Queries under way to resolvers; each holds a socket or two, and a program could ask for ever new names. More are answered with SERVFAIL at once. */
  readonly maxForwarded: number
  /** After this a query that no resolver answered is SERVFAIL; clients ask again after 5 s, and would then be two. */
  readonly forwardTimeoutMs: number
  /** A resolver that has not answered yet is not given up, but the next one is asked, too; a datagram may be lost. */
  readonly tryNextMs: number
  /** So long a resolver that did not answer is asked after the others, else each query would wait for it. */
  readonly restMs: number
  /** Connections of clients; each holds a descriptor and up to a message, and who opens more takes them from others. */
  readonly maxConnections: number
  /** A connection on which nothing is asked is closed; RFC 7766 section 6.2.3 wants a few seconds. */
  readonly connectionIdleMs: number
  /** Queries under way of one connection; beyond it is not read, so that one client cannot take all of `maxForwarded`. */
  readonly maxPerConnection: number
  /** Answers that a client does not read; with more its connection is ended. */
  readonly maxUnreadBytes: number
  /** The largest datagram that is sent, even when a client takes larger ones; the rest is asked for by TCP. */
  readonly maxUdpBytes: number
}

export const defaultNamesLimits: NamesLimits = {
  maxForwarded: 1_000,
  forwardTimeoutMs: 4_000,
  tryNextMs: 1_000,
  restMs: 10_000,
  maxConnections: 200,
  connectionIdleMs: 10_000,
  maxPerConnection: 32,
  maxUnreadBytes: 256 * 1024,
  maxUdpBytes: 4096,
}
