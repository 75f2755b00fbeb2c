/** Bounds of one message head. */
export interface HeadLimits {
  /** Start line, fields and the empty line together. */
  readonly headBytes: number
  readonly targetBytes: number
  readonly fieldCount: number
  /** One field line: name, colon, whitespace and value. */
  readonly fieldBytes: number
}

/**
 * - `headBytes`: a partial head is kept in memory per connection, so this
 *   times the connections is what a slow sender can make us hold. 64 KiB
 *   carries Kerberos tickets and cookie jars that are seen in the wild.
 * - `targetBytes`: 16 KiB is twice what browsers and CDNs carry; the target is
 *   matched against every route, so it is the dearest part of the head.
 * - `fieldCount`: each field costs lookups and edits; without a limit 64 KiB
 *   hold 16,000 of them.
 * - `fieldBytes`: one field may not eat the whole head, or a cookie that grew
 *   too long would look like a flood of fields.
 */
export const defaultHeadLimits: HeadLimits = {
  headBytes: 65_536,
  targetBytes: 16_384,
  fieldCount: 128,
  fieldBytes: 32_768,
}

/** Bounds of the framing of one chunked body. Data is not counted: its limit is the caller's. */
export interface ChunkLimits {
  /** Extensions of one chunk. */
  readonly extensionBytes: number
  /** How far extensions may outgrow the data so far. */
  readonly overheadBytes: number
  /** The whole trailer section. */
  readonly trailerBytes: number
  readonly trailerCount: number
}

/**
 * - `extensionBytes`: nobody uses extensions of more than a signature's length.
 * - `overheadBytes`: one-byte chunks with long extensions would make us read a
 *   thousand bytes per byte of body, below any limit on the body.
 * - `trailerBytes`, `trailerCount`: trailers are as dear as fields and come
 *   after all limits on the head have been passed.
 */
export const defaultChunkLimits: ChunkLimits = {
  extensionBytes: 1_024,
  overheadBytes: 16_384,
  trailerBytes: 16_384,
  trailerCount: 64,
}
