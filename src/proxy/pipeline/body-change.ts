import { ChunkedScanner, HeaderList, WebTextDecoder } from '../../codec/index.ts'
import type { ChunkLimits, EntryCache } from '../../codec/index.ts'
import { bodyChanges } from '../upstream/outgoing-request.ts'
import { fieldLines } from './field-lines.ts'

const crlf: Buffer = Buffer.from('\r\n', 'latin1')

/** Where a changed body goes. */
export interface BodySink {
  /** Copied before it returns. */
  onChangedBody(bytes: Buffer, start: number, end: number): void
}

/**
 * Brings the body of a request into the form of the endpoint's protocol: from
 * chunks to content, with the trailers apart, or from content to chunks; and
 * gRPC-Web in base64 to bytes.
 */
export class BodyChange {
  readonly #limits: ChunkLimits
  readonly #entries: EntryCache
  readonly #sink: BodySink
  /** Holds the line before a chunk. */
  readonly #line: Buffer = Buffer.allocUnsafeSlow(24)
  #change: number = bodyChanges.none
  #scanner: ChunkedScanner | undefined = undefined
  #webText: WebTextDecoder | undefined = undefined
  #isInvalid = false
  #trailerBytes: Buffer | undefined = undefined
  #trailers: HeaderList | undefined = undefined

  constructor(limits: ChunkLimits, entries: EntryCache, sink: BodySink) {
    this.#limits = limits
    this.#entries = entries
    this.#sink = sink
  }

  /** @param change  from `bodyChanges`, but `none` */
  start(change: number): void {
    this.#change = change
    this.#trailerBytes = undefined
    this.#trailers = undefined
    this.#isInvalid = false
    const isWebText = change === bodyChanges.webText || change === bodyChanges.webTextInChunks
    this.#webText = isWebText ? new WebTextDecoder() : undefined
    if (!this.#comesInChunks) return
    if (this.#scanner === undefined) this.#scanner = new ChunkedScanner(this.#limits)
    else this.#scanner.reset()
  }

  /** The trailers of a decoded body, once it has ended. */
  get trailers(): HeaderList | undefined {
    return this.#trailers
  }

  /** What came is not base64, or ended in the middle: the request is not to be completed. */
  get isInvalid(): boolean {
    return this.#isInvalid
  }

  get #comesInChunks(): boolean {
    return this.#change === bodyChanges.decode || this.#change === bodyChanges.webTextInChunks
  }

  take(bytes: Buffer, start: number, end: number): void {
    if (this.#comesInChunks) this.#decode(bytes, start, end)
    else if (this.#webText !== undefined) this.#content(bytes, start, end)
    else if (end > start) this.#encode(bytes, start, end)
  }

  /** @param trailers  of a body that is encoded */
  end(trailers: HeaderList | undefined): void {
    if (this.#webText?.isComplete === false) this.#isInvalid = true
    if (this.#change !== bodyChanges.encode) {
      if (this.#trailerBytes !== undefined) this.#trailers = readTrailers(this.#trailerBytes, this.#entries)
      return
    }
    let text = '0\r\n'
    if (trailers !== undefined) text += fieldLines(trailers)
    const last = Buffer.from(`${text}\r\n`, 'latin1')
    this.#sink.onChangedBody(last, 0, last.length)
  }

  #encode(bytes: Buffer, start: number, end: number): void {
    const line = this.#line
    const length = line.write(`${(end - start).toString(16)}\r\n`, 0, 'latin1')
    this.#sink.onChangedBody(line, 0, length)
    this.#sink.onChangedBody(bytes, start, end)
    this.#sink.onChangedBody(crlf, 0, crlf.length)
  }

  #content(bytes: Buffer, start: number, end: number): void {
    if (this.#webText === undefined) {
      this.#sink.onChangedBody(bytes, start, end)
      return
    }
    const decoded = this.#webText.decode(bytes.subarray(start, end))
    if (decoded === undefined) this.#isInvalid = true
    else if (decoded.length > 0) this.#sink.onChangedBody(decoded, 0, decoded.length)
  }

  /** What breaks the rules was refused by whoever read the request: here it merely ends. */
  #decode(bytes: Buffer, start: number, end: number): void {
    const scanner = this.#scanner
    if (scanner === undefined) return
    let at = start
    while (at < end) {
      const next = scanner.next(bytes, at, end)
      if (scanner.dataEnd > scanner.dataStart) {
        this.#content(bytes, scanner.dataStart, scanner.dataEnd)
      }
      if (scanner.trailersEnd > scanner.trailersStart) {
        const piece = bytes.subarray(scanner.trailersStart, scanner.trailersEnd)
        this.#trailerBytes =
          this.#trailerBytes === undefined ? Buffer.from(piece) : Buffer.concat([this.#trailerBytes, piece])
      }
      if (next === at) return
      at = next
    }
  }
}

/** Lines of trailers as the scanner has found them valid, each with CRLF, and an empty one. */
function readTrailers(bytes: Buffer, entries: EntryCache): HeaderList | undefined {
  const list = new HeaderList()
  let at = 0
  for (;;) {
    const end = bytes.indexOf('\r\n', at, 'latin1')
    const colon = bytes.indexOf(0x3a, at)
    if (end <= at || colon < 0 || colon > end) break
    let from = colon + 1
    let to = end
    while (from < to && isBlank(bytes[from])) from++
    while (to > from && isBlank(bytes[to - 1])) to--
    const entry = entries.entry(bytes, at, colon, from, to)
    if (entry.problem === undefined) list.add(entry)
    at = end + 2
  }
  return list.length === 0 ? undefined : list
}

function isBlank(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x09
}
