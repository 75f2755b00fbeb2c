import net from 'node:net'
import tls from 'node:tls'
import type { Connection, ConnectionHandler } from './connection.ts'
import { unhandled } from './connection.ts'
import { adoptSocket, NodeConnection } from './node-connection.ts'
import { keepAliveDelayMs, NodeTransport } from './node-transport.ts'
import type {
  ClientHello,
  ClientTarget,
  ClientTls,
  ClientTlsOptions,
  HandshakeEvents,
  ServerTls,
  ServerTlsOptions,
  TlsLibrary,
} from './tls-library.ts'

/** TLS of Node's: everywhere where OpenSSL can't be called directly. */
export class NodeTls implements TlsLibrary {
  readonly transport: NodeTransport

  constructor(readBufferBytes: number) {
    this.transport = new NodeTransport(readBufferBytes)
  }

  openServer(options: ServerTlsOptions): ServerTls {
    return new NodeServerTls(options)
  }

  openClient(options: ClientTlsOptions): ClientTls {
    return new NodeClientTls(options)
  }
}

/** A server of Node's that listens nowhere. */
class NodeServerTls implements ServerTls {
  readonly #engine: tls.Server
  readonly #underWay = new WeakMap<net.Socket, HandshakeEvents>()

  constructor(options: ServerTlsOptions) {
    const { certificates, minVersion, maxVersion, ciphers, clients, sessionContext, ticketKeys, chooseAlpn } = options
    this.#engine = tls.createServer({
      cert: certificates.map(({ chain }) => chain),
      key: certificates.map(({ key }) => key),
      minVersion,
      maxVersion,
      ...(ciphers === undefined ? {} : { ciphers }),
      ...(clients === undefined ? {} : { ca: clients.authorities }),
      requestCert: clients !== undefined,
      rejectUnauthorized: clients?.mode === 'require',
      sessionIdContext: sessionContext,
      // Whoever shakes hands watches the time.
      handshakeTimeout: 0x7fff_ffff,
      ...(chooseAlpn === undefined
        ? {}
        : { ALPNCallback: ({ protocols }: { readonly protocols: readonly string[] }) => chooseAlpn(protocols) }),
    })
    this.#engine.setTicketKeys(ticketKeys)
    this.#engine.on('secureConnection', socket => {
      socket.allowHalfOpen = true
      this.#take(socket)?.onSecured(adoptSocket(socket.setNoDelay(true), unhandled))
    })
    this.#engine.on('tlsClientError', (error, socket) => {
      // Node closes without a word when it refuses a certificate.
      const verdict = socket.authorizationError as unknown as string | null | undefined
      this.#take(socket)?.onFailed(typeof verdict === 'string' ? certificateRefused(verdict) : error)
    })
  }

  setTicketKeys(keys: Buffer): void {
    this.#engine.setTicketKeys(keys)
  }

  accept(connection: Connection, { bytes }: ClientHello, events: HandshakeEvents): void {
    if (!(connection instanceof NodeConnection)) throw new TypeError('not a connection of the transport of this TLS')
    const { socket } = connection
    connection.handler = unhandled
    connection.pause()
    this.#underWay.set(socket, events)
    // Who ends within the handshake is gone.
    socket.allowHalfOpen = false
    socket.unshift(bytes)
    this.#engine.emit('connection', socket)
  }

  /** The events of the handshake that has ended on a socket; Node names the socket below in a field of its own. */
  #take(socket: tls.TLSSocket): HandshakeEvents | undefined {
    const { _parent: below } = socket as unknown as { readonly _parent: net.Socket }
    const events = this.#underWay.get(below)
    this.#underWay.delete(below)
    return events
  }

  [Symbol.dispose](): void {}
}

function certificateRefused(verdict: string): Error {
  return Object.assign(new Error(`the client's certificate was refused: ${verdict}`), {
    code: 'ERR_SSL_CERTIFICATE_VERIFY_FAILED',
  })
}

export class NodeClientTls implements ClientTls {
  readonly #options: ClientTlsOptions
  readonly #context: tls.SecureContext

  /** @throws the library's error for authorities, ciphers or a certificate that it does not take */
  constructor(options: ClientTlsOptions) {
    const { authorities, minVersion, maxVersion, ciphers, certificate } = options
    this.#options = options
    this.#context = tls.createSecureContext({
      ca: typeof authorities === 'string' ? authorities : [...authorities],
      minVersion,
      maxVersion,
      ...(ciphers === undefined ? {} : { ciphers }),
      ...(certificate === undefined ? {} : { cert: certificate.chain, key: certificate.key }),
    })
  }

  connect(target: ClientTarget, handler: ConnectionHandler, onConnect: () => void): Connection {
    return adoptSocket(this.open(target, onConnect), handler)
  }

  /** The same as a socket of Node's, for its own clients. */
  open({ address, port, alpn, preface }: ClientTarget, onReady: () => void): tls.TLSSocket {
    const { serverName, sessions, judge } = this.#options
    const key = `${address} ${port}`
    const session = sessions.get(key)
    const options: tls.ConnectionOptions & { readonly allowHalfOpen: boolean } = {
      ...(preface === undefined ? { host: address, port } : { socket: connectWith(preface, address, port) }),
      secureContext: this.#context,
      servername: serverName,
      // Looked at below, where the certificate is still at hand for the message.
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
      allowHalfOpen: true,
      ...(alpn.length === 0 ? {} : { ALPNProtocols: [...alpn] }),
      ...(session === undefined ? {} : { session }),
    }
    const socket = tls.connect(options)
    socket.setNoDelay(true)
    socket.setKeepAlive(true, keepAliveDelayMs)
    let isVerified = false
    socket.on('session', (fresh: Buffer) => {
      if (isVerified) sessions.put(key, fresh)
    })
    // What did not work once is not tried again: the next handshake is a whole one.
    socket.once('error', () => sessions.delete(key))
    socket.once('secureConnect', () => {
      const problem = judge({
        isResumed: socket.isSessionReused(),
        certificate: socket.getPeerX509Certificate(),
        verdict: socket.authorized ? undefined : String(socket.authorizationError),
      })
      isVerified = problem === undefined
      if (problem === undefined) onReady()
      else socket.destroy(problem)
    })
    return socket
  }

  [Symbol.dispose](): void {}
}

function connectWith(preface: Buffer, address: string, port: number): net.Socket {
  const socket = net.connect({ host: address, port, noDelay: true, allowHalfOpen: true, autoSelectFamily: false })
  socket.write(preface)
  return socket
}
