import { errorNames, frameTypes } from './codes.ts'
import { frame, headers, parseFrames, preface, settings, settingsAck } from './frames-for-tests.ts'
import type { Http2Handler } from './handler.ts'
import { createEntry } from './header-entry.ts'
import { HeaderList } from './header-list.ts'
import type { Http2Problem } from './problems.ts'
import { Http2Session, type Http2SessionOptions } from './session.ts'
import type { Http2Stream } from './stream.ts'

/** Bytes from the peer, or something that our side does between them. */
export type Step = Buffer | ((session: Http2Session, streams: ReadonlyMap<number, Http2Stream>) => void)

/** How a session must react to what a peer sends. */
export interface ConformanceCase {
  /** Section of the RFC and the behaviour. */
  readonly name: string
  /** The side that is tested. @default 'server' */
  readonly side?: 'client' | 'server'
  readonly options?: Http2SessionOptions
  /** After preface, SETTINGS and its acknowledgement, unless `isBare`. */
  readonly steps: readonly Step[]
  /** The steps begin with the first byte of the connection. @default false */
  readonly isBare?: boolean
  /** Clients: requests that are sent first, on streams 1, 3 and so on. @default 1 */
  readonly requests?: number
  /** Clients: method of those. @default 'GET' */
  readonly method?: string
  readonly expected: Expected
}

export type Expected =
  | { readonly kind: 'connection'; readonly code: string; readonly problem: Http2Problem }
  | { readonly kind: 'stream'; readonly streamId: number; readonly code: string; readonly problem: Http2Problem }
  /** Nothing is wrong; `events` is what the owner must see. */
  | { readonly kind: 'fine'; readonly events?: readonly string[] }

/** What came of it, as plain data. */
export interface Outcome {
  readonly isOver: boolean
  readonly problem: Http2Problem | undefined
  /** What the owner was told, DATA of one stream joined. */
  readonly events: readonly string[]
  /** Frames that were sent after the first SETTINGS, as text. */
  readonly sent: readonly string[]
  readonly streams: readonly string[]
  readonly windows: readonly number[]
}

/** Takes note of events and consumes all data at once. */
export class Recorder implements Http2Handler<unknown> {
  readonly events: string[] = []
  readonly streams: Map<number, Http2Stream> = new Map()
  session: Http2Session | undefined = undefined

  onHead(stream: Http2Stream, list: HeaderList, endStream: boolean): void {
    this.streams.set(stream.id, stream)
    this.events.push(`head ${stream.id} ${describe(list)}${endStream ? ' end' : ''}`)
  }

  onData(stream: Http2Stream, bytes: Buffer, from: number, to: number, endStream: boolean): void {
    const text = bytes.toString('latin1', from, to)
    const last = this.events.at(-1)
    const start = `data ${stream.id} `
    if (last?.startsWith(start) === true) this.events[this.events.length - 1] = last + text
    else this.events.push(start + text)
    if (endStream) this.events.push(`end ${stream.id}`)
    this.session?.consume(stream, to - from)
  }

  onTrailers(stream: Http2Stream, list: HeaderList): void {
    this.events.push(`trailers ${stream.id} ${describe(list)}`)
  }

  onTooLarge(stream: Http2Stream, endStream: boolean): void {
    this.streams.set(stream.id, stream)
    this.events.push(`too large ${stream.id}${endStream ? ' end' : ''}`)
  }

  onReset(stream: Http2Stream, code: number): void {
    this.events.push(`reset ${stream.id} ${errorNames[code] ?? code}`)
  }

  onUnprocessed(stream: Http2Stream): void {
    this.events.push(`unprocessed ${stream.id}`)
  }

  onStreamProblem(stream: Http2Stream | undefined, problem: Http2Problem): void {
    this.events.push(`problem ${stream?.id ?? '-'} ${problem}`)
  }

  onWritable(stream: Http2Stream): void {
    this.events.push(`writable ${stream.id}`)
  }

  onSettings(): void {}

  onGoAway(lastStreamId: number, code: number): void {
    this.events.push(`goaway ${lastStreamId} ${errorNames[code] ?? code}`)
  }

  onPong(roundTripMs: number): void {
    this.events.push(`pong ${roundTripMs}`)
  }
}

function describe(list: HeaderList): string {
  const fields = list.entries.slice(0, list.length)
  return fields.map(entry => `${entry.name}=${entry.value}`).join(' ')
}

/** Makes a list of created fields. */
export function listOf(fields: readonly (readonly [name: string, value: string])[]): HeaderList {
  const list = new HeaderList()
  for (const [name, value] of fields) list.add(createEntry(name, value))
  return list
}

/** The handshake of a peer that talks to `side`. */
export function handshake(side: 'client' | 'server'): Buffer {
  const start = Buffer.concat([settings(), settingsAck])
  return side === 'server' ? Buffer.concat([preface, start]) : start
}

/**
 * Runs a case in one session.
 *
 * @param split cuts each run of bytes of the peer into the pieces that arrive
 */
export function runCase(
  each: ConformanceCase,
  split: (bytes: Buffer) => readonly Buffer[] = bytes => [bytes],
): Outcome {
  const side = each.side ?? 'server'
  const recorder = new Recorder()
  const session = new Http2Session(side, recorder, each.options)
  recorder.session = session
  if (side === 'client') {
    for (let count = each.requests ?? 1; count > 0; count--) {
      const method = each.method ?? 'GET'
      const target: [string, string][] =
        method === 'CONNECT'
          ? []
          : [
              [':scheme', 'http'],
              [':path', '/'],
            ]
      const authority = method === 'CONNECT' ? 'a.example:443' : 'a.example'
      const stream = session.request(
        listOf([[':method', method], ...target, [':authority', authority]]),
        method === 'GET',
      )
      if (stream !== undefined) recorder.streams.set(stream.id, stream)
    }
  }
  session.output.clear()
  const steps = each.isBare === true ? each.steps : [handshake(side), ...each.steps]
  for (const step of steps) {
    if (typeof step === 'function') step(session, recorder.streams)
    else {
      for (const piece of split(step)) {
        // Bytes are good during the call only: what is kept must have been copied.
        const arrived = Buffer.from(piece)
        session.receive(arrived, 0, arrived.length, 0)
        arrived.fill(0xff)
      }
    }
  }
  return {
    isOver: session.isOver,
    problem: session.problem,
    events: recorder.events,
    sent: parseFrames(session.output.view()).map(describeFrame),
    streams: [...session.streams()].map(stream => `${stream.id} ${stream.sendWindow} ${stream.receiveWindow}`),
    windows: [session.sendWindow, session.receiveWindow],
  }
}

const typeNames = Object.keys(frameTypes)

/** `type stream flags payload`; of RST_STREAM and GOAWAY the code by name. */
export function describeFrame(sent: ReturnType<typeof parseFrames>[number]): string {
  const { type, flags, streamId, payload } = sent
  if (type === frameTypes.resetStream) return `RST_STREAM ${streamId} ${errorNames[payload.readUInt32BE(0)]}`
  if (type === frameTypes.goAway) {
    return `GOAWAY ${payload.readUInt32BE(0)} ${errorNames[payload.readUInt32BE(4)]} ${payload.toString('latin1', 8)}`
  }
  return `${typeNames[type] ?? type} ${streamId} ${flags} ${payload.toString('hex')}`
}

/** A frame of a type that nobody defined. */
export const unknownFrame: Buffer = frame(0xfa, 0xff, 1, 'what is this')

/** A request that must still work when a case is fine. */
export const probe: Buffer = headers(99, [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', '/probe'],
  [':authority', 'a.example'],
])
