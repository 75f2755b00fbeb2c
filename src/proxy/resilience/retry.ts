import { Outcome } from '../../model/index.ts'
import type { Retry } from '../../core/index.ts'
import type { RetryPolicy } from '../../model/index.ts'

/** One failed try and what is known of its request. */
export interface RetryInput {
  /** Undefined when the rule has none; then only tries that can't have been acted on are repeated. */
  readonly policy: RetryPolicy | undefined
  /** 1 after the first try. */
  readonly triesSoFar: number
  readonly outcome: Outcome
  /** Status of the endpoint's answer; 0 when there was none. */
  readonly status: number
  /** The gRPC status of an answer that is nothing but trailers; undefined for every other answer. */
  readonly grpcStatus?: number | undefined
  /** As in the request; methods are case-sensitive. */
  readonly method: string
  /**
   * Whether the endpoint can have acted on the try. `safe`: not one byte was
   * sent, or no connection made. `if-reused`: a connection, kept or new, closed
   * without a byte of an answer, most likely since it was idle or its endpoint
   * goes away. `never`: anything else.
   */
  readonly safety: Retry
  /** Whether everything sent of the body is still held, none counts as held. */
  readonly bodyReplayable: boolean
  /** Whether a byte of the answer went to the client. */
  readonly responseStarted: boolean
  /** `CircuitBreaker.hasRoom('retry')`. */
  readonly retryBudgetLeft: boolean
  /** Until the request's timeout; Infinity without one. */
  readonly remainingMs: number
  /** In [0, 1). */
  random(): number
}

export type RetryDecision =
  | { readonly kind: 'retry'; readonly afterMs: number }
  | { readonly kind: 'stop'; readonly reason: StopReason }

export type StopReason =
  | 'not-a-failure'
  | 'response-started'
  | 'body-gone'
  | 'no-policy'
  | 'attempts-used-up'
  | 'may-have-acted'
  | 'no-time-left'
  | 'budget-used-up'

/**
 * Whether a try is made again, and when.
 *
 * What counts as failed: no connection, a reset, a timeout of the try, and
 * answers with a status that the policy lists. For gRPC, whose calls all answer
 * 200, also answers of trailers alone with a gRPC status that the policy lists:
 * there the policy says by itself that the call may be made again, as every call
 * of gRPC is a POST (gRFC A6, retryableStatusCodes).
 *
 * When it is safe: the endpoint cannot have acted (`safety` is `safe`), or the
 * method is idempotent (RFC 9110 section 9.2.2: a proxy must not repeat others
 * by itself). A connection that closes without an answer is no proof for
 * the others: the endpoint may have died while acting.
 *
 * Without a policy, a try that cannot have been acted on (and an idempotent one
 * whose connection closed without an answer) is repeated at once, at most twice: the client
 * should not notice that an endpoint has just gone.
 *
 * Pauses grow by doubling, with jitter over their whole range above the
 * policy's least pause, so that clients that failed together do not come back
 * together. Retries beyond the budget are not made: when everything fails they
 * would multiply the load that made it fail.
 */
export function decideRetry(input: RetryInput): RetryDecision {
  if (input.responseStarted) return stop('response-started')
  if (!isFailure(input)) return stop('not-a-failure')
  const { policy, safety } = input
  if (policy === undefined && !isUnnoticed(input)) return stop('no-policy')
  if (input.triesSoFar > (policy?.attempts ?? unnoticedAttempts)) return stop('attempts-used-up')
  if (safety !== 'safe' && !isIdempotent(input.method) && !isListedGrpcStatus(input)) return stop('may-have-acted')
  if (!input.bodyReplayable) return stop('body-gone')
  if (!input.retryBudgetLeft) return stop('budget-used-up')
  const afterMs = policy === undefined ? 0 : pauseMs(policy.backoffMs, input.triesSoFar, input.random())
  if (afterMs >= input.remainingMs) return stop('no-time-left')
  return { kind: 'retry', afterMs }
}

/** Methods whose repetition has the effect of one (RFC 9110 section 9.2.2). */
export function isIdempotent(method: string): boolean {
  switch (method) {
    case 'GET':
    case 'HEAD':
    case 'OPTIONS':
    case 'TRACE':
    case 'PUT':
    case 'DELETE':
      return true
    default:
      return false
  }
}

/** Pause before the next try: at least `backoffMs`, at most that doubled with every try so far. */
export function pauseMs(backoffMs: number, triesSoFar: number, random: number): number {
  const mostMs = backoffMs * 2 ** Math.min(triesSoFar, mostDoublings)
  return backoffMs + random * (mostMs - backoffMs)
}

function isFailure(input: RetryInput): boolean {
  switch (input.outcome) {
    case Outcome.connectFailure:
    case Outcome.reset:
    case Outcome.timeout:
      return true
    case Outcome.success:
    case Outcome.failure5xx:
    case Outcome.gatewayFailure:
      return input.policy !== undefined && isListed(input.policy, input.status, input.grpcStatus)
  }
}

/** Whether an answer is one that the policy has retried. @param grpcStatus  undefined, or negative, while there is none */
export function isListed(policy: RetryPolicy, status: number, grpcStatus: number | undefined): boolean {
  if (policy.codes.includes(status)) return true
  return grpcStatus !== undefined && grpcStatus >= 0 && policy.grpcCodes.includes(grpcStatus)
}

function isListedGrpcStatus({ policy, grpcStatus }: RetryInput): boolean {
  return policy !== undefined && grpcStatus !== undefined && policy.grpcCodes.includes(grpcStatus)
}

/** The endpoint never saw the try, as far as can be told. */
function isUnnoticed(input: RetryInput): boolean {
  return input.safety === 'safe' || (input.safety === 'if-reused' && isIdempotent(input.method))
}

function stop(reason: StopReason): RetryDecision {
  return { kind: 'stop', reason }
}

const unnoticedAttempts = 2
/** A pause beyond 64 times the least one is longer than any client waits. */
const mostDoublings = 6
