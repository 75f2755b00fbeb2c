import { errorCodes, Http2Session } from '../../codec/index.ts'
import type { HeaderList, Http2Handler, Http2Problem, Http2Stream } from '../../codec/index.ts'
import type { Caller } from '../../model/index.ts'
import type { Flushable, ProxyRuntime } from '../runtime.ts'
import type { Connection, ConnectionHandler } from '../transport/connection.ts'
import { ClientConnection } from './client-connection.ts'
import type { ClientListener } from './client-connection.ts'
import type { ClientStream } from './client-stream.ts'
import type { ClientCarrier } from './client-stream.ts'
import type { ClientStreams } from './client-streams.ts'

/** Bytes that are gathered before they are sent in the middle of a turn: more would only be memory. */
const gatheredBytes = 128 * 1024
/** What the output buffer of an unused connection shrinks to, so that connections that wait hold little. */
const keptOutputBytes = 4 * 1024
/** A client that answers our PING has seen GOAWAY; for one that does not, this is how long we wait for its last requests. */
const drainMs = 1_000

const open = 0
/** GOAWAY is out and nothing is under way: the client closes, or is cut. */
const lingering = 1
const closed = 2

/**
 * One connection of a client by HTTP/2: each stream is a request with an
 * exchange of its own, and all that they write in one turn leaves in one write.
 *
 *     open ─┬─ idle for long, listener closes, enough requests: GOAWAY ─ last stream ends ─┬─ lingering ─ closed
 *           └─ breaks the rules, floods: GOAWAY with the reason ───────────────────────────┘
 */
export class Http2Downstream extends ClientConnection implements Http2Handler<ClientStream>, ClientCarrier, Flushable {
  readonly session: Http2Session<ClientStream>
  readonly #runtime: ProxyRuntime
  readonly #streams: ClientStreams
  #state = open
  #isDirty = false
  /** Id of the stream that heard last that the connection takes bytes again. */
  #lastWoken = 0
  #isGreeted = false
  #isReceiving = false
  #awaitsCaller = false
  #hasEnded = false
  #requests = 0
  /** While no stream is open: when the connection ends. */
  #deadlineMs: number
  #heardMs: number
  #drainingSinceMs = 0
  #lingered = 0

  constructor(runtime: ProxyRuntime, listener: ClientListener, streams: ClientStreams, connection: Connection) {
    super(listener, connection)
    this.#runtime = runtime
    this.#streams = streams
    this.#deadlineMs = runtime.turnMs + runtime.limits.headTimeoutMs
    this.#heardMs = runtime.turnMs
    this.session = new Http2Session<ClientStream>('server', this, { values: runtime.entries })
    connection.handler = this.#socketSide()
    listener.http2.connections.value++
    this.touch()
  }

  awaitCaller(): void {
    this.#awaitsCaller = true
    this.connection.pause()
  }

  identified(caller: Caller | undefined): void {
    this.caller = caller
    if (!this.#awaitsCaller) return
    this.#awaitsCaller = false
    this.#resume()
  }

  #resume(): void {
    if (!this.#awaitsCaller) this.connection.resume()
  }

  // ----- the socket

  #socketSide(): ConnectionHandler {
    return {
      onBytes: (bytes, length) => {
        this.#runtime.tick()
        this.receive(bytes, 0, length)
      },
      onEnd: () => this.endReceived(),
      onWritable: () => this.#onDrained(),
      onClose: () => this.#onClosed(),
    }
  }

  /** Takes `bytes[start, end)` of the client. */
  receive(bytes: Buffer, start: number, end: number): void {
    const runtime = this.#runtime
    if (this.#state !== open) {
      this.#lingered += end - start
      if (this.#lingered > runtime.limits.lingerBytes) this.connection.destroy()
      return
    }
    this.#heardMs = runtime.turnMs
    this.#isReceiving = true
    this.session.receive(bytes, start, end, runtime.turnMs)
    this.#isReceiving = false
    runtime.out.flush()
    if (this.session.isOver) this.#fail()
    else this.#closeWhenDone()
  }

  /** The client has closed its sending side, by which it can't even open windows any more: it has gone. */
  endReceived(): void {
    this.#runtime.tick()
    this.#hasEnded = true
    if (this.#state === open) {
      this.#loseStreams('DC')
      this.#linger()
    } else if (this.connection.backlog === 0) {
      this.connection.destroy()
    }
  }

  #onDrained(): void {
    this.#runtime.tick()
    if (this.#state !== open) {
      if (this.#hasEnded) this.connection.destroy()
      return
    }
    this.#resume()
    this.#wakeStreams()
  }

  #onClosed(): void {
    this.#runtime.tick()
    this.#state = closed
    this.#loseStreams('DC')
    this.listener.http2.connections.value--
    this.listener.remove(this)
    this.#runtime.out.flush()
  }

  get isBacklogged(): boolean {
    return this.connection.backlog + this.session.output.length > this.#runtime.limits.backlogBytes
  }

  touch(): void {
    if (this.session.output.length > gatheredBytes) {
      this.#write()
    } else if (!this.#isDirty) {
      this.#isDirty = true
      this.#runtime.flushLater(this)
    }
  }

  flush(): void {
    this.#isDirty = false
    this.#write()
  }

