import type { Caller, TlsRecord } from '../../model/index.ts'
import { ClientAccess } from '../access/access-gate.ts'
import type { Http2Series } from '../listeners/http2-series.ts'
import type { Connection } from '../transport/connection.ts'
import { tlsRecordOf } from '../transport/tls-record.ts'
import { clientCertificateValue } from './client-certificate.ts'
import type { ListenerFacts } from './exchange-client.ts'
import type { ForwardedFacts } from './request-input.ts'

/** What accepted the connection. */
export interface ClientListener extends ListenerFacts {
  readonly isClosing: boolean
  readonly http2: Http2Series
  remove(connection: ClientConnection): void
}

/** One connection of a client, by whatever version of HTTP, as its listener keeps it. */
export abstract class ClientConnection {
  readonly connection: Connection
  readonly listener: ClientListener
  caller: Caller | undefined = undefined
  #access: ClientAccess | undefined = undefined
  #client = ''
  #tls: TlsRecord | undefined = undefined
  #clientAddress = ''
  #forwarded: ForwardedFacts | undefined = undefined

  constructor(listener: ClientListener, connection: Connection) {
    this.listener = listener
    this.connection = connection
  }

  /** `address:port` of the client, for people. */
  get client(): string {
    if (this.#client === '') {
      const address = this.clientAddress
      this.#client = `${address.includes(':') ? `[${address}]` : address}:${this.connection.remotePort}`
    }
    return this.#client
  }

  get clientAddress(): string {
    if (this.#clientAddress === '') {
      const address = this.connection.remoteAddress
      if (address === '') return 'unknown'
      this.#clientAddress = address.startsWith('::ffff:') ? address.slice('::ffff:'.length) : address
    }
    return this.#clientAddress
  }

  get access(): ClientAccess {
    if (this.#access === undefined || this.#access.caller !== this.caller) {
      this.#access = new ClientAccess(this.caller, this.clientAddress)
    }
    return this.#access
  }

  get tls(): TlsRecord | undefined {
    if (this.#tls === undefined && this.listener.scheme === 'https') this.#tls = tlsRecordOf(this.connection)
    return this.#tls
  }

  get forwarded(): ForwardedFacts | undefined {
    if (this.#forwarded === undefined && this.listener.kind === 'gateway') {
      const peer = this.connection.tls?.peer
      this.#forwarded = {
        clientAddress: this.clientAddress,
        scheme: this.listener.scheme,
        certificate: peer === undefined ? '' : clientCertificateValue(peer),
        rawHost: undefined,
        lines: '',
        entriesHost: undefined,
        entries: undefined,
      }
    }
    return this.#forwarded
  }

  /** While the socket is open: the access log asks for it when it may be closed. */
  protected resolveClient(): void {
    void this.client
  }

  /** A new connection reads its first request once `identified` was called. */
  abstract awaitCaller(): void
  /** Says who calls; undefined when nobody knows. A connection that does not wait is told, too, for the requests to come. */
  abstract identified(caller: Caller | undefined): void
  /** Policies have changed: what they refuse now ends. */
  abstract judgeAgain(): void
  /** Nothing is under way that would be lost with it. */
  abstract get isIdle(): boolean
  /** Called about once a second: ends what has waited too long. */
  abstract sweep(nowMs: number): void
  /** The listener closes: what is under way is the last. */
  abstract closeSoon(): void
  /** Closes at once, whatever is under way. */
  abstract cut(): void
}
