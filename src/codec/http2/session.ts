import { methodCodes } from '../http1/codes.ts'
import { closures } from './closed-streams.ts'
import { defaultTableBytes, maxWindowBytes } from './codes.ts'
import type { EntryCache } from './entry-cache.ts'
import type { Http2Handler } from './handler.ts'
import type { HeaderList } from './header-list.ts'
import { defaultHttp2Limits, defaultHttp2Settings, type Http2Limits, type Http2Settings } from './limits.ts'
import { checkRequest, checkResponse, checkTrailers } from './message-check.ts'
import { OutputBuffer } from './output.ts'
import { errorCodeOf, type Http2Problem } from './problems.ts'
import { Http2Reader, type FrameHandler } from './reader.ts'
import { SessionBase, usefulFrameTokens } from './session-base.ts'
import { Http2Stream } from './stream.ts'
import { writePing, writeSettingsAck } from './writer.ts'

export interface Http2SessionOptions {
  /** @default the product's */
  readonly settings?: Partial<Http2Settings>
  /** @default the product's */
  readonly limits?: Partial<Http2Limits>
  /** Shared by all connections of a worker: finds values that come again and again without being indexed. @default none */
  readonly values?: EntryCache
  /** Where frames go. @default a new one */
  readonly output?: OutputBuffer
}

/**
 * One side of one HTTP/2 connection, without sockets and clocks (RFC 9113).
 *
 * Bytes go in by `receive`, events come out through the handler, bytes to send
 * are in `output`. What a peer does wrong is a value: a stream is reset and
 * `onStreamProblem` tells it, or `problem` is set, GOAWAY is written and
 * `receive` returns false.
 *
 * Policy against abuse: each frame that serves nobody takes from
 * `controlBudget`, each stream that is given up before it was answered from
 * `resetBudget`; time and useful work fill them. An empty one ends the
 * connection with ENHANCE_YOUR_CALM. See `limits.ts`.
 */
export class Http2Session<User = unknown> extends SessionBase<User> {
  readonly limits: Http2Limits
  readonly reader: Http2Reader
  readonly #handler: Http2Handler<User>
  #nowMs: number = 0
  /** Of the DATA frame at hand; undefined when its stream is closed. */
  #dataStream: Http2Stream<User> | undefined = undefined
  #dataEarned: boolean = false
  #lastGoAway: number = maxWindowBytes

  constructor(side: 'client' | 'server', handler: Http2Handler<User>, options: Http2SessionOptions = {}) {
    const settings = { ...defaultHttp2Settings, ...options.settings }
    const limits = { ...defaultHttp2Limits, ...options.limits }
    super(side, settings, limits, options.output ?? new OutputBuffer())
    this.limits = limits
    this.#handler = handler
    this.reader = new Http2Reader(side, settings.frameBytes, limits, this.#frames(), options.values)
    if (settings.headerTableBytes > defaultTableBytes) this.reader.decoder.allowTable(settings.headerTableBytes)
    this.start(limits.fieldSectionBytes)
  }

  /**
   * Reads bytes[from,to).
   *
   * @param nowMs any monotonic clock
   * @returns false when the connection is over: flush `output`, then close the socket
   */
  receive(bytes: Buffer, from: number, to: number, nowMs: number): boolean {
    this.#nowMs = nowMs
    this.controlBudget.refill(nowMs)
    this.resetBudget.refill(nowMs)
    this.reader.read(bytes, from, to)
    return !this.isOver
  }

  protected stopReading(): void {
    this.reader.stop()
  }

  /** What the reader calls; apart, so that it is not part of the door. */
  #frames(): FrameHandler {
    return {
      onDataStart: (id, payloadBytes, endStream) => this.#onDataStart(id, payloadBytes, endStream),
      onData: (bytes, from, to, endStream) => this.#onData(bytes, from, to, endStream),
      onPadding: bytes => this.#onPadding(bytes),
      onHeaders: (id, list, endStream, dependsOn) => this.#onHeaders(id, list, endStream, dependsOn),
      onPriority: (id, dependsOn) => this.#onPriority(id, dependsOn),
      onReset: (id, code) => this.#onReset(id, code),
      onSettings: (bytes, from, to) => this.#onSettings(bytes, from, to),
      onSettingsAck: () => this.#onSettingsAck(),
      onPing: (bytes, from, isAck) => this.#onPing(bytes, from, isAck),
      onGoAway: (lastStreamId, code) => this.#onGoAway(lastStreamId, code),
      onWindowUpdate: (id, increment) => this.#onWindowUpdate(id, increment),
      onUnknown: () => this.#spendControl(),
      onStreamProblem: (id, problem) => this.#spendControl() && this.#onStreamProblem(id, problem),
      onConnectionProblem: problem => void this.fail(problem),
    }
  }

