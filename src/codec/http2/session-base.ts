import { IdTable } from '../../core/index.ts'
import { methodCodes } from '../http1/codes.ts'
import { Budget } from './budget.ts'
import { ClosedStreams, closures } from './closed-streams.ts'
import {
  clientPreface,
  defaultTableBytes,
  defaultWindowBytes,
  errorCodes,
  frameFlags,
  frameHeaderBytes,
  maxWindowBytes,
  minFrameSize,
  settingIds,
} from './codes.ts'
import type { HeaderList } from './header-list.ts'
import { HpackEncoder } from './hpack-encoder.ts'
import type { Http2Limits, Http2Settings } from './limits.ts'
import type { OutputBuffer } from './output.ts'
import { PeerSettings } from './peer-settings.ts'
import { errorCodeOf, type Http2Problem } from './problems.ts'
import { Http2Stream } from './stream.ts'
import {
  frameHeaders,
  headersFrameBytes,
  writeData,
  writeGoAway,
  writePing,
  writeReset,
  writeSettings,
  writeWindowUpdate,
} from './writer.ts'

/** A DATA frame that carries less, only because of the peer's window, earns the peer nothing. */
const usefulDataBytes = 1_024
/** What a useful frame earns for the peer's control frames, beside one for each KiB. */
export const usefulFrameTokens = 4

/** Place of the flags in a frame's header, RFC 9113 section 4.1. */
const flagsAt = 4

const drainPing: Buffer = Buffer.from('draining', 'latin1')

/**
 * The sending half of a session, and the state that both halves share: streams,
 * windows, settings. All that it sends is appended to `output`.
 */
export abstract class SessionBase<User> {
  readonly side: 'client' | 'server'
  readonly output: OutputBuffer
  readonly settings: Http2Settings
  readonly peer: PeerSettings = new PeerSettings()
  readonly encoder: HpackEncoder
  /** Why the connection ended, after the peer's fault. */
  problem: Http2Problem | undefined = undefined
  /** GOAWAY with an error was written, or `close` was called: flush `output` and close the socket. */
  isOver: boolean = false
  /** What we may still send on the connection. */
  sendWindow: number = defaultWindowBytes
  /** What the peer may still send on the connection. */
  receiveWindow: number = defaultWindowBytes
  /** The peer sent GOAWAY. */
  peerIsLeaving: boolean = false
  /** We sent GOAWAY. */
  isDraining: boolean = false
  /** Frames that carry nothing, and streams that were given up. */
  readonly controlBudget: Budget
  readonly resetBudget: Budget

  protected readonly open: IdTable<Http2Stream<User>> = new IdTable()
  protected readonly closed: ClosedStreams = new ClosedStreams()
  protected readonly blocked: Set<Http2Stream<User>> = new Set()
  /** The highest id that the peer opened (server), and the next that we use (client). */
  protected lastPeerId: number = 0
  protected nextId: number = 1
  /** Streams above it are not ours to process any more. */
  protected lastAccepted: number = maxWindowBytes
  protected unackedSettings: number = 0
  /** The receive window that the peer may assume for a new stream. */
  protected streamWindow: number
  protected drainStep: number = 0
  protected pingSentMs: number = -1
  protected pingNumber: number = 0
  protected readonly pingBytes: Buffer = Buffer.alloc(8)
  #connectionCredit: number = 0
  /** The last DATA frame: of which stream it is, and where. */
  #lastDataStream: number = 0
  #lastDataAt: number = 0
  #lastDataEnd: number = 0
  #lastDataRound: number = 0

  constructor(side: 'client' | 'server', settings: Http2Settings, limits: Http2Limits, output: OutputBuffer) {
    this.side = side
    this.settings = settings
    this.output = output
    this.encoder = new HpackEncoder({ tableBytes: settings.encoderTableBytes })
    this.controlBudget = new Budget(limits.controlBurst, limits.controlPerSecond)
    this.resetBudget = new Budget(limits.resetBurst, limits.resetPerSecond)
    // Until our settings are acknowledged the peer may still count with the default.
    this.streamWindow = Math.max(defaultWindowBytes, settings.streamWindowBytes)
  }

