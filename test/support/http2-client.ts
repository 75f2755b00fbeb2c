import { once } from 'node:events'
import http2 from 'node:http2'
import net from 'node:net'
import { http2Frames } from '../../src/codec/testing.ts'

export interface Http2Ask {
  readonly method?: string
  readonly path?: string
  readonly headers?: http2.OutgoingHttpHeaders
  readonly body?: Buffer | string
  readonly trailers?: http2.OutgoingHttpHeaders
}

export interface Http2Told {
  readonly status: number
  readonly headers: http2.IncomingHttpHeaders
  readonly body: Buffer
  readonly trailers: http2.IncomingHttpHeaders
  readonly interim: readonly number[]
  /** Code of the reset that ended the stream, 0 for none. */
  readonly resetCode: number
}

/** A client by HTTP/2 on node:http2, which nobody here wrote. */
export class Http2Client implements AsyncDisposable {
  readonly session: http2.ClientHttp2Session
  /** Codes of GOAWAY that came. */
  readonly goAways: number[] = []

  constructor(session: http2.ClientHttp2Session) {
    this.session = session
    session.on('error', () => {})
    session.on('goaway', code => this.goAways.push(code))
  }

  static async open(target: number | string, options: http2.SecureClientSessionOptions = {}): Promise<Http2Client> {
    const url = typeof target === 'number' ? `http://127.0.0.1:${target}` : target
    const session = http2.connect(url, options)
    const client = new Http2Client(session)
    await once(session, 'connect')
    return client
  }

  /** @throws never: a stream that was reset is told by `resetCode` */
  async ask(what: Http2Ask = {}): Promise<Http2Told> {
    const { method = 'GET', path = '/', headers = {}, body, trailers } = what
    const hasBody = body !== undefined || trailers !== undefined
    const stream = this.session.request(
      { ':method': method, ':path': path, ...headers },
      { endStream: !hasBody, waitForTrailers: trailers !== undefined },
    )
    if (trailers !== undefined) stream.on('wantTrailers', () => stream.sendTrailers(trailers))
    if (hasBody) stream.end(body)
    return readAnswer(stream)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.session.closed && this.session.destroyed) return
    const closed = once(this.session, 'close')
    this.session.destroy()
    await closed
  }
}

/** Everything of one stream, until it is closed. */
export async function readAnswer(stream: http2.ClientHttp2Stream): Promise<Http2Told> {
  let headers: http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader = {}
  let trailers: http2.IncomingHttpHeaders = {}
  const interim: number[] = []
  const pieces: Buffer[] = []
  stream.on('headers', (fields: http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader) =>
    interim.push(fields[':status'] ?? 0),
  )
  stream.on('response', fields => {
    headers = fields
  })
  stream.on('trailers', fields => {
    trailers = fields
  })
  stream.on('data', (piece: Buffer) => pieces.push(piece))
  stream.on('error', () => {})
  await new Promise<void>(resolve => stream.once('close', () => resolve()))
  const status = headers[':status'] ?? 0
  return { status, headers, body: Buffer.concat(pieces), trailers, interim, resetCode: stream.rstCode ?? 0 }
}

/** Writes frames byte by byte as it is told, and reads those that come back. */
export class RawHttp2Client implements AsyncDisposable {
  readonly socket: net.Socket
  isClosed = false
  #received: Buffer[] = []
  readonly #waiting = new Set<() => void>()

  constructor(socket: net.Socket) {
    this.socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.#received.push(chunk)
      this.#wake()
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      this.isClosed = true
      this.#wake()
    })
  }

  /** Has said nothing yet. */
  static async connect(port: number): Promise<RawHttp2Client> {
    const socket = net.connect({ host: '127.0.0.1', port, noDelay: true })
    const client = new RawHttp2Client(socket)
    await once(socket, 'connect')
    return client
  }

  /** @param settings  pairs of id and value to begin with */
  static async open(
    port: number,
    ...settings: readonly (readonly [id: number, value: number])[]
  ): Promise<RawHttp2Client> {
    const client = await RawHttp2Client.connect(port)
    client.write(http2Frames.preface, http2Frames.settings(...settings), http2Frames.settingsAck)
    return client
  }

  write(...frames: readonly Buffer[]): void {
    this.socket.write(Buffer.concat(frames))
  }

  /** Complete frames that have come. */
  get frames(): http2Frames.ParsedFrame[] {
    const bytes = Buffer.concat(this.#received)
    this.#received = [bytes]
    let end = 0
    while (end + 9 <= bytes.length && end + 9 + bytes.readUIntBE(end, 3) <= bytes.length) {
      end += 9 + bytes.readUIntBE(end, 3)
    }
    return http2Frames.parseFrames(bytes.subarray(0, end))
  }

  get text(): string {
    return Buffer.concat(this.#received).toString('latin1')
  }

  /** Content of one stream so far. */
  content(streamId: number): Buffer {
    return Buffer.concat(this.frames.filter(f => f.type === 0 && f.streamId === streamId).map(f => f.payload))
  }

  /** The code of the last GOAWAY, undefined without any. */
  get goAway(): number | undefined {
    return this.frames.findLast(frame => frame.type === 7)?.payload.readUInt32BE(4)
  }

  /** Resolves once `satisfied`; rejects when the connection closes before. */
  async until(satisfied: (client: this) => boolean): Promise<void> {
    while (!satisfied(this)) {
      if (this.isClosed) throw new Error(`closed after ${JSON.stringify(this.frames.map(f => [f.type, f.streamId]))}`)
      await new Promise<void>(resolve => this.#waiting.add(resolve))
    }
  }

  async closed(): Promise<void> {
    while (!this.isClosed) await new Promise<void>(resolve => this.#waiting.add(resolve))
  }

  #wake(): void {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const resolve of waiting) resolve()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.isClosed) return
    this.socket.destroy()
    await this.closed()
  }
}
