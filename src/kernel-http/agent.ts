import type { Socket } from 'node:net'
import { systemClock } from '../core/index.ts'
import { badGateway, ClientConnection, gatewayTimeout } from './client-connection.ts'
import { khBackendState, khEventKind } from './generated/http.ts'
import type { KhBackend, KhEvent } from './generated/http.ts'
import type { KernelHttp } from './kernel-http.ts'
import { placeOf } from './place.ts'
import { reap } from './reaper.ts'
import { KernelPool } from './pool.ts'
import type { PooledConnection, PoolOptions } from './pool.ts'
import { Relay } from './relay.ts'

export interface HttpAgentOptions {
  readonly kernel: KernelHttp
  /**
   * Takes a connection of a client over for life, from the first byte that is not of the path; the bytes are those that were
   * read already. A connection that is none of the path comes here at once, with none.
   */
  readonly onFallback: (socket: Socket, bytes: Buffer) => void
  /** A pool that was empty grows up to this. @default 256 */
  readonly mostPooled?: number
  /** How long a request of a rule may take until its response begins, by the rule's number. @default for ever */
  readonly timeoutMs?: (rule: number) => number | undefined
}

/** Why a client does not get its endpoint's response: it gets one of these, or a reset when some of it was sent. */
type Failure = 'bad-gateway' | 'gateway-timeout' | 'reset'

/** How late a timeout may be noticed. */
const timeoutLookMs = 50
const reapMs = 5000

/**
 * What programs cannot do: it accepts clients' connections, watches both far ends, answers for endpoints that died, carries
 * responses that are not of the path, and hands over what is not. On one thread.
 */
export class HttpAgent implements Disposable {
  readonly #options: HttpAgentOptions
  readonly #kernel: KernelHttp
  readonly #pools = new Map<number, KernelPool[]>()
  readonly #clients = new Map<bigint, ClientConnection>()
  /** Responses for clients whose connection is not accepted yet, by their cookie. */
  readonly #early = new Map<bigint, () => void>()
  readonly #relays = new Set<Relay>()
  readonly #timers = new DisposableStack()
  /** Endpoints' connections that ended before it was told that they are there. */
  readonly #deadEarly = new Set<bigint>()

  constructor(options: HttpAgentOptions) {
    this.#options = options
    this.#kernel = options.kernel
    this.#kernel.onEvent(event => this.#onEvent(event))
    this.#timers.use(systemClock.every(reapMs, () => this.reap()).unref())
    const { timeoutMs } = options
    if (timeoutMs === undefined) return
    this.#timers.use(systemClock.every(timeoutLookMs, () => this.#endOverdue(timeoutMs)).unref())
  }

  /** Finds what events told that were lost. Happens every few seconds by itself. */
  reap(): void {
    reap(this.#kernel, {
      pools: () => [...this.#pools.values()].flat(),
      onClientClosed: cookie => this.#clientClosed(cookie),
      onBackendDead: cookie => this.#dropCookie(cookie),
    })
  }

