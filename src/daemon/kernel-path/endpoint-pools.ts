import type { Clock, Timer } from '../../core/index.ts'
import type { HttpAgent, KernelPool } from '../../kernel-http/index.ts'
import type { Endpoint } from '../../model/index.ts'

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

/** The kept connections to each endpoint of this node, one pool for an address and port, whatever Services it is in. */
export class EndpointPools implements Disposable {
  readonly #agent: HttpAgent
  readonly #clock: Clock
  readonly #pools = new Map<string, EndpointPool>()
  readonly #free: number[] = Array.from({ length: mostPools }, (_, at) => mostPools - at)

  constructor(agent: HttpAgent, clock: Clock) {
    this.#agent = agent
    this.#clock = clock
  }

  /** Pools for these from now on. Those of others are closed a while later. */
  want(endpoints: Iterable<Endpoint>): void {
    const wanted = new Map([...endpoints].map(endpoint => [endpoint.id, endpoint]))
    for (const [id, endpoint] of wanted) {
      const known = this.#pools.get(id)
      known?.leaving?.[Symbol.dispose]()
      if (known === undefined) this.#open(endpoint)
      else known.leaving = undefined
    }
    for (const [id, known] of this.#pools) {
      if (!wanted.has(id)) known.leaving ??= this.#clock.after(leavingMs, () => this.#close(id)).unref()
    }
  }

  /** 0 where there is none. */
  numberOf({ id }: Endpoint): number {
    return this.#pools.get(id)?.number ?? 0
  }

  /** Whether there are connections: somebody listens there, and is of the mesh. */
  isReached({ id }: Endpoint): boolean {
    return (this.#pools.get(id)?.pool.size ?? 0) > 0
  }

  /** Ids of endpoints with connections, as one text. */
  get reached(): string {
    return [...this.#pools].flatMap(([id, { pool }]) => (pool.size > 0 ? [id] : [])).join(' ')
  }

  #open({ id, address, port }: Endpoint): void {
    const number = this.#free.pop()
    if (number === undefined) return
    const pool = this.#agent.openPool({ number, address, port })
    this.#pools.set(id, { number, pool, leaving: undefined })
  }

  #close(id: string): void {
    const known = this.#pools.get(id)
    if (known === undefined) return
    this.#pools.delete(id)
    known.pool[Symbol.dispose]()
    this.#free.unshift(known.number)
  }

  [Symbol.dispose](): void {
    for (const { leaving } of this.#pools.values()) leaving?.[Symbol.dispose]()
    for (const id of this.#pools.keys()) this.#close(id)
  }
}
