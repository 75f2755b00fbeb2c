import type { Answered, KernelHttp, KhCounts } from '../../kernel-http/index.ts'
import { metrics } from '../../model/index.ts'
import type { MetricRegistry } from '../../observe/index.ts'
import type { CountedTarget, CountPlaces } from './count-places.ts'

/** Upper bounds, in seconds, of the buckets that programs count in: both histograms have them. */
export const boundsSeconds: readonly number[] = metrics['http_server_request_duration_seconds']?.buckets ?? []

const statusClasses = ['0xx', '1xx', '2xx', '3xx', '4xx', '5xx']

/** What passes in the kernel, as metrics that the proxy has, too. Programs count, and this takes over what was added. */
export class PathCounts {
  readonly #kernel: KernelHttp
  readonly #places: CountPlaces
  readonly #registry: MetricRegistry
  readonly #onAdded: () => void
  /** As read last, by place. */
  readonly #before = new Map<number, KhCounts>()
  /** Requests of these, to see at a glance that there is nothing new. */
  readonly #seen = new Map<number, bigint>()
  /** Answered on the path since it was opened. */
  served = 0n

  /** @param metrics.onAdded  told when there is something new in the registry */
  constructor(
    kernel: KernelHttp,
    places: CountPlaces,
    { registry, onAdded }: { readonly registry: MetricRegistry; readonly onAdded: () => void },
  ) {
    this.#kernel = kernel
    this.#places = places
    this.#registry = registry
    this.#onAdded = onAdded
  }

  collect(): void {
    let isNew = false
    for (const [place, target] of this.#places.entries()) {
      const requests = this.#kernel.countedRequests(place)
      if (requests === (this.#seen.get(place) ?? 0n)) continue
      const now = this.#kernel.counts(place)
      if (now === undefined) continue
      this.#add(target, now, this.#before.get(place))
      this.served += requests - (this.#seen.get(place) ?? 0n)
      this.#seen.set(place, requests)
      this.#before.set(place, now)
      isNew = true
    }
    if (isNew) this.#onAdded()
  }

  /** What the agent answered to a request of the path. */
  answered({ count, status, requestBytes, responseBytes, tookMs, reason }: Answered): void {
    const target = this.#places.at(count)
    if (target === undefined) return
    const labels = labelsOf(target, reason === undefined ? target.backend : '')
    const status_class = statusClasses[Math.trunc(status / 100)] ?? '5xx'
    this.#registry.counter('http_server_requests_total', { ...labels, status_class }).value++
    this.#registry.histogram('http_server_request_duration_seconds', labels).record(tookMs / 1000)
    this.#registry.counter('http_server_request_bytes_total', labels).value += requestBytes
    this.#registry.counter('http_server_response_bytes_total', labels).value += responseBytes
    const { virtualHost: virtual_host, backend, endpoint } = target
    this.#onAdded()
    if (reason === undefined)
      this.#registry.counter('heddle_upstream_requests_total', { backend, endpoint, status_class }).value++
    else this.#registry.counter('heddle_local_replies_total', { virtual_host, reason }).value++
  }

  #add(target: CountedTarget, now: KhCounts, before: KhCounts | undefined): void {
    const { backend, endpoint } = target
    const labels = labelsOf(target, backend)
    const registry = this.#registry
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

function labelsOf({ virtualHost, route }: CountedTarget, backend: string): Record<string, string> {
  return { virtual_host: virtualHost, route, backend }
}
