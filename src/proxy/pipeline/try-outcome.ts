import { assertNever } from '../../core/index.ts'
import type { Retry } from '../../core/index.ts'
import { Outcome } from '../../model/index.ts'
import type { ReplyReason } from '../../model/index.ts'
import type { UpstreamFailure } from '../upstream/upstream-stream.ts'

/** What a try that failed this way tells the balancer, and the client. */
export const failures: Readonly<Record<UpstreamFailure, { readonly outcome: Outcome; readonly reason: ReplyReason }>> =
  {
    'connect-failed': { outcome: Outcome.connectFailure, reason: 'connect-failed' },
    'connect-timeout': { outcome: Outcome.connectFailure, reason: 'connect-timeout' },
    'tls-failed': { outcome: Outcome.connectFailure, reason: 'upstream-tls-failed' },
    unprocessed: { outcome: Outcome.reset, reason: 'upstream-reset' },
    refused: { outcome: Outcome.reset, reason: 'upstream-reset' },
    cancelled: { outcome: Outcome.reset, reason: 'upstream-reset' },
    'closed-before-answer': { outcome: Outcome.reset, reason: 'upstream-reset' },
    'reset-before-answer': { outcome: Outcome.reset, reason: 'upstream-reset' },
    'closed-in-answer': { outcome: Outcome.reset, reason: 'upstream-reset' },
    'protocol-error': { outcome: Outcome.gatewayFailure, reason: 'upstream-protocol-error' },
    // A client that asks for what no endpoint offers says nothing about the endpoint.
    'upgrade-unsupported': { outcome: Outcome.success, reason: 'upstream-protocol-error' },
  }

/**
 * Whether the endpoint can have acted on a try that failed this way. A
 * connection that ends without a byte of an answer is most often an endpoint
 * that goes away, kept connection or new one: what may be repeated is.
 */
export function safetyOf(failure: UpstreamFailure): Retry {
  switch (failure) {
    case 'connect-failed':
    case 'connect-timeout':
    case 'tls-failed':
    case 'unprocessed':
    case 'refused':
      return 'safe'
    case 'closed-before-answer':
      return 'if-reused'
    case 'cancelled':
    case 'reset-before-answer':
    case 'closed-in-answer':
    case 'protocol-error':
    case 'upgrade-unsupported':
      return 'never'
    default:
      return assertNever(failure)
  }
}

/** What an answer with this status tells the balancer. */
export function outcomeOf(status: number): Outcome {
  if (status < 500) return Outcome.success
  return status >= 502 && status <= 504 ? Outcome.gatewayFailure : Outcome.failure5xx
}
