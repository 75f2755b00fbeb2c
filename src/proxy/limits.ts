/**
 * Every bound of the user-space proxy. Each says what goes wrong without it;
 * the bounds of message heads are the codec's (`codec/http1`).
 */
export interface ProxyLimits {
  /** A client that sends its head a byte at a time would hold a connection for ever. Milliseconds from the first byte. */
  readonly headTimeoutMs: number
  /** A keep-alive connection without a request costs memory and a descriptor. */
  readonly idleTimeoutMs: number
  /** A body that stops arriving (also when its answer has begun), an answer that does not come, or a peer that stops reading, holds a connection; milliseconds without any progress. Streams that have nothing to say are left alone, see `pipeline/patience.ts`. */
  readonly stallTimeoutMs: number
  /** An upgraded connection (WebSocket), or one of TCP or TLS that is forwarded as bytes, without a byte in either direction; a BackendPolicy may say otherwise. */
  readonly tunnelIdleTimeoutMs: number
  /** The reader that is slower than its sender stops it at this backlog, so that one exchange holds at most about twice this. At least 64 KiB: below, node:net tells nobody that a backlog has left. */
  readonly backlogBytes: number
  /** A request whose body is at most this long can be sent again; a longer one has one try. */
  readonly replayBytes: number
  /**
   * A request that must not be sent twice (POST) takes no connection that was unused for longer: the endpoint may be
   * closing it just then, and nobody could tell whether it has acted.
   */
  readonly unsafeReuseMs: number
  /** What is read and thrown away after an early answer, so that the answer is not lost in a reset (RFC 9112 section 9.6). */
  readonly lingerBytes: number
  readonly lingerMs: number
  /** How long an unused connection stays open when its listener closes: a request that is on its way to us would be lost. */
  readonly closeGraceMs: number
  /** Descriptors are finite: connections of clients per worker; more are closed at once and counted. */
  readonly maxDownstreamConnections: number
  /** A connection that could not be made has done no harm: another endpoint is tried, in all so many, so that a dead backend costs a client seconds and not minutes. */
  readonly streamConnectTries: number
  /** UDP has no end: a client and an endpoint without a datagram in either direction for so long are strangers again; a BackendPolicy may say otherwise. */
  readonly udpIdleTimeoutMs: number
  /** Every UDP session holds a descriptor, and clients' addresses can be forged: sessions per listener and worker. Beyond it sessions that are silent make room; when there are none, datagrams of more clients are dropped and counted. */
  readonly maxUdpSessions: number
  /** A client that never ends its TLS handshake, or its PROXY header, would hold a descriptor; milliseconds from the connection. */
  readonly handshakeTimeoutMs: number
  /** Handshakes cost a hundred times what a request does: TLS handshakes under way per listener and worker; more connections are closed at once and counted. */
  readonly maxHandshakes: number
  /** Requests of one connection before it is closed, so that no client holds a worker's share for ever; 0 is no limit. */
  readonly maxRequestsPerConnection: number
  /** A client by HTTP/2 that has requests under way and is silent for this long is asked by PING whether it is still there: one that has gone without a word would hold its endpoints' answers for long. */
  readonly quietClientMs: number
  /** How long the answer to such a PING may take; then the connection is cut. */
  readonly pongTimeoutMs: number
  /** A mirrored request whose body is longer is not mirrored: it would have to be kept in memory. */
  readonly mirrorBytes: number
  /** Interim answers (100, 103) to one request: they pass on at once and no window bounds them, so that an endpoint that sends them for ever would fill our memory for a client that does not read. */
  readonly maxInterimAnswers: number
}

export const defaultLimits: ProxyLimits = {
  headTimeoutMs: 15_000,
  idleTimeoutMs: 300_000,
  stallTimeoutMs: 300_000,
  tunnelIdleTimeoutMs: 3_600_000,
  backlogBytes: 256 * 1024,
  replayBytes: 64 * 1024,
  unsafeReuseMs: 1_000,
  lingerBytes: 1024 * 1024,
  lingerMs: 2_000,
  closeGraceMs: 200,
  maxDownstreamConnections: 100_000,
  streamConnectTries: 3,
  udpIdleTimeoutMs: 60_000,
  maxUdpSessions: 10_000,
  handshakeTimeoutMs: 10_000,
  maxHandshakes: 1_000,
  maxRequestsPerConnection: 0,
  quietClientMs: 60_000,
  pongTimeoutMs: 20_000,
  mirrorBytes: 64 * 1024,
  maxInterimAnswers: 100,
}
