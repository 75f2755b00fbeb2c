import { once } from 'node:events'
import http from 'node:http'
import http2 from 'node:http2'
import type { Readable, Writable } from 'node:stream'
import { Client, H2CClient, Pool } from 'undici'
import type { Dispatcher } from 'undici'

export type ClientKind = 'HTTP/1.1' | 'h2c' | 'h2 over TLS'

export interface Ask {
  readonly method?: string
  readonly path: string
  /** What follows the content, once all of it was given. */
  readonly trailers?: () => { readonly 'x-checksum': string }
}

export interface Asked {
  /** The request's content. */
  readonly body: Writable
  /** The request is complete. */
  end(): void
  /** Once the head has come. */
  readonly answer: Promise<Told>
  /** Goes away in the middle. */
  reset(): void
}

export interface Told {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: Readable
  /** Once the body has ended. */
  trailers(): NodeJS.Dict<string | string[]>
}

/** A client of Node's own modules, alike by each version of HTTP. */
export interface MatrixClient extends AsyncDisposable {
  ask(what: Ask): Asked
}

export function connectClient(kind: ClientKind, port: number, authority: string): MatrixClient {
  switch (kind) {
    case 'HTTP/1.1':
      return new Http1Client(port)
    case 'h2c':
      return new Http2Client(http2.connect(`http://127.0.0.1:${port}`))
    case 'h2 over TLS':
      return new Http2Client(http2.connect(`https://127.0.0.1:${port}`, { ca: authority, servername: 'front.example' }))
  }
}

class Http1Client implements MatrixClient {
  readonly #agent = new http.Agent({ keepAlive: true, maxSockets: 8 })
  readonly #port: number

  constructor(port: number) {
    this.#port = port
  }

  ask({ method = 'GET', path, trailers }: Ask): Asked {
    const headers = { host: 'front.example', ...(method === 'GET' ? {} : { 'transfer-encoding': 'chunked' }) }
    const request = http.request({ host: '127.0.0.1', port: this.#port, agent: this.#agent, method, path, headers })
    if (trailers !== undefined) request.setHeader('trailer', 'x-checksum')
    return {
      body: request,
      end: () => {
        if (trailers !== undefined) request.addTrailers(trailers())
        request.end()
      },
      answer: new Promise<Told>((resolve, reject) => {
        request.on('error', reject)
        request.on('response', response => {
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: response,
            trailers: () => response.trailers,
          })
        })
      }),
      reset: () => request.socket?.resetAndDestroy(),
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#agent.destroy()
  }
}

class Http2Client implements MatrixClient {
  readonly #session: http2.ClientHttp2Session

  constructor(session: http2.ClientHttp2Session) {
    this.#session = session
    session.on('error', () => {})
  }

  ask({ method = 'GET', path, trailers }: Ask): Asked {
    const stream = this.#session.request(
      { ':method': method, ':path': path, ':authority': 'front.example' },
      { endStream: method === 'GET', waitForTrailers: trailers !== undefined },
    )
    stream.on('wantTrailers', () => stream.sendTrailers(trailers?.() ?? {}))
    let received: http2.IncomingHttpHeaders = {}
    stream.on('trailers', fields => (received = fields))
    return {
      body: stream,
      end: () => void stream.end(),
      answer: new Promise<Told>((resolve, reject) => {
        stream.on('error', reject)
        stream.on('close', () => reject(new Error('closed')))
        stream.on('response', headers => {
          resolve({ status: headers[':status'] ?? 0, headers, body: stream, trailers: () => received })
        })
      }),
      reset: () => stream.close(http2.constants.NGHTTP2_CANCEL),
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#session.destroyed) return
    const closed = once(this.#session, 'close')
    this.#session.destroy()
    await closed
  }
}

/** The same by undici; no trailers and no resets. */
export function undiciClient(kind: ClientKind, port: number, authority: string): Dispatcher {
  switch (kind) {
    case 'HTTP/1.1':
      return new Pool(`http://127.0.0.1:${port}`, { connections: 8 })
    case 'h2c':
      return new H2CClient(`http://127.0.0.1:${port}`)
    case 'h2 over TLS':
      return new Client(`https://127.0.0.1:${port}`, {
        allowH2: true,
        connect: { ca: authority, servername: 'front.example' },
      })
  }
}
