import type { Counter, Gauge } from '../../core/index.ts'
import { assertNever } from '../../core/index.ts'
import type { Listener, VirtualHost } from '../../model/index.ts'
import type { ListenerRuntime } from '../listeners/listener-runtime.ts'
import { TlsServer } from '../listeners/tls-server.ts'
import { HostIndex } from '../routing/host-index.ts'
import { takeKept } from '../transport/kept-sockets.ts'
import type { ProxyRuntime } from '../runtime.ts'
import type { Connection, ListeningSocket, Transport } from '../transport/connection.ts'
import { AddressedConnection } from './addressed-connection.ts'
import type { CompiledStream } from './compiled-stream.ts'
import type { PreambleNeeds } from './preamble.ts'
import { StreamSession } from './stream-session.ts'
import type { SessionOwner } from './stream-session.ts'
import type { StreamsInForce } from './stream-table.ts'

/**
 * One listening socket of one worker whose connections are forwarded as bytes,
 * or of which something has to be read before anybody knows what they are: those
 * that begin with a PROXY header, and TLS, where the server name decides whether
 * it is passed through, terminated, or terminated and spoken HTTP with. HTTP
 * connections go on to a `ListenerRuntime` that listens to nothing itself.
 */
export class StreamListener implements SessionOwner {
  readonly id: string
  isClosing = false
  readonly #runtime: ProxyRuntime
  readonly #streams: StreamsInForce
  /** For HTTP connections of this socket. */
  readonly #http: ListenerRuntime
  readonly #sessions = new Set<StreamSession>()
  readonly #open: Gauge
  readonly #accepted: Counter
  #listener: Listener
  #hosts: HostIndex<VirtualHost>
  #needs: PreambleNeeds | undefined
  #socket: ListeningSocket | undefined = undefined
  /** One for HTTP, where protocols are agreed on (ALPN), and one for bytes, where they are not. */
  readonly #tls = new Map<'https' | 'terminate', TlsServer>()

  constructor(runtime: ProxyRuntime, streams: StreamsInForce, http: ListenerRuntime, listener: Listener) {
    const labels = { listener: listener.id }
    this.id = listener.id
    this.#runtime = runtime
    this.#streams = streams
    this.#http = http
    this.#listener = listener
    this.#hosts = hostsOf(listener)
    this.#needs = needsOf(listener)
    this.#open = runtime.meter.gauge('heddle_downstream_connections', labels)
    this.#accepted = runtime.meter.counter('heddle_downstream_connections_total', labels)
  }

  get boundPort(): number {
    return this.#socket?.port ?? 0
  }

  get network(): bigint | undefined {
    return this.#listener.network
  }

  get connectionCount(): number {
    return this.#sessions.size + this.#http.connectionCount
  }

  /** Listens with SO_REUSEPORT, since every worker does, or takes what is kept. @throws the system's error */
  async open(): Promise<void> {
    const { address, port, network } = this.#listener
    const kept = takeKept(this.#runtime.kept, { transport: 'tcp', address, port, network })
    const onError = (error: Error): void =>
      this.#runtime.logger.error('listener failed', { listener: this.id, error: error.message })
    this.#updateTls(this.#listener)
    const onConnection = (connection: Connection): void => this.#accept(connection)
    this.#socket = await this.#transportFor(this.#listener).listen({ address, port, kept, onConnection, onError })
    // It may have been taken away while it was being opened.
    if (this.isClosing) this.#socket.close()
  }

  /** Where TLS is terminated, connections that the TLS library can secure. */
  #transportFor({ virtualHosts }: Listener): Transport {
    const { tls, transport } = this.#runtime
    const terminates = virtualHosts.some(({ tlsMode }) => tlsMode === 'https' || tlsMode === 'terminate')
    return terminates ? tls.transport : transport
  }

  /** @returns false when it has changed its nature and must be opened anew */
  update(listener: Listener): boolean {
    const before = this.#listener
    if (
      listener.kind !== before.kind ||
      listener.protocol !== before.protocol ||
      this.#transportFor(listener) !== this.#transportFor(before) ||
      isIntermediate(listener) !== isIntermediate(before)
    ) {
      return false
    }
    try {
      this.#updateTls(listener)
    } catch {
      // Opened anew, it tells whoever asked for it why it can't be.
      return false
    }
    this.#listener = listener
    this.#hosts = hostsOf(listener)
    this.#needs = needsOf(listener)
    return true
  }

