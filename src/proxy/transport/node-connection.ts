import type net from 'node:net'
import tls from 'node:tls'
import { resetSocket } from '../../core/index.ts'
import type { Connection, ConnectionHandler, TlsFacts } from './connection.ts'

/** Less than this is copied before it is written: cheaper than to give up the caller's memory. */
const copiedBytes = 16 * 1024

/** A connection on a socket of Node's, plain or TLS. */
export class NodeConnection implements Connection {
  handler: ConnectionHandler
  isPaused = false
  isClosed = false
  readonly #socket: net.Socket
  readonly #isTls: boolean
  #tls: TlsFacts | undefined = undefined
  #error: Error | undefined = undefined

  constructor(socket: net.Socket, handler: ConnectionHandler) {
    this.#socket = socket
    this.#isTls = socket instanceof tls.TLSSocket
    this.handler = handler
    socket.on('end', () => this.handler.onEnd())
    socket.on('drain', () => this.handler.onWritable())
    socket.on('error', error => {
      this.#error = error
    })
    socket.on('close', () => {
      this.isClosed = true
      this.handler.onClose(this.#error)
    })
  }

  /** For TLS to be put on it. */
  get socket(): net.Socket {
    return this.#socket
  }

  get isOpen(): boolean {
    return !this.#socket.destroyed
  }

  get backlog(): number {
    return this.#socket.destroyed ? 0 : this.#socket.writableLength
  }

  get remoteAddress(): string {
    return this.#socket.remoteAddress ?? ''
  }

  get remotePort(): number {
    return this.#socket.remotePort ?? 0
  }

  get localAddress(): string {
    return this.#socket.localAddress ?? ''
  }

  get localPort(): number {
    return this.#socket.localPort ?? 0
  }

  get alpn(): string {
    const socket = this.#socket
    return socket instanceof tls.TLSSocket && typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : ''
  }

  get tls(): TlsFacts | undefined {
    if (!this.#isTls) return undefined
    this.#tls ??= readTlsFacts(this.#socket)
    return this.#tls
  }

  write(bytes: Buffer, length: number): boolean {
    const socket = this.#socket
    // Node would break the connection off.
    if (socket.writableEnded || socket.destroyed) return false
    // An exact copy also keeps the backlog of a peer that is behind small.
    if (length <= copiedBytes || socket.writableLength > 0) {
      socket.write(Buffer.copyBytesFrom(bytes, 0, length))
      return false
    }
    socket.write(length === bytes.length ? bytes : bytes.subarray(0, length))
    return socket.writableLength > 0
  }

  end(): void {
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  reset(): void {
    resetSocket(this.#socket)
  }

  pause(): void {
    if (this.isPaused || this.isClosed) return
    this.isPaused = true
    this.#socket.pause()
  }

  resume(): void {
    if (!this.isPaused || this.isClosed) return
    this.isPaused = false
    this.#socket.resume()
  }
}

function readTlsFacts(socket: net.Socket): TlsFacts | undefined {
  if (!(socket instanceof tls.TLSSocket)) return undefined
  const version = socket.getProtocol()
  if (version === null || version === 'unknown') return undefined
  const isResumed = socket.isSessionReused()
  const { servername } = socket as { readonly servername?: string | false | null }
  const isNamed = typeof servername === 'string'
  return {
    version,
    cipher: socket.getCipher().name,
    isResumed,
    // Node does not tell the name of a session of TLS 1.2 that is resumed.
    serverName: isNamed ? servername.toLowerCase() : isResumed && version !== 'TLSv1.3' ? undefined : '',
    peer: socket.authorized ? socket.getPeerX509Certificate() : undefined,
    get own() {
      return socket.getX509Certificate()
    },
  }
}

/** Takes over a socket that does its own reading, as those of TLS do: its chunks are handed on as they come. */
export function adoptSocket(socket: net.Socket, handler: ConnectionHandler): Connection {
  const connection = new NodeConnection(socket, handler)
  socket.on('data', (chunk: Buffer) => connection.handler.onBytes(chunk, chunk.length))
  return connection
}
