/** Tables of requests for tests of whoever reads HTTP/1.1; nothing here is product code. */
export { malformedRequests } from './http1/malformed.ts'
export type { MalformedRequest } from './http1/malformed.ts'
export { wellFormedRequests } from './http1/well-formed.ts'
export type { WellFormedRequest } from './http1/well-formed.ts'
export { readMessage } from './http1/read-message.ts'
export type { Reading, ReadOptions } from './http1/read-message.ts'
