import { hkdfSync } from 'node:crypto'
import type { Socket, SocketHandler } from '../sockets/socket.ts'
import { ctrlTicketKeys, verifyFailIfNone, verifyPeer } from './calls.ts'
import { Context } from './context.ts'
import type { ContextOptions, KeyPair } from './context.ts'
import type { OpenSslThread } from './openssl-thread.ts'
import { TlsSocket } from './tls-socket.ts'
import type { TlsEnd } from './tls-socket.ts'

export interface ServerContextOptions extends ContextOptions {
  /** One of each type of key. */
  readonly certificates: readonly KeyPair[]
  /** `fallback` admits clients without a certificate, or with a wrong one, too. */
  readonly clients: { readonly authorities: string; readonly mode: 'require' | 'fallback' } | undefined
  /** Sessions are resumed only where this is the same; at most 32 bytes. */
  readonly sessionContext: string
  /** A name of 16 bytes, and a secret. */
  readonly ticketKeys: Buffer
  /** Undefined agrees on nothing; one that answers undefined refuses the handshake. */
  readonly chooseAlpn: ((protocols: readonly string[]) => string | undefined) | undefined
}

export interface ClientHello {
  /** As it came, with whatever came behind it. */
  readonly bytes: Buffer
  readonly serverName: string
  readonly protocols: readonly string[]
}

export interface HandshakeEvents {
  onSecured(socket: TlsSocket): void
  onFailed(error: Error): void
}

/** Seconds until a session can't be resumed any more; as with Node. */
const sessionSeconds = 300n
/** Bytes of a ticket's keys behind its name: for HMAC and for AES (OpenSSL, SSL_CTX_set_tlsext_ticket_keys). */
const ticketSecretBytes = 64
const ticketNameBytes = 16

/** How one host shakes hands with its clients. */
export class ServerContext implements Disposable {
  readonly #thread: OpenSslThread
  readonly #context: Context
  readonly #chooseAlpn: ServerContextOptions['chooseAlpn']

  /** @throws OpenSSL's reason */
  constructor(thread: OpenSslThread, options: ServerContextOptions) {
    const { certificates, clients, sessionContext, ticketKeys, chooseAlpn } = options
    const { call } = thread.calls
    const context = new Context(thread, 'server', options)
    this.#thread = thread
    this.#context = context
    this.#chooseAlpn = chooseAlpn
    context.attempt(() => {
      for (const pair of certificates) context.addKeyPair(pair)
      if (clients !== undefined) {
        context.addAuthorities(clients.authorities, { areTold: true })
        if (clients.mode === 'require') call.SSL_CTX_set_verify(context.pointer, verifyPeer | verifyFailIfNone, 0n)
        else call.SSL_CTX_set_verify(context.pointer, verifyPeer, thread.verifyCallback)
      }
      const length = Buffer.byteLength(sessionContext)
      thread.check(call.SSL_CTX_set_session_id_context(context.pointer, thread.lend(sessionContext), length))
      call.SSL_CTX_set_timeout(context.pointer, sessionSeconds)
      if (chooseAlpn !== undefined) call.SSL_CTX_set_alpn_select_cb(context.pointer, thread.alpnCallback, 0n)
      this.setTicketKeys(ticketKeys)
    })
  }

  setTicketKeys(keys: Buffer): void {
    const { call } = this.#thread.calls
    if (this.#context.pointer === 0n) return
    const secret = hkdfSync('sha256', keys.subarray(ticketNameBytes), '', 'session tickets', ticketSecretBytes)
    const bytes = Buffer.concat([keys.subarray(0, ticketNameBytes), Buffer.from(secret)])
    const length = BigInt(bytes.length)
    this.#thread.check(call.SSL_CTX_ctrl(this.#context.pointer, ctrlTicketKeys, length, this.#thread.lend(bytes)))
    this.#thread.wipe()
  }

  /** Shakes hands on a socket and takes it over. Events come after this has returned. */
  accept(socket: Socket, hello: ClientHello, events: HandshakeEvents): void {
    const { call } = this.#thread.calls
    const ssl = this.#thread.must(call.SSL_new(this.#context.pointer))
    call.SSL_set_accept_state(ssl)
    const protocol = this.#chooseAlpn === undefined ? undefined : (this.#chooseAlpn(hello.protocols) ?? '')
    const end = new ServerEnd(hello.serverName, protocol, events)
    new TlsSocket(this.#thread, ssl, socket, end, end).begin(hello.bytes)
  }

  /** Connections go on. */
  [Symbol.dispose](): void {
    this.#context[Symbol.dispose]()
  }
}

/** A server's end; until the handshake is over also who hears of the connection. */
class ServerEnd implements TlsEnd, SocketHandler {
  readonly serverName: string
  readonly protocol: string | undefined
  readonly #events: HandshakeEvents

  constructor(serverName: string, protocol: string | undefined, events: HandshakeEvents) {
    this.serverName = serverName
    this.protocol = protocol
    this.#events = events
  }

  judge(): undefined {}

  onSecured(socket: TlsSocket): void {
    this.#events.onSecured(socket)
  }

  onFirstBytes(): void {}

  onFailed(): void {}

  onBytes(): void {}

  onEnd(): void {}

  onWritable(): void {}

  onClose(error: Error | undefined): void {
    const closed = Object.assign(new Error('closed before TLS was agreed on'), { code: 'ECONNRESET' })
    this.#events.onFailed(error ?? closed)
  }
}