  #endOverdue(timeoutMs: (rule: number) => number | undefined): void {
    const nowNs = process.hrtime.bigint()
    for (const [cookie, { owner, number, startedNs, state }] of this.#kernel.map('kh_backends').entries().toArray()) {
      const mostMs = owner === 0n || state !== khBackendState.KH_AT_HEAD ? undefined : timeoutMs(number)
      if (mostMs === undefined || nowNs - startedNs < BigInt(Math.round(mostMs * 1e6))) continue
      const connection = this.#find(cookie)
      if (connection !== undefined) this.#fail(connection, 'gateway-timeout')
    }
  }

  /** A listener's connection, of which nothing was read. The agent owns it until it is handed over. */
  accept(socket: Socket): void {
    const { remoteAddress, remotePort, localAddress, localPort } = socket
    if (remoteAddress === undefined || localAddress === undefined) {
      socket.destroy()
      return
    }
    const pair = {
      netns: this.#kernel.netns,
      remote: placeOf(remoteAddress, remotePort ?? 0),
      local: placeOf(localAddress, localPort ?? 0),
    }
    const cookie = this.#kernel.map('kh_pairs').get(pair)
    if (cookie === undefined) {
      this.#options.onFallback(socket, Buffer.alloc(0))
      return
    }
    const client = new ClientConnection(this.#kernel, cookie, socket, {
      onFallback: this.#options.onFallback,
      onGone: () => this.#clients.delete(cookie),
    })
    this.#clients.set(cookie, client)
    this.#early.get(cookie)?.()
    this.#early.delete(cookie)
  }

  /** Connections that rules may lead to from now on. The caller closes it. */
  openPool(options: PoolOptions): KernelPool {
    const pool = new KernelPool(this.#kernel, options, {
      onData: (connection, bytes) => this.#onPooledData(connection, bytes),
      onEnd: connection => this.#fail(connection),
      onClosed: closed => this.#forgetPool(closed),
    })
    this.#pools.set(options.number, [...(this.#pools.get(options.number) ?? []), pool])
    return pool
  }

  #forgetPool(pool: KernelPool): void {
    const { number } = pool.options
    const left = (this.#pools.get(number) ?? []).filter(each => each !== pool)
    if (left.length > 0) this.#pools.set(number, left)
    else this.#pools.delete(number)
  }

  /** Clients whose connections are held here, and pooled connections. */
  get sizes(): { readonly clients: number; readonly pooled: number } {
    const pools = [...this.#pools.values()].flat()
    return { clients: this.#clients.size, pooled: pools.reduce((sum, { size }) => sum + size, 0) }
  }

  [Symbol.dispose](): void {
    this.#timers.dispose()
    this.#kernel.onEvent(() => {})
    for (const relay of this.#relays) relay[Symbol.dispose]()
    for (const pool of [...this.#pools.values()].flat()) pool[Symbol.dispose]()
    for (const client of this.#clients.values()) client.destroy()
    this.#early.clear()
  }

  #onEvent({ kind, client, backend, pair, pool }: KhEvent): void {
    switch (kind) {
      case khEventKind.KH_BACKEND_OPENED:
        for (const each of this.#pools.get(pool) ?? []) if (each.opened(pair, backend)) break
        if (this.#deadEarly.delete(backend)) this.#dropCookie(backend)
        return
      case khEventKind.KH_BACKEND_DEAD:
        this.#dropCookie(backend)
        return
      case khEventKind.KH_PAIR_BROKEN:
        this.#dropCookie(backend)
        this.#tellClient(client, 'reset')
        return
      case khEventKind.KH_CLIENT_CLOSED:
        this.#clientClosed(client)
        return
      case khEventKind.KH_POOL_WAS_EMPTY:
        for (const each of this.#pools.get(pool) ?? []) each.grow(this.#options.mostPooled ?? 256)
    }
  }

  #find(cookie: bigint): PooledConnection | undefined {
    for (const pool of [...this.#pools.values()].flat()) {
      const connection = pool.find(cookie)
      if (connection !== undefined) return connection
    }
    return undefined
  }

  #dropCookie(cookie: bigint): void {
    const connection = this.#find(cookie)
    if (connection !== undefined) this.#fail(connection)
    else if (this.#kernel.map('kh_backends').has(cookie)) this.#deadEarly.add(cookie)
  }

  /** Nobody knows what its endpoint would say next. */
  #clientClosed(cookie: bigint): void {
    const left = this.#kernel.map('kh_clients').take(cookie)
    this.#early.delete(cookie)
    if (left === undefined || left.backend === 0n) return
    const connection = this.#find(left.backend)
    if (connection !== undefined) connection.pool.drop(connection)
  }

  /** Gives a pooled connection up, and tells whoever waits for it. */
  #fail(connection: PooledConnection, failure: Failure = 'bad-gateway'): void {
    const entry = this.#kernel.map('kh_backends').take(connection.cookie)
    connection.pool.drop(connection)
    if (entry === undefined || entry.owner === 0n || entry.state === khBackendState.KH_RELAYED) return
    // It may have its answer already, and another endpoint's connection by now.
    if (this.#kernel.map('kh_clients').get(entry.owner)?.backend !== connection.cookie) return
    this.#tellClient(entry.owner, entry.sent === 0 ? failure : 'reset')
  }

  #tellClient(cookie: bigint, failure: Failure): void {
    const client = this.#clients.get(cookie)
    if (client === undefined) {
      if (this.#kernel.map('kh_clients').has(cookie)) this.#early.set(cookie, () => this.#tellClient(cookie, failure))
      return
    }
    if (failure === 'reset') client.reset()
    else client.answer(failure === 'gateway-timeout' ? gatewayTimeout : badGateway)
  }

  #onPooledData(connection: PooledConnection, bytes: Buffer): void {
    const entry = this.#kernel.map('kh_backends').get(connection.cookie)
    if (entry?.state !== khBackendState.KH_RELAYED) {
      this.#fail(connection)
      return
    }
    connection.socket.pause()
    connection.socket.removeAllListeners('data')
    connection.socket.unshift(bytes)
    this.#relay(connection, entry)
  }

  #relay(connection: PooledConnection, entry: KhBackend): void {
    const client = this.#clients.get(entry.owner)
    if (client === undefined) {
      // Its connection waits to be accepted, unless it is gone: then the event of its end drops this.
      if (this.#kernel.map('kh_clients').get(entry.owner) === undefined) connection.pool.drop(connection)
      else this.#early.set(entry.owner, () => this.#relay(connection, entry))
      return
    }
    const relay = new Relay({
      kernel: this.#kernel,
      connection,
      client,
      isToHead: entry.isToHead !== 0,
      onOver: over => this.#relays.delete(over),
    })
    this.#relays.add(relay)
    relay.start()
  }
}
