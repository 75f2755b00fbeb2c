import { errorCodes, errorNames, framings } from '../../codec/index.ts'
import type { HeaderList, Http2Problem, Http2Session, Http2Stream } from '../../codec/index.ts'
import type { EndpointState } from '../balancing/endpoint-state.ts'
import type { ProxyRuntime } from '../runtime.ts'
import { ByteQueue } from '../transport/byte-queue.ts'
import type { Connection } from '../transport/connection.ts'
import { StreamConnection } from '../transport/stream-connection.ts'
import type { ByteStream } from '../transport/stream-connection.ts'
import type { OutgoingRequest } from './outgoing-request.ts'
import { UpstreamStream } from './upstream-stream.ts'
import type { UpstreamFailure, UpstreamOwner } from './upstream-stream.ts'

/** The connection that a stream belongs to. */
export interface StreamCarrier {
  readonly runtime: ProxyRuntime
  readonly endpoint: EndpointState
  readonly session: Http2Session<Http2UpstreamStream>
  readonly connection: Connection
  readonly isConnecting: boolean
  readonly tlsVersion: string
  /** The peer takes no more bytes for now. */
  readonly isBacklogged: boolean
  /** Something was written for the peer. */
  touch(): void
  /** Ends a stream whose answer nobody waits for any more. */
  giveUp(stream: Http2Stream<Http2UpstreamStream>): void
  /** A stream has ended, or will not begin: its place is free. */
  left(stream: Http2UpstreamStream): void
  /** A request was given up that had no answer yet: perhaps the connection is dead. */
  doubt(sinceMs: number): void
  connectTimedOut(): void
}

const unsent = 0
const awaitingHead = 1
const inBody = 2
const ended = 3
/** The answer to an extended CONNECT: plain bytes in both directions (RFC 8441). */
const tunnelling = 4

const noBytes: Buffer = Buffer.alloc(0)

/** One request on a connection by HTTP/2, and its answer. */
export class Http2UpstreamStream extends UpstreamStream implements ByteStream {
  readonly #carrier: StreamCarrier
  #stream: Http2Stream<Http2UpstreamStream> | undefined = undefined
  #state = unsent
  /** Body that the peer's windows have no room for. */
  #waiting: ByteQueue | undefined = undefined
  #isEnding = false
  #trailers: HeaderList | undefined = undefined
  #isPaused = false
  #begunMs = 0
  #asksUpgrade = false
  #tunnel: StreamConnection | undefined = undefined

  constructor(carrier: StreamCarrier, owner: UpstreamOwner) {
    super(carrier.endpoint, owner)
    this.#carrier = carrier
  }

  get isConnecting(): boolean {
    return this.#carrier.isConnecting
  }

  get connection(): Connection {
    return this.#carrier.connection
  }

  get tlsVersion(): string {
    return this.#carrier.tlsVersion
  }

  get isBlocked(): boolean {
    return this.#carrier.isBacklogged || (this.#waiting !== undefined && this.#waiting.length > 0)
  }

  begin(owner: UpstreamOwner, request: OutgoingRequest): void {
    const carrier = this.#carrier
    this.owner = owner
    this.#asksUpgrade = request.protocol !== ''
    if (this.#asksUpgrade && !carrier.session.peer.enableConnectProtocol) {
      this.fail('upgrade-unsupported', `the endpoint does not offer ${request.protocol} by HTTP/2`)
      return
    }
    this.#stream = carrier.session.request(request.list, !request.hasBody && !this.#asksUpgrade, this)
    if (this.#stream === undefined) {
      this.fail('refused', 'the connection takes no more requests')
      return
    }
    this.#state = awaitingHead
    this.#begunMs = carrier.runtime.turnMs
    carrier.touch()
  }

