import { encodeGrpcMessage, grpcForms } from './metadata.ts'
import { grpcStatusOfHttp } from './status.ts'

/** The HTTP status of every answer in gRPC; how the call went is in `grpc-status`. */
export const grpcReplyStatus = 200

/** What a trailers-only answer has, beside what every answer of Heddle has. */
export interface GrpcReply {
  readonly contentType: string
  /** For `grpc-status`. */
  readonly code: number
  /** For `grpc-message`, already encoded. */
  readonly message: string
}

/**
 * What Heddle answers a gRPC request in place of an HTTP error: an answer of
 * headers alone, with HTTP status 200 and the end of the stream (Trailers-Only,
 * in PROTOCOL-HTTP2.md). gRPC-Web clients read the same fields from headers, with
 * an empty body.
 *
 * @param httpStatus  what a request that is not gRPC would get
 * @param form        of the request, one of `grpcForms` but `none`
 */
export function grpcReply(httpStatus: number, message: string, form: number): GrpcReply {
  return {
    contentType: contentTypes[form] ?? 'application/grpc',
    code: grpcStatusOfHttp(httpStatus),
    message: encodeGrpcMessage(message),
  }
}

const contentTypes: Readonly<Record<number, string>> = {
  [grpcForms.grpc]: 'application/grpc',
  [grpcForms.web]: 'application/grpc-web',
  [grpcForms.webText]: 'application/grpc-web-text',
}
