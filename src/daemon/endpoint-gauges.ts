import type { Meter } from '../core/index.ts'
import type { Backend, BackendKey } from '../model/index.ts'
import type { EndpointActivity } from './worker-messages.ts'

export const endpointStates = ['healthy', 'unhealthy', 'ejected', 'draining'] as const
export type EndpointState = (typeof endpointStates)[number]

const metric = 'heddle_upstream_endpoints'

interface Known {
  readonly backend: Backend
  readonly ejected: ReadonlySet<string> | undefined
}

/** A meter whose series can be taken away again. */
export interface RetainingMeter extends Meter {
  retain(keep: (name: string, labels: readonly string[]) => boolean): void
}

/**
 * How many endpoints of each backend are in which state, for `/metrics`. Each
 * endpoint counts once, under the first reason why it gets no requests. A state
 * that a backend never had has no series: most backends have healthy endpoints
 * only. A backend that is as it was costs a comparison.
 */
export class EndpointGauges {
  readonly #meter: RetainingMeter
  readonly #known = new Map<BackendKey, Known>()

  constructor(meter: RetainingMeter) {
    this.#meter = meter
  }

  update(backends: ReadonlyMap<BackendKey, Backend>, activity: readonly EndpointActivity[]): void {
    const ejectedBy = ejectedEndpoints(activity)
    for (const [key, backend] of backends) {
      const ejected = ejectedBy.get(key)
      const known = this.#known.get(key)
      if (known?.backend === backend && known.ejected === undefined && ejected === undefined) continue
      this.#known.set(key, { backend, ejected })
      this.#set(key, countStates(backend, ejected), known === undefined)
    }
    const gone = new Set([...this.#known.keys()].filter(key => !backends.has(key)))
    if (gone.size === 0) return
    for (const key of gone) this.#known.delete(key)
    this.#meter.retain((name, [backend = '']) => name !== metric || !gone.has(backend))
  }

  #set(backend: BackendKey, counts: Readonly<Record<EndpointState, number>>, isNew: boolean): void {
    for (const state of endpointStates) {
      const count = counts[state]
      if (isNew && count === 0 && state !== 'healthy') continue
      this.#meter.gauge(metric, { backend, state }).value = count
    }
  }
}

export function countStates(
  { endpoints }: Backend,
  ejected: ReadonlySet<string> | undefined,
): Record<EndpointState, number> {
  const counts = { healthy: 0, unhealthy: 0, ejected: 0, draining: 0 }
  for (const { id, healthy, draining } of endpoints) {
    counts[draining ? 'draining' : !healthy ? 'unhealthy' : ejected?.has(id) === true ? 'ejected' : 'healthy']++
  }
  return counts
}

/** An endpoint counts as ejected when any worker ejected it. */
function ejectedEndpoints(activity: readonly EndpointActivity[]): ReadonlyMap<BackendKey, ReadonlySet<string>> {
  const ejected = new Map<BackendKey, Set<string>>()
  for (const each of activity) {
    if (!each.ejected) continue
    const endpoints = ejected.get(each.backend)
    if (endpoints === undefined) ejected.set(each.backend, new Set([each.endpoint]))
    else endpoints.add(each.endpoint)
  }
  return ejected
}
