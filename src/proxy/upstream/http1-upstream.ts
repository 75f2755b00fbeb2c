import { complete, framings, HeadParser, needMore } from '../../codec/index.ts'
import type { EndpointState } from '../balancing/endpoint-state.ts'
import { bodyDone, bodyInvalid, BodyReader } from '../pipeline/body.ts'
import { WheelTimer } from '../resilience/timer-wheel.ts'
import type { ProxyRuntime } from '../runtime.ts'
import type { Connection, ConnectionHandler } from '../transport/connection.ts'
import { explainTlsError } from '../transport/tls-problem.ts'
import { describeError } from './describe-error.ts'
import { keepAliveHintMs } from './keep-alive-hint.ts'
import type { OutgoingRequest } from './outgoing-request.ts'
import { UpstreamStream } from './upstream-stream.ts'
import type { UpstreamFailure, UpstreamOwner } from './upstream-stream.ts'

/** Reading the rest of an unwanted answer is cheaper than a new connection up to about here. */
const discardBytes = 64 * 1024
const discardMs = 1_000

/** Who keeps the connection while it is unused, and counts it. */
export interface UpstreamKeeper {
  /** The one way to an endpoint: by TLS where the backend asks for it. */
  connect(endpoint: EndpointState, handler: ConnectionHandler, onConnect: () => void, protocol: 'http/1.1'): Connection
  onConnected(upstream: Http1Upstream): void
  /** A connection that has served its request and can serve another. @param keepAliveMs  what the endpoint promised, 0 for nothing */
  release(upstream: Http1Upstream, keepAliveMs: number): void
  onClosed(upstream: Http1Upstream, wasIdle: boolean): void
}

const connecting = 0
const idle = 1
const awaitingHead = 2
const inBody = 3
const released = 4

/** One HTTP/1.1 connection to an endpoint; serves one request at a time. */
export class Http1Upstream extends UpstreamStream implements ConnectionHandler {
  readonly runtime: ProxyRuntime
  readonly keeper: UpstreamKeeper
  readonly connection: Connection
  /** Requests sent on it before the present one. */
  served = 0
  /** When it became unused, in the clock's milliseconds. */
  idleSinceMs = 0
  /** When an unused connection is given up, in the clock's milliseconds. */
  idleUntilMs = 0
  readonly body: BodyReader
  tlsVersion = ''
  #state = connecting
  #requestMethod = 0
  #partial: Buffer | undefined = undefined
  #partialParser: HeadParser | undefined = undefined
  #responseKeepAlive = false
  /** The endpoint's own idle timeout, from its Keep-Alive field; 0 when it names none. */
  #keepAliveMs = 0
  #requestSent = false

