/** What `HeadParser.parse` returns. */
export const needMore = 0
export const complete = 1
/** Also a state of `ChunkedScanner`. */
export const invalid = 2

/** States of `ChunkedScanner`, beside `invalid`. */
export const running = 0
export const finished = 1

/** Methods with a code of their own; any other valid token is 0. Methods are case-sensitive (RFC 9110 section 9.1). */
export const methodCodes = {
  GET: 1,
  HEAD: 2,
  POST: 3,
  PUT: 4,
  DELETE: 5,
  CONNECT: 6,
  OPTIONS: 7,
  TRACE: 8,
  PATCH: 9,
} as const

/** By code; index 0 is empty, since that method's name is only in the bytes. */
export const methodNames: readonly string[] = ['', ...Object.keys(methodCodes)]

/** Forms of the request target, RFC 9112 section 3.2. */
export const targetForms = { origin: 0, absolute: 1, authority: 2, asterisk: 3 } as const

/** How the end of a message body is found, RFC 9112 section 6.3. */
export const framings = {
  /** Nothing follows the head, also with `Content-Length: 0`. */
  none: 0,
  /** `contentLength` bytes follow; at least one. */
  length: 1,
  chunked: 2,
  /** Responses only: everything up to the end of the connection. */
  untilClose: 3,
} as const
