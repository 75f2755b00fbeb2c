import type { Socket } from 'node:net'
import { systemClock } from '../core/index.ts'
import type { Timer } from '../core/index.ts'
import { ClientConnection } from './client-connection.ts'
import { endedRequest, passedAnswer } from './ended-request.ts'
import type { ClientAnswer, EndedRequest, EndReason } from './ended-request.ts'
import { khBackendState, khEventKind } from './generated/http.ts'
import type { KhBackend, KhEvent, KhPair } from './generated/http.ts'
import type { KernelHttp } from './kernel-http.ts'
import { placeOf, placeText, textOfPlace } from './place.ts'
import { reap } from './reaper.ts'
import { KernelPool } from './pool.ts'
import type { AdoptedSocket, PooledConnection, PoolOptions } from './pool.ts'
import { Relay } from './relay.ts'
import { UnreadWatch } from './unread-watch.ts'
import type { OfPath } from './unread-watch.ts'

export interface HttpAgentOptions {
  readonly kernel: KernelHttp
  /**
   * Takes a connection of a client over for life, from the first byte that is not of the path; the bytes are those that were
   * read already. A connection that is none of the path comes here at once, with none.
   */
  readonly onFallback: (socket: Socket, bytes: Buffer) => void
  /** A pool that was empty grows up to this. @default 256 */
  readonly mostPooled?: number
  /** How long a request may take, by where it is counted; undefined for as long as it likes. @default as long as it likes */
  readonly limitsOf?: (count: number) => TimeLimits | undefined
  /** How late a time limit may be noticed. @default 50 */
  readonly lookMs?: () => number
  /** SO_ZEROCOPY was refused to it. */
  readonly onZeroCopy?: (asked: OfPath) => void
  /** For seconds a program has not read what it was sent on the path: it may do so by splice(), and finds nothing. */
  readonly onUnread?: (left: OfPath) => void
  /** It has read at last. */
  readonly onReadAgain?: (read: OfPath) => void
  /** What programs do not count: what the agent answered itself, or carried, and what nobody answered. */
  readonly onEnded?: (ended: EndedRequest) => void
  /** One whose endpoint's connection ended was given to user space, which tells of it. @param count  where it would be counted */
  readonly onReplayed?: (count: number) => void
}

export interface TimeLimits {
  /** Until the last byte of the response. */
  readonly requestMs: number
  /** Until the first one. */
  readonly beginMs: number
}

interface FailOptions {
  readonly failure: Failure
  /** Gives the connection up. */
  readonly drop?: () => void
  /** Of a response that another agent has carried. */
  readonly mayHaveSent?: boolean
}

/** What an agent before this one has left, as far as it is untouched. */
export interface LeftConnections {
  readonly clients: readonly AdoptedSocket[]
  /** With the connections of each. */
  readonly pools: readonly PoolOptions[]
}

/** Why a client does not get its endpoint's response. */
type Failure = Exclude<EndReason, 'client-gone'>

