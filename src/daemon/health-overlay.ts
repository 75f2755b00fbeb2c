import type { Backend, BackendKey, MeshSnapshot } from '../model/index.ts'

/** Undefined for an endpoint without an active check. */
export type IsHealthy = (backend: Backend, endpoint: string) => boolean | undefined

/**
 * Puts the answers of active health checks into the endpoints of a snapshot. A
 * backend whose endpoints are as before is the same object as before, so that a
 * change of one endpoint's health reaches the workers as one backend.
 */
export class HealthOverlay {
  readonly #last = new Map<BackendKey, { source: Backend; overlaid: Backend }>()

  apply(snapshot: MeshSnapshot, isHealthy: IsHealthy): MeshSnapshot {
    let backends: Map<BackendKey, Backend> | undefined
    for (const [key, source] of snapshot.backends) {
      const overlaid = this.#overlay(source, isHealthy)
      if (overlaid === source) continue
      backends ??= new Map(snapshot.backends)
      backends.set(key, overlaid)
    }
    for (const key of this.#last.keys()) if (!snapshot.backends.has(key)) this.#last.delete(key)
    return backends === undefined ? snapshot : { ...snapshot, backends }
  }

  #overlay(source: Backend, isHealthy: IsHealthy): Backend {
    const states = source.endpoints.map(({ id, healthy }) => healthy && (isHealthy(source, id) ?? true))
    const last = this.#last.get(source.key)
    if (last?.source === source && last.overlaid.endpoints.every(({ healthy }, at) => healthy === states[at])) {
      return last.overlaid
    }
    const isSame = source.endpoints.every(({ healthy }, at) => healthy === states[at])
    const overlaid = isSame
      ? source
      : {
          ...source,
          endpoints: source.endpoints.map((endpoint, at) => ({ ...endpoint, healthy: states[at] === true })),
        }
    this.#last.set(source.key, { source, overlaid })
    return overlaid
  }
}
