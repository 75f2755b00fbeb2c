import type { Clock, Timer } from '../../core/index.ts'
import type { HttpAgent, KernelPool, PoolNetwork } from '../../kernel-http/index.ts'
import { ListeningSockets } from '../../kernel/index.ts'
import type { Endpoint } from '../../model/index.ts'
import type { PathNetwork } from './path-networks.ts'

interface EndpointPool {
  readonly number: number
  readonly pool: KernelPool
  /** Nothing leads there any more: it is closed once what is under way has had its time. */
  leaving: Timer | undefined
}

/** As many as the kernel's table has room for; 0 is none. */
const mostPools = 1023
/** What is under way when an endpoint goes gets this long; a response may take longer in user space only. */
const leavingMs = 30_000

/**
 * The kept connections to each endpoint of this node, one pool for an address and port of a network namespace, whatever
 * Services it is in.
 */
export class EndpointPools implements Disposable {
  readonly #agent: HttpAgent
  readonly #clock: Clock
  readonly #pools = new Map<string, EndpointPool>()
  readonly #sockets = new ListeningSockets()
  #networkOf: (endpoint: Endpoint) => PathNetwork | undefined = () => undefined
  readonly #free: number[] = Array.from({ length: mostPools }, (_, at) => mostPools - at)

  constructor(agent: HttpAgent, clock: Clock) {
    this.#agent = agent
    this.#clock = clock
  }

  /** Pools for these from now on. Those of others are closed a while later. */
  want(endpoints: Iterable<Endpoint>, networkOf: (endpoint: Endpoint) => PathNetwork | undefined): void {
    this.#networkOf = networkOf
    const wanted = new Map([...endpoints].map(endpoint => [this.#keyOf(endpoint), endpoint]))
    for (const [key, endpoint] of wanted) {
      const known = this.#pools.get(key)
      known?.leaving?.[Symbol.dispose]()
      if (known === undefined) this.#open(key, endpoint)
      else known.leaving = undefined
    }
    for (const [key, known] of this.#pools) {
      if (!wanted.has(key)) known.leaving ??= this.#clock.after(leavingMs, () => this.#close(key)).unref()
    }
  }

  /** 0 where there is none. */
  numberOf(endpoint: Endpoint): number {
    return this.#pools.get(this.#keyOf(endpoint))?.number ?? 0
  }

  /** Whether there are connections: somebody listens there, and is of the mesh. */
  isReached(endpoint: Endpoint): boolean {
    return (this.#pools.get(this.#keyOf(endpoint))?.pool.size ?? 0) > 0
  }

  /** A container that is started again may have the address of before, in another network namespace. */
  #keyOf(endpoint: Endpoint): string {
    return `${this.#networkOf(endpoint)?.cookie} ${endpoint.id}`
  }

  /** Keys of endpoints with connections, as one text. */
  get reached(): string {
    return [...this.#pools].flatMap(([id, { pool }]) => (pool.size > 0 ? [id] : [])).join(' ')
  }

  #open(key: string, endpoint: Endpoint): void {
    const number = this.#free.pop()
    if (number === undefined) return
    const { address, port } = endpoint
    const pool = this.#agent.openPool({ number, address, port, network: this.#poolNetwork(endpoint) })
    this.#pools.set(key, { number, pool, leaving: undefined })
  }

  #poolNetwork(endpoint: Endpoint): PoolNetwork | undefined {
    const { cookie, within } = this.#networkOf(endpoint) ?? {}
    if (cookie === undefined || within === undefined) return undefined
    const openSocket = (address: string): number | undefined => {
      try {
        return within(() => this.#sockets.openUnbound(address))
      } catch {
        // Out of descriptors: it is tried again in a moment, as all that fails.
        return undefined
      }
    }
    return { cookie, openSocket }
  }

  #close(key: string): void {
    const known = this.#pools.get(key)
    if (known === undefined) return
    this.#pools.delete(key)
    known.pool[Symbol.dispose]()
    this.#free.unshift(known.number)
  }

  [Symbol.dispose](): void {
    for (const { leaving } of this.#pools.values()) leaving?.[Symbol.dispose]()
    for (const key of this.#pools.keys()) this.#close(key)
    this.#sockets[Symbol.dispose]()
  }
}
