import type { Counter, Meter } from '../../core/index.ts'
import type { Caller } from '../../model/index.ts'
import { statusClasses } from '../upstream/status-classes.ts'

/** Who calls a backend, and what comes of it: counters by caller, made when somebody first calls. */
export class CallerSeries {
  readonly #meter: Meter
  readonly #destination: string
  readonly #bySource = new Map<string, readonly Counter[]>()

  constructor(meter: Meter, destination: string) {
    this.#meter = meter
    this.#destination = destination
  }

  /** A request without an answer is of class `none`. */
  record({ service, workload }: Caller, status: number): void {
    const source = service === '' ? workload : service
    const counters = this.#bySource.get(source) ?? this.#resolve(source)
    const counter = counters[(status / 100) | 0]
    if (counter !== undefined) counter.value++
  }

  #resolve(source: string): readonly Counter[] {
    const destination = this.#destination
    const counters = statusClasses.map(status_class =>
      this.#meter.counter('heddle_service_requests_total', { source, destination, status_class }),
    )
    this.#bySource.set(source, counters)
    return counters
  }
}
