import { Socket } from 'node:net'
import type { Timer } from '../core/index.ts'
import { systemClock } from '../core/index.ts'
import type { TypedMap } from '../kernel/index.ts'
import type { KhPair } from './generated/http.ts'
import type { KernelHttp } from './kernel-http.ts'
import { pairText, placeOf } from './place.ts'

export interface PoolOptions {
  /** Of the pool, as rules name it. */
  readonly number: number
  /** Where the endpoint listens, IP address and port. */
  readonly address: string
  readonly port: number
  /** Where that address is. @default our own network namespace */
  readonly network?: PoolNetwork | undefined
  /** Connections that are kept. @default 16 */
  readonly size?: number
  /**
   * An idle connection is given up after this, sooner than any server would: Node's does after 5 s. A request that meets a
   * server's own time-out is lost.
   * @default 4000
   */
  readonly idleMs?: number
  /**
   * One that the endpoint has not taken after this is given up, and another takes its place: where a queue of connections
   * was full, the kernel has ended it at the endpoint alone. @default 5000
   */
  readonly openMs?: number
  /** A local port to try. @default a random one of those that clients get */
  readonly choosePort?: () => number
  /** Connections that another agent has opened, by the cookie of B. @default none */
  readonly adopted?: readonly AdoptedSocket[]
}

/** A network namespace in which endpoints are. */
export interface PoolNetwork {
  readonly cookie: bigint
  /** A TCP socket of there that is not connected, for an address of that family; undefined where there can be none. */
  readonly openSocket: (address: string) => number | undefined
}

/** One end of a connection of the path that is another agent's no more. */
export interface AdoptedSocket {
  readonly cookie: bigint
  readonly socket: Socket
}

/** P: a connection to an endpoint, whose other end is in the map. */
export interface PooledConnection {
  readonly socket: Socket
  readonly pool: KernelPool
  readonly pair: KhPair
  /** Of B; 0n before it is known. */
  readonly cookie: bigint
  /** Of the kernel's monotonic clock. */
  readonly openedNs: bigint
}

export interface PoolEvents {
  /** Bytes that came by TCP: a response that is not of the path, or what nobody asked for. */
  readonly onData: (connection: PooledConnection, bytes: Buffer) => void
  /** Its end came, or it failed. Told once. */
  readonly onEnd: (connection: PooledConnection) => void
  /** It has no connections any more, and gets none. */
  readonly onClosed: (pool: KernelPool) => void
}

/** Ports that clients get (ip_local_port_range). */
const [firstPort, ports] = [33_000, 27_000]
const retryMs = 100
/**
 * So many ports may be taken one after the other before it waits: where programs open and close thousands of connections, most of them
 * are, for a minute each.
 */
const mostTaken = 1000
/** For what programs keep of requests. */
const nothingKept = { bytes: new Uint8Array(2048) }
const shortestSweepMs = 100
/** One of so many. */
const renewedAtOnce = 4
/** So many are on the way at most: the shortest queues that servers ask for have room for five (Python's own). */
const openingAtOnce = 4

/** Keeps so many idle connections to one endpoint that programs may take. */
export class KernelPool implements Disposable {
  readonly options: PoolOptions
  readonly #kernel: KernelHttp
  readonly #events: PoolEvents
  readonly #queue: TypedMap<undefined, bigint>
  /** Those that sockops has not told of, by pair. */
  readonly #opening = new Map<string, PooledConnection & { cookie: bigint }>()
  readonly #open = new Map<bigint, PooledConnection>()
  readonly #sweep: Timer
  #retry: Timer | undefined
  /** Ports that were taken since the last one that was not. */
  #taken = 0
  /** Connections on the way that will take the place of another. */
  #renewals = 0
  #wanted: number
  #state: 'open' | 'retired' | 'left' | 'closed' = 'open'

  constructor(kernel: KernelHttp, options: PoolOptions, events: PoolEvents) {
    this.#kernel = kernel
    this.options = options
    this.#events = events
    this.#queue = kernel.createPool(options.number)
    this.#wanted = options.size ?? 16
    for (const each of options.adopted ?? []) this.#adopt(each)
    const { idleMs = 4000, openMs = 5000 } = options
    const sweepMs = Math.max(shortestSweepMs, Math.min(idleMs, openMs) / 8)
    this.#sweep = systemClock.every(sweepMs, () => this.#sweepIdle()).unref()
    this.#fill()
  }

  /** Connections that programs may take, or have taken. */
  get size(): number {
    return this.#open.size
  }

  /** More connections from now on. */
  grow(most: number): void {
    this.#wanted = Math.min(most, this.#wanted * 2)
    this.#fill()
  }

