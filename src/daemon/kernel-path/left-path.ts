import { createServer, Socket } from 'node:net'
import type { Server } from 'node:net'
import { messageOf, resetSocket } from '../../core/index.ts'
import type { Clock, Logger } from '../../core/index.ts'
import { HttpAgent, KernelHttp } from '../../kernel-http/index.ts'
import type { AdoptedSocket, PoolOptions } from '../../kernel-http/index.ts'
import { Bpf, isUntouched, ListeningSockets, netnsCookie } from '../../kernel/index.ts'
import type { MetricRegistry } from '../../observe/index.ts'
import type { AgentKeeper } from '../handover/agent-keeper.ts'
import { CountMemory } from './count-memory.ts'
import { limitLookMs } from './count-places.ts'
import type { CountedPlaces } from './count-places.ts'
import { descriptorOf, Giver } from './given-socket.ts'
import type { GiveOptions } from './given-socket.ts'
import { PathCounts } from './path-counts.ts'
import { leftOf, PathHolder } from './path-holder.ts'
import type { OnRequest } from './path-log.ts'

export interface LeftPathOptions extends GiveOptions {
  readonly keeper: Pick<AgentKeeper, 'left' | 'take' | 'keep' | 'drop' | 'isThere'>
  readonly clock: Clock
  readonly logger: Logger
  /** Where requests are counted that were answered while there was no agent, and who is told that some were. */
  readonly registry: MetricRegistry
  readonly onCounted: () => void
  /** Told of those that were not. */
  readonly onRequest: OnRequest
}

/** Who was led to the listeners a moment ago still comes. */
const listenMs = 5_000
const lookMs = 1_000

/** What agents before this one have left of the path: one for each of them. */
export function openLeftPaths(options: LeftPathOptions): readonly LeftPath[] {
  return [...leftOf(options.keeper)].map(([generation, names]) => new LeftPath(options, generation, names))
}

/**
 * The path of an agent that was killed. The kernel has gone on with it; from now on each of its connections goes to a worker
 * with its next request, and so does whoever has waited in its listening sockets. When the last one has gone it ends.
 */
export class LeftPath implements Disposable {
  readonly #options: LeftPathOptions
  readonly #bpf = new Bpf()
  readonly #holder: PathHolder
  readonly #sockets = new ListeningSockets()
  readonly #servers: Server[] = []
  /** Ids of listeners, by the network namespace and the port that their clients were led to. */
  readonly #listeners = new Map<string, string>()
  readonly #timers = new DisposableStack()
  #kernel: KernelHttp | undefined
  #agent: HttpAgent | undefined
  #counts: PathCounts | undefined
  readonly #giver: Giver
  #isOver = false

  constructor(options: LeftPathOptions, generation: string, names: readonly string[]) {
    this.#options = options
    this.#giver = new Giver(options)
    const { keeper, clock, logger } = options
    this.#holder = new PathHolder(keeper, { clock, generation, held: names })
    const taken = new Map<string, number>()
    for (const name of names) {
      const fd = keeper.take(`${generation} ${name}`)
      if (fd !== undefined) taken.set(name, fd)
    }
    try {
      this.#adopt(generation.split(' ')[1] ?? '', taken)
    } catch (error) {
      logger.error('connections of the HTTP path in the kernel end', { error: messageOf(error) })
      this[Symbol.dispose]()
      return
    }
    this.#timers.use(clock.after(listenMs, () => this.#stopListening()).unref())
    this.#timers.use(clock.every(lookMs, () => this.#endIfIdle()).unref())
  }

  #adopt(layout: string, taken: ReadonlyMap<string, number>): void {
    const objects = new Map([...taken].filter(([name]) => /^(map|link|queue) /.test(name)))
    const kernel = KernelHttp.adopt(this.#bpf, { layout, descriptors: objects }, this.#holder)
    if (kernel === undefined) {
      this.#options.logger.warn('the HTTP path of a version with other maps ends, and its connections with it')
      for (const [name, fd] of objects) {
        this.#holder.release(name)
        this.#sockets.close(fd)
      }
    } else {
      this.#kernel = kernel
      this.#agent = this.#openAgent(kernel)
    }
    const clients: AdoptedSocket[] = []
    const pools = new Map<number, AdoptedSocket[]>()
    for (const [name, fd] of taken) {
      const [kind, first = '', second = '', ...more] = name.split(' ')
      if (kind === 'listener') this.#listen(fd, first, [second, ...more].join(' '))
      if (kind !== 'client' && kind !== 'pooled') continue
      const socket = this.#open(name, fd)
      if (socket === undefined) continue
      if (kind === 'client') clients.push({ cookie: BigInt(first), socket })
      else pools.set(Number(first), [...(pools.get(Number(first)) ?? []), { cookie: BigInt(second), socket }])
    }
    this.#agent?.adopt({ clients, pools: [...pools].map(poolOptions) })
  }

