/**
 * How one try at an endpoint ended, as balancing, outlier detection and retries
 * see it. Small integers, since one is handed over with every try.
 */
export const Outcome = {
  /** An answer below 500. */
  success: 0,
  /** A 5xx answer other than 502, 503 and 504. */
  failure5xx: 1,
  /** 502, 503 or 504. */
  gatewayFailure: 2,
  /** No connection, so nothing of the request was sent. */
  connectFailure: 3,
  /** The time for the try ran out. */
  timeout: 4,
  /** The connection ended, or the bytes made no sense, before the answer was complete. */
  reset: 5,
} as const

export type Outcome = (typeof Outcome)[keyof typeof Outcome]
