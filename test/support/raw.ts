import net from 'node:net'

/** A client that writes exactly the bytes it is told to and sees exactly what comes back. */
export class RawClient implements AsyncDisposable {
  readonly socket: net.Socket
  received = ''
  isClosed = false
  hasEnded = false
  error: string | undefined = undefined
  #waiting = new Set<() => void>()

  constructor(socket: net.Socket) {
    this.socket = socket
    socket.on('data', chunk => {
      this.received += chunk.toString('latin1')
      this.#wake()
    })
    socket.on('end', () => {
      this.hasEnded = true
      this.#wake()
    })
    socket.on('error', error => {
      this.error = 'code' in error ? String(error.code) : error.message
    })
    socket.on('close', () => {
      this.isClosed = true
      this.#wake()
    })
  }

  static async open(port: number, options: { host?: string; allowHalfOpen?: boolean } = {}): Promise<RawClient> {
    const socket = net.connect({
      host: options.host ?? '127.0.0.1',
      port,
      noDelay: true,
      allowHalfOpen: options.allowHalfOpen ?? false,
    })
    const client = new RawClient(socket)
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', reject)
    })
    return client
  }

  write(bytes: string | Buffer): void {
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
  }

  /** Resolves once what was received satisfies `until`; rejects when the connection closes before. */
  async receive(until: (received: string) => boolean): Promise<string> {
    while (!until(this.received)) {
      if (this.isClosed)
        throw new Error(`connection closed (${this.error ?? 'end'}) after: ${JSON.stringify(this.received)}`)
      await this.#change()
    }
    return this.received
  }

  /** Everything until the peer has closed. */
  async receiveAll(): Promise<string> {
    while (!this.isClosed && !this.hasEnded) await this.#change()
    return this.received
  }

  /** Takes what has been received out of the client. */
  take(): string {
    const { received } = this
    this.received = ''
    return received
  }

  async #change(): Promise<void> {
    await new Promise<void>(resolve => this.#waiting.add(resolve))
  }

  #wake(): void {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const resolve of waiting) resolve()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.isClosed) return
    await new Promise<void>(resolve => {
      this.socket.once('close', () => resolve())
      this.socket.destroy()
    })
  }
}

/** A server that keeps what it got byte for byte and answers as told. */
export class RawServer implements AsyncDisposable {
  readonly port: number
  readonly connections: net.Socket[] = []
  readonly #server: net.Server

  constructor(server: net.Server, port: number) {
    this.#server = server
    this.port = port
  }

  /** @param onData called with each chunk, the connection, and everything received on it so far */
  static async open(
    onData: (socket: net.Socket, received: string, connection: number) => void,
    options: { allowHalfOpen?: boolean } = {},
  ): Promise<RawServer> {
    const sockets: net.Socket[] = []
    let count = 0
    const server = net.createServer({ noDelay: true, allowHalfOpen: options.allowHalfOpen ?? false }, socket => {
      const connection = count++
      sockets.push(socket)
      let received = ''
      socket.on('error', () => {
        // A reset by the proxy is part of several tests.
      })
      socket.on('data', chunk => {
        received += chunk.toString('latin1')
        onData(socket, received, connection)
      })
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    const raw = new RawServer(server, address.port)
    raw.connections.push(...sockets)
    server.on('connection', socket => raw.connections.push(socket))
    return raw
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.connections) socket.destroy()
    await new Promise<void>(resolve => this.#server.close(() => resolve()))
  }
}

export interface Answer {
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
  /** What came behind the answer. */
  readonly rest: string
}

/** Reads one answer from the front of `text`; undefined while it is not complete. Chunked bodies are decoded. */
export function parseAnswer(text: string, options: { isHead?: boolean; isClosed?: boolean } = {}): Answer | undefined {
  const headEnd = text.indexOf('\r\n\r\n')
  if (headEnd < 0) return undefined
  const [statusLine = '', ...lines] = text.slice(0, headEnd).split('\r\n')
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(statusLine)?.[1])
  const headers = new Map<string, string>()
  for (const line of lines) {
    const colon = line.indexOf(':')
    const name = line.slice(0, colon).toLowerCase()
    const value = line.slice(colon + 1).trim()
    const before = headers.get(name)
    headers.set(name, before === undefined ? value : `${before}, ${value}`)
  }
  const bodyStart = headEnd + 4
  const done = (body: string, end: number): Answer => ({ status, headers, body, rest: text.slice(end) })
  if (options.isHead === true || status < 200 || status === 204 || status === 304) return done('', bodyStart)
  const length = headers.get('content-length')
  if (length !== undefined) {
    const end = bodyStart + Number(length)
    return text.length < end ? undefined : done(text.slice(bodyStart, end), end)
  }
  if (headers.get('transfer-encoding') === 'chunked') return parseChunked(text, bodyStart, done)
  return options.isClosed === true ? done(text.slice(bodyStart), text.length) : undefined
}

function parseChunked(text: string, start: number, done: (body: string, end: number) => Answer): Answer | undefined {
  let at = start
  let body = ''
  for (;;) {
    const lineEnd = text.indexOf('\r\n', at)
    if (lineEnd < 0) return undefined
    const size = Number.parseInt(text.slice(at, lineEnd), 16)
    at = lineEnd + 2
    if (size === 0) {
      const end = text.startsWith('\r\n', at) ? at : text.indexOf('\r\n\r\n', at) + 2
      return end < at || text.length < end + 2 ? undefined : done(body, end + 2)
    }
    if (text.length < at + size + 2) return undefined
    body += text.slice(at, at + size)
    at += size + 2
  }
}
