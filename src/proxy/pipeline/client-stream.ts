import { errorCodes } from '../../codec/index.ts'
import { HeaderList } from '../../codec/index.ts'
import type { Http2Session, Http2Stream } from '../../codec/index.ts'
import type { Caller, TlsRecord } from '../../model/index.ts'
import type { ClientAccess } from '../access/access-gate.ts'
import type { ProxyRuntime } from '../runtime.ts'
import { ByteQueue } from '../transport/byte-queue.ts'
import type { Connection } from '../transport/connection.ts'
import { StreamConnection } from '../transport/stream-connection.ts'
import type { ByteStream } from '../transport/stream-connection.ts'
import type { ExchangeClient, ListenerFacts } from './exchange-client.ts'
import type { ExchangePool } from './exchange-pool.ts'
import type { Exchange } from './exchange.ts'
import { Http2Answer } from './http2-answer.ts'
import type { AnswerStream } from './http2-answer.ts'
import type { IncomingRequest } from './incoming-request.ts'
import type { ForwardedFacts } from './request-input.ts'
import type { Tunnel } from './tunnel.ts'

/** The connection that a stream of a client belongs to. */
export interface ClientCarrier {
  readonly connection: Connection
  readonly session: Http2Session<ClientStream>
  readonly listener: ListenerFacts
  readonly client: string
  readonly clientAddress: string
  readonly caller: Caller | undefined
  readonly access: ClientAccess
  readonly tls: TlsRecord | undefined
  readonly forwarded: ForwardedFacts | undefined
  /** The client takes no more bytes for now. */
  readonly isBacklogged: boolean
  /** Something was written for the client. */
  touch(): void
  /** The stream is over and belongs to nobody; it may be used again. */
  left(stream: ClientStream): void
}

/** One request of a client on a connection by HTTP/2, and its answer. Used again when it is over. */
export class ClientStream implements ExchangeClient, AnswerStream, ByteStream {
  readonly answer: Http2Answer
  /** Bytes of either body or of the answer's rest when something last moved, and since when. */
  #mark = 0
  #lastMoveMs = 0
  readonly #runtime: ProxyRuntime
  readonly #exchanges: ExchangePool
  #carrier: ClientCarrier
  #stream: Http2Stream<ClientStream>
  #exchange: Exchange | undefined = undefined
  /** Content that the client's windows have no room for. */
  #waiting: ByteQueue | undefined = undefined
  #isEnding = false
  #trailers: HeaderList | undefined = undefined
  #tunnel: Tunnel | undefined = undefined
  #end: StreamConnection | undefined = undefined
  #isOver = false

  constructor(
    runtime: ProxyRuntime,
    exchanges: ExchangePool,
    carrier: ClientCarrier,
    stream: Http2Stream<ClientStream>,
  ) {
    this.#runtime = runtime
    this.#exchanges = exchanges
    this.#carrier = carrier
    this.#stream = stream
    this.answer = new Http2Answer(runtime, this)
    stream.user = this
  }

  /** Serves another stream; only when it is over. */
  attach(carrier: ClientCarrier, stream: Http2Stream<ClientStream>): void {
    this.#carrier = carrier
    this.#stream = stream
    this.#isEnding = false
    this.#isOver = false
    this.#lastMoveMs = 0
    stream.user = this
  }

  get connection(): Connection {
    return this.#carrier.connection
  }

  get listener(): ListenerFacts {
    return this.#carrier.listener
  }

  get client(): string {
    return this.#carrier.client
  }

  get clientAddress(): string {
    return this.#carrier.clientAddress
  }

  get caller(): Caller | undefined {
    return this.#carrier.caller
  }

  get access(): ClientAccess {
    return this.#carrier.access
  }

  get tls(): TlsRecord | undefined {
    return this.#carrier.tls
  }

  get forwarded(): ForwardedFacts | undefined {
    return this.#carrier.forwarded
  }

  /** Other streams go on, whatever becomes of this one. */
  get mustClose(): boolean {
    return false
  }

  canSkipBody(): boolean {
    return true
  }

  // ----- what the client sends

  begin(request: IncomingRequest, hasBody: boolean): void {
    this.answer.begin()
    this.#borrowExchange().begin(request, hasBody)
  }

  /** The fields exceed the limit. */
  refuse(status: number, problem: string): void {
    this.answer.begin()
    this.#borrowExchange().refuse(20, status, problem)
  }

