import type { Counter, Gauge } from '../../core/index.ts'
import type { Listener } from '../../model/index.ts'
import { RouteSeries } from '../pipeline/compiled-rule.ts'
import type { ClientConnection } from '../pipeline/client-connection.ts'
import type { ClientStreams } from '../pipeline/client-streams.ts'
import { Downstream } from '../pipeline/downstream.ts'
import type { Http1Listener } from '../pipeline/downstream.ts'
import type { ExchangePool } from '../pipeline/exchange-pool.ts'
import { Http2Downstream } from '../pipeline/http2-downstream.ts'
import type { ProxyRuntime } from '../runtime.ts'
import type { Connection, ListeningSocket } from '../transport/connection.ts'
import { takeKept } from '../transport/kept-sockets.ts'
import { endsIn } from './caller-source.ts'
import { Http2Series } from './http2-series.ts'
import { TlsServer } from './tls-server.ts'

/** One listening socket of one worker, with the connections it accepted. */
export class ListenerRuntime implements Http1Listener {
  readonly id: string
  readonly kind: Listener['kind']
  readonly port: number
  readonly scheme: 'http' | 'https'
  readonly active: Gauge
  /** For answers to requests that no route took. */
  readonly series: RouteSeries
  readonly http2: Http2Series
  isClosing = false
  #asksCallers = false
  readonly #runtime: ProxyRuntime
  readonly #exchanges: ExchangePool
  readonly #streams: ClientStreams
  readonly #connections = new Set<ClientConnection>()
  readonly #open: Gauge
  readonly #accepted: Counter
  #listener: Listener
  #socket: ListeningSocket | undefined = undefined
  #tls: TlsServer | undefined = undefined

  constructor(runtime: ProxyRuntime, exchanges: ExchangePool, streams: ClientStreams, listener: Listener) {
    const labels = { listener: listener.id }
    this.id = listener.id
    this.kind = listener.kind
    this.port = listener.port
    this.scheme = listener.protocol === 'HTTPS' ? 'https' : 'http'
    this.#runtime = runtime
    this.#exchanges = exchanges
    this.#streams = streams
    this.#listener = listener
    this.active = runtime.meter.gauge('http_server_active_requests', labels)
    this.#open = runtime.meter.gauge('heddle_downstream_connections', labels)
    this.#accepted = runtime.meter.counter('heddle_downstream_connections_total', labels)
    this.http2 = new Http2Series(runtime.meter, listener.id)
    this.series = new RouteSeries(runtime.meter, '', '', '')
  }

  /** Port actually listened on, for a listener that asked for port 0. */
  get boundPort(): number {
    return this.#socket?.port ?? 0
  }

  get connectionCount(): number {
    return this.#connections.size
  }

  /** Listens with SO_REUSEPORT, since every worker does, or takes what is kept. @throws the system's error */
  async open(): Promise<void> {
    const { address, port, network } = this.#listener
    const kept = takeKept(this.#runtime.kept, { transport: 'tcp', address, port, network })
    const onError = (error: Error): void =>
      this.#runtime.logger.error('listener failed', { listener: this.id, error: error.message })
    if (this.#listener.protocol === 'HTTPS') {
      const tls = new TlsServer(this.#listener, this.#runtime)
      this.#tls = tls
      const owner = { secured: (connection: Connection): void => this.#accept(connection), notSecured: () => {} }
      const onConnection = (connection: Connection): void => tls.accept(connection, owner)
      this.#socket = await this.#runtime.tls.transport.listen({ address, port, kept, onConnection, onError })
    } else {
      const onConnection = (connection: Connection): void => this.#accept(connection)
      this.#socket = await this.#runtime.transport.listen({ address, port, kept, onConnection, onError })
    }
    // It may have been taken away while it was being opened.
    if (this.isClosing) this.#closeSocket()
  }

  #closeSocket(): void {
    this.#socket?.close()
    this.#tls?.[Symbol.dispose]()
  }

  /**
   * Takes a newer version of the same address: certificates may have changed.
   * @returns false when it has changed its nature and must be opened anew
   */
  update(listener: Listener): boolean {
    const { protocol, proxyProtocol = false } = this.#listener
    if (listener.kind !== this.kind || listener.protocol !== protocol) return false
    if ((listener.proxyProtocol ?? false) !== proxyProtocol) return false
    try {
      this.#tls?.update(listener)
    } catch {
      // Opened anew, it tells whoever asked for it why it can't be.
      return false
    }
    this.#listener = listener
    return true
  }

  #accept(connection: Connection): void {
    this.#accepted.value++
    this.take(connection)
  }

  /** Takes a connection that somebody else has accepted and counted; its handler is set when this returns. */
  take(connection: Connection): void {
    if (this.isClosing || this.#connections.size >= this.#runtime.limits.maxDownstreamConnections) {
      connection.destroy()
      return
    }
    this.#runtime.tick()
    this.#open.value++
    const downstream =
      connection.alpn === 'h2'
        ? new Http2Downstream(this.#runtime, this, this.#streams, connection)
        : new Downstream(this.#runtime, this, this.#exchanges, connection)
    this.#connections.add(downstream)
    if (this.#asksCallers) this.#identify(downstream)
  }

  /** Takes a connection that another thread has accepted, and the bytes that it has read of it. */
  takeOver(connection: Connection, early: Buffer): void {
    this.#accept(connection)
    if (early.length > 0 && connection.isOpen) connection.handler.onBytes(early, early.length)
  }

  speakHttp2(before: ClientConnection): Http2Downstream {
    const next = new Http2Downstream(this.#runtime, this, this.#streams, before.connection)
    next.caller = before.caller
    this.#connections.delete(before)
    this.#connections.add(next)
    if (this.isClosing) next.closeSoon()
    return next
  }

  #identify(downstream: ClientConnection): void {
    downstream.awaitCaller()
    this.#runtime.callers?.ask(endsIn(this.#listener.network, downstream.connection), downstream)
  }

  /**
   * Whether routes depend on who calls. Connections that are open when they begin to are asked about, too, and go by
   * the routes for everybody until the answer comes.
   */
  set asksCallers(asks: boolean) {
    const { callers } = this.#runtime
    const isNew = asks && !this.#asksCallers
    this.#asksCallers = asks && callers !== undefined
    if (!isNew) return
    for (const downstream of this.#connections) {
      if (downstream.caller !== undefined) continue
      callers?.ask(endsIn(this.#listener.network, downstream.connection), downstream)
    }
  }

  remove(connection: ClientConnection): void {
    if (this.#connections.delete(connection)) this.#open.value--
  }

  judgeAgain(): void {
    for (const connection of this.#connections) connection.judgeAgain()
  }

  sweep(nowMs: number): void {
    for (const connection of this.#connections) connection.sweep(nowMs)
  }

  /** Accepts nothing more; what is under way goes on and ends with `Connection: close` or GOAWAY. */
  close(): void {
    this.#runtime.tick()
    // First, since it hands over what has come already.
    this.#closeSocket()
    this.isClosing = true
    for (const connection of this.#connections) connection.closeSoon()
  }

  /** @returns how many connections were cut in the middle of a request */
  cut(): number {
    let busy = 0
    for (const connection of this.#connections) {
      if (!connection.isIdle) busy++
      connection.cut()
    }
    return busy
  }
}
