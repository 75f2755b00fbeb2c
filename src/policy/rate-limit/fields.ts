import type { RateLimit } from '../../model/index.ts'

/** What a bucket says after a request was taken from it, or was not. */
export interface BucketState {
  readonly remaining: number
  readonly retryAfterMs: number
  readonly fullAfterMs: number
}

/**
 * The fields that tell a client how it stands, each line with its CRLF:
 *
 *     ratelimit-policy: "per-client";q=100;w=60
 *     ratelimit: "per-client";r=42;t=35
 *
 * `q` requests in `w` seconds; `r` are left now, and all of them again in `t`
 * seconds. Several limits of one rule each write their own, which is the same as
 * one list (RFC 9110 section 5.3).
 * @see draft-ietf-httpapi-ratelimit-headers-10, sections 3 and 4
 */
export function rateLimitFields(limit: RateLimit, state: BucketState): string {
  const name = JSON.stringify(limit.name)
  const window = seconds(limit.periodMs)
  return (
    `ratelimit-policy: ${name};q=${limit.requests};w=${window}\r\n` +
    `ratelimit: ${name};r=${state.remaining};t=${seconds(state.fullAfterMs)}\r\n`
  )
}

/** For Retry-After of 429 (RFC 6585 section 4): never 0, as a client that comes back at once would be refused again. */
export function retryAfterSeconds(retryAfterMs: number): number {
  return Math.max(1, seconds(retryAfterMs))
}

function seconds(ms: number): number {
  return Math.ceil(ms / 1000)
}
