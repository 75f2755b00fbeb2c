import { nodeHttp } from '../../core/index.ts'
import { grpcForms, grpcReply, grpcReplyStatus, WebResponse } from '../../codec/index.ts'
import type { ReplyReason } from '../../model/index.ts'

export interface LocalReply {
  readonly status: number
  readonly reason: ReplyReason
  /** What happened, for whoever reads the answer; empty for nothing. Never from the request. */
  readonly detail: string
  /** Further header lines, each with its CRLF. */
  readonly lines: string
  /** @default of our own making */
  readonly body?: Uint8Array | undefined
  readonly isHead: boolean
  /** Milliseconds since 1970, for Date. */
  readonly wallMs: number
  /** Form of the request, one of `grpcForms`; a failure is then told as a gRPC status, in an answer with HTTP status 200. */
  readonly grpcForm: number
  /** In place of the status that `status` stands for; undefined for that one. */
  readonly grpcStatus: number | undefined
}

/** A reply as it goes out. */
export interface ReplyParts {
  readonly status: number
  /** Further header lines beside those of the reply, each with its CRLF. */
  readonly lines: string
  /** Undefined for an answer that has no body, nor a length of one (RFC 9110 section 8.6). */
  readonly body: Uint8Array | undefined
}

/** What is said of a reply, in its form: an answer of HTTP with a line of text, or a status of gRPC. */
export function replyParts(reply: LocalReply): ReplyParts {
  const { status } = reply
  if (reply.grpcForm !== grpcForms.none && status >= 400) return grpcParts(reply)
  const body = bodyOf(reply)
  return { status, lines: needsType(reply, body) ? 'content-type: text/plain; charset=utf-8\r\n' : '', body }
}

/**
 * To a client of gRPC-Web the status comes as the body's last frame and not as
 * fields: a page of another origin may read the former without being told so.
 */
function grpcParts({ status, reason, detail, grpcForm, grpcStatus }: LocalReply): ReplyParts {
  const reply = grpcReply(status, detail === '' ? reason : `${reason}: ${detail}`, grpcForm)
  const code = String(grpcStatus ?? reply.code)
  const type = `content-type: ${reply.contentType}\r\n`
  if (grpcForm === grpcForms.grpc) {
    const lines = `${type}grpc-status: ${code}\r\ngrpc-message: ${reply.message}\r\n`
    return { status: grpcReplyStatus, lines, body: new Uint8Array() }
  }
  const trailers = [
    ['grpc-status', code],
    ['grpc-message', reply.message],
  ] as const
  return { status: grpcReplyStatus, lines: type, body: new WebResponse(grpcForm).end(trailers) }
}

function bodyOf({ status, reason, detail, body }: LocalReply): Uint8Array | undefined {
  if (status === 204 || status === 304) return undefined
  if (body !== undefined) return body
  return Buffer.from(status >= 400 ? `${reason}${detail === '' ? '' : `: ${detail}`}\n` : '', 'latin1')
}

function needsType({ body: given, lines }: LocalReply, body: Uint8Array | undefined): boolean {
  return body !== undefined && body.length > 0 && (given === undefined || !/^content-type:/im.test(lines))
}

/**
 * The head of an answer that Heddle makes itself.
 * @param connectionLine  what it says of the connection, with its CRLF, or empty
 */
export function localReplyHead(reply: LocalReply, parts: ReplyParts, connectionLine: string): string {
  const { status, lines, body } = parts
  const length = body === undefined ? '' : `content-length: ${body.length}\r\n`
  return (
    `HTTP/1.1 ${status} ${nodeHttp.STATUS_CODES[status] ?? 'Unknown'}\r\n` +
    `date: ${httpDate(reply.wallMs)}\r\n` +
    `x-heddle-reason: ${reply.reason}\r\n` +
    `${reply.lines}${connectionLine}${lines}${length}\r\n`
  )
}

/** RFC 9110 section 5.6.7, IMF-fixdate. */
export function httpDate(wallMs: number): string {
  return new Date(wallMs).toUTCString()
}
