import { complete, framings, HeadParser, needMore } from '../../codec/index.ts'
import type { Caller } from '../../model/index.ts'
import type { Connection, ConnectionHandler } from '../transport/connection.ts'
import type { ProxyRuntime } from '../runtime.ts'
import { bodyDone, bodyInvalid, BodyReader } from './body.ts'
import { ClientConnection } from './client-connection.ts'
import type { ClientListener } from './client-connection.ts'
import type { ExchangeClient } from './exchange-client.ts'
import type { ExchangePool } from './exchange-pool.ts'
import type { Exchange } from './exchange.ts'
import { Http1Answer } from './http1-answer.ts'
import type { Http2Downstream } from './http2-downstream.ts'
import { isHttp2Preface, isInvalidPreface } from './http2-preface.ts'
import type { Tunnel } from './tunnel.ts'

/** A short rest of a request that was answered early is read and thrown away; for a longer one the connection closes. */
const skipBytes = 64 * 1024

const readingHead = 0
const readingBody = 1
/** The request is complete, its answer is not: bytes that come are the next request's. */
const waiting = 2
const skippingBody = 3
/** Our answer is out and our side closed; what still comes is read so that it does not reset the answer away. */
const lingering = 4
const tunnelling = 5
/** Who calls is being found out: bytes that come wait, since it may decide where they go. */
const identifying = 6
/** The connection has become another's. */
const left = 7

/** What accepted the connection. */
export interface Http1Listener extends ClientListener {
  /** A client has said with its first bytes that it speaks HTTP/2: another takes its connection over. */
  speakHttp2(connection: ClientConnection): Http2Downstream
}

/** One connection of a client by HTTP/1: finds requests in its bytes and hands them, one after the other, to its exchange. */
export class Downstream extends ClientConnection implements ConnectionHandler, ExchangeClient {
  declare readonly listener: Http1Listener
  readonly answer: Http1Answer
  readonly #runtime: ProxyRuntime
  readonly #exchanges: ExchangePool
  /** Only while a request is under way. */
  #exchange: Exchange | undefined = undefined
  readonly #body: BodyReader
  #state = readingHead
  #isProcessing = false
  #partial: Buffer | undefined = undefined
  #partialParser: HeadParser | undefined = undefined
  #pending: Buffer | undefined = undefined
  /** The kept bytes that are being used just now. */
  #owned: Buffer | undefined = undefined
  #expectsContinue = false
  /** The client said that it sends nothing after this request. */
  #isClientLast = false
  #hasEnded = false
  #requests = 0
  #deadlineMs: number
  #lingered = 0
  #lastMark = 0
  #lastMoveMs = 0
  #tunnel: Tunnel | undefined = undefined
  /** What the client turned out to speak. */
  #http2: Http2Downstream | undefined = undefined

  constructor(runtime: ProxyRuntime, listener: Http1Listener, exchanges: ExchangePool, connection: Connection) {
    super(listener, connection)
    this.#runtime = runtime
    this.#exchanges = exchanges
    this.#body = new BodyReader(runtime.chunkLimits)
    this.#deadlineMs = runtime.turnMs + runtime.limits.idleTimeoutMs
    this.answer = new Http1Answer(runtime, connection)
    connection.handler = this
  }

  /** Whether the next answer must be the connection's last. */
  get mustClose(): boolean {
    const most = this.#runtime.limits.maxRequestsPerConnection
    return this.#hasEnded || this.listener.isClosing || (most > 0 && this.#requests >= most)
  }

  /** Whether the rest of a request that was answered early is short enough to be skipped. */
  canSkipBody(): boolean {
    return !this.#expectsContinue && this.#body.framing === framings.length && this.#body.remaining <= skipBytes
  }

  awaitCaller(): void {
    this.#state = identifying
    this.connection.pause()
  }