  /** Stops reading. */
  protected abstract stopReading(): void

  /** Streams that are open or half-closed. */
  get streamCount(): number {
    return this.open.size
  }

  /** As they are now, in the order of their ids, from the first above `after` on and then round to it. */
  streams(after: number = 0): Http2Stream<User>[] {
    return this.open.list(after)
  }

  /** Clients: whether `request` would open a stream now. */
  get canRequest(): boolean {
    return (
      !this.isOver &&
      !this.peerIsLeaving &&
      !this.isDraining &&
      this.open.size < this.peer.maxConcurrentStreams &&
      this.nextId <= maxWindowBytes
    )
  }

  /** Drained, and nothing is left to be answered: the socket may be closed. */
  get isIdle(): boolean {
    return this.open.size === 0 && (this.peerIsLeaving || (this.isDraining && this.drainStep === 2))
  }

  /** Writes what a connection begins with: the preface of a client, SETTINGS, and a larger connection window. */
  protected start(fieldSectionBytes: number): void {
    const { side, settings, output } = this
    const pairs: [id: number, value: number][] = []
    if (settings.headerTableBytes !== defaultTableBytes) {
      pairs.push([settingIds.headerTableSize, settings.headerTableBytes])
    }
    if (side === 'client') pairs.push([settingIds.enablePush, 0])
    else pairs.push([settingIds.maxConcurrentStreams, settings.maxConcurrentStreams])
    pairs.push([settingIds.initialWindowSize, settings.streamWindowBytes])
    if (settings.frameBytes !== minFrameSize) pairs.push([settingIds.maxFrameSize, settings.frameBytes])
    pairs.push([settingIds.maxHeaderListSize, fieldSectionBytes])
    if (side === 'server' && settings.enableConnectProtocol) pairs.push([settingIds.enableConnectProtocol, 1])
    output.ensure(128)
    if (side === 'client') output.length += output.bytes.write(clientPreface, output.length, 'latin1')
    output.length = writeSettings(output.bytes, output.length, pairs)
    this.unackedSettings++
    const more = settings.connectionWindowBytes - defaultWindowBytes
    if (more > 0) {
      this.receiveWindow += more
      output.length = writeWindowUpdate(output.bytes, output.length, 0, more)
    }
  }

  /**
   * Clients: opens a stream with a request.
   *
   * @returns undefined when `canRequest` is false
   */
  request(list: HeaderList, endStream: boolean, user?: User): Http2Stream<User> | undefined {
    if (!this.canRequest) return undefined
    const stream = new Http2Stream<User>(this.nextId, this.peer.initialWindowBytes, this.streamWindow, user)
    this.nextId += 2
    stream.method = list.method?.number ?? 0
    this.open.add(stream)
    this.#writeHeaders(stream, list, endStream)
    return stream
  }

  /**
   * Sends a response head, or trailers with `endStream`.
   *
   * @returns false when the stream may not send any more; then nothing happens
   */
  sendHeaders(stream: Http2Stream<User>, list: HeaderList, endStream: boolean): boolean {
    if (stream.localEnded || stream.isReset || this.isOver) return false
    if (list.status >= 200) stream.headDone = true
    this.#writeHeaders(stream, list, endStream)
    return true
  }

