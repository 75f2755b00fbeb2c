import { clientPreface, frameFlags, frameHeaderBytes, frameTypes } from './codes.ts'
import type { EntryCache } from './entry-cache.ts'
import { HeaderList } from './header-list.ts'
import { HpackDecoder } from './hpack-decoder.ts'
import type { Http2Limits } from './limits.ts'
import type { Http2Problem } from './problems.ts'

/**
 * Who is told of frames. Every method returns false to stop the reader: the
 * connection is over. Ids are checked to be 0 or not 0 as the type demands;
 * states of streams are the handler's.
 */
export interface FrameHandler {
  /** A DATA frame begins; all of its payload counts for flow control. */
  onDataStart(streamId: number, payloadBytes: number, endStream: boolean): boolean
  /** Bytes of that frame, or its end: `endStream` comes with the last call. They are good during the call only. */
  onData(bytes: Buffer, from: number, to: number, endStream: boolean): boolean
  /** How many bytes of that frame's payload are padding. */
  onPadding(bytes: number): boolean
  /** A whole field section; the list is good during the call only. `dependsOn` is -1 without priority. */
  onHeaders(streamId: number, list: HeaderList, endStream: boolean, dependsOn: number): boolean
  onPriority(streamId: number, dependsOn: number): boolean
  onReset(streamId: number, code: number): boolean
  /** Pairs of two and four bytes in bytes[from,to). */
  onSettings(bytes: Buffer, from: number, to: number): boolean
  onSettingsAck(): boolean
  /** Eight bytes at `from`. */
  onPing(bytes: Buffer, from: number, isAck: boolean): boolean
  onGoAway(lastStreamId: number, code: number): boolean
  /** For a stream or, with id 0, for the connection; `increment` may be 0. */
  onWindowUpdate(streamId: number, increment: number): boolean
  onUnknown(type: number): boolean
  /** A frame that breaks a rule of its stream only. */
  onStreamProblem(streamId: number, problem: Http2Problem): boolean
  /** The connection is over. */
  onConnectionProblem(problem: Http2Problem): void
}

// Phases: what the next byte belongs to.
const inPreface = 0
const inHeader = 1
const inPayload = 2
const inPadLength = 3
const inData = 4
const inPadding = 5
const inSkipped = 6
const stopped = 7

const noBytes: Buffer = Buffer.alloc(0)

/**
 * Splits bytes into frames (RFC 9113 sections 4 and 6) and decodes field
 * sections. Whole frames are read where they are; only an incomplete one is
 * kept, and of DATA nothing. Any split of the bytes leads to the same calls,
 * but for where `onData` divides.
 */
export class Http2Reader {
  readonly decoder: HpackDecoder
  readonly #list: HeaderList
  readonly #handler: FrameHandler
  readonly #limits: Http2Limits
  readonly #maxFrame: number

  #phase: number
  #prefaceSeen: number = 0
  #isFirst: boolean = true
  // The frame at hand.
  #length: number = 0
  #type: number = 0
  #flags: number = 0
  #streamId: number = 0
  readonly #header: Buffer = Buffer.alloc(frameHeaderBytes)
  /** Bytes of the header or of the payload that came before. */
  #held: number = 0
  #payload: Buffer = noBytes
  #left: number = 0
  #padding: number = 0
  // The field block that waits for CONTINUATION; 0 when there is none.
  #blockStream: number = 0
  #blockEndStream: boolean = false
  #blockDependsOn: number = -1
  #block: Buffer = noBytes
  #blockLength: number = 0
  #continuations: number = 0

  /**
   * @param side ours: a server expects the client's preface first
   * @param frameBytes the SETTINGS_MAX_FRAME_SIZE that we announce
   * @param values see `HpackDecoder`
   */
  constructor(
    side: 'client' | 'server',
    frameBytes: number,
    limits: Http2Limits,
    handler: FrameHandler,
    values?: EntryCache,
  ) {
    this.decoder = new HpackDecoder(values)
    this.#phase = side === 'server' ? inPreface : inHeader
    this.#maxFrame = frameBytes
    this.#limits = limits
    this.#handler = handler
    this.#list = new HeaderList(limits.fieldSectionBytes, limits.fieldCount)
  }

