import net from 'node:net'

/** What happens on a connection; the handler is replaced as the connection changes its role. */
export interface ConnectionHandler {
  /** `bytes[0, length)` are valid until this returns. */
  onBytes(bytes: Buffer, length: number): void
  /** The peer has closed its sending side. */
  onEnd(): void
  /** Everything written has left after a backlog. */
  onWritable(): void
  /** Last call, exactly once. */
  onClose(error: Error | undefined): void
}

/**
 * One socket, behind the narrow seam that another transport could fill too:
 * write, end, destroy, pause, resume. Reads go into one buffer per worker, so
 * an idle connection owns none.
 */
export class Connection {
  handler: ConnectionHandler
  readonly socket: net.Socket
  isPaused = false
  isClosed = false
  #error: Error | undefined = undefined

  constructor(socket: net.Socket, handler: ConnectionHandler) {
    this.socket = socket
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

  /** False from the moment it is told to close, which `onClose` follows later. */
  get isOpen(): boolean {
    return !this.socket.destroyed
  }

  /** Bytes written that the kernel has not taken yet; while it is not 0, their memory is in use. */
  get backlog(): number {
    return this.socket.writableLength
  }

  write(bytes: Buffer): void {
    this.socket.write(bytes)
  }

  /** Closes the sending side once everything written has left. */
  end(): void {
    this.socket.end()
  }

  /** Closes at once; what was written and has not left is lost. */
  destroy(): void {
    this.socket.destroy()
  }

  /** Closes with a reset, so that the peer can't take a broken message for a complete one. */
  reset(): void {
    if (this.socket instanceof net.Socket && !this.socket.destroyed && !('encrypted' in this.socket)) {
      this.socket.resetAndDestroy()
    } else {
      this.socket.destroy()
    }
  }

  pause(): void {
    if (this.isPaused || this.isClosed) return
    this.isPaused = true
    this.socket.pause()
  }

  resume(): void {
    if (!this.isPaused || this.isClosed) return
    this.isPaused = false
    this.socket.resume()
  }
}

/** Opens connections for one worker: all of them read into the same buffer. */
export class Transport {
  readonly #readBuffer: Buffer

  constructor(readBufferBytes: number) {
    this.#readBuffer = Buffer.allocUnsafeSlow(readBufferBytes)
  }

  /**
   * Takes over a socket that a server with `pauseOnConnect` has accepted.
   * `net.Server` has no `onread` option, so its handle moves to a socket that has.
   */
  adopt(accepted: net.Socket, handler: ConnectionHandler): Connection {
    const holder = accepted as unknown as { _handle: object | null }
    const handle = holder._handle
    holder._handle = null
    accepted.destroy()
    const slot: { connection: Connection | undefined } = { connection: undefined }
    const options = {
      handle,
      allowHalfOpen: true,
      onread: this.#onread(slot),
    } as unknown as net.SocketConstructorOpts
    slot.connection = new Connection(new net.Socket(options), handler)
    return slot.connection
  }

  /** A TLS socket does its own reading; its chunks are handed on as they come. */
  adoptTls(socket: net.Socket, handler: ConnectionHandler): Connection {
    const connection = new Connection(socket, handler)
    socket.on('data', (chunk: Buffer) => connection.handler.onBytes(chunk, chunk.length))
    return connection
  }

  /** `handler.onClose` tells a failure; `onConnect` success. */
  connect(address: string, port: number, handler: ConnectionHandler, onConnect: () => void): Connection {
    const slot: { connection: Connection | undefined } = { connection: undefined }
    const socket = net.connect({
      host: address,
      port,
      noDelay: true,
      allowHalfOpen: true,
      autoSelectFamily: false,
      onread: this.#onread(slot),
    })
    slot.connection = new Connection(socket, handler)
    socket.once('connect', onConnect)
    return slot.connection
  }

  #onread(slot: { connection: Connection | undefined }): net.OnReadOpts {
    return {
      buffer: this.#readBuffer,
      callback: (length, bytes) => {
        const connection = slot.connection
        if (connection !== undefined && !connection.isClosed) connection.handler.onBytes(bytes as Buffer, length)
        return true
      },
    }
  }
}
