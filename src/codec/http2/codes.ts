/** Frame types, RFC 9113 section 6. */
export const frameTypes = {
  data: 0,
  headers: 1,
  priority: 2,
  resetStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const

/** Flags of frames; `ack` and `endStream` share a bit, on different types. */
export const frameFlags = { endStream: 0x1, ack: 0x1, endHeaders: 0x4, padded: 0x8, priority: 0x20 } as const

/** Error codes, RFC 9113 section 7. */
export const errorCodes = {
  NO_ERROR: 0x0,
  PROTOCOL_ERROR: 0x1,
  INTERNAL_ERROR: 0x2,
  FLOW_CONTROL_ERROR: 0x3,
  SETTINGS_TIMEOUT: 0x4,
  STREAM_CLOSED: 0x5,
  FRAME_SIZE_ERROR: 0x6,
  REFUSED_STREAM: 0x7,
  CANCEL: 0x8,
  COMPRESSION_ERROR: 0x9,
  CONNECT_ERROR: 0xa,
  ENHANCE_YOUR_CALM: 0xb,
  INADEQUATE_SECURITY: 0xc,
  HTTP_1_1_REQUIRED: 0xd,
} as const

/** By code, for logs; an unknown code has no name. */
export const errorNames: readonly string[] = Object.keys(errorCodes)

/** Settings, RFC 9113 section 6.5.2 and RFC 8441 section 3. */
export const settingIds = {
  headerTableSize: 0x1,
  enablePush: 0x2,
  maxConcurrentStreams: 0x3,
  initialWindowSize: 0x4,
  maxFrameSize: 0x5,
  maxHeaderListSize: 0x6,
  enableConnectProtocol: 0x8,
} as const

export const frameHeaderBytes = 9
/** Windows before any SETTINGS and for the connection, RFC 9113 section 6.9.2. */
export const defaultWindowBytes = 65_535
/** No window may be larger, RFC 9113 section 6.9.1. Also the largest stream id. */
export const maxWindowBytes = 0x7fff_ffff
export const minFrameSize = 16_384
export const maxFrameSize = 16_777_215
export const defaultTableBytes = 4_096

/** What a client sends first, RFC 9113 section 3.4. */
export const clientPreface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
