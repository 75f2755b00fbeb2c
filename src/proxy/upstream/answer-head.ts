import { fieldIds, framings } from '../../codec/index.ts'
import type { HeaderList, HeadParser } from '../../codec/index.ts'

const noBytes: Buffer = Buffer.alloc(0)

/**
 * The head of an endpoint's answer in the form in which it came: HTTP/1.1 as
 * `parser` and `bytes` from `start` on, HTTP/2 as `list`. The body that follows
 * has the same form: raw, with chunk framing if `framing` says so, or content
 * alone, whose end is told apart and may carry trailers.
 *
 * One per worker; valid until the call that shows it returns.
 */
export class AnswerHead {
  status = 0
  /**
   * From `framings`; of an HTTP/2 answer `none` (nothing follows), `length`, or
   * `untilClose`, where the end of the stream is meant.
   */
  framing: number = framings.none
  /** Undefined for an answer by HTTP/2. */
  parser: HeadParser | undefined = undefined
  bytes: Buffer = noBytes
  start = 0
  /** Undefined for an answer by HTTP/1.1. */
  list: HeaderList | undefined = undefined
  /** Whether an answer by HTTP/2 has a body, if only an empty one: not to HEAD, and not with 204 or 304. */
  hasContent = true
  /** `sec-websocket-accept` for a client of HTTP/1.1 whose endpoint speaks HTTP/2, and so sends none. */
  webSocketAccept = ''

  get hasDate(): boolean {
    const at = this.parser === undefined ? this.list?.find(fieldIds.date) : this.parser.find(fieldIds.date)
    return at !== undefined && at >= 0
  }

  bindHttp1(parser: HeadParser, bytes: Buffer, start: number): this {
    this.status = parser.status
    this.framing = parser.framing
    this.parser = parser
    this.bytes = bytes
    this.start = start
    this.list = undefined
    return this
  }

  /** @param framing  as above; `hasContent` is the caller's to unset */
  bindHttp2(list: HeaderList, framing: number): this {
    this.status = list.status
    this.framing = framing
    this.parser = undefined
    this.bytes = noBytes
    this.start = 0
    this.list = list
    this.hasContent = true
    return this
  }
}
