import { frameFlags, frameHeaderBytes, frameTypes } from './codes.ts'

/** Writes the 9 bytes before a payload, RFC 9113 section 4.1; returns the place after them. */
export function writeFrameHeader(
  into: Buffer,
  at: number,
  length: number,
  type: number,
  flags: number,
  streamId: number,
): number {
  into[at] = length >>> 16
  into[at + 1] = length >>> 8
  into[at + 2] = length
  into[at + 3] = type
  into[at + 4] = flags
  return writeUint32(into, at + 5, streamId)
}

function writeUint32(into: Buffer, at: number, value: number): number {
  into[at] = value >>> 24
  into[at + 1] = value >>> 16
  into[at + 2] = value >>> 8
  into[at + 3] = value
  return at + 4
}

/** Bytes of a field block with the headers of the frames that carry it. */
export function headersFrameBytes(blockBytes: number, maxFrameBytes: number): number {
  return blockBytes + frameHeaderBytes * Math.max(1, Math.ceil(blockBytes / maxFrameBytes))
}

/**
 * Puts frame headers around a field block that stands at `at + 9`: HEADERS,
 * and CONTINUATION for what exceeds a frame. The block moves apart for those,
 * so `headersFrameBytes` must be free from `at` on.
 *
 * @returns the place after the last frame
 */
export function frameHeaders(
  into: Buffer,
  at: number,
  blockBytes: number,
  streamId: number,
  endStream: boolean,
  maxFrameBytes: number,
): number {
  const block = at + frameHeaderBytes
  const endFlag = endStream ? frameFlags.endStream : 0
  if (blockBytes <= maxFrameBytes) {
    writeFrameHeader(into, at, blockBytes, frameTypes.headers, endFlag | frameFlags.endHeaders, streamId)
    return block + blockBytes
  }
  const frames = Math.ceil(blockBytes / maxFrameBytes)
  // From the last on, so that nothing is overwritten before it has moved.
  for (let index = frames - 1; index > 0; index--) {
    const from = block + index * maxFrameBytes
    const length = Math.min(maxFrameBytes, blockBytes - index * maxFrameBytes)
    const target = from + index * frameHeaderBytes
    into.copyWithin(target, from, from + length)
    const flags = index === frames - 1 ? frameFlags.endHeaders : 0
    writeFrameHeader(into, target - frameHeaderBytes, length, frameTypes.continuation, flags, streamId)
  }
  writeFrameHeader(into, at, maxFrameBytes, frameTypes.headers, endFlag, streamId)
  return at + headersFrameBytes(blockBytes, maxFrameBytes)
}

/** A DATA frame with bytes[from,to); 9 bytes more than those must be free. */
export function writeData(
  into: Buffer,
  at: number,
  streamId: number,
  bytes: Buffer,
  from: number,
  to: number,
  endStream: boolean,
): number {
  const position = writeFrameHeader(
    into,
    at,
    to - from,
    frameTypes.data,
    endStream ? frameFlags.endStream : 0,
    streamId,
  )
  return from === to ? position : position + bytes.copy(into, position, from, to)
}

/** Settings as pairs of id and value. */
export function writeSettings(
  into: Buffer,
  at: number,
  settings: readonly (readonly [id: number, value: number])[],
): number {
  let position = writeFrameHeader(into, at, settings.length * 6, frameTypes.settings, 0, 0)
  for (const [id, value] of settings) {
    into[position] = id >>> 8
    into[position + 1] = id
    position = writeUint32(into, position + 2, value)
  }
  return position
}

export function writeSettingsAck(into: Buffer, at: number): number {
  return writeFrameHeader(into, at, 0, frameTypes.settings, frameFlags.ack, 0)
}

/** A PING with the 8 bytes at `from`, or the answer to it. */
export function writePing(into: Buffer, at: number, bytes: Buffer, from: number, isAck: boolean): number {
  const position = writeFrameHeader(into, at, 8, frameTypes.ping, isAck ? frameFlags.ack : 0, 0)
  for (let index = 0; index < 8; index++) into[position + index] = bytes[from + index] as number
  return position + 8
}

export function writeReset(into: Buffer, at: number, streamId: number, code: number): number {
  return writeUint32(into, writeFrameHeader(into, at, 4, frameTypes.resetStream, 0, streamId), code)
}

export function writeWindowUpdate(into: Buffer, at: number, streamId: number, increment: number): number {
  return writeUint32(into, writeFrameHeader(into, at, 4, frameTypes.windowUpdate, 0, streamId), increment)
}

/** GOAWAY; the debug text is ASCII, 17 bytes and the text must be free. */
export function writeGoAway(into: Buffer, at: number, lastStreamId: number, code: number, debug: string): number {
  const header = writeFrameHeader(into, at, 8 + debug.length, frameTypes.goAway, 0, 0)
  const position = writeUint32(into, writeUint32(into, header, lastStreamId), code)
  return position + into.write(debug, position, 'latin1')
}