  /** @throws the TLS library's error for a certificate that it does not take */
  #updateTls(listener: Listener): void {
    for (const mode of ['https', 'terminate'] as const) {
      const virtualHosts = listener.virtualHosts.filter(host => host.tlsMode === mode)
      const known = this.#tls.get(mode)
      if (virtualHosts.length === 0) {
        known?.[Symbol.dispose]()
        this.#tls.delete(mode)
      } else if (known === undefined) {
        this.#tls.set(mode, this.#makeTls({ ...listener, virtualHosts }, mode))
      } else known.update({ ...listener, virtualHosts })
    }
  }

  get kind(): Listener['kind'] {
    return this.#listener.kind
  }

  #makeTls(listener: Listener, mode: 'https' | 'terminate'): TlsServer {
    const { tls, limits, meter, logger, ticketKeys, timers } = this.#runtime
    const alpn = mode === 'https' ? 'http' : 'none'
    return new TlsServer(listener, { tls, limits, meter, logger, ticketKeys, timers, alpn })
  }

  #accept(connection: Connection): void {
    if (this.isClosing || this.#sessions.size >= this.#runtime.limits.maxDownstreamConnections) {
      connection.destroy()
      return
    }
    this.#runtime.tick()
    this.#accepted.value++
    this.#open.value++
    const session = new StreamSession(this.#runtime, this, connection, this.#needs)
    this.#sessions.add(session)
    if (this.#needs === undefined) this.dispatch(session)
  }

  dispatch(session: StreamSession): void {
    const { protocol, virtualHosts } = this.#listener
    switch (protocol) {
      case 'HTTP':
        this.#becomeHttp(session, session.client, session.preamble?.rest)
        return
      case 'TCP':
        this.#decide(session, virtualHosts[0])
        return
      case 'TLS':
      case 'HTTPS': {
        session.record.protocol = 'TLS'
        const { serverName } = session.record
        this.#decide(session, serverName === '' ? this.#hosts.any : this.#hosts.best(serverName))
        return
      }
      case 'UDP':
        return
      default:
        assertNever(protocol)
    }
  }

  #decide(session: StreamSession, host: VirtualHost | undefined): void {
    if (host === undefined) return session.refuse('no-route')
    session.record.virtualHost = host.id
    if (host.tlsMode === 'https' || host.tlsMode === 'terminate') {
      // Without a route the handshake would be for nothing.
      if (host.tlsMode === 'terminate' && this.#findStream(session) === undefined) return session.refuse('no-route')
      this.#shakeHands(session, host, host.tlsMode)
    } else this.#ask(session, host)
  }

  #ask(session: StreamSession, { id }: VirtualHost): void {
    const { callers, gate } = this.#runtime
    const isDecisive = gate !== undefined || this.#streams.table.dependsOnClient(id)
    if (callers !== undefined && isDecisive) session.ask()
    else this.#start(session)
  }

  identified(session: StreamSession): void {
    this.#start(session)
  }

  #start(session: StreamSession): void {
    session.start(this.#findStream(session))
  }

  #findStream({ record: { serverName, virtualHost, caller } }: StreamSession): CompiledStream | undefined {
    return this.#streams.table.find(virtualHost, serverName, caller?.namespace)
  }

  #shakeHands(session: StreamSession, host: VirtualHost, mode: 'https' | 'terminate'): void {
    const server = this.#tls.get(mode)
    if (server === undefined) return session.refuse('internal')
    session.handOver()
    const owner = {
      secured: (connection: Connection): void => this.#secured(session, host, connection),
      notSecured: (): void => session.drop(),
    }
    server.accept(session.client, owner, session.preamble?.rest)
  }

  /** A handshake has ended well. */
  #secured(session: StreamSession, host: VirtualHost, connection: Connection): void {
    this.#runtime.tick()
    if (!session.isHandedOver) {
      connection.destroy()
      return
    }
    if (host.tlsMode === 'https') {
      this.#becomeHttp(session, connection, undefined)
      return
    }
    session.secured(connection)
    this.#ask(session, host)
  }

  #becomeHttp(session: StreamSession, connection: Connection, early: Buffer | undefined): void {
    const addresses = session.preamble?.addresses
    session.drop()
    this.#http.take(addresses === undefined ? connection : new AddressedConnection(connection, addresses))
    if (early !== undefined && early.length > 0 && connection.isOpen) connection.handler.onBytes(early, early.length)
  }

  remove(session: StreamSession): void {
    if (this.#sessions.delete(session)) this.#open.value--
  }

  /** Of HTTP; streams ask by themselves. */
  set asksCallers(asks: boolean) {
    this.#http.asksCallers = asks
  }

  judgeAgain(): void {
    for (const session of this.#sessions) session.judgeAgain()
    this.#http.judgeAgain()
  }

  sweep(nowMs: number): void {
    for (const session of this.#sessions) session.sweep(nowMs)
    this.#http.sweep(nowMs)
  }

  /** Accepts nothing more; sessions go on. */
  close(): void {
    this.#runtime.tick()
    // First, since it hands over what has come already.
    this.#socket?.close()
    this.isClosing = true
    for (const server of this.#tls.values()) server[Symbol.dispose]()
    this.#http.close()
  }

  /** @returns how many sessions were cut */
  cut(): number {
    const count = this.#sessions.size
    for (const session of this.#sessions) session.cut()
    return count + this.#http.cut()
  }
}

/** By server name; of two for one name, which the configuration does not have, the first. */
function hostsOf({ virtualHosts }: Listener): HostIndex<VirtualHost> {
  const index = new HostIndex<VirtualHost>()
  for (const host of virtualHosts) if (index.get(host.hostname) === undefined) index.set(host.hostname, host)
  return index
}

function needsOf({ protocol, proxyProtocol = false }: Listener): PreambleNeeds | undefined {
  const serverName = protocol === 'TLS' || protocol === 'HTTPS'
  return proxyProtocol || serverName ? { proxyHeader: proxyProtocol, serverName } : undefined
}

/** Whether a listener is one for `StreamListener` although it speaks HTTP in the end. */
export function isIntermediate({ protocol, proxyProtocol = false }: Listener): boolean {
  return protocol === 'TLS' || protocol === 'TCP' || proxyProtocol
}