  identified(caller: Caller | undefined): void {
    this.caller = caller
    this.#http2?.identified(caller)
    if (this.#state !== identifying || this.connection.isClosed) return
    this.#runtime.tick()
    this.#becomeIdle()
    if (this.#hasEnded && this.#requests === 0 && this.#http2 === undefined) this.connection.end()
  }

  onBytes(bytes: Buffer, length: number): void {
    this.#runtime.tick()
    this.#turn(bytes, 0, length)
  }

  #turn(bytes: Buffer, start: number, end: number): void {
    this.#isProcessing = true
    this.#process(bytes, start, end)
    this.#isProcessing = false
    this.#runtime.out.flush()
    if (this.#exchange?.isRequestBlocked === true) this.connection.pause()
  }

  #process(bytes: Buffer, start: number, end: number): void {
    let at = start
    while (at < end && !this.connection.isClosed) {
      switch (this.#state) {
        case readingHead:
          if (this.connection.backlog > this.#runtime.limits.backlogBytes) {
            // A client that asks and does not read would pile up answers: the next request waits for it.
            this.#keepPending(bytes, at, end)
            return
          }
          at = this.#readHead(bytes, at, end)
          break
        case readingBody:
        case skippingBody:
          at = this.#readBody(bytes, at, end)
          break
        case waiting:
        case identifying:
          this.#keepPending(bytes, at, end)
          return
        case lingering:
          this.#lingered += end - at
          if (this.#lingered > this.#runtime.limits.lingerBytes) this.connection.destroy()
          return
        default:
          return
      }
    }
  }

  /** @returns where the consumed bytes end */
  #readHead(bytes: Buffer, start: number, end: number): number {
    let source = bytes
    let from = start
    let to = end
    let kept = 0
    let parser = this.#runtime.requestParser
    if (this.#partial !== undefined && this.#partialParser !== undefined) {
      kept = this.#partial.length
      source = Buffer.concat([this.#partial, bytes.subarray(start, end)])
      from = 0
      to = source.length
      parser = this.#partialParser
    } else {
      parser.reset()
    }
    const outcome = parser.parse(source, from, to)
    if (outcome === needMore) {
      this.#keepPartial(source, from, to)
      return end
    }
    this.#partial = undefined
    this.#partialParser = undefined
    if (outcome !== complete) {
      if (this.#requests === 0 && this.connection.tls === undefined && this.#isHttp2(source, from, to)) {
        this.#leaveToHttp2(source, from, to)
        return end
      }
      // Nobody knows where the next request begins.
      this.#refuse(parser.problemStatus, parser.problem ?? 'invalid head')
      return end
    }
    if (this.#requests++ === 0) this.resolveClient()
    this.#lastMoveMs = 0
    this.#expectsContinue = parser.expectContinue
    this.#isClientLast = !parser.keepAlive
    const consumed = start + parser.length - kept
    const isComplete = this.#body.start(parser.framing, parser.contentLength) === bodyDone
    this.#state = isComplete ? waiting : readingBody
    this.answer.begin(parser.minorVersion, !parser.keepAlive)
    this.#borrowExchange().begin(this.#runtime.http1Request.bind(parser, source, from), !isComplete)
    return consumed
  }

  /** Of first bytes that are no request by HTTP/1. */
  #isHttp2(bytes: Buffer, start: number, end: number): boolean {
    return isHttp2Preface(bytes, start, end) || isInvalidPreface(bytes, start, end)
  }

  /** The connection closes behind the answer. */
  #refuse(status: number, problem: string): void {
    this.#state = waiting
    this.answer.begin(1, true)
    this.#borrowExchange().refuse(11, status, problem)
  }

  #leaveToHttp2(bytes: Buffer, start: number, end: number): void {
    this.#state = left
    const http2 = this.listener.speakHttp2(this)
    this.#http2 = http2
    http2.receive(bytes, start, end)
    if (this.#hasEnded) http2.endReceived()
  }

  #keepPartial(source: Buffer, start: number, end: number): void {
    const isFirst = this.#partial === undefined
    this.#partial = Buffer.from(source.subarray(start, end))
    if (!isFirst) return
    // The shared parser serves other connections meanwhile: ours starts over on the kept bytes.
    const own = new HeadParser('request', this.#runtime.headLimits)
    own.parse(this.#partial, 0, this.#partial.length)
    this.#partialParser = own
    this.#deadlineMs = this.#runtime.turnMs + this.#runtime.limits.headTimeoutMs
  }

  #readBody(bytes: Buffer, start: number, end: number): number {
    const outcome = this.#body.read(bytes, start, end)
    if (outcome === bodyInvalid) {
      this.#state = waiting
      this.#exchange?.refuseBody(this.#body.problem ?? 'invalid body')
      return end
    }
    const position = this.#body.position
    if (this.#state === readingBody && position > start) this.#exchange?.requestBody(bytes, start, position)
    if (outcome !== bodyDone) return position
    if (this.#state === readingBody) {
      this.#state = waiting
      this.#exchange?.requestEnd(undefined)
    } else {
      this.#becomeIdle()
    }
    return position
  }

  #keepPending(bytes: Buffer, start: number, end: number): void {
    const piece = bytes.subarray(start, end)
    this.#pending = this.#pending === undefined ? this.#keep(bytes, piece) : Buffer.concat([this.#pending, piece])
    this.connection.pause()
  }

  /** Bytes of the read buffer are copied; the rest of what was kept before is ours already, however often it is put back. */
  #keep(bytes: Buffer, piece: Buffer): Buffer {
    return bytes === this.#owned ? piece : Buffer.from(piece)
  }

  /** The exchange has written the last byte of its answer. */
  exchangeEnded(closeAfter: boolean): void {
    if (this.#exchange !== undefined) this.#exchanges.giveBack(this.#exchange)
    this.#exchange = undefined
    if (this.connection.isClosed || this.#state === tunnelling) return
    if (closeAfter || this.mustClose) {
      this.#linger()
      return
    }
    if (this.#state === readingBody) {
      this.#state = skippingBody
      this.resumeReading()
      return
    }
    this.#becomeIdle()
  }

  #borrowExchange(): Exchange {
    const exchange = this.#exchanges.borrow(this)
    this.#exchange = exchange
    return exchange
  }

  #becomeIdle(): void {
    const { clock, limits } = this.#runtime
    this.#state = readingHead
    this.#deadlineMs = clock.nowMs() + (this.listener.isClosing ? limits.closeGraceMs : limits.idleTimeoutMs)
    if (!this.#isProcessing) this.#readOn()
  }

  /** Goes on with bytes that came while they could not be used, then with the socket. */
  #readOn(): void {
    const pending = this.#pending
    if (pending !== undefined) {
      this.#pending = undefined
      this.#owned = pending
      this.#turn(pending, 0, pending.length)
      this.#owned = undefined
    }
    this.resumeReading()
  }

  #linger(): void {
    this.#runtime.out.flush()
    const isRead = this.#state === waiting && this.#isClientLast && this.#pending === undefined
    this.#state = lingering
    if (isRead && this.connection.backlog === 0) {
      // Nothing more can come that would reset the answer away.
      this.connection.destroy()
      return
    }
    this.#pending = undefined
    this.#lingered = 0
    this.#lastMoveMs = 0
    this.#deadlineMs = this.#runtime.turnMs + this.#runtime.limits.lingerMs
    this.connection.end()
    if (this.#hasEnded) return
    this.connection.resume()
  }

  /** The request may flow on, unless there is a reason of our own to wait. */
  resumeReading(): void {
    if (this.#pending === undefined && this.#exchange?.isRequestBlocked !== true) this.connection.resume()
  }

  onEnd(): void {
    this.#runtime.tick()
    this.#hasEnded = true
    switch (this.#state) {
      case readingHead:
        this.connection.end()
        break
      case readingBody:
      case skippingBody:
        this.#exchange?.abort('DC')
        this.connection.destroy()
        break
      case waiting:
      case identifying:
        // The client has said all it will say, and still reads: it gets its answer.
        break
      default:
        // What the client has not read yet still leaves, and the connection closes behind it.
        if (this.connection.backlog === 0) this.connection.destroy()
    }
  }

  onWritable(): void {
    this.#runtime.tick()
    this.#exchange?.onClientWritable()
    if (this.#state === readingHead) this.#readOn()
  }

  onClose(): void {
    this.#runtime.tick()
    this.#exchange?.abort('DC')
    this.listener.remove(this)
  }

  takeConnection(): Connection {
    return this.connection
  }

  /** Hands both connections to a tunnel; the client's bytes that came early go first. */
  startTunnel(tunnel: Tunnel): void {
    this.#state = tunnelling
    this.#tunnel = tunnel
    this.#lastMoveMs = this.#runtime.turnMs
    const pending = this.#pending
    this.#pending = undefined
    if (pending !== undefined) tunnel.feed(pending, 0, pending.length)
    if (this.#hasEnded) tunnel.endFeed()
    this.connection.resume()
  }

  tunnelEnded(): void {
    this.listener.remove(this)
  }

  /**
   * The listener closes: an answer under way will say `Connection: close`. An
   * unused connection closes a moment later, since its client may have sent a
   * request just now, which would be lost.
   */
  closeSoon(): void {
    if (this.#state !== readingHead || this.#partial !== undefined) return
    const { turnMs, limits } = this.#runtime
    this.#deadlineMs = Math.min(this.#deadlineMs, turnMs + limits.closeGraceMs)
  }

  cut(): void {
    if (this.#tunnel === undefined) this.connection.destroy()
    else this.#tunnel.close()
  }

  judgeAgain(): void {
    this.#exchange?.judgeAgain()
    this.#http2?.judgeAgain()
  }

  get isIdle(): boolean {
    return this.#state === readingHead || this.#state === lingering
  }

  sweep(nowMs: number): void {
    switch (this.#state) {
      case readingHead:
        if (nowMs < this.#deadlineMs) return
        if (this.#partial === undefined) {
          this.#linger()
        } else {
          this.#refuse(408, 'the request head did not arrive in time')
        }
        return
      case lingering:
        this.#sweepLingering(nowMs)
        return
      case tunnelling:
        this.#sweepTunnel(nowMs)
        return
      case skippingBody:
        if (this.#hasStalled(this.#body.remaining, nowMs, this.#runtime.limits.stallTimeoutMs))
          this.connection.destroy()
        return
      default:
        this.#sweepExchange(nowMs)
    }
  }

  #sweepExchange(nowMs: number): void {
    const exchange = this.#exchange
    if (exchange === undefined) return
    const { stallTimeoutMs } = this.#runtime.limits
    const patienceMs = this.connection.backlog > 0 ? stallTimeoutMs : exchange.patienceMs
    if (this.#hasStalled(exchange.movedBytes - this.connection.backlog, nowMs, patienceMs)) exchange.stalled()
  }

  #sweepTunnel(nowMs: number): void {
    const tunnel = this.#tunnel
    if (tunnel !== undefined && this.#hasStalled(tunnel.movedBytes, nowMs, tunnel.idleMs)) tunnel.close()
  }

  /** A slow client still reads its answer: only when it stops, or has it all, the rest of the patience is short. */
  #sweepLingering(nowMs: number): void {
    const { backlog } = this.connection
    const { lingerMs, stallTimeoutMs } = this.#runtime.limits
    if (backlog > 0 && !this.#hasStalled(backlog, nowMs, stallTimeoutMs)) this.#deadlineMs = nowMs + lingerMs
    else if (backlog > 0 || nowMs >= this.#deadlineMs) this.connection.destroy()
  }

  #hasStalled(mark: number, nowMs: number, limitMs: number): boolean {
    if (mark !== this.#lastMark || this.#lastMoveMs === 0) {
      this.#lastMark = mark
      this.#lastMoveMs = nowMs
      return false
    }
    return nowMs - this.#lastMoveMs > limitMs
  }
}
