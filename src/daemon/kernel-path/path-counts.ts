import type { EndedRequest, KernelHttp, KhCounts } from '../../kernel-http/index.ts'
import { metrics } from '../../model/index.ts'
import type { MetricRegistry } from '../../observe/index.ts'
import type { CountMemory } from './count-memory.ts'
import type { CountedPlaces, CountedTarget } from './count-places.ts'

/** Upper bounds, in seconds, of the buckets that programs count in: both histograms have them. */
export const boundsSeconds: readonly number[] = metrics['http_server_request_duration_seconds']?.buckets ?? []

const statusClasses = ['0xx', '1xx', '2xx', '3xx', '4xx', '5xx']

export interface PathCountsOptions {
  readonly kernel: KernelHttp
  readonly places: CountedPlaces
  readonly registry: MetricRegistry
  /** Told when there is something new in the registry. */
  readonly onAdded: () => void
  /** For the agent after this one. @default it counts nothing of what passes before it comes */
  readonly memory?: CountMemory | undefined
  /** What an agent before this one has told already, by place. @default nothing */
  readonly told?: Iterable<readonly [number, KhCounts]>
}

/** What passes in the kernel, as metrics that the proxy has, too. Programs count, and this takes over what was added. */
export class PathCounts {
  readonly #options: PathCountsOptions
  /** As read last, by place. */
  readonly #before: Map<number, KhCounts>
  /** Requests of these, to see at a glance that there is nothing new. */
  readonly #seen: Map<number, bigint>
  /** Answered on the path since it was opened. */
  served = 0n

  constructor(options: PathCountsOptions) {
    this.#options = options
    this.#before = new Map(options.told)
    this.#seen = new Map([...this.#before].map(([place, { classes }]) => [place, classes.reduce((a, b) => a + b, 0n)]))
  }

  /** What the agent after this one has to know of places, before anything is led there. */
  remember(): void {
    const { memory, places } = this.#options
    if (memory === undefined) return
    for (const [place, target] of places.entries()) memory.note(place, target, this.#before.get(place))
    memory.keep(place => places.at(place) !== undefined)
  }

  collect(): void {
    const { kernel, places, memory, onAdded } = this.#options
    let isNew = false
    for (const [place, target] of places.entries()) {
      const requests = kernel.countedRequests(place)
      if (requests === (this.#seen.get(place) ?? 0n)) continue
      const now = kernel.counts(place)
      if (now === undefined) continue
      this.#add(target, now, this.#before.get(place))
      this.served += requests - (this.#seen.get(place) ?? 0n)
      this.#seen.set(place, requests)
      this.#before.set(place, now)
      memory?.tell(place, now)
      isNew = true
    }
    if (isNew) onAdded()
  }

  /** A request of the path that programs have not counted. */
  ended({ count, status, requestBytes, bodyBytes, tookMs, upstreamMs, reason }: EndedRequest): void {
    const { registry, places, onAdded } = this.#options
    const target = places.at(count)
    if (target === undefined) return
    const { virtualHost: virtual_host, backend, endpoint } = target
    const labels = labelsOf(target)
    registry.counter('http_server_requests_total', { ...labels, status_class: classOf(status) }).value++
    registry.histogram('http_server_request_duration_seconds', labels).record(tookMs / 1000)
    registry.counter('http_server_request_bytes_total', labels).value += requestBytes
    registry.counter('http_server_response_bytes_total', labels).value += bodyBytes
    if (reason !== undefined) registry.counter('heddle_local_replies_total', { virtual_host, reason }).value++
    if (upstreamMs >= 0) {
      const answered = { backend, endpoint, status_class: classOf(status) }
      registry.counter('heddle_upstream_requests_total', answered).value++
      registry.histogram('heddle_upstream_request_duration_seconds', { backend }).record(upstreamMs / 1000)
    }
    onAdded()
  }

  /** The proxy makes another try, and counts that. */
  replayed(count: number): void {
    const { registry, places, onAdded } = this.#options
    const target = places.at(count)
    if (target === undefined) return
    registry.counter('heddle_upstream_retries_total', { backend: target.backend }).value++
    onAdded()
  }

  #add(target: CountedTarget, now: KhCounts, before: KhCounts | undefined): void {
    const { backend, endpoint } = target
    const labels = labelsOf(target)
    const { registry } = this.#options
    now.classes.forEach((count, at) => {
      const added = Number(count - (before?.classes[at] ?? 0n))
      const status_class = statusClasses[at]
      if (added === 0 || status_class === undefined) return
      registry.counter('http_server_requests_total', { ...labels, status_class }).value += added
      registry.counter('heddle_upstream_requests_total', { backend, endpoint, status_class }).value += added
    })
    const added = (of: 'requestBytes' | 'responseBytes' | 'nanoseconds' | 'waitedUs'): number =>
      Number(now[of] - (before?.[of] ?? 0n))
    const buckets = (of: 'buckets' | 'waits'): readonly number[] =>
      now[of].map((count, at) => Number(count - (before?.[of][at] ?? 0n)))
    registry.counter('http_server_request_bytes_total', labels).value += added('requestBytes')
    registry.counter('http_server_response_bytes_total', labels).value += added('responseBytes')
    registry
      .histogram('http_server_request_duration_seconds', labels)
      .recordAll(buckets('buckets'), added('nanoseconds') / 1e9)
    registry
      .histogram('heddle_upstream_request_duration_seconds', { backend })
      .recordAll(buckets('waits'), added('waitedUs') / 1e6)
  }
}

function classOf(status: number): string {
  return statusClasses[Math.trunc(status / 100)] ?? '5xx'
}

function labelsOf({ virtualHost, route, backend }: CountedTarget): Record<string, string> {
  return { virtual_host: virtualHost, route, backend }
}
