import type { X509Certificate } from 'node:crypto'
import type { Certificate, ClientValidation, TlsParameters } from '../../model/index.ts'
import type { Connection, ConnectionHandler, Transport } from './connection.ts'

/**
 * What encrypts for one worker. `NodeTls` is Node's own TLS, on sockets of
 * Node's; the daemon hands in OpenSSL on sockets of our own where it can
 * (`OpenSsl` of the kernel room). `test/proxy/tls-library.test.ts` holds both
 * to what is said here.
 */
export interface TlsLibrary {
  /** Whose connections it can secure; no others. */
  readonly transport: Transport
  /** @throws what the library says to a certificate, key, authority or cipher that it does not take */
  openServer(options: ServerTlsOptions): ServerTls
  /** @throws as `openServer` */
  openClient(options: ClientTlsOptions): ClientTls
}

export interface ServerTlsOptions extends TlsParameters {
  /** One of each type of key. */
  readonly certificates: readonly Certificate[]
  readonly clients: ClientValidation | undefined
  /** Sessions are resumed only where this is the same; at most 32 bytes. */
  readonly sessionContext: string
  /** As `TicketKeys` has them. */
  readonly ticketKeys: Buffer
  /** Undefined agrees on nothing; one that answers undefined refuses the handshake. */
  readonly chooseAlpn: ((protocols: readonly string[]) => string | undefined) | undefined
}

/** The first message of a client, read already. */
export interface ClientHello {
  /** With whatever came behind it; its memory is given away. */
  readonly bytes: Buffer
  /** Lower case; empty for none. */
  readonly serverName: string
  readonly protocols: readonly string[]
}

/** One of them is called, once, and not before `accept` has returned. */
export interface HandshakeEvents {
  /** Its handler is set, or it is destroyed, before this returns; `tls` can be asked for. */
  onSecured(connection: Connection): void
  /** The connection is closed or about to be. `code` is the system's or `ERR_SSL_…`. */
  onFailed(error: Error): void
}

/** How one host shakes hands. Disposing lets go of keys and certificates; connections go on. */
export interface ServerTls extends Disposable {
  /** For handshakes from now on. */
  setTicketKeys(keys: Buffer): void
  /** Shakes hands on a connection and takes it over; destroying it ends the handshake. Without a limit of time. */
  accept(connection: Connection, hello: ClientHello, events: HandshakeEvents): void
}

/** Sessions to resume, by endpoint, in the library's own form. */
export interface SessionStore {
  get(key: string): Buffer | undefined
  put(key: string, session: Buffer): void
  delete(key: string): void
}

/** Who has answered, before anything is said to it. */
export interface ShownPeer {
  readonly isResumed: boolean
  /** Undefined when it showed none. */
  readonly certificate: X509Certificate | undefined
  /** Why no authority stands for it, OpenSSL's name (`CERT_HAS_EXPIRED`); undefined when one does. */
  readonly verdict: string | undefined
}

export interface ClientTlsOptions extends TlsParameters {
  /** PEM. */
  readonly authorities: string | readonly string[]
  /** Shown when the endpoint asks for it. */
  readonly certificate: Certificate | undefined
  /** Sent as name of the server (SNI); empty sends none. */
  readonly serverName: string
  readonly sessions: SessionStore
  /** An error closes the connection with it. */
  readonly judge: (peer: ShownPeer) => Error | undefined
}

export interface ClientTarget {
  readonly address: string
  readonly port: number
  /** In order of preference; empty sends none. */
  readonly alpn: readonly string[]
  /** Sent as plain text before the handshake: a PROXY header. */
  readonly preface?: Buffer | undefined
}

/** How endpoints are reached by one policy. Disposing lets go of keys and certificates; connections go on. */
export interface ClientTls extends Disposable {
  /** As `connect` of a transport; `onConnect` is called once the peer has been judged. */
  connect(target: ClientTarget, handler: ConnectionHandler, onConnect: () => void): Connection
}