  /** Bytes of unfinished frames and field blocks that it keeps. */
  get heldBytes(): number {
    return this.#payload.length + this.#block.length
  }

  /** No more calls; what is fed is ignored. */
  stop(): void {
    this.#phase = stopped
    this.#payload = noBytes
    this.#block = noBytes
  }

  /** Reads bytes[from,to); false when the connection is over. */
  read(bytes: Buffer, from: number, to: number): boolean {
    let position = from
    while (position < to && this.#phase !== stopped) {
      switch (this.#phase) {
        case inHeader:
          position = this.#readHeader(bytes, position, to)
          break
        case inPayload:
          position = this.#readPayload(bytes, position, to)
          break
        case inData:
          position = this.#readData(bytes, position, to)
          break
        case inPadLength:
          this.#readPadLength(bytes[position++] as number)
          break
        case inPreface:
          position = this.#readPreface(bytes, position, to)
          break
        default:
          position = this.#skip(position, to)
      }
    }
    return this.#phase !== stopped
  }

  #refuse(problem: Http2Problem): void {
    this.stop()
    this.#handler.onConnectionProblem(problem)
  }

  /** Goes on with the next frame, unless the handler has had enough. */
  #next(goesOn: boolean): void {
    if (!goesOn) this.stop()
    else if (this.#phase !== stopped) {
      this.#phase = inHeader
      this.#held = 0
    }
  }

  #readPreface(bytes: Buffer, from: number, to: number): number {
    let position = from
    while (position < to && this.#prefaceSeen < clientPreface.length) {
      if (bytes[position] !== clientPreface.charCodeAt(this.#prefaceSeen)) {
        this.#refuse('invalid-preface')
        return position
      }
      position++
      this.#prefaceSeen++
    }
    if (this.#prefaceSeen === clientPreface.length) this.#phase = inHeader
    return position
  }

  #readHeader(bytes: Buffer, from: number, to: number): number {
    if (this.#held === 0 && to - from >= frameHeaderBytes) {
      this.#begin(bytes, from)
      const payload = from + frameHeaderBytes
      if (this.#phase === inPayload && this.#length === 0) this.#dispatch(bytes, payload, payload)
      return payload
    }
    let position = from
    while (position < to && this.#held < frameHeaderBytes) this.#header[this.#held++] = bytes[position++] as number
    if (this.#held === frameHeaderBytes) {
      this.#held = 0
      this.#begin(this.#header, 0)
      if (this.#phase === inPayload && this.#length === 0) this.#dispatch(bytes, position, position)
    }
    return position
  }

  /** Reads and checks a frame header and sets the phase for its payload. */
  #begin(bytes: Buffer, at: number): void {
    const length = ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number)
    const type = bytes[at + 3] as number
    const flags = bytes[at + 4] as number
    const streamId = readUint31(bytes, at + 5)
    this.#length = length
    this.#type = type
    this.#flags = flags
    this.#streamId = streamId
    const problem = this.#check(length, type, flags, streamId)
    if (problem !== undefined) {
      this.#refuse(problem)
      return
    }
    this.#isFirst = false
    if (type === frameTypes.data) this.#beginData()
    else if (type > frameTypes.continuation) this.#beginSkip(this.#handler.onUnknown(type))
    else if (type === frameTypes.priority && length !== 5) {
      this.#beginSkip(this.#handler.onStreamProblem(streamId, 'invalid-priority-length'))
    } else this.#phase = inPayload
  }

  /** What is wrong with a frame header, in this place. */
  #check(length: number, type: number, flags: number, streamId: number): Http2Problem | undefined {
    if (this.#isFirst && (type !== frameTypes.settings || (flags & frameFlags.ack) !== 0)) return 'missing-settings'
    if (length > this.#maxFrame) return 'frame-too-large'
    if (this.#blockStream !== 0) {
      if (type !== frameTypes.continuation || streamId !== this.#blockStream) return 'interrupted-field-block'
      return undefined
    }
    switch (type) {
      case frameTypes.data:
        if (streamId === 0) return 'stream-frame-on-connection'
        return (flags & frameFlags.padded) !== 0 && length === 0 ? 'invalid-frame-length' : undefined
      case frameTypes.headers:
        if (streamId === 0) return 'stream-frame-on-connection'
        return length < headersOverhead(flags) ? 'invalid-frame-length' : undefined
      case frameTypes.priority:
        return streamId === 0 ? 'stream-frame-on-connection' : undefined
      case frameTypes.resetStream:
        if (streamId === 0) return 'stream-frame-on-connection'
        return length === 4 ? undefined : 'invalid-frame-length'
      case frameTypes.settings:
        if (streamId !== 0) return 'connection-frame-on-stream'
        if ((flags & frameFlags.ack) !== 0) return length === 0 ? undefined : 'settings-ack-with-payload'
        return length % 6 === 0 ? undefined : 'invalid-frame-length'
      case frameTypes.ping:
        if (streamId !== 0) return 'connection-frame-on-stream'
        return length === 8 ? undefined : 'invalid-frame-length'
      case frameTypes.goAway:
        if (streamId !== 0) return 'connection-frame-on-stream'
        return length >= 8 ? undefined : 'invalid-frame-length'
      case frameTypes.windowUpdate:
        return length === 4 ? undefined : 'invalid-frame-length'
      case frameTypes.pushPromise:
        return 'push-promise'
      case frameTypes.continuation:
        return 'unexpected-continuation'
      default:
        return undefined
    }
  }

  #readPayload(bytes: Buffer, from: number, to: number): number {
    const length = this.#length
    if (this.#held === 0 && to - from >= length) {
      this.#dispatch(bytes, from, from + length)
      return from + length
    }
    if (this.#held === 0) this.#payload = Buffer.allocUnsafe(length)
    const end = Math.min(to, from + length - this.#held)
    bytes.copy(this.#payload, this.#held, from, end)
    this.#held += end - from
    if (this.#held === length) {
      const payload = this.#payload
      this.#payload = noBytes
      this.#dispatch(payload, 0, length)
    }
    return end
  }

  /** A whole frame other than DATA. */
  #dispatch(bytes: Buffer, from: number, to: number): void {
    const handler = this.#handler
    const streamId = this.#streamId
    switch (this.#type) {
      case frameTypes.headers:
        this.#next(this.#headers(bytes, from, to))
        break
      case frameTypes.continuation:
        this.#next(this.#continuation(bytes, from, to))
        break
      case frameTypes.priority:
        this.#next(handler.onPriority(streamId, readUint31(bytes, from)))
        break
      case frameTypes.resetStream:
        this.#next(handler.onReset(streamId, bytes.readUInt32BE(from)))
        break
      case frameTypes.settings:
        this.#next((this.#flags & frameFlags.ack) === 0 ? handler.onSettings(bytes, from, to) : handler.onSettingsAck())
        break
      case frameTypes.ping:
        this.#next(handler.onPing(bytes, from, (this.#flags & frameFlags.ack) !== 0))
        break
      case frameTypes.goAway:
        this.#next(handler.onGoAway(readUint31(bytes, from), bytes.readUInt32BE(from + 4)))
        break
      default:
        this.#next(handler.onWindowUpdate(streamId, readUint31(bytes, from)))
    }
  }

  #headers(bytes: Buffer, from: number, to: number): boolean {
    const flags = this.#flags
    let start = from
    let end = to
    if ((flags & frameFlags.padded) !== 0) end -= bytes[start++] as number
    let dependsOn = -1
    if ((flags & frameFlags.priority) !== 0) {
      dependsOn = readUint31(bytes, start)
      start += 5
    }
    if (end < start) {
      this.#refuse('invalid-padding')
      return false
    }
    const endStream = (flags & frameFlags.endStream) !== 0
    if (end - start > this.#limits.fieldBlockBytes) {
      this.#refuse('field-block-too-large')
      return false
    }
    if ((flags & frameFlags.endHeaders) !== 0) {
      return this.#fields(bytes, start, end, this.#streamId, endStream, dependsOn)
    }
    this.#blockStream = this.#streamId
    this.#blockEndStream = endStream
    this.#blockDependsOn = dependsOn
    this.#blockLength = 0
    this.#continuations = 0
    this.#append(bytes, start, end)
    return true
  }

  #continuation(bytes: Buffer, from: number, to: number): boolean {
    if (++this.#continuations > this.#limits.continuationFrames) {
      this.#refuse('too-many-continuations')
      return false
    }
    if (this.#blockLength + to - from > this.#limits.fieldBlockBytes) {
      this.#refuse('field-block-too-large')
      return false
    }
    this.#append(bytes, from, to)
    if ((this.#flags & frameFlags.endHeaders) === 0) return true
    const block = this.#block
    const streamId = this.#blockStream
    this.#block = noBytes
    this.#blockStream = 0
    return this.#fields(block, 0, this.#blockLength, streamId, this.#blockEndStream, this.#blockDependsOn)
  }

  #append(bytes: Buffer, from: number, to: number): void {
    const needed = this.#blockLength + to - from
    if (needed > this.#block.length) {
      const block = Buffer.allocUnsafeSlow(Math.min(this.#limits.fieldBlockBytes, Math.max(1024, needed * 2)))
      this.#block.copy(block, 0, 0, this.#blockLength)
      this.#block = block
    }
    bytes.copy(this.#block, this.#blockLength, from, to)
    this.#blockLength = needed
  }

  #fields(bytes: Buffer, from: number, to: number, streamId: number, endStream: boolean, dependsOn: number): boolean {
    const problem = this.decoder.decode(bytes, from, to, this.#list)
    if (problem === undefined) return this.#handler.onHeaders(streamId, this.#list, endStream, dependsOn)
    this.#refuse(problem)
    return false
  }

  #beginData(): void {
    this.#left = this.#length
    this.#padding = 0
    this.#phase = (this.#flags & frameFlags.padded) === 0 ? inData : inPadLength
    const endStream = (this.#flags & frameFlags.endStream) !== 0
    if (!this.#handler.onDataStart(this.#streamId, this.#length, endStream)) this.stop()
    else if (this.#length === 0) this.#endData()
  }

  /** Nothing of a DATA frame is left: tells the end of the stream unless that came with the last bytes. */
  #endData(): void {
    const endStream = (this.#flags & frameFlags.endStream) !== 0
    this.#next(!endStream || this.#handler.onData(noBytes, 0, 0, true))
  }

  #readPadLength(padding: number): void {
    if (padding >= this.#length) {
      this.#refuse('invalid-padding')
      return
    }
    this.#left = this.#length - 1 - padding
    this.#padding = padding
    if (!this.#handler.onPadding(1 + padding)) this.stop()
    else if (this.#left > 0) this.#phase = inData
    else this.#afterData()
  }

  #afterData(): void {
    if (this.#padding === 0) this.#endData()
    else {
      this.#phase = inPadding
      this.#left = this.#padding
    }
  }

  #readData(bytes: Buffer, from: number, to: number): number {
    const end = Math.min(to, from + this.#left)
    this.#left -= end - from
    const isLast = this.#left === 0 && this.#padding === 0
    const goesOn = this.#handler.onData(bytes, from, end, isLast && (this.#flags & frameFlags.endStream) !== 0)
    if (isLast || !goesOn) this.#next(goesOn)
    else if (this.#left === 0 && this.#phase !== stopped) this.#afterData()
    return end
  }

  #beginSkip(goesOn: boolean): void {
    if (!goesOn) this.stop()
    else if (this.#length === 0) this.#next(true)
    else if (this.#phase !== stopped) {
      this.#phase = inSkipped
      this.#left = this.#length
    }
  }

  /** Padding, or the payload of a frame that means nothing to us. */
  #skip(from: number, to: number): number {
    const end = Math.min(to, from + this.#left)
    this.#left -= end - from
    if (this.#left > 0) return end
    if (this.#phase === inPadding) this.#endData()
    else this.#next(true)
    return end
  }
}

/** Bytes before and after the field block that the flags announce. */
function headersOverhead(flags: number): number {
  return ((flags & frameFlags.padded) === 0 ? 0 : 1) + ((flags & frameFlags.priority) === 0 ? 0 : 5)
}

/** The reserved bit is ignored, RFC 9113 section 4.1. */
function readUint31(bytes: Buffer, at: number): number {
  return (
    (((bytes[at] as number) & 0x7f) << 24) |
    ((bytes[at + 1] as number) << 16) |
    ((bytes[at + 2] as number) << 8) |
    (bytes[at + 3] as number)
  )
}
