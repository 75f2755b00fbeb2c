import { grpcForms } from '../../codec/index.ts'
import type { RouteRule } from '../../model/index.ts'
import { grpcTimeoutOf } from './grpc-call.ts'
import type { IncomingRequest } from './incoming-request.ts'

/** What is known of an exchange on which nothing moves. */
export interface Silence {
  /** Somebody does not read: bytes wait for the client or for the endpoint, or the request is held until it is allowed. */
  readonly isHeldUp: boolean
  readonly isAnswerBegun: boolean
  readonly isRequestDone: boolean
  readonly isGrpc: boolean
  /** The rule says how long a request may take, or that it may take as long as it likes. */
  readonly hasTimeLimit: boolean
  /** `streamIdleTimeout` of the backend's policy. */
  readonly streamIdleTimeoutMs: number | undefined
}

/**
 * How long nothing may move; Infinity for as long as it likes.
 *
 * What is held up, and a request whose rest or whose answer does not come, would
 * hold a connection for ever: `stallTimeoutMs`. But where both sides have passed
 * on all that they had to say, silence is no fault: a watch, or a stream of
 * events, may have nothing to tell for hours, and to end it would only make its
 * client begin again. That is so once the request is whole and its answer has begun, of gRPC from the call on,
 * whose servers often send no head before the first message, and before the
 * answer where the rule says itself how long a request may take. A backend's
 * policy can bound it.
 *
 * The rest of a request is owed also when its answer has begun, or whoever gets
 * an early answer could hold a connection of the endpoint by a body that never
 * ends: there `stallTimeoutMs` is what Envoy's `stream_idle_timeout` is by
 * default, and a backend's policy makes it shorter or longer. Envoy has it for
 * watches, too, whose users then switch it off. Peers that are gone are found out by PING (RFC 9113
 * section 6.7) and by TCP, not by their silence.
 */
export function patienceMs(silence: Silence, stallTimeoutMs: number): number {
  if (silence.isHeldUp) return stallTimeoutMs
  const isForeseen = silence.isRequestDone && silence.hasTimeLimit
  const isOver = silence.isRequestDone && silence.isAnswerBegun
  if (silence.isGrpc || isForeseen || isOver) return silence.streamIdleTimeoutMs ?? Infinity
  return silence.isAnswerBegun ? (silence.streamIdleTimeoutMs ?? stallTimeoutMs) : stallTimeoutMs
}

/**
 * How long a request may take in all, in milliseconds: of the route's timeout
 * and that of a gRPC client the smaller one; Infinity for no limit.
 *
 * @param grpcForm  of the request, from `grpcForms`
 */
export function timeLimitOf(rule: RouteRule, request: IncomingRequest, grpcForm: number): number {
  const ofRoute = rule.requestTimeoutMs || Infinity
  return grpcForm === grpcForms.none ? ofRoute : Math.min(ofRoute, grpcTimeoutOf(request))
}
