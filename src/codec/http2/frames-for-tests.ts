import { clientPreface, frameFlags, frameTypes } from './codes.ts'

/** A frame as whoever is not us would write it. */
export function frame(type: number, flags: number, streamId: number, payload: Uint8Array | string = ''): Buffer {
  const body = typeof payload === 'string' ? Buffer.from(payload, 'latin1') : Buffer.from(payload)
  const bytes = Buffer.alloc(9 + body.length)
  bytes.writeUIntBE(body.length, 0, 3)
  bytes[3] = type
  bytes[4] = flags
  bytes.writeUInt32BE(streamId, 5)
  body.copy(bytes, 9)
  return bytes
}

export function hex(digits: string): Buffer {
  return Buffer.from(digits.replace(/\s/g, ''), 'hex')
}

/** A field of a block that is written by hand. */
export type RawField = readonly [name: string, value: string]

/** Literals without indexing and without Huffman code; each name and value below 127 bytes. */
export function block(fields: readonly RawField[]): Buffer {
  const parts = fields.map(([name, value]) => [0, name.length, ...Buffer.from(name, 'latin1'), ...text(value)])
  return Buffer.from(parts.flat())
}

function text(value: string): number[] {
  const bytes = Buffer.from(value, 'latin1')
  if (bytes.length < 127) return [bytes.length, ...bytes]
  const rest = bytes.length - 127
  return rest < 128 ? [127, rest, ...bytes] : [127, (rest & 127) | 128, rest >>> 7, ...bytes]
}

export const get: readonly RawField[] = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', '/'],
  [':authority', 'a.example'],
]

export const post: readonly RawField[] = [[':method', 'POST'], ...get.slice(1)]

export const ok: readonly RawField[] = [[':status', '200']]

export interface HeadersOptions {
  /** @default false */
  readonly endStream?: boolean
  /** @default true */
  readonly endHeaders?: boolean
}

export function headers(streamId: number, fields: readonly RawField[], options: HeadersOptions = {}): Buffer {
  return rawHeaders(streamId, block(fields), options)
}

export function rawHeaders(streamId: number, fieldBlock: Uint8Array, options: HeadersOptions = {}): Buffer {
  const flags =
    (options.endStream === true ? frameFlags.endStream : 0) | (options.endHeaders === false ? 0 : frameFlags.endHeaders)
  return frame(frameTypes.headers, flags, streamId, fieldBlock)
}

export function continuation(streamId: number, fieldBlock: Uint8Array, endHeaders: boolean): Buffer {
  return frame(frameTypes.continuation, endHeaders ? frameFlags.endHeaders : 0, streamId, fieldBlock)
}

export function data(streamId: number, payload: Uint8Array | string, endStream: boolean = false): Buffer {
  return frame(frameTypes.data, endStream ? frameFlags.endStream : 0, streamId, payload)
}

export function uint32(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4)
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value, index * 4)
  return bytes
}

export function settings(...pairs: readonly (readonly [id: number, value: number])[]): Buffer {
  const bytes = Buffer.alloc(pairs.length * 6)
  for (const [index, [id, value]] of pairs.entries()) {
    bytes.writeUInt16BE(id, index * 6)
    bytes.writeUInt32BE(value, index * 6 + 2)
  }
  return frame(frameTypes.settings, 0, 0, bytes)
}

export const settingsAck: Buffer = frame(frameTypes.settings, frameFlags.ack, 0)

export function reset(streamId: number, code: number): Buffer {
  return frame(frameTypes.resetStream, 0, streamId, uint32(code))
}

export function windowUpdate(streamId: number, increment: number): Buffer {
  return frame(frameTypes.windowUpdate, 0, streamId, uint32(increment))
}

export function ping(payload: string = '12345678', flags: number = 0): Buffer {
  return frame(frameTypes.ping, flags, 0, payload)
}

export function goAway(lastStreamId: number, code: number): Buffer {
  return frame(frameTypes.goAway, 0, 0, uint32(lastStreamId, code))
}

export function priority(streamId: number, dependsOn: number): Buffer {
  return frame(frameTypes.priority, 0, streamId, Buffer.concat([uint32(dependsOn), Buffer.from([16])]))
}

export const preface: Buffer = Buffer.from(clientPreface, 'latin1')

export interface ParsedFrame {
  readonly type: number
  readonly flags: number
  readonly streamId: number
  readonly payload: Buffer
}

/** Splits what was sent; a client's preface is skipped. */
export function parseFrames(bytes: Buffer): ParsedFrame[] {
  const frames: ParsedFrame[] = []
  let at = bytes.subarray(0, preface.length).equals(preface) ? preface.length : 0
  while (at < bytes.length) {
    const end = at + 9 + bytes.readUIntBE(at, 3)
    const streamId = bytes.readUInt32BE(at + 5)
    frames.push({
      type: bytes[at + 3] as number,
      flags: bytes[at + 4] as number,
      streamId,
      payload: bytes.subarray(at + 9, end),
    })
    at = end
  }
  return frames
}
