/**
 * Bytes to values and back: HTTP/1.1 message heads and chunked bodies (RFC 9110, RFC 9112), HTTP/2 connections (RFC 9113, RFC 7541), gRPC and protocol buffers, DNS messages (RFC 1035, RFC 6891).
 * It does no I/O, knows no sockets, routes or policies; it keeps no bytes but an HTTP/2 frame that is not complete.
 * The proxy calls it on every worker thread, one parser or session per connection; tests and fuzzers call it alike.
 * Bad bytes are an expected result, a stable `Http1Problem` or `Http2Problem`, never an exception.
 * Read `http1/codes.ts` and `http1/head-parser.ts` first, then `http2/session.ts` and `http2/handler.ts`; what is refused is in `problems.ts` of both.
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
export { HeaderMap } from './header-map.ts'
export type { HeaderSource } from './header-map.ts'
export type { HeaderField } from './header-map.ts'
export type { Flow, MessageSink } from './message-sink.ts'
export { ChunkedScanner } from './http1/chunked-scanner.ts'
export { Budget } from './http2/budget.ts'
export { EntryCache } from './http2/entry-cache.ts'
export { clientPreface, errorCodes, errorNames } from './http2/codes.ts'
export { fieldKinds, indexings, pseudoIds } from './http2/field-kinds.ts'
export type { Http2Handler } from './http2/handler.ts'
export { createEntry, entryOf, HeaderEntry, nameOf, trustedNameOf } from './http2/header-entry.ts'
export { RewrittenEntry } from './http2/rewritten-entry.ts'
export type { CreateEntryOptions, FieldName } from './http2/header-entry.ts'
export { HeaderList } from './http2/header-list.ts'
export { defaultHttp2Limits, defaultHttp2Settings } from './http2/limits.ts'
export type { Http2Limits, Http2Settings } from './http2/limits.ts'
export { OutputBuffer } from './http2/output.ts'
export { endsConnection, errorCodeOf, http2Problems } from './http2/problems.ts'
export type { Http2Problem } from './http2/problems.ts'
export { Http2Session } from './http2/session.ts'
export type { Http2SessionOptions } from './http2/session.ts'
export type { Http2Stream } from './http2/stream.ts'
export { staticTable } from './http2/static-table.ts'
export {
  dnsHeaderBytes,
  maxDnsMessageBytes,
  opcodes,
  plainUdpBytes,
  recordClasses,
  recordTypes,
  responseCodes,
} from './dns/codes.ts'
export { decodeDnsHeader, decodeDnsMessage } from './dns/decode.ts'
export type { DnsDecoded, DnsHeader } from './dns/decode.ts'
export { encodeDnsMessage } from './dns/encode.ts'
export type { DnsEncodeOptions } from './dns/encode.ts'
export type { DnsData, DnsFlags, DnsMessage, DnsQuestion, DnsRecord, Edns } from './dns/message.ts'
export { isDnsName } from './dns/name.ts'
export { dnsProblems } from './dns/problems.ts'
export type { DnsProblem } from './dns/problems.ts'
export { DnsTcpFrames, frameDnsMessage } from './dns/tcp-frames.ts'
export { formatIpAddress, parseCidr, parseIpAddress, unmapIpAddress } from './ip-address.ts'
export type { ParsedCidr } from './ip-address.ts'
export { encodeOwnProxyHeader, encodeProxyHeader, maxProxyHeaderBytes, parseProxyHeader } from './proxy-protocol.ts'
export type { ProxyAddresses, ProxyHeaderOutcome, SocketAddress } from './proxy-protocol.ts'
export { HelloReader, maxHelloBytes } from './tls-hello.ts'
export type { HelloProgress } from './tls-hello.ts'
export {
  defaultGrpcLimits,
  frameGrpcMessage,
  grpcEvents,
  grpcFlags,
  GrpcFrameScanner,
  grpcPrefixBytes,
  readUnaryMessage,
  writeGrpcPrefix,
} from './grpc/frames.ts'
export type { GrpcFrameLimits, UnaryMessage } from './grpc/frames.ts'
export {
  decodeHealthRequest,
  decodeHealthResponse,
  encodeHealthRequest,
  encodeHealthResponse,
  grpcHealthPath,
  servingStatuses,
} from './grpc/health.ts'
export type { ServingStatus } from './grpc/health.ts'
export {
  decodeGrpcMessage,
  encodeGrpcMessage,
  formatGrpcTimeout,
  grpcFormOf,
  grpcForms,
  parseGrpcTimeout,
} from './grpc/metadata.ts'
export { grpcReply, grpcReplyStatus } from './grpc/reply.ts'
export type { GrpcReply } from './grpc/reply.ts'
export { grpcStatuses, grpcStatusNames, grpcStatusOfHttp, httpStatusOfGrpc, parseGrpcStatus } from './grpc/status.ts'
export type { GrpcStatusName } from './grpc/status.ts'
export { contentTypeFromWeb, contentTypeToWeb, WebResponse, WebTextDecoder } from './grpc/web.ts'
export { maxProtobufDepth, ProtobufReader, wireTypes } from './protobuf/reader.ts'
export type { ProtobufProblem } from './protobuf/reader.ts'
export { ProtobufWriter } from './protobuf/writer.ts'
export { encodeCheckRequest, extAuthzPath } from './ext-authz/check-request.ts'
export type { CheckPeer, CheckRequest } from './ext-authz/check-request.ts'
export { decodeCheckResponse } from './ext-authz/check-response.ts'
export type { CheckHeader, CheckResponse } from './ext-authz/check-response.ts'
