import type { BackendKey, HeaderValue, ReplyReason } from '../../model/index.ts'
import type { AuthFacts, RateLimitFacts } from '../../policy/index.ts'

/**
 * A request as the safeguards see it, whatever version of HTTP it came by. It
 * stays readable until the run has passed, answered or was cancelled: whoever
 * suspends a request keeps its head.
 */
export interface FilterRequest extends AuthFacts, RateLimitFacts {
  /** `HTTP/1.1`, `HTTP/2` */
  readonly protocol: string
  readonly clientPort: number
  /** Where the client connected to. */
  readonly localAddress: string
  readonly localPort: number
  /** Milliseconds since 1970. */
  readonly startWallMs: number
  /** Bytes of the body; 0 when it has none, -1 when nobody knows. */
  readonly contentLength: number
  /** Every field, lower case names, several of one name joined with commas. */
  headers(): ReadonlyMap<string, string>
}

/** An answer that a safeguard gives instead of a backend. */
export interface FilterReply {
  readonly reason: ReplyReason
  readonly status: number
  /** Undefined: the status stands for it. */
  readonly grpcStatus: number | undefined
  /** What went wrong, for the access log and the body of our own making. */
  readonly detail: string
  readonly headers: readonly HeaderValue[]
  /** Undefined: the body is of our own making, as with every local reply. */
  readonly body: Uint8Array | undefined
}

/** The exchange, to which a suspended run comes back. The first two are not called before `begin` has returned 'suspended'. */
export interface FilterHost {
  onFiltersPassed(): void
  onFiltersAnswered(reply: FilterReply): void
  /** A step waits for the whole body: it is to flow, and a client that waits to be asked for it is asked. */
  onFiltersWantBody(): void
}

/** One request to an authorizer. The transport adds `host`, the framing of the body, and for gRPC what its requests need. */
export interface AuthCall {
  readonly backend: BackendKey
  readonly protocol: 'http' | 'grpc'
  readonly method: string
  readonly host: string
  readonly target: string
  readonly headers: readonly HeaderValue[]
  readonly body: Uint8Array
}

export type AuthCallOutcome =
  | {
      readonly kind: 'answer'
      readonly status: number
      /** Lower case names; with those of the trailers. */
      readonly headers: readonly HeaderValue[]
      readonly body: Uint8Array
    }
  | { readonly kind: 'failed'; readonly detail: string }

/** What is to be done about a call that is no longer needed. */
export interface PendingCall {
  /** `done` is not called any more. */
  cancel(): void
}

/** Asks authorizers by the pools of the backends; also for the connection's TLS. */
export interface AuthTransport {
  /**
   * `done` is called once, never before this returns. An answer with more than
   * `maxAuthAnswerBytes` of body is a failure.
   */
  call(call: AuthCall, done: (outcome: AuthCallOutcome) => void): PendingCall
}

/** A page that says why, or a few headers; more would be memory in the hands of a broken authorizer. */
export const maxAuthAnswerBytes: number = 64 * 1024
