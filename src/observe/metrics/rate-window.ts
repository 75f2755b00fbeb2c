import { forEachDelta, forEachEndpointDelta } from './request-deltas.ts'
import type { RequestDelta } from './request-deltas.ts'
import { namesOf, ratesOf, sumDeltas } from './rates.ts'
import type { Flow, LiveRates, Rates } from './rates.ts'
import type { MetricsState } from './metrics-state.ts'

/** How far back `recent` goes: states are expected about every second. */
const historySlots = 60

/** Rates and percentiles are those of this many slots: fewer jump about, more lag behind. */
const rateSlots = 5

type Dimension = 'virtualHost' | 'route' | 'backend'

/** The last minute of one series: requests per slot, and everything else for the slots that rates are made of. */
interface SeriesWindow {
  readonly labels: readonly string[]
  readonly requests: Float64Array
  readonly fresh: (RequestDelta | undefined)[]
  /** Number of the last slot with requests. */
  lastSlot: number
}

/**
 * The last minute of requests, second by second, out of successive states; for
 * live displays. Series without requests for a minute are forgotten, so the
 * memory follows the traffic, about 1 KiB for each series with requests.
 */
export class RateWindow {
  #previous: MetricsState | undefined
  #previousMs = 0
  /** Number of the last complete slot; 0 before the second state. */
  #slot = 0
  readonly #seconds = new Float64Array(historySlots)
  readonly #flows = new Map<string, SeriesWindow>()
  readonly #endpoints = new Map<string, SeriesWindow>()

  /**
   * Takes the next state, about a second after the last one.
   *
   * @param atMs when the state was taken, by a clock that never goes back
   */
  add(state: MetricsState, atMs: number): void {
    const previous = this.#previous
    if (previous !== undefined && atMs <= this.#previousMs) return
    this.#previous = state
    const seconds = (atMs - this.#previousMs) / 1000
    this.#previousMs = atMs
    // What was counted before the first state happened at unknown times.
    if (previous === undefined) return
    this.#slot++
    this.#seconds[this.#slot % historySlots] = seconds
    // The same state again: nobody asked for anything.
    if (state !== previous) {
      forEachDelta(previous, state, (key, delta) => this.#record(this.#flows, key, delta))
      forEachEndpointDelta(previous, state, (key, delta) => this.#record(this.#endpoints, key, delta))
    }
    this.#expire(this.#flows)
    this.#expire(this.#endpoints)
  }

  /** Of every virtual host, route and backend with requests in the last seconds. */
  flows(): Flow[] {
    const seconds = this.#rateSeconds()
    const flows: Flow[] = []
    for (const series of this.#flows.values()) {
      const sum = this.#fresh([series])
      if (sum.requests > 0) flows.push({ ...namesOf(series), ...ratesOf(sum, seconds) })
    }
    return flows
  }

  /** Of all requests together. */
  total(): LiveRates {
    return this.#live([...this.#flows.values()])
  }

  /** Live rates by route, backend or virtual host, only of those with requests in the last minute. */
  by(dimension: Dimension): Map<string, LiveRates> {
    const groups = new Map<string, SeriesWindow[]>()
    for (const series of this.#flows.values()) {
      const name = namesOf(series)[dimension]
      const group = groups.get(name)
      if (group === undefined) groups.set(name, [series])
      else group.push(series)
    }
    return new Map(Array.from(groups, ([name, group]) => [name, this.#live(group)]))
  }

  /** Rates of an endpoint's tries; they have no percentiles. */
  endpoint(backend: string, endpoint: string): Rates {
    const series = this.#endpoints.get(`${backend}\0${endpoint}`)
    return ratesOf(this.#fresh(series === undefined ? [] : [series]), this.#rateSeconds())
  }

  #record(table: Map<string, SeriesWindow>, key: string, delta: RequestDelta): void {
    let series = table.get(key)
    if (series === undefined) {
      series = {
        labels: delta.labels,
        requests: new Float64Array(historySlots),
        fresh: Array.from({ length: rateSlots }, () => undefined),
        lastSlot: this.#slot,
      }
      table.set(key, series)
    }
    this.#clearGap(series)
    series.requests[this.#slot % historySlots] = delta.requests
    series.fresh[this.#slot % rateSlots] = delta
    series.lastSlot = this.#slot
  }

  /** Slots since the series' last requests still hold what was there a round before. */
  #clearGap(series: SeriesWindow): void {
    const first = Math.max(series.lastSlot + 1, this.#slot - historySlots + 1)
    for (let slot = first; slot <= this.#slot; slot++) {
      series.requests[slot % historySlots] = 0
      series.fresh[slot % rateSlots] = undefined
    }
  }

  #expire(table: Map<string, SeriesWindow>): void {
    for (const [key, series] of table) if (this.#slot - series.lastSlot >= historySlots) table.delete(key)
  }

  #live(group: readonly SeriesWindow[]): LiveRates {
    const recent: number[] = []
    const slots = Math.min(this.#slot, historySlots)
    for (let slot = this.#slot - slots + 1; slot <= this.#slot; slot++) {
      let requests = 0
      for (const series of group) if (slot <= series.lastSlot) requests += series.requests[slot % historySlots] ?? 0
      recent.push(requests / (this.#seconds[slot % historySlots] ?? 1))
    }
    return { ...ratesOf(this.#fresh(group), this.#rateSeconds()), recent }
  }

  #fresh(group: readonly SeriesWindow[]): RequestDelta {
    const deltas: RequestDelta[] = []
    for (const series of group) {
      for (let slot = this.#slot - rateSlots + 1; slot <= series.lastSlot; slot++) {
        const delta = slot > 0 ? series.fresh[slot % rateSlots] : undefined
        if (delta !== undefined) deltas.push(delta)
      }
    }
    return sumDeltas(deltas)
  }

  #rateSeconds(): number {
    let seconds = 0
    for (let i = 0; i < Math.min(rateSlots, this.#slot); i++)
      seconds += this.#seconds[(this.#slot - i) % historySlots] ?? 0
    return seconds
  }
}
