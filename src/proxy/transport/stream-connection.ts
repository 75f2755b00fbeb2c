import { unhandled } from './connection.ts'
import type { Connection, ConnectionHandler, TlsFacts } from './connection.ts'

/** A stream of HTTP/2 that carries plain bytes in both directions. */
export interface ByteStream {
  /** Bytes that wait for the peer to take them. */
  readonly backlog: number
  /** Copied before it returns. */
  sendBody(bytes: Buffer, start: number, end: number): void
  sendEnd(): void
  /** Gives back to the peer what was read while nobody wanted more. */
  resumeReading(): void
  /** Ends it at once. */
  reset(): void
}

/**
 * One stream as a connection of its own: what was begun by an extended CONNECT
 * (RFC 8441) is plain bytes from then on, and a tunnel need not know how it came.
 *
 * The owner of the stream tells what happens by `received`, `ended`, `writable`
 * and `lost`.
 */
export class StreamConnection implements Connection {
  handler: ConnectionHandler = unhandled
  isPaused = false
  isClosed = false
  readonly alpn = ''
  readonly tls: TlsFacts | undefined = undefined
  readonly #stream: ByteStream
  readonly #carrier: Connection
  #isReadEnded = false
  #isWriteEnded = false
  #isClosing = false

  /** @param carrier  the connection that the stream is part of */
  constructor(stream: ByteStream, carrier: Connection) {
    this.#stream = stream
    this.#carrier = carrier
  }

  get isOpen(): boolean {
    return !this.#isClosing
  }

  get backlog(): number {
    return this.#stream.backlog
  }

  get remoteAddress(): string {
    return this.#carrier.remoteAddress
  }

  get remotePort(): number {
    return this.#carrier.remotePort
  }

  get localAddress(): string {
    return this.#carrier.localAddress
  }

  get localPort(): number {
    return this.#carrier.localPort
  }

  write(bytes: Buffer, length: number): boolean {
    if (!this.#isClosing && !this.#isWriteEnded) this.#stream.sendBody(bytes, 0, length)
    return false
  }

  end(): void {
    if (this.#isClosing || this.#isWriteEnded) return
    this.#isWriteEnded = true
    this.#stream.sendEnd()
    if (this.#isReadEnded) this.#close(undefined)
  }

  destroy(): void {
    if (this.#isClosing) return
    this.#stream.reset()
    this.#close(undefined)
  }

  reset(): void {
    this.destroy()
  }

  pause(): void {
    this.isPaused = true
  }

  resume(): void {
    if (!this.isPaused || this.#isClosing) return
    this.isPaused = false
    this.#stream.resumeReading()
  }

  received(bytes: Buffer, start: number, end: number): void {
    if (this.#isClosing || end === start) return
    this.handler.onBytes(start === 0 ? bytes : bytes.subarray(start, end), end - start)
  }

  /** The peer has finished sending. */
  ended(): void {
    if (this.#isClosing || this.#isReadEnded) return
    this.#isReadEnded = true
    this.handler.onEnd()
    if (this.#isWriteEnded) this.#close(undefined)
  }

  writable(): void {
    if (!this.#isClosing) this.handler.onWritable()
  }

  /** The stream, or all of its connection, is gone. */
  lost(reason: string): void {
    this.#close(new Error(reason))
  }

  #close(error: Error | undefined): void {
    if (this.#isClosing) return
    this.#isClosing = true
    // Later, as with every other connection: whoever closes is in the middle of something.
    process.nextTick(() => {
      this.isClosed = true
      this.handler.onClose(error)
    })
  }
}
