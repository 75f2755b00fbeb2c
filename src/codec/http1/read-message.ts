import { ChunkedScanner } from './chunked-scanner.ts'
import { complete, finished, framings, invalid, needMore, running } from './codes.ts'
import { HeadParser } from './head-parser.ts'
import { defaultChunkLimits, defaultHeadLimits, type ChunkLimits, type HeadLimits } from './limits.ts'
import type { Http1Problem } from './problems.ts'

/** All that the codec says about one message, as plain data, so that two readings can be compared. */
export interface Reading {
  readonly outcome: 'complete' | 'incomplete' | 'refused'
  readonly problem: Http1Problem | undefined
  readonly status: number
  /** Offset in the whole input where the problem was noticed or the message ended. */
  readonly at: number
  readonly head: Readonly<Record<string, unknown>> | undefined
  readonly body: string
  readonly trailers: string
}

export interface ReadOptions {
  /** Code of the method that a response answers. @default 0 */
  readonly requestMethod?: number
  /** @default the product's */
  readonly headLimits?: HeadLimits
  /** @default the product's */
  readonly chunkLimits?: ChunkLimits
}

const framingNames = Object.keys(framings)

/**
 * Reads one message that arrives in the given pieces, as a connection would:
 * the bytes of an unfinished head are kept and moved to another place in
 * another buffer, body bytes are forgotten after each piece.
 */
export function readMessage(
  kind: 'request' | 'response',
  pieces: readonly Uint8Array[],
  options: ReadOptions = {},
): Reading {
  const parser = new HeadParser(kind, options.headLimits ?? defaultHeadLimits)
  parser.requestMethod = options.requestMethod ?? 0
  const scanner = new ChunkedScanner(options.chunkLimits ?? defaultChunkLimits)
  let held: Uint8Array = new Uint8Array(0)
  let result: number = needMore
  let head: Record<string, unknown> | undefined
  let base = 0
  let left = 0
  const reading = { body: '', trailers: '' }
  for (const piece of pieces) {
    let bytes = Buffer.from(piece)
    let position = 0
    if (result === needMore) {
      const margin = (held.length * 7) % 5
      bytes = Buffer.concat([Buffer.alloc(margin, 'x'), held, piece])
      result = parser.parse(bytes, margin, bytes.length)
      if (result === invalid) {
        const { problem, problemStatus: status, problemAt: at } = parser
        return { outcome: 'refused', problem, status, at, head: undefined, ...reading }
      }
      if (result === needMore) {
        held = bytes.subarray(margin)
        continue
      }
      head = describe(parser)
      left = parser.contentLength
      position = margin + parser.length
      base = parser.length - position
    }
    if (parser.framing === framings.chunked) {
      while (position < bytes.length && scanner.state === running) {
        position = scanner.next(bytes, position, bytes.length)
        reading.body += bytes.toString('latin1', scanner.dataStart, scanner.dataEnd)
        reading.trailers += bytes.toString('latin1', scanner.trailersStart, scanner.trailersEnd)
      }
      if (scanner.state === invalid) {
        const { problem, problemStatus: status } = scanner
        return { outcome: 'refused', problem, status, at: base + position, head, ...reading }
      }
    } else if (parser.framing === framings.length) {
      const end = Math.min(bytes.length, position + left)
      reading.body += bytes.toString('latin1', position, end)
      left -= end - position
      position = end
    }
    if (isWhole(parser, scanner, left)) {
      return { outcome: 'complete', problem: undefined, status: 0, at: base + position, head, ...reading }
    }
    base += bytes.length
  }
  return { outcome: 'incomplete', problem: undefined, status: 0, at: 0, head, ...reading }
}

function isWhole(parser: HeadParser, scanner: ChunkedScanner, left: number): boolean {
  if (parser.framing === framings.chunked) return scanner.state === finished
  return parser.framing !== framings.length || left === 0
}

function describe(parser: HeadParser): Record<string, unknown> {
  const fields: unknown[] = []
  for (let index = 0; index < parser.fieldCount; index++) {
    fields.push([parser.name(index), parser.value(index), parser.fieldIds[index], parser.drop[index]])
  }
  return {
    result: complete,
    fields,
    offsets: [...parser.fields.subarray(0, parser.fieldCount * 4)],
    length: parser.length,
    method: parser.text(0, parser.methodEnd),
    methodCode: parser.method,
    target: parser.text(parser.targetStart, parser.targetEnd),
    targetForm: parser.targetForm,
    path: parser.text(parser.pathStart, parser.pathEnd),
    query: parser.queryStart === -1 ? undefined : parser.text(parser.queryStart, parser.targetEnd),
    authority: parser.text(parser.authorityStart, parser.authorityEnd),
    host: parser.text(parser.hostStart, parser.hostEnd),
    minorVersion: parser.minorVersion,
    status: parser.status,
    reason: parser.text(parser.reasonStart, parser.reasonEnd),
    framing: framingNames[parser.framing],
    contentLength: parser.contentLength,
    keepAlive: parser.keepAlive,
    upgrade: parser.upgrade,
    expectContinue: parser.expectContinue,
  }
}