  /** Called with the event of sockops. @returns false for a pair of somebody else */
  opened(pair: KhPair, cookie: bigint): boolean {
    const key = pairText(pair)
    const connection = this.#opening.get(key)
    if (connection === undefined) return false
    this.#opening.delete(key)
    this.#kernel.map('kh_expected').delete(pair)
    connection.cookie = cookie
    this.#taken = 0
    this.#open.set(cookie, connection)
    this.#kernel.map('kh_kept').set(cookie, nothingKept)
    this.#kernel.holder?.hold(this.#heldName(connection), connection.socket)
    if (this.#renewals > 0 && this.#state === 'open') {
      this.#renewals--
      this.#dropOldest()
    }
    this.#fill()
    return true
  }

  /** Those whose event was lost: sockops has written their cookie back. */
  findOpened(): void {
    for (const { pair } of this.#opening.values()) {
      const cookie = this.#kernel.map('kh_expected').get(pair)?.cookie ?? 0n
      if (cookie !== 0n) this.opened(pair, cookie)
    }
  }

  find(cookie: bigint): PooledConnection | undefined {
    return this.#open.get(cookie)
  }

  /** Gives a connection up; whoever waits for it is the caller's matter. */
  drop(connection: PooledConnection): void {
    this.#forget(connection)
    connection.socket.destroy()
    this.#fill()
  }

  /**
   * From now on it takes no request. A connection that owes a response keeps until it has given it, or until `mostMs` are
   * over; what goes on then is told with the end of its connection. The caller has written tables without it.
   */
  retire(options: { readonly mostMs?: number } = {}): void {
    if (this.#state !== 'open') return
    this.#state = 'retired'
    this.#kernel.removePool(this.options.number, this.#queue)
    this.#retry?.[Symbol.dispose]()
    this.#retry = systemClock.after(options.mostMs ?? 30_000, () => this[Symbol.dispose]()).unref()
    this.#dropIdle()
  }

  /** Whoever waits for one of its connections is told that it ended. */
  [Symbol.dispose](): void {
    if (this.#state === 'closed') return
    if (this.#state === 'open') this.#kernel.removePool(this.options.number, this.#queue)
    this.#state = 'closed'
    this.#sweep[Symbol.dispose]()
    this.#retry?.[Symbol.dispose]()
    for (const connection of this.#open.values()) this.#events.onEnd(connection)
    for (const connection of this.#opening.values()) {
      this.#forget(connection)
      connection.socket.destroy()
    }
    this.#queue[Symbol.dispose]()
    this.#events.onClosed(this)
  }

  /** From now on it opens, renews and drops nothing; the holder is told of every connection that programs may take. */
  stop(): void {
    this.#state = 'left'
    this.#sweep[Symbol.dispose]()
    this.#retry?.[Symbol.dispose]()
    for (const connection of this.#opening.values()) {
      const { pair } = connection
      const cookie = this.#kernel.map('kh_expected').take(pair)?.cookie ?? 0n
      if (cookie !== 0n && this.opened(pair, cookie)) continue
      this.#forget(connection)
      connection.socket.destroy()
    }
  }

  /** Another agent goes on with connections of one that is stopped; those that `isCarried` stay until they are dropped. */
  leave(isCarried: (connection: PooledConnection) => boolean): void {
    for (const connection of this.#open.values()) {
      if (isCarried(connection)) continue
      this.#open.delete(connection.cookie)
      connection.socket.removeAllListeners().on('error', () => {})
      connection.socket.destroy()
    }
  }

  #heldName({ cookie }: PooledConnection): string {
    return `pooled ${this.options.number} ${cookie}`
  }

  #forget(connection: PooledConnection): void {
    this.#kernel.holder?.release(this.#heldName(connection))
    this.#open.delete(connection.cookie)
    if (this.#opening.delete(pairText(connection.pair))) this.#kernel.map('kh_expected').delete(connection.pair)
    this.#kernel.map('kh_backends').delete(connection.cookie)
    this.#kernel.map('kh_kept').delete(connection.cookie)
  }

  #fill(): void {
    if (this.#state !== 'open') return
    while (
      this.#retry === undefined &&
      this.#opening.size < openingAtOnce &&
      this.#open.size + this.#opening.size - this.#renewals < this.#wanted
    ) {
      this.#connect()
    }
  }

  #connect(): void {
    const { address, port, number, choosePort = randomPort } = this.options
    const localPort = choosePort()
    // As the kernel would choose: loopback for loopback, and an address of the node for itself.
    const localAddress = address.startsWith('127.') ? '127.0.0.1' : address
    const pair = this.#pairFrom(localAddress, localPort)
    const key = pairText(pair)
    if (this.#opening.has(key)) return
    const socket = this.#openSocket()
    if (socket === undefined) {
      this.#tryLater()
      return
    }
    // Before it is there, so that its other end is known from the first moment.
    this.#kernel.map('kh_expected').set(pair, { cookie: 0n, pool: number, zero: 0 })
    socket.connect({ host: address, port, localAddress, localPort })
    const connection = { socket, pool: this, pair, cookie: 0n, openedNs: process.hrtime.bigint() }
    this.#opening.set(key, connection)
    this.#watch(connection)
  }

  /** @returns undefined where nobody can open one there now */
  #openSocket(): Socket | undefined {
    const { network, address } = this.options
    if (network === undefined) return new Socket({ allowHalfOpen: true })
    const fd = network.openSocket(address)
    return fd === undefined ? undefined : new Socket({ fd, allowHalfOpen: true })
  }

  /** As the endpoint sees it. */
  #pairFrom(localAddress: string, localPort: number): KhPair {
    const { address, port, network } = this.options
    const netns = network?.cookie ?? this.#kernel.netns
    return { netns, remote: placeOf(localAddress, localPort), local: placeOf(address, port) }
  }

  #adopt({ cookie, socket }: AdoptedSocket): void {
    const { localAddress = '::', localPort = 0 } = socket
    const pair = this.#pairFrom(localAddress, localPort)
    const connection = { socket, pool: this, pair, cookie, openedNs: process.hrtime.bigint() }
    this.#open.set(cookie, connection)
    this.#watch(connection)
  }

