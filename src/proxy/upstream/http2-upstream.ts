import { Budget, errorCodes, Http2Session } from '../../codec/index.ts'
import type { HeaderList, Http2Handler, Http2Problem, Http2Settings, Http2Stream } from '../../codec/index.ts'
import type { EndpointState } from '../balancing/endpoint-state.ts'
import type { Flushable, ProxyRuntime } from '../runtime.ts'
import type { Connection, ConnectionHandler } from '../transport/connection.ts'
import { explainTlsError } from '../transport/tls-problem.ts'
import { describeError } from './describe-error.ts'
import { Http2UpstreamStream } from './http2-stream.ts'
import type { StreamCarrier } from './http2-stream.ts'
import type { UpstreamFailure, UpstreamOwner } from './upstream-stream.ts'

/** Who keeps the connection and finds it work. */
export interface Http2Keeper {
  /** The one way to an endpoint: by TLS where the backend asks for it. */
  connect(endpoint: EndpointState, handler: ConnectionHandler, onConnect: () => void, protocol: 'h2'): Connection
  onConnected(upstream: Http2Upstream): void
  /** The connection can take another request than before. */
  onRoom(upstream: Http2Upstream): void
  /** It takes no more requests. */
  onLeaving(upstream: Http2Upstream): void
  /** A request that the connection can't take after all: it goes elsewhere. */
  placeAnew(stream: Http2UpstreamStream): void
  onClosed(upstream: Http2Upstream): void
}

/** More streams than this share no connection, whatever the endpoint allows: one lost connection would cost them all. */
export const maxStreams = 256

/**
 * What answers may keep in our memory while their clients do not read. The
 * connection's window is as large as those of all streams together, so that
 * slow clients never stop the answers of the others.
 */
const settings: Partial<Http2Settings> = {
  streamWindowBytes: 524_288,
  connectionWindowBytes: 524_288 * maxStreams,
}

/** A connection with requests that is silent for this long is asked for a sign of life. */
const quietMs = 30_000
/** Servers of gRPC count pings within five minutes of silence as abuse, except for the first one. */
const pingAgainMs = 305_000
/** An answer to a PING takes one round trip: after this long without one new requests go elsewhere, and */
const doubtMs = 1_000
/** after this long the connection is given up with all it has. */
const pongMs = 10_000
/**
 * Requests given up, on one connection. Servers count them as an attack and close with all that is under way: Netty
 * after 200 in 30 s, Envoy after 500, nghttp2 (Node, Apache) after 1,000 and 33/s. With fewer left to spend than that,
 * new requests take another connection.
 */
const resetBurst = 100
const resetPerSecond = 3
/** How long a connection may take to come about that no request waits for. */
const greetingMs = 10_000
/** After we said that we are done, the peer closes; what it does not close is cut. */
const closeMs = 2_000

const connecting = 0
/** Connected, but the peer has not said yet how many streams it takes. */
const greeting = 1
const open = 2
/** GOAWAY was sent, or the connection has failed: nothing is read any more. */
const closing = 3
const closed = 4

/**
 * One connection by HTTP/2 to an endpoint, shared by the requests of a worker.
 *
 *     connecting ─ greeting ─ open ─┬─ idle for long, or not needed: GOAWAY ─┬─ closing ─ closed
 *                                   └─ leaving: last streams end ────────────┘
 */
export class Http2Upstream implements Http2Handler<Http2UpstreamStream>, StreamCarrier, Flushable {
  readonly runtime: ProxyRuntime
  readonly endpoint: EndpointState
  readonly session: Http2Session<Http2UpstreamStream>
  readonly connection: Connection
  /** When it became unused, in the clock's milliseconds. */
  idleSinceMs: number
  tlsVersion = ''
  readonly #keeper: Http2Keeper
  #state = connecting
  /** Takes no more requests; those it has go on. */
  #isLeaving = false
  /** A sign of life is overdue: new requests go elsewhere meanwhile. */
  #isDoubted = false
  #isDirty = false
  /** Id of the stream that heard last that the connection takes bytes again. */
  #lastWoken = 0
  readonly #resetBudget: Budget = new Budget(resetBurst, resetPerSecond)
  /** Streams that begin once the peer has said how many it takes. */
  #waiting: Http2UpstreamStream[] = []
  #quietSinceMs: number
  #pingMs = -Infinity
  #closingSinceMs = 0

