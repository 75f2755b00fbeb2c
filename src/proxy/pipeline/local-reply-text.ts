import { STATUS_CODES } from 'node:http'
import type { ReplyReason } from '../../model/index.ts'

export interface LocalReply {
  readonly status: number
  readonly reason: ReplyReason
  /** What happened, for whoever reads the answer; empty for nothing. Never from the request. */
  readonly detail: string
  /** Further header lines, each with its CRLF. */
  readonly lines: string
  readonly isHead: boolean
  /** Milliseconds since 1970, for Date. */
  readonly wallMs: number
}

/** The whole text of an answer that Heddle makes itself. */
export function localReplyText(reply: LocalReply): string {
  const { status } = reply
  const hasBody = status >= 400
  const body = hasBody ? `${reply.reason}${reply.detail === '' ? '' : `: ${reply.detail}`}\n` : ''
  const length = Buffer.byteLength(body, 'latin1')
  // RFC 9110 section 8.6: no Content-Length in a 204.
  const bodyLines = hasBody
    ? `content-type: text/plain; charset=utf-8\r\ncontent-length: ${length}\r\n`
    : status === 204
      ? ''
      : 'content-length: 0\r\n'
  return (
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Unknown'}\r\n` +
    `date: ${httpDate(reply.wallMs)}\r\n` +
    `x-heddle-reason: ${reply.reason}\r\n` +
    `${reply.lines}${bodyLines}\r\n` +
    (reply.isHead ? '' : body)
  )
}

/** RFC 9110 section 5.6.7, IMF-fixdate. */
export function httpDate(wallMs: number): string {
  return new Date(wallMs).toUTCString()
}
