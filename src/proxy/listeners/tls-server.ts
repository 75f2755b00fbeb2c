import net from 'node:net'
import tls from 'node:tls'
import type { Counter, Logger, Meter } from '../../core/index.ts'
import { messageOf } from '../../core/index.ts'
import type { Listener, VirtualHost } from '../../model/index.ts'
import type { ProxyLimits } from '../limits.ts'
import { chooseAlpn } from './alpn.ts'
import type { TicketKeys } from './ticket-keys.ts'
import { CertificateStore, chooseHost, pairs } from './tls-certificates.ts'
import { findObjection, hostTls, joinHosts } from './tls-settings.ts'
import type { SocketSettings } from './tls-settings.ts'

export interface TlsServerOptions {
  readonly limits: ProxyLimits
  readonly meter: Meter
  readonly logger: Logger
  readonly ticketKeys: TicketKeys
  /** Whether a protocol is agreed on: of bytes that are only forwarded nobody knows what they are. @default 'http' */
  readonly alpn?: 'http' | 'none'
  /** A handshake has ended well, by the host that the client named. */
  readonly onSocket: (socket: tls.TLSSocket) => void
}

/** SSL_OP_NO_TICKET of OpenSSL, which Node hands through; no constant of its own. */
const noTicket = 1 << 14

/**
 * Terminates TLS for a listener. Certificates are looked up by server name in
 * the newest configuration, so that a changed one holds for the next handshake
 * and no connection is dropped. Sessions are resumed by tickets, whose keys all
 * workers share.
 */
export class TlsServer implements Disposable {
  /** To listen with. */
  readonly server: net.Server
  readonly #options: TlsServerOptions
  readonly #store = new CertificateStore()
  readonly #counters = new Map<string, Counter>()
  readonly #ticketSubscription: Disposable
  #listener: Listener
  #settings: SocketSettings
  /** Shakes hands; made anew when what holds before a server name is known changes. */
  #engine: tls.Server
  #anonymous: VirtualHost | undefined
  #underWay = 0

  /** @throws the TLS library's error for a certificate that it does not take */
  constructor(listener: Listener, options: TlsServerOptions) {
    this.#listener = listener
    this.#options = options
    this.#settings = joinHosts(listener.virtualHosts)
    this.#anonymous = anonymousHost(listener)
    this.#engine = this.#makeEngine()
    this.#ticketSubscription = options.ticketKeys.subscribe(keys => this.#engine.setTicketKeys(keys))
    this.server = net.createServer({ noDelay: true }, socket => this.accept(socket))
    this.server.once('close', () => this[Symbol.dispose]())
  }

  /** Handshakes that have begun and not ended. */
  get underWay(): number {
    return this.#underWay
  }

