/** Bounds of one connection's field sections and of what a peer may make us do for nothing. */
export interface Http2Limits {
  /** Compressed bytes of one field section, over HEADERS and all CONTINUATION. */
  readonly fieldBlockBytes: number
  /** CONTINUATION frames of one field section. */
  readonly continuationFrames: number
  /** Names, values and 32 bytes for each field, as SETTINGS_MAX_HEADER_LIST_SIZE counts (RFC 9113 section 6.5.2). */
  readonly fieldSectionBytes: number
  readonly fieldCount: number
  /** Frames that carry nothing useful, which a peer may send at once. */
  readonly controlBurst: number
  /** How many of them become free again each second. */
  readonly controlPerSecond: number
  /** Streams that a peer may give up before they are answered, at once. */
  readonly resetBurst: number
  readonly resetPerSecond: number
}

/**
 * - `fieldBlockBytes`: an unfinished block is kept in memory per connection, as
 *   a partial HTTP/1.1 head is; the same 64 KiB.
 * - `continuationFrames`: an honest sender fills its frames of 16 KiB and needs
 *   four; without the limit tiny frames make us work for each byte.
 * - `fieldSectionBytes`: one byte may refer to 4 KiB, so the decoded size is
 *   what a request costs whoever reads it.
 * - `fieldCount`: as for HTTP/1.1.
 * - `controlBurst`, `controlPerSecond`: such a frame costs about 0.2 µs, so a
 *   burst is below a millisecond and the rate is not measurable. Clients that
 *   estimate bandwidth send PING for each batch of DATA: every DATA or HEADERS
 *   frame that carries something, in either direction, earns three of them.
 * - `resetBurst`, `resetPerSecond`: a stream that is opened and reset at once
 *   costs the service behind us a whole request and the client nothing. Each
 *   stream that runs to its end earns one, so a client that gives up half of its
 *   requests may do so for ever. Streams that we reset because of the peer's
 *   errors count as well: it can provoke those at will.
 */
export const defaultHttp2Limits: Http2Limits = {
  fieldBlockBytes: 65_536,
  continuationFrames: 16,
  fieldSectionBytes: 65_536,
  fieldCount: 128,
  controlBurst: 2_000,
  controlPerSecond: 200,
  resetBurst: 400,
  resetPerSecond: 33,
}

/** What we announce and how we use the connection. */
export interface Http2Settings {
  /** HPACK table of our decoder. */
  readonly headerTableBytes: number
  /** The most our encoder uses, whatever the peer allows. */
  readonly encoderTableBytes: number
  /** Streams that the peer may have open at once; a client announces nothing, since push is disabled. */
  readonly maxConcurrentStreams: number
  /** Receive window of each stream. */
  readonly streamWindowBytes: number
  /** Receive window of the connection; at least 65,535. */
  readonly connectionWindowBytes: number
  /** The largest frame that we accept; at least 16,384. */
  readonly frameBytes: number
  /** The largest DATA frame that we send, if the peer accepts it. */
  readonly sendFrameBytes: number
  /** Servers: accept extended CONNECT (RFC 8441). */
  readonly enableConnectProtocol: boolean
}

/**
 * - `headerTableBytes`: the table is memory that the peer controls; 4 KiB is
 *   what every client assumes, and holds some 60 fields.
 * - `encoderTableBytes`: the same; a larger table means more bytes kept for
 *   little, since services repeat a few dozen fields.
 * - `maxConcurrentStreams`: what one connection may have in work at once. 128
 *   is what most servers announce, above the 100 that RFC 9113 asks for.
 * - `streamWindowBytes`, `connectionWindowBytes`: what a stream and the whole
 *   connection may keep in our memory while nobody reads. 1 MiB moves 80 Mbit/s
 *   over 100 ms.
 * - `frameBytes`: larger frames save nothing, and hold up other streams.
 */
export const defaultHttp2Settings: Http2Settings = {
  headerTableBytes: 4_096,
  encoderTableBytes: 4_096,
  maxConcurrentStreams: 128,
  streamWindowBytes: 1_048_576,
  connectionWindowBytes: 16_777_216,
  frameBytes: 16_384,
  sendFrameBytes: 16_384,
  enableConnectProtocol: true,
}
