import type { HeaderList } from '../../codec/index.ts'
import type { EndpointState } from '../balancing/endpoint-state.ts'
import type { Connection } from '../transport/connection.ts'
import type { AnswerHead } from './answer-head.ts'
import type { OutgoingRequest } from './outgoing-request.ts'

/** Why an endpoint gave no answer, or not all of it; decides whether the request may be sent again. */
export type UpstreamFailure =
  | 'connect-failed'
  | 'connect-timeout'
  /** No agreement on TLS, or not the server that was asked for. */
  | 'tls-failed'
  /** The endpoint ended the connection in good order before it came to the request (HTTP/2: GOAWAY). */
  | 'unprocessed'
  /** The endpoint said that it did nothing about the request (HTTP/2: REFUSED_STREAM). */
  | 'refused'
  /** HTTP/2: the endpoint wants no more of this request (CANCEL), before or in its answer. */
  | 'cancelled'
  /** Closed before a byte of the answer came. */
  | 'closed-before-answer'
  /** HTTP/2: this request was given up by the endpoint, before it answered. */
  | 'reset-before-answer'
  /** Closed, or given up by the endpoint, in the middle of the answer. */
  | 'closed-in-answer'
  | 'protocol-error'
  /** The endpoint does not take the change of protocols that was asked for (RFC 8441), and was not bothered with it. */
  | 'upgrade-unsupported'

/** Whoever sends one request to an endpoint: an exchange, a mirror. */
export interface UpstreamOwner {
  /** The owner waited in the queue, and now a connection is being opened for it. */
  onUpstreamOpening(upstream: UpstreamStream): void
  /** The connection that was being opened can't take the request after all: the owner waits in the queue. */
  onUpstreamQueued(): void
  onUpstreamReady(upstream: UpstreamStream): void
  onUpstreamFailed(upstream: UpstreamStream, failure: UpstreamFailure, detail: string): void
  /** An interim response (1xx). */
  onInterim(upstream: UpstreamStream, head: AnswerHead): void
  /** The connection, or the stream as one, belongs to the owner from here on, with the bytes behind the head. */
  onUpgraded(
    upstream: UpstreamStream,
    head: AnswerHead,
    connection: Connection,
    bytes: Buffer,
    start: number,
    end: number,
  ): void
  onResponseHead(upstream: UpstreamStream, head: AnswerHead): void
  /** Body in the form of the head: with chunk framing, if the head says so. */
  onResponseBody(upstream: UpstreamStream, bytes: Buffer, start: number, end: number): void
  /** Last call for a complete response; the connection has left the owner, who flushes what it wrote. */
  onResponseEnd(upstream: UpstreamStream, trailers: HeaderList | undefined): void
  /** All bytes of one read have been handed over. */
  onUpstreamTurn(upstream: UpstreamStream): void
  onUpstreamWritable(upstream: UpstreamStream): void
}

/**
 * What carries one request to an endpoint and its answer back: a connection of
 * HTTP/1.1 until the answer is complete, or one stream of a connection of HTTP/2.
 */
export abstract class UpstreamStream {
  readonly endpoint: EndpointState
  owner: UpstreamOwner | undefined

  constructor(endpoint: EndpointState, owner: UpstreamOwner | undefined) {
    this.endpoint = endpoint
    this.owner = owner
  }

  /** `onUpstreamReady` is yet to come. */
  abstract get isConnecting(): boolean
  /** The sender of the request should stop; `onUpstreamWritable` tells when it may go on. */
  abstract get isBlocked(): boolean
  /** What carries it, perhaps with others. */
  abstract get connection(): Connection
  /** `TLSv1.3`, once there is a connection; empty without TLS. */
  abstract get tlsVersion(): string
  /** Sends the head; a request without a body is complete with it. */
  abstract begin(owner: UpstreamOwner, request: OutgoingRequest): void
  /** Sends a piece of the body in the endpoint's form; copied before this returns. */
  abstract sendBody(bytes: Buffer, start: number, end: number): void
  /** The request is complete. @param trailers  for HTTP/2; those of HTTP/1.1 are part of the body */
  abstract sendEnd(trailers?: HeaderList): void
  /** Gives up at once. The owner hears nothing more. */
  abstract abandon(): void
  /** The owner wants no more of the answer; a short rest may be read, so that the connection can be used again. */
  abstract discard(): void
  /** The reader of the answer is behind. */
  abstract pauseAnswer(): void
  abstract resumeAnswer(): void
  /** Cuts off a connect attempt that takes too long. */
  abstract connectTimedOut(): void
}