  constructor(runtime: ProxyRuntime, keeper: Http2Keeper, endpoint: EndpointState) {
    this.runtime = runtime
    this.#keeper = keeper
    this.endpoint = endpoint
    this.idleSinceMs = runtime.turnMs
    this.#quietSinceMs = runtime.turnMs
    this.session = new Http2Session<Http2UpstreamStream>('client', this, { settings, values: runtime.entries })
    this.connection = keeper.connect(endpoint, this.#socketHandler(), () => this.#onConnect(), 'h2')
  }

  /** Apart, since the session has events of the same names. */
  #socketHandler(): ConnectionHandler {
    return {
      onBytes: (bytes, length) => this.#onBytes(bytes, length),
      onEnd: () => this.#onEnd(),
      onWritable: () => this.#onBacklogGone(),
      onClose: error => this.#onClose(error),
    }
  }

  get isConnecting(): boolean {
    return this.#state < open
  }

  get isBacklogged(): boolean {
    return this.connection.backlog + this.session.output.length > this.runtime.limits.backlogBytes
  }

  /** Whether another request may go on it. Until the peer has said what it takes we count on what RFC 9113 asks for. */
  get hasRoom(): boolean {
    return (
      this.#state < closing &&
      !this.#isLeaving &&
      !this.#isDoubted &&
      this.session.canRequest &&
      this.#waiting.length + this.session.streamCount < Math.min(maxStreams, this.session.peer.maxConcurrentStreams)
    )
  }

  get isIdle(): boolean {
    return this.#state === open && this.session.streamCount === 0
  }

  /** A stream for one request; only if there is room. */
  open(owner: UpstreamOwner): Http2UpstreamStream {
    const stream = new Http2UpstreamStream(this, owner)
    if (this.isConnecting) this.#waiting.push(stream)
    return stream
  }

