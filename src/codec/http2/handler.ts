import type { HeaderList } from './header-list.ts'
import type { Http2Problem } from './problems.ts'
import type { Http2Stream } from './stream.ts'

/**
 * What a session tells its owner, during `receive` only. Lists and bytes are
 * good during the call; entries of a list may be kept. Every method may call
 * the session again, except `receive`.
 */
export interface Http2Handler<User> {
  /** A valid request (server), or a valid response head (client; informational when `list.status` is below 200). */
  onHead(stream: Http2Stream<User>, list: HeaderList, endStream: boolean): void
  /** Content; the owner calls `consume` for it sooner or later. May be empty when it ends the stream. */
  onData(stream: Http2Stream<User>, bytes: Buffer, from: number, to: number, endStream: boolean): void
  /** Valid trailers; the peer has ended the stream. */
  onTrailers(stream: Http2Stream<User>, list: HeaderList): void
  /**
   * Servers: a request whose fields exceed the limit. The stream is open, so
   * that 431 can be answered; what comes on it is to be consumed and ignored.
   */
  onTooLarge(stream: Http2Stream<User>, endStream: boolean): void
  /** The peer reset the stream. */
  onReset(stream: Http2Stream<User>, code: number): void
  /** Clients: the peer did not process the stream and never will, by GOAWAY; it is safe to try elsewhere. */
  onUnprocessed(stream: Http2Stream<User>): void
  /** We reset the stream because of what the peer sent. Undefined when the owner never heard of the stream. */
  onStreamProblem(stream: Http2Stream<User> | undefined, problem: Http2Problem): void
  /** `sendable` became positive for a stream of which `sendData` did not take all. */
  onWritable(stream: Http2Stream<User>): void
  /** The peer's settings changed: `canRequest` and the like may have. */
  onSettings(): void
  /** The peer is going away: no more requests on this connection. */
  onGoAway(lastStreamId: number, code: number): void
  /** The answer to `ping`. */
  onPong(roundTripMs: number): void
}