  #writeHeaders(stream: Http2Stream<User>, list: HeaderList, endStream: boolean): void {
    const output = this.output
    const frameBytes = this.peer.frameBytes
    output.ensure(headersFrameBytes(this.encoder.bound(list), frameBytes))
    const at = output.length
    const block = at + frameHeaderBytes
    const blockBytes = this.encoder.encode(list, output.bytes, block) - block
    output.length = frameHeaders(output.bytes, at, blockBytes, stream.id, endStream, frameBytes)
    this.controlBudget.earn(usefulFrameTokens)
    if (endStream) this.endLocal(stream)
  }

  /** How much `sendData` would take now. */
  sendable(stream: Http2Stream<User>): number {
    if (stream.localEnded || stream.isReset || this.isOver) return 0
    return Math.max(0, Math.min(stream.sendWindow, this.sendWindow))
  }

  /**
   * Sends what both windows allow of bytes[from,to), copied into `output`.
   *
   * @param endStream sent with the last byte only
   * @returns how many bytes it took; if less than all, `onWritable` will tell when it goes on
   */
  sendData(stream: Http2Stream<User>, bytes: Buffer, from: number, to: number, endStream: boolean): number {
    if (stream.localEnded || stream.isReset || this.isOver) return 0
    const output = this.output
    const wanted = to - from
    const taken = Math.min(wanted, this.sendable(stream))
    const frameBytes = Math.min(this.peer.frameBytes, this.settings.sendFrameBytes)
    const isAll = taken === wanted
    const end = from + taken
    let position = from
    if (taken > 0 || (isAll && endStream)) {
      output.ensure(taken + frameHeaderBytes * Math.max(1, Math.ceil(taken / frameBytes)))
      do {
        const next = Math.min(end, position + frameBytes)
        this.#lastDataAt = output.length
        output.length = writeData(
          output.bytes,
          output.length,
          stream.id,
          bytes,
          position,
          next,
          endStream && isAll && next === end,
        )
        position = next
      } while (position < end)
      this.#lastDataStream = stream.id
      this.#lastDataEnd = output.length
      this.#lastDataRound = output.round
      stream.sendWindow -= taken
      this.sendWindow -= taken
      if (isAll || taken >= usefulDataBytes) this.controlBudget.earn(usefulFrameTokens + (taken >>> 10))
    }
    if (!isAll) {
      stream.isBlocked = true
      this.blocked.add(stream)
    } else if (endStream) this.endLocal(stream)
    return taken
  }

  /**
   * Ends a stream of which all content was sent: on its last DATA frame while
   * that is the end of `output`, by an empty frame otherwise.
   */
  sendEnd(stream: Http2Stream<User>): void {
    const { output } = this
    const isAtEnd = output.length === this.#lastDataEnd && output.round === this.#lastDataRound
    if (this.#lastDataStream !== stream.id || !isAtEnd || stream.localEnded || stream.isReset || this.isOver) {
      this.sendData(stream, output.bytes, 0, 0, true)
      return
    }
    output.bytes[this.#lastDataAt + flagsAt] = frameFlags.endStream
    this.endLocal(stream)
  }

  /** Gives back to the peer what was read of a stream; half a window at a time. */
  consume(stream: Http2Stream<User>, bytes: number): void {
    const count = Math.min(bytes, stream.unconsumed)
    if (count <= 0) return
    stream.unconsumed -= count
    this.creditConnection(count)
    if (stream.remoteEnded || stream.isReset) return
    stream.credit += count
    if (stream.credit * 2 < this.settings.streamWindowBytes || this.isOver) return
    stream.receiveWindow += stream.credit
    this.#writeWindowUpdate(stream.id, stream.credit)
    stream.credit = 0
  }

  protected creditConnection(bytes: number): void {
    this.#connectionCredit += bytes
    if (this.#connectionCredit * 2 < this.settings.connectionWindowBytes || this.isOver) return
    this.receiveWindow += this.#connectionCredit
    this.#writeWindowUpdate(0, this.#connectionCredit)
    this.#connectionCredit = 0
  }

  #writeWindowUpdate(streamId: number, increment: number): void {
    this.output.ensure(16)
    this.output.length = writeWindowUpdate(this.output.bytes, this.output.length, streamId, increment)
  }

  /** Resets a stream; its unread bytes count as consumed. Does nothing when it is closed. */
  reset(stream: Http2Stream<User>, code: number): void {
    if (stream.isClosed || this.isOver) return
    this.writeReset(stream.id, code)
    this.dropStream(stream, closures.reset)
  }

  protected writeReset(streamId: number, code: number): void {
    this.output.ensure(16)
    this.output.length = writeReset(this.output.bytes, this.output.length, streamId, code)
  }

  /** Takes a stream out that did not end by itself. */
  protected dropStream(stream: Http2Stream<User>, closure: number): void {
    stream.isReset = true
    this.#forget(stream, closure)
  }

  #forget(stream: Http2Stream<User>, closure: number): void {
    this.open.delete(stream.id)
    this.closed.add(stream.id, closure)
    if (stream.isBlocked) this.blocked.delete(stream)
    this.creditRest(stream)
  }

  /** What the owner of a closed stream has not read must not narrow the connection for the others. */
  protected creditRest(stream: Http2Stream<User>): void {
    const { unconsumed } = stream
    if (unconsumed === 0) return
    stream.unconsumed = 0
    this.creditConnection(unconsumed)
  }

  protected endLocal(stream: Http2Stream<User>): void {
    stream.localEnded = true
    if (stream.isBlocked) this.blocked.delete(stream)
    if (stream.remoteEnded) this.#complete(stream)
  }

  protected endRemote(stream: Http2Stream<User>): void {
    stream.remoteEnded = true
    if (stream.localEnded) this.#complete(stream)
  }

  #complete(stream: Http2Stream<User>): void {
    this.#forget(stream, closures.ended)
    this.resetBudget.earn(1)
  }

  /**
   * Begins a graceful end. A server first announces it without refusing
   * anything, and names the last stream when the answer to a PING shows that
   * the client knows, or when `finishDrain` is called (RFC 9113 section 6.8).
   */
  drain(): void {
    if (this.isDraining || this.isOver) return
    this.isDraining = true
    if (this.side === 'client') {
      this.finishDrain()
      return
    }
    this.drainStep = 1
    this.#writeGoAway(maxWindowBytes, errorCodes.NO_ERROR, '')
    this.output.ensure(17)
    this.output.length = writePing(this.output.bytes, this.output.length, drainPing, 0, false)
  }

  /** Ends the wait for clients: streams that are opened from now on are ignored. */
  finishDrain(): void {
    if (this.drainStep === 2 || this.isOver) return
    this.isDraining = true
    this.drainStep = 2
    this.lastAccepted = this.lastPeerId
    this.#writeGoAway(this.lastPeerId, errorCodes.NO_ERROR, '')
  }

  protected isDrainPing(bytes: Buffer, from: number): boolean {
    return drainPing.compare(bytes, from, from + 8) === 0
  }

  /** Ends the connection at once, by GOAWAY; all streams count as reset. */
  close(code: number, debug: string = ''): void {
    if (this.isOver) return
    this.#writeGoAway(Math.min(this.lastPeerId, this.lastAccepted), code, debug)
    this.isOver = true
    this.stopReading()
    for (const stream of this.open.list()) stream.isReset = true
  }

  /** Ends the connection because of what the peer sent. */
  protected fail(problem: Http2Problem): false {
    if (this.isOver) return false
    this.problem = problem
    this.close(errorCodeOf(problem), problem)
    return false
  }

  #writeGoAway(lastStreamId: number, code: number, debug: string): void {
    this.output.ensure(frameHeaderBytes + 8 + debug.length)
    this.output.length = writeGoAway(this.output.bytes, this.output.length, lastStreamId, code, debug)
  }

  /** Asks for a sign of life, unless an answer is still due. */
  ping(nowMs: number): void {
    if (this.pingSentMs !== -1 || this.isOver) return
    this.pingSentMs = nowMs
    this.pingBytes.writeUInt32BE(++this.pingNumber >>> 0, 4)
    this.output.ensure(17)
    this.output.length = writePing(this.output.bytes, this.output.length, this.pingBytes, 0, false)
  }

  /** When the PING was sent that nobody answered yet, or -1. */
  get unansweredPingMs(): number {
    return this.pingSentMs
  }

  /** Method codes of streams whose response has no content. */
  protected isBodiless(stream: Http2Stream<User>, status: number): boolean {
    return stream.method === methodCodes.HEAD || status === 204 || status === 304
  }
}
