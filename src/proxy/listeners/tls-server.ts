import type { Counter, Logger, Meter } from '../../core/index.ts'
import { messageOf } from '../../core/index.ts'
import type { Listener, VirtualHost } from '../../model/index.ts'
import type { ProxyLimits } from '../limits.ts'
import type { TimerWheel } from '../resilience/timer-wheel.ts'
import type { Connection } from '../transport/connection.ts'
import type { ClientHello, ServerTls, TlsLibrary } from '../transport/tls-library.ts'
import { chooseHttp } from './alpn.ts'
import type { TicketKeys } from './ticket-keys.ts'
import { chooseHost } from './tls-certificates.ts'
import { hostTls, TlsEngines } from './tls-engines.ts'
import { Handshake } from './tls-handshake.ts'
import type { HandshakeServer, SecuredOwner } from './tls-handshake.ts'

export interface TlsServerOptions {
  readonly tls: TlsLibrary
  readonly limits: ProxyLimits
  readonly meter: Meter
  readonly logger: Logger
  readonly ticketKeys: TicketKeys
  readonly timers: TimerWheel
  /** What hosts negotiate by ALPN that do not say; `none` agrees on nothing and leaves the choice to the client. @default 'http' */
  readonly alpn?: 'http' | 'none'
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
export class TlsServer implements HandshakeServer, Disposable {
  readonly #options: TlsServerOptions
  readonly #engines: TlsEngines
  readonly #counters = new Map<string, Counter>()
  readonly #ticketSubscription: Disposable
  #listener: Listener
  #underWay = 0
  #isClosing = false

  constructor(listener: Listener, options: TlsServerOptions) {
    this.#listener = listener
    this.#options = options
    this.#engines = new TlsEngines({
      library: options.tls,
      ticketKeys: () => options.ticketKeys.current,
      chooseAlpn: options.alpn === 'none' ? undefined : chooseHttp,
    })
    this.#ticketSubscription = options.ticketKeys.subscribe(keys => this.#engines.setTicketKeys(keys))
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
   * Shakes hands on a connection of the library's transport.
   *
   * @param early  bytes of the client that were read already
   */
  accept(connection: Connection, owner: SecuredOwner, early?: Buffer): void {
    const { limits, timers } = this.#options
    if (this.#underWay >= limits.maxHandshakes) {
      this.#count('refused', '', false)
      connection.destroy()
      owner.notSecured()
      return
    }
    this.#underWay++
    const handshake = new Handshake(this, connection, owner)
    timers.add(handshake, limits.handshakeTimeoutMs)
    if (early !== undefined) handshake.onBytes(early, early.length)
  }

  begin(handshake: Handshake, hello: ClientHello, problem: string): void {
    if (problem !== '') {
      handshake.onFailed(new Error(problem))
      handshake.connection.destroy()
      return
    }
    const engine = this.#findEngine(handshake, hello.serverName)
    if (engine !== undefined) {
      engine.accept(handshake.connection, hello, handshake)
      return
    }
    const unnamed = hello.serverName === '' ? 'clients that name no server' : hello.serverName
    this.#count('no-certificate', '', false)
    this.#tell(handshake, `no certificate for ${unnamed}`)
    handshake.refuse(unrecognizedName)
    this.#options.timers.add(handshake, this.#options.limits.lingerMs)
  }

  #findEngine(handshake: Handshake, serverName: string): ServerTls | undefined {
    // Clients that name no server, since they know an address only, are those of the host for any name.
    const host = chooseHost(this.#listener.virtualHosts, serverName)
    if (host === undefined) return undefined
    handshake.host = host
    try {
      return this.#engines.for(host, serverName)
    } catch (error) {
      // Thrown on, it would end the worker.
      const fields = { listener: this.#listener.id, host: host.id, error: messageOf(error) }
      this.#options.logger.error('a certificate cannot be used', { ...fields, client: handshake.client })
      return undefined
    }
  }

  secured(handshake: Handshake, connection: Connection): void {
    const { host, owner } = handshake
    this.#leave(handshake)
    const { tls } = connection
    const isResumed = tls?.isResumed ?? false
    // The library may resume a session for which no certificate was shown.
    if (host !== undefined && clientsOf(host) === 'require' && tls?.peer === undefined) {
      this.#count('client-certificate', tls?.version ?? '', isResumed)
      this.#tell(handshake, 'client-certificate')
      connection.destroy()
      owner.notSecured()
      return
    }
    this.#count('ok', tls?.version ?? '', isResumed)
    owner.secured(connection)
  }

  failed(handshake: Handshake, error: Error | undefined): void {
    this.#leave(handshake)
    // One that was refused has been counted.
    if (error !== undefined) {
      const result = resultOf(error)
      this.#count(result, '', false)
      this.#tell(handshake, result === 'failed' ? messageOf(error) : result)
    }
    handshake.owner.notSecured()
  }

  #leave(handshake: Handshake): void {
    this.#options.timers.cancel(handshake)
    this.#underWay--
    if (this.#isClosing && this.#underWay === 0) this.#engines[Symbol.dispose]()
  }

  #tell({ client }: Handshake, reason: string): void {
    this.#options.logger.debug('TLS handshake failed', { listener: this.#listener.id, client, reason })
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

  /** Handshakes under way may end; no new ones. */
  [Symbol.dispose](): void {
    this.#isClosing = true
    this.#ticketSubscription[Symbol.dispose]()
    if (this.#underWay === 0) this.#engines[Symbol.dispose]()
  }
}

function clientsOf(host: VirtualHost): 'require' | 'fallback' | undefined {
  return hostTls(host).clients?.mode
}

/** A word for the metric: few, whatever clients send. */
function resultOf(error: Error): string {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  if (code === 'ETIMEDOUT') return 'timeout'
  if (/PEER_DID_NOT_RETURN_A_CERTIFICATE|CERTIFICATE_VERIFY_FAILED/.test(code)) return 'client-certificate'
  if (/UNSUPPORTED_PROTOCOL|VERSION/.test(code)) return 'version'
  if (code === 'ERR_SSL_NO_SHARED_CIPHER') return 'cipher'
  return code === 'ECONNRESET' ? 'aborted' : 'failed'
}
