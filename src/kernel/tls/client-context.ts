import type { X509Certificate } from 'node:crypto'
import type { SocketHandler } from '../sockets/socket.ts'
import type { SocketTransport } from '../sockets/socket-transport.ts'
import { ctrlServerName } from './calls.ts'
import { Context } from './context.ts'
import type { ContextOptions, KeyPair } from './context.ts'
import type { OpenSslThread } from './openssl-thread.ts'
import { TlsSocket } from './tls-socket.ts'
import type { TlsEnd } from './tls-socket.ts'

export interface ClientContextOptions extends ContextOptions {
  /** PEM. */
  readonly authorities: string | readonly string[]
  readonly certificate: KeyPair | undefined
  /** Sent as name of the server; empty sends none. */
  readonly serverName: string
  /** By endpoint, in OpenSSL's own form. */
  readonly sessions: {
    get(key: string): Buffer | undefined
    put(key: string, session: Buffer): void
    delete(key: string): void
  }
  /** Looks at who has answered, before anything is said to it; an error closes the connection with it. */
  readonly judge: (peer: ShownPeer) => Error | undefined
}

export interface ShownPeer {
  readonly isResumed: boolean
  readonly certificate: X509Certificate | undefined
  /** Why no authority stands for it. */
  readonly verdict: string | undefined
}

export interface ClientTarget {
  readonly address: string
  readonly port: number
  /** In order of preference; empty sends none. */
  readonly alpn: readonly string[]
  /** Sent as plain text before the handshake. */
  readonly preface?: Buffer | undefined
}

/** How endpoints are reached by one policy. */
export class ClientContext implements Disposable {
  readonly #thread: OpenSslThread
  readonly #transport: SocketTransport
  readonly #context: Context
  readonly #options: ClientContextOptions

  /** @throws OpenSSL's reason */
  constructor(thread: OpenSslThread, transport: SocketTransport, options: ClientContextOptions) {
    const { authorities, certificate } = options
    const context = new Context(thread, 'client', options)
    this.#thread = thread
    this.#transport = transport
    this.#context = context
    this.#options = options
    context.attempt(() => {
      const pem = typeof authorities === 'string' ? authorities : authorities.join('\n')
      context.addAuthorities(pem, { areTold: false })
      if (certificate !== undefined) context.addKeyPair(certificate)
    })
  }

  /** As `connect` of the sockets; `onConnect` is called once the peer has been judged. */
  connect(target: ClientTarget, handler: SocketHandler, onConnect: () => void): TlsSocket {
    const { address, port, preface } = target
    const { serverName } = this.#options
    const end = new ClientEnd(this.#options, `${address} ${port}`, onConnect)
    const ssl = this.#open(serverName, target.alpn, this.#options.sessions.get(end.key))
    const socket = this.#transport.connect(address, port, handler, () => {
      if (preface !== undefined) socket.write(preface, preface.length)
      secured.begin()
    })
    const secured = new TlsSocket(this.#thread, ssl, socket, end, handler)
    return secured
  }

  #open(serverName: string, alpn: readonly string[], session: Buffer | undefined): bigint {
    const thread = this.#thread
    const { call } = thread.calls
    const ssl = thread.must(call.SSL_new(this.#context.pointer))
    call.SSL_set_connect_state(ssl)
    if (serverName !== '') call.SSL_ctrl(ssl, ctrlServerName, 0n, thread.lend(serverName))
    if (alpn.length > 0) {
      const list = Buffer.concat(alpn.map(name => Buffer.from(`${String.fromCharCode(name.length)}${name}`, 'latin1')))
      call.SSL_set_alpn_protos(ssl, thread.lend(list), list.length)
    }
    if (session !== undefined) {
      const at = thread.lendPointer(thread.lend(session))
      const resumed = call.d2i_SSL_SESSION(0n, at, BigInt(session.length))
      if (resumed !== 0n) {
        call.SSL_set_session(ssl, resumed)
        call.SSL_SESSION_free(resumed)
      }
    }
    return ssl
  }

  /** Connections go on. */
  [Symbol.dispose](): void {
    this.#context[Symbol.dispose]()
  }
}

class ClientEnd implements TlsEnd {
  readonly serverName: string
  readonly protocol: undefined
  readonly key: string
  readonly #options: ClientContextOptions
  readonly #onConnect: () => void

  constructor(options: ClientContextOptions, key: string, onConnect: () => void) {
    this.serverName = options.serverName
    this.key = key
    this.#options = options
    this.#onConnect = onConnect
  }

  judge(socket: TlsSocket): Error | undefined {
    const { isResumed, verdict } = socket
    // A session that is resumed has no need to show it again.
    const certificate = socket.shownCertificate()
    return this.#options.judge({ isResumed, verdict, certificate })
  }

  onSecured(): void {
    this.#onConnect()
  }

  onFirstBytes(socket: TlsSocket): void {
    const session = socket.takeSession()
    if (session !== undefined) this.#options.sessions.put(this.key, session)
  }

  /** What did not work once is not tried again: the next handshake is a whole one. */
  onFailed(): void {
    this.#options.sessions.delete(this.key)
  }
}