  #write(): void {
    const { output } = this.session
    if (output.length === 0 || this.#state === closed) return
    const wasBacklogged = this.isBacklogged
    if (this.connection.isOpen && this.connection.write(output.bytes, output.length)) {
      output.bytes = Buffer.allocUnsafeSlow(output.bytes.length)
    }
    output.clear()
    if (!wasBacklogged || this.#state !== open) return
    if (!this.isBacklogged) this.#wakeStreams()
    // Answers wait by themselves; what else we write only stops when the client is not asked any more.
    else this.connection.pause()
  }

  /** Each time from another one on: whoever comes first may fill the connection again. */
  #wakeStreams(): void {
    for (const stream of this.session.streams(this.#lastWoken)) {
      if (this.isBacklogged) return
      this.#lastWoken = stream.id
      stream.user?.onWritable()
    }
  }

  // ----- the session

  onHead(stream: Http2Stream<ClientStream>, list: HeaderList, endStream: boolean): void {
    const user = this.#accept(stream)
    user.begin(this.#runtime.http2Request.bind(list, endStream), !endStream)
  }

  onTooLarge(stream: Http2Stream<ClientStream>): void {
    this.#accept(stream).refuse(431, 'the fields are larger than allowed')
  }

  #accept(stream: Http2Stream<ClientStream>): ClientStream {
    if (this.#requests++ === 0) this.resolveClient()
    this.listener.http2.streams.value++
    const most = this.#runtime.limits.maxRequestsPerConnection
    if (most > 0 && this.#requests >= most) this.#drain()
    return this.#streams.take(this, stream)
  }

  onData(stream: Http2Stream<ClientStream>, bytes: Buffer, from: number, to: number, endStream: boolean): void {
    if (stream.user === undefined) this.session.consume(stream, to - from)
    else stream.user.onData(bytes, from, to, endStream)
  }

  onTrailers(stream: Http2Stream<ClientStream>, list: HeaderList): void {
    stream.user?.onTrailers(list)
  }

  onReset(stream: Http2Stream<ClientStream>): void {
    stream.user?.onLost('DC', 'reset by the client')
  }

  onStreamProblem(stream: Http2Stream<ClientStream> | undefined, problem: Http2Problem): void {
    this.listener.http2.problem(problem)
    stream?.user?.onLost('DPE', problem)
  }

  onWritable(stream: Http2Stream<ClientStream>): void {
    stream.user?.onWritable()
  }

  onSettings(): void {
    if (this.#isGreeted) return
    this.#isGreeted = true
    this.#deadlineMs = this.#runtime.turnMs + this.#runtime.limits.idleTimeoutMs
  }

  /** Its requests under way go on. */
  onGoAway(): void {}
  onPong(): void {}
  /** Only of clients. */
  onUnprocessed(): void {}

  left(stream: ClientStream): void {
    this.#streams.giveBack(stream)
    if (this.session.streamCount > 0) return
    const { turnMs, limits } = this.#runtime
    this.#deadlineMs = turnMs + limits.idleTimeoutMs
    if (!this.#isReceiving && this.#state === open) this.#closeWhenDone()
  }

  // ----- the end

  /** The client broke the rules, or floods: GOAWAY says why. */
  #fail(): void {
    const { problem } = this.session
    if (problem !== undefined) this.listener.http2.problem(problem)
    this.#loseStreams('DPE')
    this.#linger()
  }

  #loseStreams(flags: string): void {
    for (const stream of this.session.streams()) stream.user?.onLost(flags, 'the connection has ended')
  }

  #closeWhenDone(): void {
    if (this.#state !== open) return
    if (this.session.isIdle) this.#linger()
    else if (this.session.output.length > 0) this.touch()
  }

  #linger(): void {
    const { turnMs, limits } = this.#runtime
    this.#write()
    this.#state = lingering
    this.#deadlineMs = turnMs + limits.lingerMs
    this.connection.end()
    if (this.#hasEnded && this.connection.backlog === 0) this.connection.destroy()
    else this.connection.resume()
  }

  #drain(): void {
    if (this.session.isDraining) return
    this.#drainingSinceMs = this.#runtime.turnMs
    this.session.drain()
    this.touch()
  }

  closeSoon(): void {
    this.#drain()
  }

  cut(): void {
    this.connection.destroy()
  }

  judgeAgain(): void {
    for (const stream of this.session.streams()) stream.user?.judgeAgain()
  }

  get isIdle(): boolean {
    return this.session.streamCount === 0
  }

  sweep(nowMs: number): void {
    if (this.#state === lingering) {
      if (nowMs >= this.#deadlineMs) this.connection.destroy()
      return
    }
    const { session } = this
    if (session.isDraining && nowMs - this.#drainingSinceMs >= drainMs) session.finishDrain()
    if (session.streamCount === 0) {
      this.#sweepUnused(nowMs)
    } else {
      for (const stream of session.streams()) stream.user?.sweep(nowMs)
      this.#askForLife(nowMs)
    }
    this.#closeWhenDone()
  }

  #sweepUnused(nowMs: number): void {
    const { output } = this.session
    if (output.length === 0 && output.bytes.length > keptOutputBytes)
      output.bytes = Buffer.allocUnsafeSlow(keptOutputBytes)
    if (nowMs < this.#deadlineMs) return
    if (this.#isGreeted) {
      this.#drain()
    } else {
      this.session.close(errorCodes.SETTINGS_TIMEOUT, 'no settings in time')
      this.#linger()
    }
  }

  /** A client that has gone without a word holds its requests no longer than this. */
  #askForLife(nowMs: number): void {
    const { quietClientMs, pongTimeoutMs } = this.#runtime.limits
    const { unansweredPingMs } = this.session
    if (unansweredPingMs >= 0) {
      if (nowMs - unansweredPingMs >= pongTimeoutMs && nowMs - this.#heardMs >= pongTimeoutMs) this.connection.destroy()
    } else if (nowMs - this.#heardMs >= quietClientMs) {
      this.session.ping(nowMs)
    }
  }
}