  #watch(connection: PooledConnection): void {
    const { socket } = connection
    let isOver = false
    let isPortTaken = false
    const end = (): void => {
      if (isOver) return
      isOver = true
      if (this.#state !== 'closed') this.#ended(connection, { isPortTaken })
    }
    socket.on('data', (bytes: Buffer) => this.#events.onData(connection, bytes))
    socket.on('end', end)
    socket.on('error', (error: NodeJS.ErrnoException) => {
      isPortTaken = error.code === 'EADDRINUSE' || error.code === 'EADDRNOTAVAIL'
    })
    socket.on('close', end)
  }

  #ended(connection: PooledConnection, { isPortTaken = false }: { readonly isPortTaken?: boolean } = {}): void {
    const wasOpen = this.#open.get(connection.cookie) === connection
    const wasOpening = this.#opening.get(pairText(connection.pair)) === connection
    if (wasOpen) this.#events.onEnd(connection)
    this.#forget(connection)
    connection.socket.destroy()
    if (wasOpen) this.#fill()
    if (!wasOpening) return
    if (isPortTaken && ++this.#taken < mostTaken) {
      this.#fill()
      return
    }
    // Nobody listens there.
    this.#taken = 0
    this.#tryLater()
  }

  #tryLater(): void {
    if (this.#state === 'open') this.#retry ??= systemClock.after(retryMs, () => this.#tryAgain()).unref()
  }

  #tryAgain(): void {
    this.#retry = undefined
    this.#fill()
  }

  #sweepIdle(): void {
    this.#giveUpLate()
    if (this.#state === 'retired') this.#dropIdle()
    else this.#renewIdle()
  }

  #giveUpLate(): void {
    const mostNs = BigInt(this.options.openMs ?? 5000) * 1_000_000n
    for (const connection of this.#opening.values()) {
      if (process.hrtime.bigint() - connection.openedNs > mostNs) this.#ended(connection)
    }
  }

  /** Also those that a program has given back although the pool is retired: it had found it before. */
  #dropIdle(): void {
    for (let cookie = this.#queue.pop(); cookie !== undefined; cookie = this.#queue.pop()) {
      const connection = this.#open.get(cookie)
      if (connection !== undefined) this.drop(connection)
    }
    if (this.#open.size + this.#opening.size === 0) this[Symbol.dispose]()
  }

  /**
   * The one that waited longest is first. Its successor is there before it goes, and not all go at once, so that requests
   * find somebody; so this begins at half of the time.
   */
  #renewIdle(): void {
    if (this.#open.size > this.#wanted) this.#dropOldest()
    const oldest = this.#queue.peek()
    if (oldest === undefined || !this.#isOld(oldest)) return
    const most = Math.ceil(this.#wanted / renewedAtOnce)
    while (this.#renewals < most && this.#opening.size < openingAtOnce) {
      this.#renewals++
      this.#connect()
    }
  }

  #isOld(cookie: bigint): boolean {
    const usedNs = this.#kernel.map('kh_backends').get(cookie)?.startedNs ?? 0n
    const openedNs = this.#open.get(cookie)?.openedNs ?? 0n
    const lastNs = usedNs > openedNs ? usedNs : openedNs
    return process.hrtime.bigint() - lastNs > (BigInt(this.options.idleMs ?? 4000) * 1_000_000n) / 2n
  }

  /** Whoever is taken from the queue is nobody else's. */
  #dropOldest(): void {
    const cookie = this.#queue.pop()
    const connection = cookie === undefined ? undefined : this.#open.get(cookie)
    if (connection === undefined || cookie === undefined) return
    if (this.#isOld(cookie)) this.drop(connection)
    else this.#queue.push(cookie)
  }
}

function randomPort(): number {
  return firstPort + Math.floor(Math.random() * ports)
}
