import type { Counter, Gauge, Meter } from '../../core/index.ts'
import type { Http2Problem } from '../../codec/index.ts'

/** What a listener counts of HTTP/2; problems are made when they first happen. */
export class Http2Series {
  readonly connections: Gauge
  readonly streams: Counter
  readonly #meter: Meter
  readonly #listener: string
  readonly #problems = new Map<Http2Problem, Counter>()

  constructor(meter: Meter, listener: string) {
    this.#meter = meter
    this.#listener = listener
    this.connections = meter.gauge('heddle_http2_connections', { listener })
    this.streams = meter.counter('heddle_http2_streams_total', { listener })
  }

  problem(problem: Http2Problem): void {
    let counter = this.#problems.get(problem)
    if (counter === undefined) {
      counter = this.#meter.counter('heddle_http2_problems_total', { listener: this.#listener, problem })
      this.#problems.set(problem, counter)
    }
    counter.value++
  }
}
