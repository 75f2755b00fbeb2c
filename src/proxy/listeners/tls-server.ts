import net from 'node:net'
import type tls from 'node:tls'
import { HelloReader } from '../../codec/index.ts'
import type { Counter, Logger, Meter } from '../../core/index.ts'
import { messageOf } from '../../core/index.ts'
import type { Listener, VirtualHost } from '../../model/index.ts'
import type { ProxyLimits } from '../limits.ts'
import { chooseAlpn } from './alpn.ts'
import type { TicketKeys } from './ticket-keys.ts'
import { chooseHost } from './tls-certificates.ts'
import { hostTls, TlsEngines } from './tls-engines.ts'

export interface TlsServerOptions {
  readonly limits: ProxyLimits
  readonly meter: Meter
  readonly logger: Logger
  readonly ticketKeys: TicketKeys
  /** What is negotiated by ALPN; `none` agrees on nothing and leaves the choice to the client. @default 'http' */
  readonly alpn?: 'http' | 'none'
  /** A handshake has ended well, by the host that the client named. */
  readonly onSocket: (socket: tls.TLSSocket) => void
}

/** RFC 8446 section 6.2: a fatal alert, unrecognized_name, in a record of its own. */
const unrecognizedName = Buffer.from([21, 3, 3, 0, 2, 2, 112])

/**
 * Terminates TLS for a listener. The first message of a client is read before
 * anything else, since the name in it decides everything: the host with its
 * certificates, versions, ciphers and authorities, in the newest configuration.
 * So a change holds for the next handshake and no connection is dropped.
 * Sessions are resumed by tickets, whose key all workers share.
 */
export class TlsServer implements Disposable {
  /** To listen with. */
  readonly server: net.Server
  readonly #options: TlsServerOptions
  readonly #engines: TlsEngines
  readonly #counters = new Map<string, Counter>()
  readonly #ticketSubscription: Disposable
  #listener: Listener
  #underWay = 0

  constructor(listener: Listener, options: TlsServerOptions) {
    this.#listener = listener
    this.#options = options
    this.#engines = new TlsEngines({
      handshakeTimeoutMs: options.limits.handshakeTimeoutMs,
      ticketKeys: () => options.ticketKeys.current,
      chooseAlpn: options.alpn === 'none' ? undefined : chooseAlpn,
      onSecured: (host, socket) => this.#secured(host, socket),
      onFailed: (error, socket) => this.#failed(error, socket),
    })
    this.#ticketSubscription = options.ticketKeys.subscribe(keys => this.#engines.setTicketKeys(keys))
    this.server = net.createServer({ noDelay: true }, socket => this.accept(socket))
    this.server.once('close', () => this[Symbol.dispose]())
  }

  /** Handshakes that have begun and not ended. */
  get underWay(): number {
    return this.#underWay
  }

  update(listener: Listener): void {
    this.#listener = listener
    this.#engines.keepOnly(listener.virtualHosts)
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
    const reader = new HelloReader()
    if (early !== undefined && reader.read(early, 0, early.length) !== 'need-more') this.#begin(socket, reader, early)
    else this.#readHello(socket, reader, early)
  }

  [Symbol.dispose](): void {
    this.#ticketSubscription[Symbol.dispose]()
  }

  #readHello(socket: net.Socket, reader: HelloReader, early: Buffer | undefined): void {
    let bytes = early
    const leave = (result: string): void => {
      this.#underWay--
      this.#count(result, '', false)
      this.#tell(socket, result)
      socket.off('close', onClose)
      socket.destroy()
    }
    const onClose = (): void => leave('aborted')
    const onTimeout = (): void => leave('timeout')
    const onData = (chunk: Buffer): void => {
      bytes = bytes === undefined ? chunk : Buffer.concat([bytes, chunk])
      if (reader.read(chunk, 0, chunk.length) === 'need-more') return
      socket.pause()
      socket.setTimeout(0)
      socket.off('data', onData).off('close', onClose).off('timeout', onTimeout).off('end', onClose)
      this.#begin(socket, reader, bytes)
    }
    socket.on('error', ignore)
    socket.on('data', onData).on('close', onClose).on('timeout', onTimeout).on('end', onClose)
    socket.setTimeout(this.#options.limits.handshakeTimeoutMs)
    socket.resume()
  }

  #begin(socket: net.Socket, { serverName = '', problem }: HelloReader, bytes: Buffer): void {
    const engine = problem === '' ? this.#findEngine(socket, serverName) : undefined
    if (engine === undefined) {
      const unnamed = serverName === '' ? 'clients that name no server' : serverName
      this.#underWay--
      this.#count(problem === '' ? 'no-certificate' : 'failed', '', false)
      this.#tell(socket, problem === '' ? `no certificate for ${unnamed}` : problem)
      socket.on('error', ignore)
      if (problem === '') socket.write(unrecognizedName)
      socket.destroySoon()
      return
    }
    socket.unshift(bytes)
    engine.emit('connection', socket)
  }

  #findEngine(socket: net.Socket, serverName: string): tls.Server | undefined {
    // Clients that name no server, since they know an address only, are those of the host for any name.
    const host = chooseHost(this.#listener.virtualHosts, serverName)
    if (host === undefined) return undefined
    try {
      return this.#engines.for(host, serverName)
    } catch (error) {
      // Thrown on, it would end the worker.
      const fields = { listener: this.#listener.id, host: host.id, error: messageOf(error) }
      this.#options.logger.error('a certificate cannot be used', { ...fields, client: socket.remoteAddress ?? '' })
      return undefined
    }
  }

  #secured(host: VirtualHost, socket: tls.TLSSocket): void {
    this.#underWay--
    const version = socket.getProtocol() ?? ''
    const resumed = socket.isSessionReused()
    // A resumed session without a certificate counts as authorized for Node.
    const isKnown = socket.authorized && socket.getPeerX509Certificate() !== undefined
    if (hostTls(host).clients?.mode === 'require' && !isKnown) {
      this.#count('client-certificate', version, resumed)
      this.#tell(socket, 'client-certificate')
      socket.on('error', ignore)
      socket.destroy()
      return
    }
    this.#count('ok', version, resumed)
    socket.setNoDelay(true)
    this.#options.onSocket(socket)
  }

  #failed(error: Error, socket: tls.TLSSocket): void {
    this.#underWay--
    const result = resultOf(error, socket)
    this.#count(result, '', false)
    this.#tell(socket, result === 'failed' ? messageOf(error) : result)
  }

  #tell(socket: net.Socket, reason: string): void {
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

/** Whatever happens to the connection now, nobody waits for it; without a listener it would end the worker. */
function ignore(): void {}

/** A word for the metric: few, whatever clients send. */
function resultOf(error: Error, socket: tls.TLSSocket): string {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  if (code === 'ERR_TLS_HANDSHAKE_TIMEOUT') return 'timeout'
  if (code === 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE') return 'client-certificate'
  const verdict: unknown = socket.authorizationError
  if (verdict !== undefined && verdict !== null) return 'client-certificate'
  if (/UNSUPPORTED_PROTOCOL|VERSION/.test(code)) return 'version'
  if (code === 'ERR_SSL_NO_SHARED_CIPHER') return 'cipher'
  return code === 'ECONNRESET' ? 'aborted' : 'failed'
}
