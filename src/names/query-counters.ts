import type { Counter, Histogram, Meter } from '../core/index.ts'
import { recordTypes, responseCodes } from '../codec/index.ts'

export type QueryResult =
  | 'answered'
  | 'no-data'
  | 'no-name'
  | 'malformed'
  | 'not-implemented'
  | 'refused'
  | 'failed'
  | 'overloaded'
  | 'dropped'

const typeNames: ReadonlyMap<number, string> = new Map(
  (['A', 'AAAA', 'SRV', 'PTR', 'TXT', 'SOA', 'CNAME'] as const).map(name => [recordTypes[name], name]),
)

/** Queries by who answered, what was asked for and what came of it; labels are from these lists alone. */
export class QueryCounters {
  readonly #meter: Meter
  readonly #counters = new Map<string, Counter>()
  readonly #forwarded: Histogram

  constructor(meter: Meter) {
    this.#meter = meter
    this.#forwarded = meter.histogram('heddle_dns_forward_duration_seconds', {})
  }

  answered(source: 'mesh' | 'forward', type: number, responseCode: number, answers: number): void {
    this.count(source, type, resultOf(responseCode, answers))
  }

  count(source: 'mesh' | 'forward', type: number, result: QueryResult): void {
    const name = typeNames.get(type) ?? 'other'
    const key = `${source} ${name} ${result}`
    let counter = this.#counters.get(key)
    if (counter === undefined) {
      counter = this.#meter.counter('heddle_dns_queries_total', { source, type: name, result })
      this.#counters.set(key, counter)
    }
    counter.value++
  }

  forwarded(seconds: number): void {
    this.#forwarded.record(seconds)
  }
}

function resultOf(responseCode: number, answers: number): QueryResult {
  switch (responseCode) {
    case responseCodes.NOERROR:
      return answers > 0 ? 'answered' : 'no-data'
    case responseCodes.NXDOMAIN:
      return 'no-name'
    case responseCodes.FORMERR:
      return 'malformed'
    case responseCodes.NOTIMP:
    case responseCodes.BADVERS:
      return 'not-implemented'
    case responseCodes.REFUSED:
      return 'refused'
    default:
      return 'failed'
  }
}
