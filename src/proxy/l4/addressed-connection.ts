import type { ProxyAddresses } from '../../codec/index.ts'
import type { Connection, ConnectionHandler, TlsFacts } from '../transport/connection.ts'

/** A connection whose client is somebody else than the peer of its socket: the PROXY header said so. */
export class AddressedConnection implements Connection {
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localAddress: string
  readonly localPort: number
  readonly #inner: Connection

  constructor(inner: Connection, { source, destination }: ProxyAddresses) {
    this.#inner = inner
    this.remoteAddress = source.address
    this.remotePort = source.port
    this.localAddress = destination.address
    this.localPort = destination.port
  }

  get handler(): ConnectionHandler {
    return this.#inner.handler
  }

  set handler(handler: ConnectionHandler) {
    this.#inner.handler = handler
  }

  get isPaused(): boolean {
    return this.#inner.isPaused
  }

  get isClosed(): boolean {
    return this.#inner.isClosed
  }

  get isOpen(): boolean {
    return this.#inner.isOpen
  }

  get alpn(): string {
    return this.#inner.alpn
  }

  get tls(): TlsFacts | undefined {
    return this.#inner.tls
  }

  get backlog(): number {
    return this.#inner.backlog
  }

  write(bytes: Buffer, length: number): boolean {
    return this.#inner.write(bytes, length)
  }

  end(): void {
    this.#inner.end()
  }

  destroy(): void {
    this.#inner.destroy()
  }

  reset(): void {
    this.#inner.reset()
  }

  pause(): void {
    this.#inner.pause()
  }

  resume(): void {
    this.#inner.resume()
  }
}
