import { HelloReader } from '../../codec/index.ts'
import type { VirtualHost } from '../../model/index.ts'
import type { WheelEntry } from '../resilience/timer-wheel.ts'
import type { Connection, ConnectionHandler } from '../transport/connection.ts'
import { unhandled } from '../transport/connection.ts'
import type { ClientHello, HandshakeEvents } from '../transport/tls-library.ts'

/** Who wants the connection; one of them is called, once. */
export interface SecuredOwner {
  /** Its handler is set, or it is destroyed, before this returns. */
  secured(connection: Connection): void
  /** The connection is closed or about to be. */
  notSecured(): void
}

/** What a handshake asks of its server. */
export interface HandshakeServer {
  /** The hello is complete, or is none: `problem` says why. */
  begin(handshake: Handshake, hello: ClientHello, problem: string): void
  secured(handshake: Handshake, connection: Connection): void
  /** @param error  undefined for one that was refused */
  failed(handshake: Handshake, error: Error | undefined): void
}

const readingHello = 0
const shaking = 1
/** It was told why not; what it still says is thrown away. */
const lingering = 2
const over = 3

/** One connection on its way to TLS: first its hello is read, then the library shakes hands. */
export class Handshake implements ConnectionHandler, HandshakeEvents, WheelEntry {
  wheelNext: WheelEntry | undefined = undefined
  wheelPrevious: WheelEntry | undefined = undefined
  wheelDueTick = 0
  readonly connection: Connection
  readonly owner: SecuredOwner
  /** Known while the socket is; it is told of when the socket may be closed. */
  readonly client: string
  /** The host that the client named. */
  host: VirtualHost | undefined = undefined
  readonly #server: HandshakeServer
  readonly #reader = new HelloReader()
  #bytes: Buffer | undefined = undefined
  #state: number = readingHello

  constructor(server: HandshakeServer, connection: Connection, owner: SecuredOwner) {
    this.#server = server
    this.connection = connection
    this.client = connection.remoteAddress
    this.owner = owner
    connection.handler = this
  }

  onBytes(bytes: Buffer, length: number): void {
    if (this.#state !== readingHello) return
    const from = this.#bytes?.length ?? 0
    const came = bytes.subarray(0, length)
    this.#bytes = this.#bytes === undefined ? Buffer.from(came) : Buffer.concat([this.#bytes, came], from + length)
    if (this.#reader.read(this.#bytes, from, from + length) === 'need-more') return
    const { serverName = '', protocols, problem } = this.#reader
    const hello = { bytes: this.#bytes, serverName, protocols }
    this.#bytes = undefined
    this.#state = shaking
    this.#server.begin(this, hello, problem)
  }

  onEnd(): void {
    if (this.#state !== over) this.connection.destroy()
  }

  onWritable(): void {}

  onClose(error: Error | undefined): void {
    this.onFailed(error ?? closedEarly())
  }

  onTimeout(): void {
    this.onFailed(tooLate())
    this.connection.destroy()
  }

  onSecured(connection: Connection): void {
    if (this.#state === over) {
      connection.handler = unhandled
      connection.destroy()
      return
    }
    this.#state = over
    this.#server.secured(this, connection)
  }

  onFailed(error: Error): void {
    if (this.#state === over) return
    const wasRefused = this.#state === lingering
    this.#state = over
    this.#server.failed(this, wasRefused ? undefined : error)
  }

  /** Says why not, and closes when the client has heard it. */
  refuse(alert: Buffer): void {
    this.#state = lingering
    this.connection.write(alert, alert.length)
    this.connection.end()
  }
}

function closedEarly(): Error {
  return Object.assign(new Error('closed before TLS was agreed on'), { code: 'ECONNRESET' })
}

function tooLate(): Error {
  return Object.assign(new Error('the handshake takes too long'), { code: 'ETIMEDOUT' })
}
