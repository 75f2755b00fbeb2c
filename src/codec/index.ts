/**
 * Bytes to values and back: HTTP/1.1 message heads and chunked bodies, after RFC 9110 and RFC 9112.
 * It does no I/O, knows no sockets, routes or policies, and keeps no bytes: results are offsets into the caller's buffer.
 * The proxy calls it on every worker thread, one parser per connection and direction; tests and fuzzers call it alike.
 * Bad bytes are an expected result, a stable `Http1Problem`, never an exception.
 * Read `http1/codes.ts` and `http1/head-parser.ts` first, then `http1/chunked-scanner.ts`; what is refused is in `http1/problems.ts`.
 */
export {
  complete,
  finished,
  framings,
  invalid,
  methodCodes,
  methodNames,
  needMore,
  running,
  targetForms,
} from './http1/codes.ts'
export { fieldIds, fieldNames } from './http1/field-ids.ts'
export { defaultChunkLimits, defaultHeadLimits } from './http1/limits.ts'
export type { ChunkLimits, HeadLimits } from './http1/limits.ts'
export { http1Problems } from './http1/problems.ts'
export type { Http1Problem } from './http1/problems.ts'
export { HeadParser } from './http1/head-parser.ts'
export { ChunkedScanner } from './http1/chunked-scanner.ts'