  #openAgent(kernel: KernelHttp): HttpAgent {
    const { registry, onCounted: onAdded, onRequest } = this.#options
    const memory = new CountMemory(kernel)
    const known = memory.adopt()
    const places: CountedPlaces = {
      at: place => known.get(place)?.target,
      entries: () => [...known].map(([place, { target }]) => [place, target]),
    }
    const told = [...known].map(([place, each]) => [place, each.told] as const)
    const counts = new PathCounts({ kernel, places, registry, onAdded, memory, told })
    counts.collect()
    this.#counts = counts
    return new HttpAgent({
      kernel,
      onFallback: (socket, bytes) => this.#give(socket, bytes),
      limitsOf: place => places.at(place)?.limits,
      lookMs: () => limitLookMs(places),
      onEnded: request => {
        counts.ended(request)
        const target = places.at(request.count)
        if (target !== undefined) onRequest(request, target)
      },
      onReplayed: place => counts.replayed(place),
    })
  }

  /** Takes over what programs have counted. */
  collect(): void {
    if (!this.#isOver) this.#counts?.collect()
  }

  /** @returns undefined for one of which something was read or written: nobody knows how to go on */
  #open(name: string, fd: number): Socket | undefined {
    const isGoing = this.#agent !== undefined && isUntouched(fd)
    const socket = new Socket({ fd, readable: true, writable: true, allowHalfOpen: true })
    if (isGoing) return socket
    socket.on('error', () => {})
    resetSocket(socket)
    this.#holder.release(name)
    return undefined
  }

  #listen(fd: number, port: string, listener: string): void {
    const netns = netnsCookie(fd)
    this.#listeners.set(`${netns} ${port}`, listener)
    const server = createServer({ allowHalfOpen: true, noDelay: true }, socket => {
      if (this.#agent === undefined) this.#give(socket, Buffer.alloc(0))
      else this.#agent.accept(socket, netns)
    })
    server.on('error', error => this.#options.logger.error('a listener of the path failed', { error: error.message }))
    server.listen({ fd })
    this.#servers.push(server)
  }

  #give(socket: Socket, bytes: Buffer): void {
    const fd = descriptorOf(socket)
    const listener = fd === undefined ? undefined : this.#listeners.get(`${netnsCookie(fd)} ${socket.localPort}`)
    this.#giver.give(socket, bytes, listener)
  }

  /** The next agent goes on with what is here still, in the same way. */
  async leave(mostMs: number): Promise<void> {
    if (this.#isOver || this.#agent === undefined || !this.#holder.flush()) return
    this.#timers.dispose()
    for (const server of this.#servers.splice(0)) server.close()
    this.#holder.leave()
    await this.#agent.leave(mostMs)
    await this.#giver.settled()
  }

  #stopListening(): void {
    // The keeper has its copies still, since an agent after this one has to know which listener they are.
    for (const server of this.#servers.splice(0)) server.close()
  }

  #endIfIdle(): void {
    const { clients, pooled } = this.#agent?.sizes ?? { clients: 0, pooled: 0 }
    if (this.#servers.length === 0 && clients === 0 && pooled === 0) this[Symbol.dispose]()
  }

  /** Connections that are still here end. */
  [Symbol.dispose](): void {
    if (this.#isOver) return
    this.#counts?.collect()
    this.#isOver = true
    this.#timers.dispose()
    for (const server of this.#servers.splice(0)) server.close()
    this.#agent?.[Symbol.dispose]()
    this.#kernel?.[Symbol.dispose]()
    this.#holder[Symbol.dispose]()
    this.#sockets[Symbol.dispose]()
    this.#bpf[Symbol.dispose]()
  }
}

/** Where the endpoint was is told by the connections. */
function poolOptions([number, adopted]: readonly [number, readonly AdoptedSocket[]]): PoolOptions {
  const { remoteAddress: address = '127.0.0.1', remotePort: port = 0 } = adopted[0]?.socket ?? {}
  return { number, address, port, size: 0, adopted }
}
