import type { Http2Stream } from '../../codec/index.ts'
import type { ProxyRuntime } from '../runtime.ts'
import { ClientStream } from './client-stream.ts'
import type { ClientCarrier } from './client-stream.ts'
import type { ExchangePool } from './exchange-pool.ts'

/** Enough for the requests that a worker has under way at once; more are made when they are needed. */
const keptStreams = 1024

/** Client streams between two requests, shared by all connections of a worker. */
export class ClientStreams {
  readonly #runtime: ProxyRuntime
  readonly #exchanges: ExchangePool
  readonly #free: ClientStream[] = []

  constructor(runtime: ProxyRuntime, exchanges: ExchangePool) {
    this.#runtime = runtime
    this.#exchanges = exchanges
  }

  take(carrier: ClientCarrier, stream: Http2Stream<ClientStream>): ClientStream {
    const free = this.#free.pop()
    if (free === undefined) return new ClientStream(this.#runtime, this.#exchanges, carrier, stream)
    free.attach(carrier, stream)
    return free
  }

  giveBack(stream: ClientStream): void {
    if (this.#free.length < keptStreams) this.#free.push(stream)
  }
}