  #borrowExchange(): Exchange {
    const exchange = this.#exchanges.borrow(this)
    this.#exchange = exchange
    return exchange
  }

  onData(bytes: Buffer, from: number, to: number, endStream: boolean): void {
    const stream = this.#stream
    const end = this.#end
    if (end !== undefined) {
      end.received(bytes, from, to)
      if (!end.isPaused) this.resumeReading()
      if (endStream) end.ended()
      return
    }
    if (to > from) this.#exchange?.requestBody(bytes, from, to)
    if (this.#exchange?.isRequestBlocked !== true) this.#carrier.session.consume(stream, stream.unconsumed)
    if (endStream) this.#exchange?.requestEnd(undefined)
  }

  onTrailers(list: HeaderList): void {
    this.#exchange?.requestEnd(list)
  }

  /** The stream is lost: reset by the client, because of what it sent, or with its connection. */
  onLost(flags: string, reason: string): void {
    if (this.#isOver) return
    this.#end?.lost(reason)
    if (this.#end === undefined) this.#exchange?.abort(flags)
    this.#leave()
  }

  /** The client's windows, or its connection, have room again. */
  onWritable(): void {
    const waiting = this.#waiting
    if (waiting !== undefined && waiting.length > 0) {
      waiting.take(this.#carrier.session.sendData(this.#stream, waiting.bytes, waiting.start, waiting.end, false))
      this.#carrier.touch()
      if (waiting.length > 0) return
    }
    if (this.#isEnding) {
      if (!this.#stream.localEnded) this.#finishSending()
      return
    }
    if (this.#carrier.isBacklogged) return
    if (this.#end === undefined) this.#exchange?.onClientWritable()
    else this.#end.writable()
  }

  // ----- what the exchange asks for

  get isBlocked(): boolean {
    return this.backlog > 0 || this.#carrier.isBacklogged
  }

  get backlog(): number {
    return this.#waiting === undefined ? 0 : this.#waiting.length
  }

  sendHead(list: HeaderList, isLast: boolean): void {
    this.#carrier.session.sendHeaders(this.#stream, list, isLast)
    this.#carrier.touch()
  }

  sendBody(bytes: Buffer, start: number, end: number): void {
    let from = start
    if (this.backlog === 0) {
      from += this.#carrier.session.sendData(this.#stream, bytes, start, end, false)
      this.#carrier.touch()
      if (from === end) return
    }
    if (this.#stream.isReset || this.#stream.localEnded) return
    this.#waiting ??= new ByteQueue()
    this.#waiting.append(bytes, from, end)
  }

  sendEnd(trailers?: HeaderList): void {
    if (this.#stream.localEnded || this.#stream.isReset) return
    this.#isEnding = true
    if (this.backlog === 0) {
      this.#trailers = trailers
      this.#finishSending()
    } else if (trailers !== undefined) {
      // The list is the session's.
      this.#trailers = new HeaderList()
      this.#trailers.addAll(trailers)
    }
  }

  #finishSending(): void {
    const { session } = this.#carrier
    if (this.#trailers === undefined) session.sendEnd(this.#stream)
    else session.sendHeaders(this.#stream, this.#trailers, true)
    this.#trailers = undefined
    this.#carrier.touch()
    if (this.#exchange === undefined && this.#end === undefined) this.#leave()
  }

  /** The client must not take what it has for the whole. */
  break(): void {
    this.#reset(errorCodes.INTERNAL_ERROR)
  }

  reset(): void {
    this.#reset(errorCodes.CANCEL)
  }

  #reset(code: number): void {
    this.#carrier.session.reset(this.#stream, code)
    this.#carrier.touch()
  }

  resumeReading(): void {
    const stream = this.#stream
    if (stream.unconsumed === 0 || this.#exchange?.isRequestBlocked === true) return
    this.#carrier.session.consume(stream, stream.unconsumed)
    this.#carrier.touch()
  }

  exchangeEnded(): void {
    if (this.#exchange !== undefined) this.#exchanges.giveBackLater(this.#exchange)
    this.#exchange = undefined
    if (this.#stream.localEnded || this.#stream.isReset) this.#leave()
  }

  takeConnection(): Connection {
    this.#end = new StreamConnection(this, this.#carrier.connection)
    return this.#end
  }

  startTunnel(tunnel: Tunnel): void {
    this.#tunnel = tunnel
    this.#lastMoveMs = 0
    this.resumeReading()
    if (this.#stream.remoteEnded) this.#end?.ended()
  }

  tunnelEnded(): void {
    this.#leave()
  }

  #leave(): void {
    if (this.#isOver) return
    this.#isOver = true
    const stream = this.#stream
    stream.user = undefined
    // An answer that did not wait for the whole request: nobody needs the rest (RFC 9113 section 8.1).
    if (!stream.remoteEnded) this.#reset(errorCodes.NO_ERROR)
    this.#waiting?.clear()
    this.#trailers = undefined
    this.#tunnel = undefined
    this.#end = undefined
    this.#carrier.left(this)
  }

  judgeAgain(): void {
    this.#exchange?.judgeAgain()
  }

  // ----- time

  /** Called about once a second: ends what has waited too long. */
  sweep(nowMs: number): void {
    const tunnel = this.#tunnel
    if (tunnel !== undefined) {
      if (this.#hasStalled(tunnel.movedBytes, nowMs, tunnel.idleMs)) tunnel.close()
      return
    }
    const exchange = this.#exchange
    // What waits has not moved yet; when the answer is complete, all that is left is that the client takes it.
    const mark = (exchange === undefined ? 0 : exchange.movedBytes) - this.backlog
    const patienceMs = exchange === undefined ? this.#runtime.limits.stallTimeoutMs : exchange.patienceMs
    if (!this.#hasStalled(mark, nowMs, patienceMs)) return
    if (exchange === undefined) {
      this.#reset(errorCodes.CANCEL)
      this.#leave()
    } else {
      exchange.stalled()
    }
  }

  #hasStalled(mark: number, nowMs: number, limitMs: number): boolean {
    if (mark !== this.#mark || this.#lastMoveMs === 0) {
      this.#mark = mark
      this.#lastMoveMs = nowMs
      return false
    }
    return nowMs - this.#lastMoveMs > limitMs
  }
}
