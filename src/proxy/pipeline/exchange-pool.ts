import type { Flushable, ProxyRuntime } from '../runtime.ts'
import type { ExchangeClient, RoutesInForce } from './exchange-client.ts'
import { Exchange } from './exchange.ts'

/** Enough for the requests that a worker has under way at once; more are made when they are needed. */
const keptExchanges = 1024

/** Exchanges between two requests: what they hold is made once, not for each connection, and idle connections own none. */
export class ExchangePool implements Flushable {
  readonly #runtime: ProxyRuntime
  readonly #routes: RoutesInForce
  readonly #free: Exchange[] = []
  readonly #ended: Exchange[] = []

  constructor(runtime: ProxyRuntime, routes: RoutesInForce) {
    this.#runtime = runtime
    this.#routes = routes
  }

  borrow(client: ExchangeClient): Exchange {
    const exchange = this.#free.pop()
    if (exchange === undefined) return new Exchange(this.#runtime, this.#routes, client)
    exchange.attach(client)
    return exchange
  }

  /** Counts and logs what has ended at once: by HTTP/1.1 few requests end in one turn. */
  giveBack(exchange: Exchange): void {
    exchange.conclude()
    if (this.#free.length < keptExchanges) this.#free.push(exchange)
  }

  /**
   * Does so at the turn's end: the same work for twenty requests in a row costs the processor less than for each of
   * them between other work, and answers leave before.
   */
  giveBackLater(exchange: Exchange): void {
    if (this.#ended.push(exchange) === 1) this.#runtime.flushLater(this)
  }

  flush(): void {
    for (const exchange of this.#ended) this.giveBack(exchange)
    this.#ended.length = 0
  }
}
