import { once } from 'node:events'
import http from 'node:http'
import http2 from 'node:http2'
import type { AddressInfo } from 'node:net'

export interface Http2ServerOptions {
  readonly settings?: http2.Settings
  /** Certificate and key; TLS with ALPN then. */
  readonly tls?: { readonly chain: string; readonly key: string }
}

/** An endpoint by HTTP/2 on node:http2, which nobody here wrote. */
export class Http2Server implements AsyncDisposable {
  readonly port: number
  readonly sessions: Set<http2.ServerHttp2Session> = new Set()
  /** How many connections there ever were. */
  connections = 0
  streams = 0
  /** Called with each new connection. */
  onSession: ((session: http2.ServerHttp2Session) => void) | undefined
  /** Streams open at the same time, at most. */
  peak = 0
  readonly #server: http2.Http2Server | http2.Http2SecureServer
  #open = 0

  private constructor(server: http2.Http2Server | http2.Http2SecureServer) {
    this.#server = server
    this.port = (server.address() as AddressInfo).port
  }

  static async start(
    onStream: (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders, server: Http2Server) => void,
    options: Http2ServerOptions = {},
  ): Promise<Http2Server> {
    const { settings = {}, tls } = options
    const server =
      tls === undefined
        ? http2.createServer({ settings })
        : http2.createSecureServer({ settings, cert: tls.chain, key: tls.key })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const started = new Http2Server(server)
    server.on('session', session => started.#watch(session))
    server.on('stream', (stream: http2.ServerHttp2Stream, headers) => {
      started.#count(stream)
      onStream(stream, headers, started)
    })
    return started
  }

  #watch(session: http2.ServerHttp2Session): void {
    this.connections++
    this.sessions.add(session)
    this.onSession?.(session)
    session.on('close', () => this.sessions.delete(session))
    // What a test does to a connection is an error to the other side only.
    session.on('error', () => {})
  }

  #count(stream: http2.ServerHttp2Stream): void {
    this.streams++
    this.#open++
    this.peak = Math.max(this.peak, this.#open)
    stream.on('close', () => this.#open--)
    stream.on('error', () => {})
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const session of this.sessions) session.destroy()
    await closed
  }
}

export interface Ask {
  readonly method?: string
  readonly path?: string
  readonly headers?: http.OutgoingHttpHeaders
  readonly body?: Buffer | string | readonly string[]
  readonly trailers?: Readonly<Record<string, string>>
  readonly agent?: http.Agent
  readonly signal?: AbortSignal
}

export interface Told {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: Buffer
  readonly trailers: NodeJS.Dict<string>
  readonly interim: readonly number[]
}

/** One request by HTTP/1.1, with node:http. @throws the error of a connection that breaks, also in the middle of an answer */
export async function ask(port: number, what: Ask = {}): Promise<Told> {
  const { method = 'GET', path = '/', headers = {}, body, trailers, agent, signal } = what
  const options = { host: '127.0.0.1', port, method, path, headers, agent: agent ?? false }
  const request = http.request(signal === undefined ? options : { ...options, signal })
  const interim: number[] = []
  request.on('information', ({ statusCode }) => interim.push(statusCode))
  if (trailers !== undefined) request.addTrailers(trailers)
  const answered = new Promise<http.IncomingMessage>((resolve, reject) => {
    request.on('response', resolve)
    request.on('error', reject)
  })
  if (Array.isArray(body)) {
    for (const piece of body) request.write(piece)
    request.end()
  } else {
    request.end(body)
  }
  const response = await answered
  const pieces: Buffer[] = []
  for await (const piece of response) pieces.push(piece as Buffer)
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    body: Buffer.concat(pieces),
    trailers: response.trailers,
    interim,
  }
}

/** The whole body of a request. */
export async function contentOf(stream: http2.ServerHttp2Stream): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of stream) pieces.push(piece as Buffer)
  return Buffer.concat(pieces)
}
