import { metrics } from '../model/index.ts'
import type { MeshSnapshot, SnapshotDelta } from '../model/index.ts'

/** Says of a series whether it stays; as the metric registry and the aggregator ask it. */
export type KeepSeries = (name: string, labels: readonly string[]) => boolean

/**
 * Which series outlived what they count: those of routes, listeners and
 * endpoints that the delta takes away. Without this an agent whose endpoints
 * come and go would have more series with every one. The series of a backend as
 * a whole stay, since the proxy holds them for the time when it comes back.
 * Undefined when nothing went.
 *
 * @param before the snapshot to which the delta applies
 */
export function keepSeriesAfter(before: MeshSnapshot, delta: SnapshotDelta): KeepSeries | undefined {
  const gone = {
    route: new Set([...delta.routes.removed, ...delta.streamRoutes.removed]),
    listener: new Set(delta.listeners.removed),
    endpoint: goneEndpoints(before, delta),
  }
  if (Object.values(gone).every(({ size }) => size === 0)) return undefined
  return (name, values) => {
    const labels = metrics[name]?.labels ?? []
    const valueOf = (label: string) => values[labels.indexOf(label)] ?? ''
    if (gone.route.has(valueOf('route')) || gone.listener.has(valueOf('listener'))) return false
    return !gone.endpoint.has(`${valueOf('backend')} ${valueOf('endpoint')}`)
  }
}

function goneEndpoints(before: MeshSnapshot, delta: SnapshotDelta): ReadonlySet<string> {
  const gone = new Set<string>()
  for (const [key, backend] of delta.backends.set) {
    const old = before.backends.get(key)
    if (old === undefined || old.endpoints === backend.endpoints) continue
    const left = new Set(backend.endpoints.map(({ id }) => id))
    for (const { id } of old.endpoints) if (!left.has(id)) gone.add(`${key} ${id}`)
  }
  for (const key of delta.backends.removed) {
    for (const { id } of before.backends.get(key)?.endpoints ?? []) gone.add(`${key} ${id}`)
  }
  return gone
}
