import { once } from 'node:events'
import http from 'node:http'
import http2 from 'node:http2'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { crc32 } from 'node:zlib'
import type { PemPair } from './certificates.ts'
import { Noise, pour } from './clients-stream.ts'

export type BackendKind = 'HTTP/1.1' | 'h2c' | 'h2 over TLS'

type Request = http.IncomingMessage | http2.Http2ServerRequest
type Answer = http.ServerResponse | http2.Http2ServerResponse

/** What came of one body. */
export interface Received {
  readonly bytes: number
  readonly checksum: number
}

/** Reads a body to its end. @throws when it breaks off */
export async function receive(body: AsyncIterable<unknown>): Promise<Received> {
  let [bytes, checksum] = [0, 0]
  for await (const piece of body) {
    bytes += (piece as Buffer).length
    checksum = crc32(piece as Buffer, checksum)
  }
  return { bytes, checksum }
}

/**
 * A server of Node, alike by each version of HTTP. The last parts of the path say what it does:
 *
 *     small/TEXT        answers with the text
 *     digest            reads the body and tells what came, as JSON, with the request's trailers in it
 *     noise/BYTES       sends so many
 *     trailers/BYTES    reads the body, then sends so many, and x-checksum of them as trailer
 *     hold              reads, and does not answer
 *     late              does not read before `goOn` is called; then as digest
 *     reset/early       reads the head, and breaks off
 *     reset/BYTES       answers with as many bytes of twice that many, and breaks off
 */
export class MatrixBackend implements AsyncDisposable {
  readonly port: number
  /** Requests that have not ended. */
  open = 0
  /** Requests that the other side broke off. */
  broken = 0
  connections = 0
  /** What was sent for `noise` and `trailers`, the latest last. */
  readonly sent: Noise[] = []
  readonly #server: http.Server | http2.Http2Server | http2.Http2SecureServer
  readonly #sockets = new Set<Duplex>()
  #waiting: (() => void)[] = []

  private constructor(server: http.Server | http2.Http2Server | http2.Http2SecureServer) {
    this.#server = server
    this.port = (server.address() as AddressInfo).port
  }

  static async start(kind: BackendKind, tls: PemPair): Promise<MatrixBackend> {
    const server = serverOf(kind, tls)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const backend = new MatrixBackend(server)
    server.on('connection', (socket: Duplex) => backend.#watch(socket))
    // What a test does to a session is an error to one side of it.
    server.on('sessionError', () => {})
    server.on('request', (request: Request, answer: Answer) => void backend.#serve(request, answer))
    return backend
  }

  #watch(socket: Duplex): void {
    this.connections++
    this.#sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => {
      this.connections--
      this.#sockets.delete(socket)
    })
  }

  /** How many wait at `late`. */
  get waiting(): number {
    return this.#waiting.length
  }

  /** What waits at `late` goes on. */
  goOn(): void {
    for (const resume of this.#waiting) resume()
    this.#waiting = []
  }

  closeConnections(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  async #serve(request: Request, answer: Answer): Promise<void> {
    this.open++
    const onClose = (isBroken: boolean): void => {
      this.open--
      if (isBroken) this.broken++
    }
    if (answer instanceof http.ServerResponse) answer.once('close', () => onClose(!answer.writableFinished))
    else answer.stream.once('close', () => onClose(answer.stream.rstCode !== http2.constants.NGHTTP2_NO_ERROR))
    request.on('error', () => {})
    answer.on('error', () => {})
    try {
      await this.#answer(request, answer)
    } catch {
      // The client has gone, which the counts tell.
    }
  }

  async #answer(request: Request, answer: Answer): Promise<void> {
    const [, , what = '', argument = ''] = (request.url ?? '').split('/')
    switch (what) {
      case 'small':
        answer.end(argument)
        return
      case 'digest':
        await tell(request, answer)
        return
      case 'late': {
        await new Promise<void>(resolve => this.#waiting.push(resolve))
        await tell(request, answer)
        return
      }
      case 'noise': {
        await pour(answer as http.ServerResponse, this.#noise(Number(argument)), 'plain')
        answer.end()
        return
      }
      case 'trailers':
        await this.#sendTrailers(request, answer, Number(argument))
        return
      case 'hold':
        request.resume()
        return
      case 'reset':
        await breakOff(answer, argument === 'early' ? 0 : Number(argument))
        return
      default:
        answer.statusCode = 404
        answer.end()
    }
  }

  async #sendTrailers(request: Request, answer: Answer, bytes: number): Promise<void> {
    const received = await receive(request)
    const noise = this.#noise(bytes)
    answer.setHeader('Trailer', 'x-checksum, x-received')
    await pour(answer as http.ServerResponse, noise, 'plain')
    answer.addTrailers({
      'x-checksum': String(noise.checksum),
      'x-received': `${received.checksum} ${String(request.trailers['x-checksum'])}`,
    })
    answer.end()
  }

  #noise(bytes: number): Noise {
    const noise = new Noise(bytes)
    this.sent.push(noise)
    return noise
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.closeConnections()
    await closed
  }
}

function serverOf(kind: BackendKind, { chain, key }: PemPair): http.Server | http2.Http2Server {
  switch (kind) {
    case 'HTTP/1.1': {
      const server = http.createServer({ noDelay: true })
      server.keepAliveTimeout = 60_000
      return server
    }
    case 'h2c':
      return http2.createServer()
    case 'h2 over TLS':
      return http2.createSecureServer({ cert: chain, key })
  }
}

async function tell(request: Request, answer: Answer): Promise<void> {
  const received = await receive(request)
  answer.setHeader('content-type', 'application/json')
  answer.end(JSON.stringify(received))
}

/** Not before everything that was sent has left the process, so that it is in the middle of an answer. */
async function breakOff(answer: Answer, bytes: number): Promise<void> {
  if (bytes > 0) {
    answer.setHeader('content-length', 2 * bytes)
    await new Promise(resolve => (answer as http.ServerResponse).write(Buffer.alloc(bytes, 'x'), resolve))
  }
  if (answer instanceof http.ServerResponse) answer.socket?.resetAndDestroy()
  else answer.stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR)
}