  sendBody(bytes: Buffer, start: number, end: number): void {
    const stream = this.#stream
    if (stream === undefined || this.#state === ended) return
    let from = start
    if (this.#waiting === undefined || this.#waiting.length === 0) {
      from += this.#carrier.session.sendData(stream, bytes, start, end, false)
      this.#carrier.touch()
      if (from === end) return
    }
    this.#waiting ??= new ByteQueue()
    this.#waiting.append(bytes, from, end)
  }

  sendEnd(trailers?: HeaderList): void {
    if (this.#stream === undefined || this.#state === ended) return
    this.#trailers = trailers
    this.#isEnding = true
    if (this.#waiting === undefined || this.#waiting.length === 0) this.#finishSending(this.#stream)
  }

  #finishSending(stream: Http2Stream<Http2UpstreamStream>): void {
    const { session } = this.#carrier
    if (this.#trailers === undefined) session.sendEnd(stream)
    else session.sendHeaders(stream, this.#trailers, true)
    this.#carrier.touch()
    if (this.#state === tunnelling) this.#leaveWhenClosed(stream)
  }

  /** The peer's windows have room again. */
  onWritable(stream: Http2Stream<Http2UpstreamStream>): void {
    const waiting = this.#waiting
    if (waiting !== undefined && waiting.length > 0) {
      waiting.take(this.#carrier.session.sendData(stream, waiting.bytes, waiting.start, waiting.end, false))
      this.#carrier.touch()
      if (waiting.length > 0) return
    }
    if (this.#isEnding) {
      if (!stream.localEnded) this.#finishSending(stream)
    } else if (this.#tunnel === undefined) {
      this.owner?.onUpstreamWritable(this)
    } else {
      this.#tunnel.writable()
    }
  }

  onHead(list: HeaderList, endStream: boolean): void {
    const { answerHead } = this.#carrier.runtime
    if (list.status < 200) {
      this.owner?.onInterim(this, answerHead.bindHttp2(list, framings.none))
      return
    }
    if (this.#asksUpgrade && list.status < 300) {
      this.#beginTunnel(list, endStream)
      return
    }
    const hasContent = this.#stream?.isBodiless !== true
    // Trailers may follow even a body of which the length is told to be 0.
    const isAll = endStream || !hasContent
    const framing = isAll ? framings.none : list.contentLength >= 0 ? framings.length : framings.untilClose
    answerHead.bindHttp2(list, framing)
    answerHead.hasContent = hasContent
    this.#state = inBody
    this.owner?.onResponseHead(this, answerHead)
    if (endStream) this.#complete(undefined)
  }

  #beginTunnel(list: HeaderList, endStream: boolean): void {
    const tunnel = new StreamConnection(this, this.#carrier.connection)
    const { owner } = this
    this.owner = undefined
    this.#tunnel = tunnel
    this.#state = tunnelling
    const head = this.#carrier.runtime.answerHead.bindHttp2(list, framings.untilClose)
    owner?.onUpgraded(this, head, tunnel, noBytes, 0, 0)
    if (endStream) tunnel.ended()
  }

  #onTunnelData(tunnel: StreamConnection, stream: Http2Stream<Http2UpstreamStream>, isLast: boolean): void {
    if (!tunnel.isPaused) this.#carrier.session.consume(stream, stream.unconsumed)
    if (!isLast) return
    tunnel.ended()
    this.#leaveWhenClosed(stream)
  }

  #leaveWhenClosed(stream: Http2Stream<Http2UpstreamStream>): void {
    if (!stream.isClosed || this.#state === ended) return
    this.#state = ended
    this.#carrier.left(this)
  }

  onData(stream: Http2Stream<Http2UpstreamStream>, bytes: Buffer, from: number, to: number, endStream: boolean): void {
    if (this.#tunnel !== undefined) {
      this.#tunnel.received(bytes, from, to)
      this.#onTunnelData(this.#tunnel, stream, endStream)
      return
    }
    if (to > from) this.owner?.onResponseBody(this, bytes, from, to)
    if (this.#stateNow() === ended) return
    if (!this.#isPaused) this.#carrier.session.consume(stream, to - from)
    if (endStream) this.#complete(undefined)
  }

  onTrailers(list: HeaderList): void {
    this.#complete(list)
  }

  /** The state after a call to the owner, who may have given up. */
  #stateNow(): number {
    return this.#state
  }

  #complete(trailers: HeaderList | undefined): void {
    if (this.#state === ended) return
    this.#state = ended
    const stream = this.#stream
    // An answer that did not wait for the whole request: nobody needs the rest.
    if (stream !== undefined && !stream.localEnded) this.#carrier.giveUp(stream)
    const owner = this.owner
    this.owner = undefined
    owner?.onResponseEnd(this, trailers)
    this.#carrier.left(this)
  }

  /** The peer reset the stream. */
  onReset(code: number): void {
    if (code === errorCodes.REFUSED_STREAM) {
      this.fail('refused', 'refused by the endpoint')
      return
    }
    const detail = `reset by the endpoint: ${errorNames[code] ?? `code ${code}`}`
    if (code === errorCodes.CANCEL) {
      this.fail('cancelled', detail)
      return
    }
    // It wants less of us, whatever the request: as if the connection had gone.
    if (code === errorCodes.ENHANCE_YOUR_CALM) this.onClosed(detail)
    else this.fail(this.#state === awaitingHead ? 'reset-before-answer' : 'closed-in-answer', detail)
  }

  onProblem(problem: Http2Problem): void {
    this.fail('protocol-error', problem)
  }

  /** The connection has ended under it. */
  onClosed(detail: string): void {
    this.fail(this.#state === awaitingHead ? 'closed-before-answer' : 'closed-in-answer', detail)
  }

  /** Tells the owner, unless the stream has ended. */
  fail(failure: UpstreamFailure, detail: string): void {
    if (this.#state === ended) return
    this.#state = ended
    const owner = this.owner
    this.owner = undefined
    this.#carrier.left(this)
    this.#tunnel?.lost(detail)
    owner?.onUpstreamFailed(this, failure, detail)
  }

  abandon(): void {
    if (this.#state === awaitingHead) this.#carrier.doubt(this.#begunMs)
    this.discard()
  }

  discard(): void {
    if (this.#state === ended) return
    this.#state = ended
    this.owner = undefined
    if (this.#stream !== undefined) this.#carrier.giveUp(this.#stream)
    this.#carrier.left(this)
  }

  pauseAnswer(): void {
    this.#isPaused = true
  }

  resumeAnswer(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    this.resumeReading()
  }

  get backlog(): number {
    return (this.#waiting?.length ?? 0) + this.#carrier.connection.backlog
  }

  /** Ends a tunnel at once. */
  reset(): void {
    this.discard()
  }

  resumeReading(): void {
    const stream = this.#stream
    if (stream === undefined || stream.unconsumed === 0) return
    this.#carrier.session.consume(stream, stream.unconsumed)
    this.#carrier.touch()
  }

  connectTimedOut(): void {
    this.#carrier.connectTimedOut()
  }
}