const reapMs = 5000
/** A response that was cut off is known by its client's counts after this. */
const cutOffMs = 200
const leaveLookMs = 5

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
  /** By cookie of B. */
  readonly #relays = new Map<bigint, Relay>()
  #overdue: Timer | undefined
  readonly #cutOff = new Set<Timer>()
  readonly #timers = new DisposableStack()
  /** Endpoints' connections that ended before it was told that they are there. */
  readonly #deadEarly = new Set<bigint>()
  readonly #unread: UnreadWatch
  /** Requests that went to user space since their endpoint's connection ended. */
  replayed = 0

  constructor(options: HttpAgentOptions) {
    this.#options = options
    this.#kernel = options.kernel
    this.#kernel.onEvent(event => this.#onEvent(event))
    this.#unread = new UnreadWatch(this.#kernel, { ...options, endpointOf: cookie => this.#endpointOf(cookie) })
    this.#timers.use(systemClock.every(reapMs, () => this.reap()).unref())
    const { limitsOf } = options
    if (limitsOf !== undefined) this.#lookForOverdue(limitsOf)
  }

  /** Finds what events told that were lost, and who does not read. Happens every few seconds by itself. */
  reap(): void {
    reap(this.#kernel, {
      pools: () => [...this.#pools.values()].flat(),
      hasClient: cookie => this.#clients.has(cookie),
      onClientClosed: cookie => this.#clientClosed(cookie),
      onBackendDead: cookie => this.#dropCookie(cookie),
    })
    if (this.#options.onUnread !== undefined) this.#unread.look()
  }

  #lookForOverdue(limitsOf: (count: number) => TimeLimits | undefined): void {
    this.#overdue = systemClock
      .after(this.#options.lookMs?.() ?? 50, () => {
        this.#endOverdue(limitsOf)
        this.#lookForOverdue(limitsOf)
      })
      .unref()
  }

  #endOverdue(limitsOf: (count: number) => TimeLimits | undefined): void {
    const nowNs = process.hrtime.bigint()
    for (const [cookie, { owner, count, startedNs, state }] of this.#kernel.map('kh_backends').entries().toArray()) {
      const limits = owner === 0n ? undefined : limitsOf(count)
      if (limits === undefined) continue
      const mostMs = state === khBackendState.KH_AT_HEAD ? Math.min(limits.requestMs, limits.beginMs) : limits.requestMs
      if (Number(nowNs - startedNs) < mostMs * 1e6) continue
      const relay = this.#relays.get(cookie)
      if (relay !== undefined) relay.timeOut()
      const connection = this.#find(cookie)
      if (relay === undefined && connection !== undefined) this.#fail(connection, 'upstream-timeout')
    }
  }

  /**
   * A listener's connection, of which nothing was read. The agent owns it until it is handed over.
   * @param netns  cookie of its network namespace. @default our own
   */
  accept(socket: Socket, netns: bigint = this.#kernel.netns): void {
    const { remoteAddress, remotePort, localAddress, localPort } = socket
    if (remoteAddress === undefined || localAddress === undefined) {
      socket.destroy()
      return
    }
    const pair = {
      netns,
      remote: placeOf(remoteAddress, remotePort ?? 0),
      local: placeOf(localAddress, localPort ?? 0),
    }
    const cookie = this.#kernel.map('kh_pairs').get(pair)
    if (cookie === undefined) {
      this.#options.onFallback(socket, Buffer.alloc(0))
      return
    }
    this.#kernel.holder?.hold(heldName(cookie), socket)
    this.#take({ cookie, socket })
    const early = this.#early.get(cookie)
    this.#early.delete(cookie)
    if (early === undefined) this.#checkBackend(cookie)
    else early()
  }

  /** The agent before this one may have known that its endpoint's connection was gone, and have ended before it said so. */
  #checkBackend(cookie: bigint): void {
    const entry = this.#kernel.map('kh_clients').get(cookie)
    if (entry === undefined || entry.backend === 0n || this.#kernel.map('kh_backends').has(entry.backend)) return
    // The response may have ended meanwhile.
    const { backend, promised } = this.#kernel.map('kh_clients').get(cookie) ?? entry
    if (backend === entry.backend) this.#tellClient(cookie, promised === 0 ? 'upstream-reset' : 'reset')
  }

  #take({ cookie, socket }: AdoptedSocket): void {
    const client = new ClientConnection(this.#kernel, cookie, socket, {
      onFallback: this.#options.onFallback,
      onGone: () => {
        this.#clients.delete(cookie)
        this.#kernel.holder?.release(heldName(cookie))
      },
    })
    this.#clients.set(cookie, client)
  }

  /** Goes on for an agent that is gone, with connections of which it has read and written nothing. All of them end here. */
  adopt({ clients, pools }: LeftConnections): void {
    for (const each of clients) this.#take(each)
    for (const options of pools) this.openPool(options).retire()
    for (const [cookie] of this.#kernel.map('kh_backends').entries().toArray()) {
      if (this.#find(cookie) === undefined) this.#failCookie(cookie, { failure: 'upstream-reset', mayHaveSent: true })
    }
    for (const { cookie } of clients) this.#checkBackend(cookie)
    this.reap()
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

  /** Where a client is, `127.0.0.1:51034`; empty for one that is gone, or not accepted yet. */
  addressOf(client: bigint): string {
    return this.#clients.get(client)?.address ?? ''
  }

  /** Clients whose connections are held here, and pooled connections. */
  get sizes(): { readonly clients: number; readonly pooled: number } {
    const pools = [...this.#pools.values()].flat()
    return { clients: this.#clients.size, pooled: pools.reduce((sum, { size }) => sum + size, 0) }
  }

  /**
   * Another agent goes on, by the holder's copies, with everything of which this one has read and written nothing, and until then
   * the kernel does. Nothing may be accepted any more. Resolves when what is left is over here: it went to user space, or its
   * answer was carried to the end; what takes longer than `mostMs` ends.
   * @returns false where nobody holds anything: then nothing has happened
   */
  async leave(mostMs: number): Promise<boolean> {
    const pools = [...this.#pools.values()].flat()
    if (this.#kernel.holder?.flush() !== true) return false
    this.#kernel.stopListening()
    for (const pool of pools) pool.stop()
    this.#kernel.holder.flush()
    this.#stopTimers()
    for (const [cookie, client] of this.#clients) if (client.leave()) this.#clients.delete(cookie)
    const owing = new Set([...this.#clients.keys()].map(cookie => this.#kernel.map('kh_clients').get(cookie)?.backend))
    for (const pool of pools) pool.leave(({ cookie }) => this.#relays.has(cookie) || owing.has(cookie))
    const endMs = systemClock.nowMs() + mostMs
    while (this.#clients.size > 0 && systemClock.nowMs() < endMs) {
      await new Promise<void>(resolve => systemClock.after(leaveLookMs, resolve))
    }
    return true
  }

  #stopTimers(): void {
    this.#timers.dispose()
    this.#overdue?.[Symbol.dispose]()
    for (const timer of this.#cutOff) timer[Symbol.dispose]()
  }

  [Symbol.dispose](): void {
    this.#stopTimers()
    this.#kernel.onEvent(() => {})
    for (const relay of this.#relays.values()) relay[Symbol.dispose]()
    for (const pool of [...this.#pools.values()].flat()) pool[Symbol.dispose]()
    for (const client of this.#clients.values()) client.destroy()
    this.#early.clear()
  }

  #tellEnded(entry: KhBackend, answer: ClientAnswer | undefined, of: Pick<EndedRequest, 'client' | 'kept'>): void {
    if (answer !== undefined) this.#options.onEnded?.(endedRequest(entry, answer, of))
  }

  #onEvent({ kind, client, backend, pair, pool }: KhEvent): void {
    switch (kind) {
      case khEventKind.KH_BACKEND_OPENED:
        for (const each of this.#pools.get(pool) ?? []) if (each.opened(pair, backend)) break
        if (this.#deadEarly.delete(backend)) this.#dropCookie(backend)
        return
      case khEventKind.KH_BACKEND_DEAD:
        this.#dropCookie(backend)
        if (client !== 0n) this.#checkCutOff(client)
        return
      case khEventKind.KH_PAIR_BROKEN:
        this.#dropCookie(backend)
        this.#tellClient(client, 'reset')
        return
      case khEventKind.KH_CLIENT_CLOSED:
        this.#clientClosed(client, pair)
        return
      case khEventKind.KH_ZERO_COPY:
        this.#tellZeroCopy(client, backend, pool)
        return
      case khEventKind.KH_POOL_WAS_EMPTY:
        for (const each of this.#pools.get(pool) ?? []) each.grow(this.#options.mostPooled ?? 256)
    }
  }

  #tellZeroCopy(client: bigint, backend: bigint, pool: number): void {
    const service = this.#kernel.map('kh_clients').get(client)?.service
    const { address, port } = (this.#find(backend)?.pool ?? this.#pools.get(pool)?.[0])?.options ?? {}
    if (service !== undefined) this.#options.onZeroCopy?.({ service })
    else if (address !== undefined) this.#options.onZeroCopy?.({ endpoint: placeText(address, port ?? 0) })
  }

  /** New connections of whoever has left something unread may be on the path again. */
  forgive(): void {
    this.#unread.forgive()
  }

  #endpointOf(cookie: bigint): string | undefined {
    const { address, port = 0 } = this.#find(cookie)?.pool.options ?? {}
    return address === undefined ? undefined : placeText(address, port)
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
  #clientClosed(cookie: bigint, pair?: KhPair): void {
    const left = this.#kernel.map('kh_clients').take(cookie)
    this.#early.delete(cookie)
    if (left === undefined || left.backend === 0n) return
    const relay = this.#relays.get(left.backend)
    if (relay !== undefined) relay.clientIsGone()
    else this.#dropOf(cookie, left.backend, pair === undefined ? this.addressOf(cookie) : textOfPlace(pair.remote))
  }

  /** Of a client that is gone. */
  #dropOf(cookie: bigint, backend: bigint, client: string): void {
    const entry = this.#kernel.map('kh_backends').get(backend)
    const kept = this.#keptOf(backend)
    const connection = this.#find(backend)
    if (connection !== undefined) connection.pool.drop(connection)
    if (entry?.owner === cookie) this.#tellEnded(entry, passedAnswer(entry, 'client-gone'), { client, kept })
  }

  #keptOf(backend: bigint): Uint8Array {
    return this.#kernel.map('kh_kept').get(backend)?.bytes ?? new Uint8Array()
  }

  /** Gives a pooled connection up, and tells whoever waits for it. */
  #fail(connection: PooledConnection, failure: Failure = 'upstream-reset'): void {
    this.#failCookie(connection.cookie, { failure, drop: () => connection.pool.drop(connection) })
  }

  #failCookie(cookie: bigint, { failure, drop, mayHaveSent = false }: FailOptions): void {
    const entry = this.#kernel.map('kh_backends').take(cookie)
    const isOwed = entry !== undefined && entry.owner !== 0n
    const kept = isOwed ? this.#keptOf(cookie) : new Uint8Array()
    this.#kernel.map('kh_kept').delete(cookie)
    const relay = this.#relays.get(cookie)
    drop?.()
    // It hears of the end by itself, after what was said before.
    if (!isOwed || relay !== undefined || this.#early.has(entry.owner)) return
    // It may have its answer already, and another endpoint's connection by now.
    if (this.#kernel.map('kh_clients').get(entry.owner)?.backend !== cookie) return
    const client = this.addressOf(entry.owner)
    if (entry.state === khBackendState.KH_UNHEARD) {
      this.#kernel.map('kh_clients').delete(entry.owner)
      this.#tellEnded(entry, passedAnswer(entry, 'client-gone'), { client, kept })
      return
    }
    const isUnanswered = entry.state === khBackendState.KH_AT_HEAD || entry.state === khBackendState.KH_DEAD
    if (failure === 'upstream-reset' && entry.isRepeatable === 1 && entry.sent === 0 && isUnanswered) {
      this.replayed++
      this.#options.onReplayed?.(entry.count)
      this.#replay(entry.owner, kept.subarray(0, entry.kept))
      return
    }
    const isBegun = entry.sent > 0 || (mayHaveSent && entry.state === khBackendState.KH_RELAYED)
    this.#tellClient(entry.owner, isBegun ? 'reset' : failure)
    this.#tellEnded(entry, passedAnswer(entry, failure), { client, kept })
  }

  /** Nothing of the response was sent, and the request may be sent again: the proxy does so. */
  #replay(cookie: bigint, request: Uint8Array): void {
    const client = this.#clients.get(cookie)
    if (client !== undefined) client.replay(Buffer.from(request))
    else if (this.#kernel.map('kh_clients').has(cookie)) this.#early.set(cookie, () => this.#replay(cookie, request))
  }

  #checkCutOff(cookie: bigint): void {
    const timer = systemClock.after(cutOffMs, () => {
      this.#cutOff.delete(timer)
      this.#resetCutOff(cookie)
    })
    this.#cutOff.add(timer.unref())
  }

  /** An endpoint's connection went on after the end of a response: perhaps the kernel had no memory for all of it. */
  #resetCutOff(cookie: bigint): void {
    const entry = this.#kernel.map('kh_clients').get(cookie)
    if (entry === undefined || entry.backend !== 0n) return
    if (this.#kernel.missing(cookie) > 0) this.#tellClient(cookie, 'reset')
  }

  #tellClient(cookie: bigint, failure: Failure | 'reset'): void {
    const client = this.#clients.get(cookie)
    if (client === undefined) {
      if (this.#kernel.map('kh_clients').has(cookie)) this.#early.set(cookie, () => this.#tellClient(cookie, failure))
      return
    }
    if (failure === 'reset') client.reset()
    else client.answer(failure)
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
    const kept = this.#keptOf(connection.cookie)
    const relay = new Relay({
      kernel: this.#kernel,
      connection,
      client,
      entry,
      onOver: (last, answer) => {
        this.#relays.delete(connection.cookie)
        this.#tellEnded(last, answer, { client: client.address, kept })
      },
    })
    this.#relays.set(connection.cookie, relay)
    relay.start()
  }
}

/** By the cookie of C. */
function heldName(cookie: bigint): string {
  return `client ${cookie}`
}