  #spendControl(): boolean {
    return this.controlBudget.spend() || this.fail('control-flood')
  }

  /** Whether a stream that is not open was never opened. */
  #isIdleStream(id: number): boolean {
    // Above what our GOAWAY named we ignore everything, so nothing is known to be idle there.
    if (this.side === 'server') return (id & 1) === 0 || (id > this.lastPeerId && id <= this.lastAccepted)
    return (id & 1) === 0 || id >= this.nextId
  }

  /** Resets a stream because of what the peer sent on it. */
  #refuseStream(stream: Http2Stream<User>, problem: Http2Problem): boolean {
    this.reset(stream, errorCodeOf(problem))
    return this.#tellProblem(stream, problem)
  }

  #tellProblem(stream: Http2Stream<User> | undefined, problem: Http2Problem): boolean {
    // Errors that a client provokes are one more way to open streams and give them up.
    if (this.side === 'server' && !this.resetBudget.spend()) return this.fail('rapid-reset')
    this.#handler.onStreamProblem(stream, problem)
    return !this.isOver
  }

  /** A problem that the reader found in a frame of a stream. */
  #onStreamProblem(id: number, problem: Http2Problem): boolean {
    const stream = this.open.get(id)
    if (stream !== undefined) return this.#refuseStream(stream, problem)
    if (!this.#isIdleStream(id)) return true
    // An idle stream cannot be reset, so only the connection is left to blame.
    this.problem = problem
    this.close(errorCodeOf(problem), problem)
    return false
  }

  // ----- HEADERS

  #onHeaders(id: number, list: HeaderList, endStream: boolean, dependsOn: number): boolean {
    const stream = this.open.get(id)
    if (stream === undefined) return this.#onHeadersElsewhere(id, list, endStream, dependsOn)
    if (stream.remoteEnded) return this.#refuseStream(stream, 'half-closed-stream')
    if (dependsOn === id) return this.#refuseStream(stream, 'self-dependency')
    if (this.side === 'client' && !stream.headDone) return this.#onResponse(stream, list, endStream)
    return this.#onTrailers(stream, list, endStream)
  }

  /** On a stream that is not open: a new one, one that was closed, or a mistake. */
  #onHeadersElsewhere(id: number, list: HeaderList, endStream: boolean, dependsOn: number): boolean {
    if (this.side === 'client') {
      if (this.#isIdleStream(id)) return this.fail((id & 1) === 0 ? 'invalid-stream-id' : 'idle-stream')
    } else {
      if ((id & 1) === 0) return this.fail('invalid-stream-id')
      if (id > this.lastPeerId) return this.#onRequest(id, list, endStream, dependsOn)
    }
    const closure = this.closed.find(id)
    if (closure === closures.reset) return this.#spendControl()
    return this.fail(closure === closures.ended ? 'closed-stream' : 'invalid-stream-id')
  }

  #onRequest(id: number, list: HeaderList, endStream: boolean, dependsOn: number): boolean {
    if (id > this.lastAccepted) {
      // Named by no GOAWAY as ours: the client will send it elsewhere.
      this.closed.add(id, closures.reset)
      return this.#spendControl()
    }
    this.lastPeerId = id
    this.controlBudget.earn(usefulFrameTokens)
    if (this.open.size >= this.settings.maxConcurrentStreams) return this.#refuseNew(id, 'too-many-streams')
    if (dependsOn === id) return this.#refuseNew(id, 'self-dependency')
    if (!list.tooLarge) {
      const problem = checkRequest(list, this.settings.enableConnectProtocol)
      if (problem !== undefined) return this.#refuseNew(id, problem)
      // RFC 9113 section 8.1.1: the end belies the length.
      if (endStream && list.contentLength > 0) return this.#refuseNew(id, 'content-length-mismatch')
    }
    const stream = new Http2Stream<User>(id, this.peer.initialWindowBytes, this.streamWindow, undefined)
    this.open.add(stream)
    if (endStream) this.endRemote(stream)
    stream.method = list.method?.number ?? 0
    if (list.tooLarge) {
      this.#handler.onTooLarge(stream, endStream)
      return !this.isOver
    }
    stream.isTunnel = stream.method === methodCodes.CONNECT
    if (!stream.isTunnel) stream.bodyLeft = list.contentLength
    this.#handler.onHead(stream, list, endStream)
    return !this.isOver
  }

  /** Refuses a request before it became a stream. */
  #refuseNew(id: number, problem: Http2Problem): boolean {
    this.writeReset(id, errorCodeOf(problem))
    this.closed.add(id, closures.reset)
    return this.#tellProblem(undefined, problem)
  }

  #onResponse(stream: Http2Stream<User>, list: HeaderList, endStream: boolean): boolean {
    const problem = list.tooLarge ? 'field-section-too-large' : checkResponse(list)
    if (problem !== undefined) return this.#refuseStream(stream, problem)
    const status = list.status
    if (status < 200) {
      if (endStream) return this.#refuseStream(stream, 'informational-ends-stream')
      // Each one costs the client behind us a head; a server that goes on for ever is stopped.
      if (!this.#spendControl()) return false
    } else {
      this.controlBudget.earn(usefulFrameTokens)
      stream.headDone = true
      stream.isTunnel = stream.method === methodCodes.CONNECT && status < 300
      stream.isBodiless = !stream.isTunnel && this.isBodiless(stream, status)
      if (!stream.isTunnel && !stream.isBodiless) stream.bodyLeft = list.contentLength
      if (endStream && stream.bodyLeft > 0) return this.#refuseStream(stream, 'content-length-mismatch')
    }
    if (endStream) this.endRemote(stream)
    this.#handler.onHead(stream, list, endStream)
    return !this.isOver
  }

  #onTrailers(stream: Http2Stream<User>, list: HeaderList, endStream: boolean): boolean {
    if (stream.isTunnel) return this.#refuseStream(stream, 'fields-in-tunnel')
    if (!endStream) return this.#refuseStream(stream, 'unfinished-trailers')
    const problem = list.tooLarge ? 'field-section-too-large' : checkTrailers(list)
    if (problem !== undefined) return this.#refuseStream(stream, problem)
    if (stream.bodyLeft > 0) return this.#refuseStream(stream, 'content-length-mismatch')
    this.endRemote(stream)
    this.#handler.onTrailers(stream, list)
    return !this.isOver
  }

  // ----- DATA

  #onDataStart(id: number, payloadBytes: number, endStream: boolean): boolean {
    this.#dataStream = undefined
    this.#dataEarned = false
    const stream = this.open.get(id)
    if (stream === undefined) {
      if (this.#isIdleStream(id)) return this.fail('idle-stream')
      if (id <= this.lastAccepted && this.closed.find(id) !== closures.reset) return this.fail('closed-stream')
    }
    if (!endStream && !this.#spendControl()) return false
    this.receiveWindow -= payloadBytes
    if (this.receiveWindow < 0) return this.fail('connection-window-exceeded')
    if (stream === undefined) {
      this.creditConnection(payloadBytes)
      return true
    }
    const problem = this.#takeWindow(stream, payloadBytes)
    if (problem === undefined) {
      this.#dataStream = stream
      return true
    }
    this.creditConnection(payloadBytes)
    return this.#refuseStream(stream, problem)
  }

  #takeWindow(stream: Http2Stream<User>, payloadBytes: number): Http2Problem | undefined {
    if (stream.remoteEnded) return 'half-closed-stream'
    if (this.side === 'client' && !stream.headDone) return 'unexpected-content'
    stream.receiveWindow -= payloadBytes
    return stream.receiveWindow < 0 ? 'window-exceeded' : undefined
  }

  #onPadding(bytes: number): boolean {
    const stream = this.#dataStream
    if (stream === undefined) return true
    stream.unconsumed += bytes
    this.consume(stream, bytes)
    return true
  }

  #onData(bytes: Buffer, from: number, to: number, endStream: boolean): boolean {
    const stream = this.#dataStream
    if (stream === undefined) return true
    const length = to - from
    if (stream.isReset) {
      // By the owner, in the middle of the frame.
      this.creditConnection(length)
      return true
    }
    if (length > 0 && !this.#dataEarned) {
      this.#dataEarned = true
      this.controlBudget.earn(usefulFrameTokens)
    }
    const expected = stream.isBodiless ? 0 : stream.bodyLeft
    if (expected >= 0) {
      // What is allowed is delivered, so that the owner sees the same however the bytes were split.
      const allowed = Math.min(length, expected)
      if (!stream.isBodiless) stream.bodyLeft -= allowed
      if (allowed < length || (endStream && expected > allowed)) {
        if (allowed > 0) this.#deliver(stream, bytes, from, from + allowed, false)
        this.creditConnection(length - allowed)
        if (stream.isReset || this.isOver) return !this.isOver
        return this.#refuseStream(stream, stream.isBodiless ? 'unexpected-content' : 'content-length-mismatch')
      }
    }
    if (endStream) this.endRemote(stream)
    this.#deliver(stream, bytes, from, to, endStream)
    return !this.isOver
  }

  #deliver(stream: Http2Stream<User>, bytes: Buffer, from: number, to: number, endStream: boolean): void {
    stream.unconsumed += to - from
    this.#handler.onData(stream, bytes, from, to, endStream)
    if (stream.isClosed) this.creditRest(stream)
  }

  // ----- other frames

  #onPriority(id: number, dependsOn: number): boolean {
    if (!this.#spendControl()) return false
    return id !== dependsOn || this.#onStreamProblem(id, 'self-dependency')
  }

  #onReset(id: number, code: number): boolean {
    const stream = this.open.get(id)
    if (stream === undefined) return this.#isIdleStream(id) ? this.fail('idle-stream') : this.#spendControl()
    const isEarly = !stream.localEnded
    this.dropStream(stream, closures.ended)
    if (this.side === 'server' && isEarly && !this.resetBudget.spend()) {
      this.#handler.onReset(stream, code)
      return this.fail('rapid-reset')
    }
    this.#handler.onReset(stream, code)
    return !this.isOver
  }

  #onSettings(bytes: Buffer, from: number, to: number): boolean {
    if (!this.#spendControl()) return false
    const windowBefore = this.peer.initialWindowBytes
    const problem = this.peer.apply(bytes, from, to, this.side)
    if (problem !== undefined) return this.fail(problem)
    this.encoder.allowTable(this.peer.headerTableBytes)
    const change = this.peer.initialWindowBytes - windowBefore
    if (change !== 0) {
      for (const stream of this.open.list()) {
        stream.sendWindow += change
        if (stream.sendWindow > maxWindowBytes) return this.fail('connection-window-overflow')
      }
    }
    this.output.ensure(9)
    this.output.length = writeSettingsAck(this.output.bytes, this.output.length)
    this.#handler.onSettings()
    if (change > 0) this.#wakeBlocked()
    return !this.isOver
  }

  #onSettingsAck(): boolean {
    if (this.unackedSettings === 0) return this.fail('unexpected-settings-ack')
    this.unackedSettings--
    const { headerTableBytes, streamWindowBytes } = this.settings
    if (headerTableBytes < defaultTableBytes) this.reader.decoder.allowTable(headerTableBytes)
    const change = streamWindowBytes - this.streamWindow
    this.streamWindow = streamWindowBytes
    if (change !== 0) {
      for (const stream of this.open.list()) stream.receiveWindow += change
    }
    return true
  }

  #onPing(bytes: Buffer, from: number, isAck: boolean): boolean {
    if (!this.#spendControl()) return false
    if (!isAck) {
      this.output.ensure(17)
      this.output.length = writePing(this.output.bytes, this.output.length, bytes, from, true)
      return true
    }
    if (this.drainStep === 1 && this.isDrainPing(bytes, from)) this.finishDrain()
    else if (this.pingSentMs !== -1 && this.pingBytes.compare(bytes, from, from + 8) === 0) {
      const roundTripMs = this.#nowMs - this.pingSentMs
      this.pingSentMs = -1
      this.#handler.onPong(roundTripMs)
    }
    return !this.isOver
  }

  #onGoAway(lastStreamId: number, code: number): boolean {
    if (!this.#spendControl()) return false
    if (lastStreamId > this.#lastGoAway) return this.fail('goaway-id-grows')
    this.#lastGoAway = lastStreamId
    this.peerIsLeaving = true
    this.#handler.onGoAway(lastStreamId, code)
    if (this.side === 'client') {
      for (const stream of this.open.list()) {
        if (stream.id <= lastStreamId || stream.isReset) continue
        this.dropStream(stream, closures.reset)
        this.#handler.onUnprocessed(stream)
      }
    }
    return !this.isOver
  }

  #onWindowUpdate(id: number, increment: number): boolean {
    if (!this.#spendControl()) return false
    if (id === 0) {
      if (increment === 0) return this.fail('zero-connection-window-increment')
      this.sendWindow += increment
      if (this.sendWindow > maxWindowBytes) return this.fail('connection-window-overflow')
      this.#wakeBlocked()
      return !this.isOver
    }
    const stream = this.open.get(id)
    if (stream === undefined) return !this.#isIdleStream(id) || this.fail('idle-stream')
    if (increment === 0) return this.#refuseStream(stream, 'zero-window-increment')
    stream.sendWindow += increment
    if (stream.sendWindow > maxWindowBytes) return this.#refuseStream(stream, 'window-overflow')
    if (stream.isBlocked) this.#wake(stream)
    return !this.isOver
  }

  /** In the order in which they were blocked; one that is blocked again goes to the end. */
  #wakeBlocked(): void {
    if (this.blocked.size === 0) return
    for (const stream of this.blocked) {
      if (this.sendWindow <= 0 || this.isOver) return
      this.#wake(stream)
    }
  }

  #wake(stream: Http2Stream<User>): void {
    if (this.sendable(stream) === 0) return
    stream.isBlocked = false
    this.blocked.delete(stream)
    this.#handler.onWritable(stream)
  }
}