  constructor(runtime: ProxyRuntime, keeper: UpstreamKeeper, endpoint: EndpointState, owner: UpstreamOwner) {
    super(endpoint, owner)
    this.runtime = runtime
    this.keeper = keeper
    this.body = new BodyReader(runtime.chunkLimits)
    this.connection = keeper.connect(endpoint, this, () => this.#onConnect(), 'http/1.1')
  }

  get isConnecting(): boolean {
    return this.#state === connecting
  }

  get isBlocked(): boolean {
    return this.connection.backlog > this.runtime.limits.backlogBytes
  }

  begin(owner: UpstreamOwner, request: OutgoingRequest): void {
    this.owner = owner
    this.#requestMethod = request.method
    this.#state = awaitingHead
    this.#requestSent = !request.hasBody
    this.runtime.out.append(this.connection, request.bytes, 0, request.length)
  }

  sendBody(bytes: Buffer, start: number, end: number): void {
    this.runtime.out.append(this.connection, bytes, start, end)
  }

  /** Only now may the connection be used again. */
  sendEnd(): void {
    this.#requestSent = true
  }

  pauseAnswer(): void {
    this.connection.pause()
  }

  resumeAnswer(): void {
    this.connection.resume()
  }

  abandon(): void {
    this.owner = undefined
    this.#state = released
    this.connection.destroy()
  }

  discard(): void {
    this.owner = undefined
    this.runtime.timers.add(new WheelTimer(() => this.#giveUpDiscarding()), discardMs)
  }

  #giveUpDiscarding(): void {
    if (this.owner === undefined && this.#state === inBody) this.abandon()
  }

  #onConnect(): void {
    this.runtime.tick()
    if (this.#state !== connecting) return
    this.tlsVersion = this.connection.tls?.version ?? ''
    this.keeper.onConnected(this)
    const owner = this.owner
    if (owner === undefined) {
      this.#state = idle
      this.keeper.release(this, 0)
      return
    }
    owner.onUpstreamReady(this)
    this.runtime.out.flush()
  }

  onBytes(bytes: Buffer, length: number): void {
    this.runtime.tick()
    switch (this.#state) {
      case awaitingHead:
        this.#readHead(bytes, length)
        break
      case inBody:
        this.#readBody(bytes, 0, length)
        break
      default:
        // An answer to nothing (RFC 9112 section 9.2): the connection can't be trusted.
        this.abandon()
        return
    }
    this.owner?.onUpstreamTurn(this)
  }

  #readHead(bytes: Buffer, length: number): void {
    let source = bytes
    let start = 0
    let end = length
    let parser = this.runtime.responseParser
    if (this.#partial !== undefined && this.#partialParser !== undefined) {
      source = Buffer.concat([this.#partial, bytes.subarray(0, length)])
      end = source.length
      parser = this.#partialParser
      this.#partial = undefined
    } else {
      parser.reset()
    }
    for (;;) {
      parser.requestMethod = this.#requestMethod
      const outcome = parser.parse(source, start, end)
      if (outcome === needMore) {
        this.#keepPartial(parser, source, start, end)
        return
      }
      if (outcome !== complete) {
        this.#fail('protocol-error', parser.problem ?? 'invalid response')
        return
      }
      const headStart = start
      start += parser.length
      if (parser.status === 101) {
        this.#state = released
        const head = this.runtime.answerHead.bindHttp1(parser, source, headStart)
        this.owner?.onUpgraded(this, head, this.connection, source, start, end)
        return
      }
      if (parser.status >= 200) {
        this.#beginResponse(parser, source, headStart, end)
        return
      }
      this.owner?.onInterim(this, this.runtime.answerHead.bindHttp1(parser, source, headStart))
      if (this.#state !== awaitingHead) return
      parser.reset()
      if (start === end) return
    }
  }

  #keepPartial(parser: HeadParser, source: Buffer, start: number, end: number): void {
    if (end === start) return
    this.#partial = Buffer.from(source.subarray(start, end))
    if (parser === this.runtime.responseParser) {
      // The shared parser serves other connections meanwhile: ours starts over on the kept bytes.
      const own = new HeadParser('response', this.runtime.headLimits)
      own.requestMethod = this.#requestMethod
      own.parse(this.#partial, 0, this.#partial.length)
      this.#partialParser = own
    }
  }

  #beginResponse(parser: HeadParser, bytes: Buffer, start: number, end: number): void {
    this.#partialParser = undefined
    this.#responseKeepAlive = parser.keepAlive && parser.framing !== framings.untilClose
    this.#keepAliveMs = keepAliveHintMs(parser)
    const bodyStart = start + parser.length
    const state = this.body.start(parser.framing, parser.contentLength)
    this.#state = inBody
    this.owner?.onResponseHead(this, this.runtime.answerHead.bindHttp1(parser, bytes, start))
    if (this.#stateNow() !== inBody) return
    if (state === bodyDone) this.#finish(bodyStart < end)
    else if (bodyStart < end) this.#readBody(bytes, bodyStart, end)
  }

  /** The state after a call to the owner, who may have abandoned the connection. */
  #stateNow(): number {
    return this.#state
  }

  #readBody(bytes: Buffer, start: number, end: number): void {
    const state = this.body.read(bytes, start, end)
    if (state === bodyInvalid) {
      this.#fail('protocol-error', this.body.problem ?? 'invalid chunk')
      return
    }
    const position = this.body.position
    if (this.owner === undefined && this.body.payloadBytes > discardBytes) {
      this.abandon()
      return
    }
    if (position > start) this.owner?.onResponseBody(this, bytes, start, position)
    if (state === bodyDone && this.#state === inBody) this.#finish(position < end)
  }

  /** @param hasExcess bytes came behind the response: the connection can't be used again */
  #finish(hasExcess: boolean): void {
    const owner = this.owner
    this.owner = undefined
    this.served++
    const reusable = this.#responseKeepAlive && this.#requestSent && !hasExcess && this.connection.isOpen
    this.#state = reusable ? idle : released
    owner?.onResponseEnd(this, undefined)
    if (reusable) {
      this.connection.resume()
      this.keeper.release(this, this.#keepAliveMs)
    } else {
      this.connection.destroy()
    }
  }

  #fail(failure: UpstreamFailure, detail: string): void {
    const owner = this.owner
    this.owner = undefined
    this.#state = released
    this.connection.destroy()
    owner?.onUpstreamFailed(this, failure, detail)
  }

  connectTimedOut(): void {
    if (this.#state === connecting) this.#fail('connect-timeout', 'connect timed out')
  }

  onEnd(): void {
    this.runtime.tick()
    if (this.#state === inBody && this.body.framing === framings.untilClose) {
      this.#finish(true)
      return
    }
    // A half-closed endpoint can still answer nothing we could use: treat it as gone.
    if (this.#state === awaitingHead || this.#state === inBody) this.#fail(this.#closedFailure(), 'closed by endpoint')
    else if (this.#state !== connecting) this.connection.destroy()
  }

  onWritable(): void {
    this.owner?.onUpstreamWritable(this)
  }

  onClose(error: Error | undefined): void {
    this.runtime.tick()
    const state = this.#state
    this.keeper.onClosed(this, state === idle)
    const tlsProblem = error === undefined ? undefined : explainTlsError(error)
    const failure =
      state !== connecting ? this.#closedFailure() : tlsProblem === undefined ? 'connect-failed' : 'tls-failed'
    this.#state = released
    const owner = this.owner
    this.owner = undefined
    if (state === connecting || state === awaitingHead || state === inBody) {
      owner?.onUpstreamFailed(this, failure, tlsProblem ?? describeError(error))
    }
  }

  #closedFailure(): UpstreamFailure {
    return this.#state === awaitingHead && this.#partial === undefined ? 'closed-before-answer' : 'closed-in-answer'
  }
}
