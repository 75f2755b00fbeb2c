import { defaultBackendSettings } from '../model/index.ts'
import type { Backend, BackendKey, MeshSnapshot, Workload } from '../model/index.ts'
import { HealthOverlay } from './health-overlay.ts'

/** The part of the proxy's health checker that is used here. */
export interface Checker {
  update(backends: Iterable<Backend>): void
  isHealthy(backend: BackendKey, endpoint: string): boolean | undefined
  status(backend: BackendKey): ReadonlyMap<string, { readonly lastCheckMs: number | undefined }>
}

/**
 * Active health of the whole mesh: the checks that BackendPolicies ask for, of
 * every endpoint of the backend, and those that Workloads ask for, of the
 * workload's own address whatever backends it serves. An endpoint that has both
 * needs both.
 */
export class MeshHealth {
  readonly #checker: Checker
  readonly #overlay = new HealthOverlay()
  #checked: readonly BackendKey[] = []
  /** Made for each Workload with a check, so that the checker keeps what it knows of an unchanged one. */
  #own = new Map<string, { workload: Workload; backend: Backend }>()
  /** Keys of `#own` by `namespace address:port`. */
  #ownByEndpoint = new Map<string, string>()

  constructor(checker: Checker) {
    this.#checker = checker
  }

  update(snapshot: MeshSnapshot, workloads: readonly Workload[]): void {
    const own = new Map<string, { workload: Workload; backend: Backend }>()
    this.#ownByEndpoint = new Map()
    for (const workload of workloads) {
      if (workload.healthCheck === undefined) continue
      const key = `Workload ${workload.key}`
      const last = this.#own.get(key)
      const backend = last?.workload === workload ? last.backend : backendOf(key, workload)
      own.set(key, { workload, backend })
      this.#ownByEndpoint.set(`${workload.namespace} ${endpointId(workload)}`, key)
    }
    this.#own = own
    const asked = [...snapshot.backends.values()].filter(({ settings }) => settings.healthCheck !== undefined)
    this.#checked = [...asked.map(({ key }) => key), ...own.keys()]
    this.#checker.update([...snapshot.backends.values(), ...[...own.values()].map(each => each.backend)])
  }

  /** The snapshot with the checks' answers in its endpoints. */
  apply(snapshot: MeshSnapshot): MeshSnapshot {
    return this.#overlay.apply(snapshot, (backend, endpoint) => this.#isHealthy(backend, endpoint))
  }

  /** How many endpoints with a check have no first answer yet. */
  get pending(): number {
    let count = 0
    for (const key of this.#checked) {
      for (const { lastCheckMs } of this.#checker.status(key).values()) if (lastCheckMs === undefined) count++
    }
    return count
  }

  #isHealthy(backend: Backend, endpoint: string): boolean | undefined {
    const asked =
      backend.settings.healthCheck === undefined ? undefined : this.#checker.isHealthy(backend.key, endpoint)
    if (this.#own.size === 0) return asked
    const ownKey = this.#ownByEndpoint.get(`${backend.namespace} ${endpoint}`)
    const own = ownKey === undefined ? undefined : this.#checker.isHealthy(ownKey, endpoint)
    return own === undefined ? asked : own && (asked ?? true)
  }
}

function endpointId({ address, port }: Workload): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

function backendOf(key: string, workload: Workload): Backend {
  const { namespace, name, address, port, healthCheck } = workload
  return {
    key,
    namespace,
    service: name,
    port,
    portName: '',
    protocol: 'http1',
    endpoints: [
      {
        id: endpointId(workload),
        address,
        port,
        weight: 1,
        zone: '',
        workload: name,
        healthy: true,
        draining: false,
      },
    ],
    settings: { ...defaultBackendSettings, healthCheck },
  }
}