  /** @throws the TLS library's error for a certificate that it does not take */
  update(listener: Listener): void {
    const settings = joinHosts(listener.virtualHosts)
    const anonymous = anonymousHost(listener)
    const isSame = anonymous === this.#anonymous && JSON.stringify(settings) === JSON.stringify(this.#settings)
    const before = { listener: this.#listener, settings: this.#settings, anonymous: this.#anonymous }
    this.#listener = listener
    this.#settings = settings
    this.#anonymous = anonymous
    if (isSame) return
    try {
      this.#engine = this.#makeEngine()
    } catch (error) {
      this.#listener = before.listener
      this.#settings = before.settings
      this.#anonymous = before.anonymous
      throw error
    }
  }

  /**
   * Shakes hands on a connection that was accepted by whatever means.
   *
   * @param early  bytes of the client that were read already
   */
  accept(socket: net.Socket, early?: Buffer): void {
    if (this.#underWay >= this.#options.limits.maxHandshakes) {
      this.#count('refused', '', false)
      socket.destroy()
      return
    }
    this.#underWay++
    if (early !== undefined && early.length > 0) socket.unshift(early)
    this.#engine.emit('connection', socket)
  }

  [Symbol.dispose](): void {
    this.#ticketSubscription[Symbol.dispose]()
  }

  #makeEngine(): tls.Server {
    const { minVersion, maxVersion, ciphers, asksClients, requiresClients, isUniform, sessionContext } = this.#settings
    const anonymous = this.#anonymous
    const authorities = anonymous === undefined ? undefined : hostTls(anonymous).clients?.authorities
    const engine = tls.createServer({
      // Clients that name no server, since they know an address only, are those of the listener for any host.
      ...(anonymous === undefined ? {} : pairs(this.#store.choose(anonymous, ''))),
      ...(authorities === undefined ? {} : { ca: authorities }),
      ...(ciphers === undefined ? {} : { ciphers }),
      ...(isUniform ? {} : { secureOptions: noTicket }),
      minVersion,
      maxVersion,
      requestCert: asksClients,
      rejectUnauthorized: requiresClients,
      sessionIdContext: sessionContext,
      handshakeTimeout: this.#options.limits.handshakeTimeoutMs,
      ...(this.#options.alpn === 'none'
        ? {}
        : { ALPNCallback: ({ protocols }: { readonly protocols: readonly string[] }) => chooseAlpn(protocols) }),
      SNICallback: (serverName, done) => {
        const outcome = this.#contextFor(serverName.toLowerCase())
        if (outcome instanceof Error) done(outcome)
        else done(null, outcome)
      },
    })
    engine.setTicketKeys(this.#options.ticketKeys.current)
    engine.on('secureConnection', socket => this.#secured(socket))
    engine.on('tlsClientError', (error, socket) => this.#failed(error, socket))
    return engine
  }

  #contextFor(serverName: string): tls.SecureContext | Error {
    const host = chooseHost(this.#listener.virtualHosts, serverName)
    try {
      const context = host && this.#store.contextFor(host, serverName, this.#settings.sessionContext)
      return context ?? new Error(noCertificate)
    } catch (error) {
      // Thrown on, it would end the worker.
      return new Error(`certificate of ${host?.id ?? ''} can't be used`, { cause: error })
    }
  }

  #secured(socket: tls.TLSSocket): void {
    this.#underWay--
    const version = socket.getProtocol() ?? ''
    const resumed = socket.isSessionReused()
    const objection = this.#findObjection(socket, version)
    if (objection !== undefined) {
      this.#count(objection, version, resumed)
      this.#tell(socket, objection)
      socket.on('error', () => {})
      socket.destroy()
      return
    }
    this.#count('ok', version, resumed)
    socket.setNoDelay(true)
    this.#options.onSocket(socket)
  }

  #findObjection(socket: tls.TLSSocket, version: string): string | undefined {
    const { isUniform, asksClients } = this.#settings
    if (isUniform && !asksClients) return undefined
    // The name of a resumed TLS 1.2 session is not told, but then all hosts want the same.
    const host = isUniform
      ? this.#listener.virtualHosts[0]
      : chooseHost(this.#listener.virtualHosts, serverNameOf(socket))
    if (host === undefined) return noCertificate
    return findObjection(hostTls(host), {
      version,
      cipher: socket.getCipher().name,
      // A resumed session without a certificate counts as authorized for Node.
      isClientValid: asksClients && socket.authorized && socket.getPeerX509Certificate() !== undefined,
    })
  }

  #failed(error: Error, socket: tls.TLSSocket): void {
    this.#underWay--
    const reason = resultOf(error, socket)
    this.#count(reason, '', false)
    this.#tell(socket, reason === 'failed' ? messageOf(error) : reason)
  }

  #tell(socket: tls.TLSSocket, reason: string): void {
    const { logger } = this.#options
    logger.debug('TLS handshake failed', { listener: this.#listener.id, client: socket.remoteAddress ?? '', reason })
  }

  #count(result: string, version: string, isResumed: boolean): void {
    const key = `${result} ${version} ${isResumed}`
    let counter = this.#counters.get(key)
    if (counter === undefined) {
      const labels = { listener: this.#listener.id, result, version, resumed: String(isResumed) }
      counter = this.#options.meter.counter('heddle_tls_handshakes_total', labels)
      this.#counters.set(key, counter)
    }
    counter.value++
  }
}

const noCertificate = 'no-certificate'

/** Empty when the client named no server. */
function serverNameOf(socket: tls.TLSSocket): string {
  const { servername } = socket as { readonly servername?: string | false | null }
  return typeof servername === 'string' ? servername.toLowerCase() : ''
}

function anonymousHost({ virtualHosts }: Listener): VirtualHost | undefined {
  return virtualHosts.find(host => host.hostname === undefined && host.certificates.length > 0)
}

/** A word for the metric: few, whatever clients send. */
function resultOf(error: Error, socket: tls.TLSSocket): string {
  if (error.message === noCertificate) return noCertificate
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  if (code === 'ERR_TLS_HANDSHAKE_TIMEOUT') return 'timeout'
  if (code === 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE') return 'client-certificate'
  const verdict: unknown = socket.authorizationError
  if (verdict !== undefined && verdict !== null) return 'client-certificate'
  if (/UNSUPPORTED_PROTOCOL|VERSION/.test(code)) return 'version'
  if (code === 'ERR_SSL_NO_SHARED_CIPHER') return 'cipher'
  return code === 'ECONNRESET' ? 'aborted' : 'failed'
}
