import type { HeaderList, HeadParser } from '../../codec/index.ts'
import { framings } from '../../codec/index.ts'
import type { ReplyReason } from '../../model/index.ts'
import type { RouteRequest } from '../routing/request.ts'

const noBytes: Buffer = Buffer.alloc(0)

/**
 * A request as it came, whatever version of HTTP it came by: HTTP/1.1 as
 * `parser` and `bytes` from `start` on, HTTP/2 as `list`. The body that follows
 * has the same form: raw, with chunk framing if `framing` says so, or content
 * alone, whose end is told apart and may carry trailers.
 *
 * One of each kind per worker; good until the call that shows it returns.
 * Strings that it gave may be kept.
 */
export abstract class IncomingRequest implements RouteRequest {
  /** 10, 11 or 20. */
  version = 11
  /** From `methodCodes`; 0 for an unusual one. */
  methodCode = 0
  method = ''
  /** As received; of HTTP/2 `:path`. */
  target = ''
  /** Without port, lower case, no final dot. */
  host = ''
  /** As received, undefined in requests of HTTP/1.0 without one. */
  rawHost: string | undefined = undefined
  /** In the form that `normalizePath` gives. */
  path = '/'
  /** Without its question mark. */
  query = ''
  /** With its question mark, or empty. */
  search = ''
  /** Whether the target can be passed on as it came. */
  isTargetPlain = true
  userAgent = ''
  /** The client asks to change protocols: by Upgrade, or by extended CONNECT (RFC 8441). */
  asksUpgrade = false
  /**
   * From `framings`; of an HTTP/2 request `none` (nothing follows), `length`, or
   * `untilClose`, where the end of the stream is meant.
   */
  framing: number = framings.none
  /** Why the request must be refused, whatever the routes say. */
  refusal: ReplyReason | undefined = undefined
  /** Undefined for a request by HTTP/2. */
  parser: HeadParser | undefined = undefined
  bytes: Buffer = noBytes
  start = 0
  /** Undefined for a request by HTTP/1.1. */
  list: HeaderList | undefined = undefined

  /** The same request, without a body, for as long as it is needed. */
  abstract keep(): IncomingRequest

  /** Value of the field (several joined by `, `); the name is given in lower case. */
  abstract header(lowerName: string): string | undefined

  /** The value of one cookie (RFC 6265 section 5.4), undefined when it is not there. */
  cookie(name: string): string | undefined {
    const header = this.header('cookie')
    if (header === undefined) return undefined
    for (const part of header.split(';')) {
      const equals = part.indexOf('=')
      if (equals > 0 && part.slice(0, equals).trim() === name) return part.slice(equals + 1).trim()
    }
    return undefined
  }
}

/** `Example.COM.:8080` → `example.com`; IPv6 literals keep their brackets. */
export function normalizeHost(raw: string): string {
  let end = raw.length
  const colon = raw.lastIndexOf(':')
  if (colon >= 0 && raw.indexOf(']', colon) < 0) end = colon
  if (end > 0 && raw[end - 1] === '.') end--
  return raw.slice(0, end).toLowerCase()
}