  touch(): void {
    if (this.#isDirty) return
    this.#isDirty = true
    this.runtime.flushLater(this)
  }

  flush(): void {
    this.#isDirty = false
    const { output } = this.session
    if (output.length === 0 || this.#state === connecting) return
    const wasBacklogged = this.isBacklogged
    if (this.connection.isOpen && this.connection.write(output.bytes, output.length)) {
      output.bytes = Buffer.allocUnsafeSlow(output.bytes.length)
    }
    output.clear()
    // Of what left at once the socket tells nobody.
    if (wasBacklogged && !this.isBacklogged) this.#wakeStreams()
  }

  #onConnect(): void {
    this.runtime.tick()
    if (this.#state !== connecting) return
    const { tls, alpn } = this.connection
    if (tls !== undefined && alpn !== 'h2') {
      this.#giveUp('tls-failed', 'the endpoint does not offer HTTP/2 (ALPN h2)')
      return
    }
    this.tlsVersion = tls?.version ?? ''
    this.#state = greeting
    this.touch()
  }

  #onBytes(bytes: Buffer, length: number): void {
    if (this.#state >= closing) return
    this.runtime.tick()
    const { session, runtime } = this
    session.receive(bytes, 0, length, runtime.turnMs)
    runtime.out.flush()
    if (session.isOver) this.#onSessionOver()
    else if (this.#isLeaving) this.#closeWhenDone()
    if (session.output.length > 0) this.touch()
  }

  #onSessionOver(): void {
    const problem = this.session.problem ?? 'the connection has ended'
    if (this.#state === greeting) this.#giveUp('connect-failed', `the endpoint does not speak HTTP/2: ${problem}`)
    else this.#giveUp('protocol-error', problem)
  }

  onSettings(): void {
    if (this.#state === greeting) this.#begin()
    else if (this.hasRoom) this.#keeper.onRoom(this)
  }

  /** The peer has said what it takes: requests that waited begin. */
  #begin(): void {
    this.#state = open
    this.#quietSinceMs = this.runtime.turnMs
    this.#keeper.onConnected(this)
    const waiting = this.#waiting
    this.#waiting = []
    for (const stream of waiting) {
      if (this.hasRoom) stream.owner?.onUpstreamReady(stream)
      else this.#keeper.placeAnew(stream)
    }
    if (this.hasRoom) this.#keeper.onRoom(this)
  }

  onHead(stream: Http2Stream<Http2UpstreamStream>, list: HeaderList, endStream: boolean): void {
    this.#quietSinceMs = this.runtime.turnMs
    stream.user?.onHead(list, endStream)
  }

  onData(stream: Http2Stream<Http2UpstreamStream>, bytes: Buffer, from: number, to: number, endStream: boolean): void {
    this.#quietSinceMs = this.runtime.turnMs
    stream.user?.onData(stream, bytes, from, to, endStream)
  }

  onTrailers(stream: Http2Stream<Http2UpstreamStream>, list: HeaderList): void {
    stream.user?.onTrailers(list)
  }

  onReset(stream: Http2Stream<Http2UpstreamStream>, code: number): void {
    stream.user?.onReset(code)
  }

  onUnprocessed(stream: Http2Stream<Http2UpstreamStream>): void {
    stream.user?.fail('unprocessed', 'the endpoint goes away')
  }

  onStreamProblem(stream: Http2Stream<Http2UpstreamStream> | undefined, problem: Http2Problem): void {
    stream?.user?.onProblem(problem)
  }

  onWritable(stream: Http2Stream<Http2UpstreamStream>): void {
    stream.user?.onWritable(stream)
  }

  #onBacklogGone(): void {
    this.runtime.tick()
    this.#wakeStreams()
  }

  /** Each time from another one on: whoever comes first may fill the connection again. */
  #wakeStreams(): void {
    for (const stream of this.session.streams(this.#lastWoken)) {
      if (this.isBacklogged) return
      if (stream.user?.isBlocked !== false) continue
      this.#lastWoken = stream.id
      stream.user.onWritable(stream)
    }
  }

  onGoAway(): void {
    this.#leave()
  }

  onTooLarge(): void {}

  onPong(): void {
    this.#isDoubted = false
  }

  #leave(): void {
    if (this.#isLeaving) return
    this.#isLeaving = true
    this.#keeper.onLeaving(this)
  }

  /** Takes no more requests, and closes when those it has are done. */
  retire(): void {
    this.#leave()
    this.#closeWhenDone()
  }

  #closeWhenDone(): void {
    if (this.session.streamCount > 0 || this.#waiting.length > 0 || this.#state >= closing) return
    this.session.close(errorCodes.NO_ERROR)
    this.#close()
  }

  /** Everything written leaves, and the peer is told that nothing more comes. */
  #close(): void {
    this.#leave()
    this.#closingSinceMs = this.runtime.turnMs
    if (this.#state === connecting) {
      this.#state = closing
      this.connection.destroy()
      return
    }
    this.flush()
    this.#state = closing
    this.connection.end()
  }

  left(stream: Http2UpstreamStream): void {
    if (this.#state < open) {
      const at = this.#waiting.indexOf(stream)
      if (at >= 0) this.#waiting.splice(at, 1)
    }
    if (this.session.streamCount === 0) this.idleSinceMs = this.runtime.turnMs
    if (this.hasRoom) this.#keeper.onRoom(this)
  }

  giveUp(stream: Http2Stream<Http2UpstreamStream>): void {
    this.session.reset(stream, errorCodes.CANCEL)
    this.touch()
    this.#resetBudget.refill(this.runtime.turnMs)
    if (!this.#resetBudget.spend()) this.#leave()
  }

  doubt(sinceMs: number): void {
    if (this.#quietSinceMs <= sinceMs) this.#ping(this.runtime.turnMs)
  }

  /** Once for each silence, and again after a time that nobody minds. */
  #ping(nowMs: number): void {
    if (this.#pingMs >= this.#quietSinceMs && nowMs - this.#pingMs < pingAgainMs) return
    this.#pingMs = nowMs
    this.session.ping(nowMs)
    this.touch()
  }

  connectTimedOut(): void {
    if (this.isConnecting) this.#giveUp('connect-timeout', 'connect timed out')
  }

  /** Called about once a second. */
  sweep(nowMs: number, idleTimeoutMs: number): void {
    if (this.#state === closing) {
      if (nowMs - this.#closingSinceMs > closeMs) this.connection.destroy()
      return
    }
    if (this.#state !== open) {
      // Nobody waits for it any more, and it has not come about.
      if (this.#waiting.length === 0 && nowMs - this.idleSinceMs > greetingMs) this.connection.destroy()
      return
    }
    if (this.session.streamCount === 0) {
      if (nowMs - this.idleSinceMs >= idleTimeoutMs || this.#isLeaving) this.retire()
      return
    }
    const { unansweredPingMs } = this.session
    if (unansweredPingMs >= 0) {
      this.#isDoubted = nowMs - unansweredPingMs > doubtMs && nowMs - this.#quietSinceMs > doubtMs
      const isDead = nowMs - unansweredPingMs > pongMs && nowMs - this.#quietSinceMs > pongMs
      if (isDead) this.#giveUp(undefined, 'the endpoint does not answer')
    } else if (nowMs - this.#quietSinceMs > quietMs) {
      this.#ping(nowMs)
    }
  }

  /** Fails whatever is under way, and closes. @param failure  undefined: as if the connection had closed */
  #giveUp(failure: UpstreamFailure | undefined, detail: string): void {
    if (this.#state >= closing) return
    const streams = this.#takeStreams()
    this.#close()
    this.#failAll(streams, failure, detail)
  }

  /** All streams that began or wait; the session ends. */
  #takeStreams(): Http2UpstreamStream[] {
    const streams = this.#waiting
    this.#waiting = []
    for (const { user } of this.session.streams()) if (user !== undefined) streams.push(user)
    this.session.close(errorCodes.NO_ERROR)
    return streams
  }

  #failAll(streams: readonly Http2UpstreamStream[], failure: UpstreamFailure | undefined, detail: string): void {
    for (const stream of streams) {
      if (failure === undefined) stream.onClosed(detail)
      else stream.fail(failure, detail)
    }
    this.runtime.out.flush()
  }

  /** Closes at once; owners hear nothing. */
  cut(): void {
    for (const stream of this.#waiting) stream.owner = undefined
    for (const { user } of this.session.streams()) if (user !== undefined) user.owner = undefined
    this.connection.destroy()
  }

  #onEnd(): void {
    this.runtime.tick()
    if (this.#state === greeting) this.#giveUp('connect-failed', 'closed by the endpoint before it spoke HTTP/2')
    else this.#giveUp(undefined, 'closed by endpoint')
    this.connection.destroy()
  }

  #onClose(error: Error | undefined): void {
    this.runtime.tick()
    const state = this.#state
    this.#state = closed
    this.#leave()
    this.#keeper.onClosed(this)
    const streams = this.#takeStreams()
    const tlsProblem = error === undefined ? undefined : explainTlsError(error)
    const detail = tlsProblem ?? describeError(error)
    if (state === connecting) this.#failAll(streams, tlsProblem === undefined ? 'connect-failed' : 'tls-failed', detail)
    else if (state === greeting) this.#failAll(streams, 'connect-failed', `${detail} before it spoke HTTP/2`)
    else this.#failAll(streams, undefined, detail)
  }
}
