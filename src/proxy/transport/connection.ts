import type { X509Certificate } from 'node:crypto'
import type { KeptPlace } from './kept-sockets.ts'

/** What happens on a connection; the handler is replaced as the connection changes its role. */
export interface ConnectionHandler {
  /** `bytes[0, length)` are valid until this returns. */
  onBytes(bytes: Buffer, length: number): void
  /** The peer has closed its sending side. */
  onEnd(): void
  /** Everything written has left after a backlog. */
  onWritable(): void
  /** Last call, exactly once, and never before the call that closed has returned. */
  onClose(error: Error | undefined): void
}

/** What a handshake came to. */
export interface TlsFacts {
  /** `TLSv1.3` */
  readonly version: string
  /** OpenSSL's name. */
  readonly cipher: string
  readonly isResumed: boolean
  /** Server name that the client asked for, lower case; empty when it named none, undefined when it can't be told (TLS 1.2, resumed). */
  readonly serverName: string | undefined
  /** The peer's certificate, if it showed one that an authority of ours signed. */
  readonly peer: X509Certificate | undefined
  /** Our own, as far as one was shown; found when it is asked for, while the connection is open. */
  readonly own: X509Certificate | undefined
}

/**
 * One connection, behind the narrow seam that each transport fills. Reads go
 * into one buffer per worker, so an idle connection owns none.
 */
export interface Connection {
  handler: ConnectionHandler
  readonly isPaused: boolean
  readonly isClosed: boolean
  /** False from the moment it is told to close, which `onClose` follows later. */
  readonly isOpen: boolean
  /** Bytes written that the kernel has not taken yet; none from the moment it is told to close. */
  readonly backlog: number
  /** Empty when unknown, as it may be once the connection has closed; an IPv4 peer of an IPv6 listener begins with `::ffff:`. */
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localAddress: string
  readonly localPort: number
  /** What was agreed upon by ALPN, `h2` or `http/1.1`; empty without TLS, before its handshake has ended, or without agreement. */
  readonly alpn: string
  /** Undefined without TLS. Asked for once the handshake has ended, while the connection is open; kept from then on. */
  readonly tls: TlsFacts | undefined

  /**
   * Sends `bytes[0, length)`; drops them after `end`, `destroy` or `reset`.
   *
   * @returns true when the connection still reads from this memory: the caller gives it up and never writes to it again
   */
  write(bytes: Buffer, length: number): boolean
  /** Closes the sending side once everything written has left. */
  end(): void
  /** Closes at once; what was written and has not left is lost. */
  destroy(): void
  /** Closes with a reset, so that the peer can't take a broken message for a complete one. */
  reset(): void
  pause(): void
  resume(): void
}

/** What a listening socket tells. */
export interface ListenOptions {
  readonly address: string
  /** 0 for any free one. */
  readonly port: number
  /** Sockets that listen there already. @default one is opened */
  readonly kept?: KeptPlace | undefined
  /** A connection has come; it sets its handler, or destroys it, before it returns. */
  onConnection(connection: Connection): void
  /** Nothing more will be accepted for now; what is open goes on. */
  onError(error: Error): void
}

export interface ListeningSocket {
  readonly port: number
  /**
   * Accepts nothing more. Connections that were accepted stay; those that wait may still come before this returns, or
   * wait on in a socket that is kept and goes on.
   */
  close(): void
}

/**
 * Opens plain connections for one worker: all of them read into the same
 * buffer. The daemon hands in sockets of our own (`SocketTransport` of the
 * kernel room); `NodeTransport` is for machines where those can't be opened.
 * `test/proxy/transport.test.ts` holds both to what is said here.
 */
export interface Transport {
  /** Listens with SO_REUSEPORT, since every worker does. @throws the system's error, with `code` */
  listen(options: ListenOptions): Promise<ListeningSocket>
  /**
   * `handler.onClose` tells a failure, an error with the system's `code`; `onConnect` success. Neither is called
   * before this returns.
   */
  connect(address: string, port: number, handler: ConnectionHandler, onConnect: () => void): Connection
  /**
   * A connection that another thread has accepted; its descriptor belongs to this from now on, also when it fails.
   * Undefined where that cannot be done. @throws the system's error
   */
  adopt?(descriptor: number, remote: { readonly address: string; readonly port: number }): Connection
}

/** Until somebody takes a connection over. */
export const unhandled: ConnectionHandler = {
  onBytes: () => {},
  onEnd: () => {},
  onWritable: () => {},
  onClose: () => {},
}
