import { defaultBackendSettings, emptySnapshot } from '../model/index.ts'
import type { Backend, BackendKey, Certificate, HealthCheck, MeshSnapshot, Workload } from '../model/index.ts'
import { HealthOverlay } from './health-overlay.ts'
import type { ProgramState } from './programs/program.ts'

/** The part of the proxy's health checker that is used here. */
export interface Checker {
  update(backends: Iterable<Backend>, certificate?: Certificate): void
  isHealthy(backend: BackendKey, endpoint: string): boolean | undefined
  status(backend: BackendKey): ReadonlyMap<string, { readonly lastCheckMs: number | undefined }>
}

/** A program that is starting is asked this often… */
const startingCheck = tcpCheck(200)
/** …and one that listens this often, as long as nothing says that it ended. */
const steadyCheck = tcpCheck(5_000)

/**
 * Active health of the whole mesh: the checks that BackendPolicies ask for, of
 * every endpoint of the backend, and those that Workloads ask for, of the
 * workload's own address whatever backends it serves. An endpoint that has both
 * needs both.
 *
 * A Workload without a check of its own gets a plain one: whether its port
 * accepts a connection. A program takes a moment to listen, and requests that
 * were sent to it before would fail and have it ejected for half a minute. As
 * long as the program does not run nobody is asked, since whoever answers there
 * is another one; its endpoints are unhealthy. Whoever is spoken to by UDP alone
 * need not accept connections, and is asked nothing.
 */
export class MeshHealth {
  readonly #checker: Checker
  readonly #overlay = new HealthOverlay()
  #snapshot: MeshSnapshot = emptySnapshot
  #workloads: readonly Workload[] = []
  /** Backends with a check, ours and those of the mesh. */
  #checked: readonly BackendKey[] = []
  /** One for each Workload; the same object while its check is, so that the checker keeps what it knows. */
  #own = new Map<string, OwnCheck>()
  /** Keys of `#own` by `namespace address:port`. */
  #ownByEndpoint = new Map<string, string>()

  readonly #programState: (workload: string) => ProgramState

  /** @param programState  of a Workload that has a program; may change before each `settle` */
  constructor(checker: Checker, programState: (workload: string) => ProgramState) {
    this.#checker = checker
    this.#programState = programState
  }

  update(snapshot: MeshSnapshot, workloads: readonly Workload[]): void {
    this.#snapshot = snapshot
    this.#workloads = workloads
    const own = new Map<string, OwnCheck>()
    this.#ownByEndpoint = new Map()
    const datagrams = datagramEndpoints(snapshot)
    for (const workload of workloads) {
      const key = ownKey(workload.key)
      this.#ownByEndpoint.set(`${workload.namespace} ${endpointId(workload)}`, key)
      if (workload.process !== undefined && this.#programState(workload.key) !== 'running') continue
      if (workload.healthCheck === undefined && datagrams.has(`${workload.namespace} ${endpointId(workload)}`)) {
        this.#ownByEndpoint.delete(`${workload.namespace} ${endpointId(workload)}`)
        continue
      }
      const check = workload.healthCheck ?? (this.#isUp(key, workload) ? steadyCheck : startingCheck)
      const last = this.#own.get(key)
      const isSame = last?.workload === workload && last.check === check
      own.set(key, isSame ? last : { workload, check, backend: backendOf(key, workload, check) })
    }
    this.#own = own
    this.#ask()
  }

  /**
   * Some answers changed, or programs started or ended: those that came up are asked less often, those that went down
   * more often.
   */
  settle(): void {
    this.update(this.#snapshot, this.#workloads)
  }

  /** The snapshot with the checks' answers in its endpoints. */
  apply(snapshot: MeshSnapshot): MeshSnapshot {
    return this.#overlay.apply(snapshot, (backend, endpoint) => this.#isHealthy(backend, endpoint))
  }

  /** How many endpoints with a check have no first answer yet, with the programs that are about to be started. */
  get pending(): number {
    let count = 0
    for (const { process, key } of this.#workloads) {
      if (process !== undefined && this.#programState(key) === 'not started') count++
    }
    for (const key of this.#checked) {
      for (const { lastCheckMs } of this.#checker.status(key).values()) if (lastCheckMs === undefined) count++
    }
    return count
  }

  #ask(): void {
    const asked = [...this.#snapshot.backends.values()].filter(({ settings }) => settings.healthCheck !== undefined)
    this.#checked = [...asked.map(({ key }) => key), ...this.#own.keys()]
    const backends = [...asked, ...[...this.#own.values()].map(({ backend }) => backend)]
    this.#checker.update(backends, clientCertificateOf(this.#snapshot))
  }

  #isUp(key: string, workload: Workload): boolean {
    return this.#checker.isHealthy(key, endpointId(workload)) === true
  }

  #isHealthy(backend: Backend, endpoint: string): boolean | undefined {
    const asked =
      backend.settings.healthCheck === undefined ? undefined : this.#checker.isHealthy(backend.key, endpoint)
    if (this.#ownByEndpoint.size === 0) return asked
    const key = this.#ownByEndpoint.get(`${backend.namespace} ${endpoint}`)
    if (key === undefined) return asked
    if (!this.#own.has(key)) return false
    const own = this.#checker.isHealthy(key, endpoint)
    return own === undefined ? asked : own && (asked ?? true)
  }
}

/** `namespace address:port` of what no backend speaks to but by UDP. */
function datagramEndpoints({ backends }: MeshSnapshot): ReadonlySet<string> {
  const found = new Set<string>()
  const of = ({ namespace, endpoints }: Backend): string[] => endpoints.map(({ id }) => `${namespace} ${id}`)
  for (const backend of backends.values()) {
    if (backend.protocol === 'udp') for (const id of of(backend)) found.add(id)
  }
  if (found.size === 0) return found
  for (const backend of backends.values()) {
    if (backend.protocol !== 'udp') for (const id of of(backend)) found.delete(id)
  }
  return found
}

interface OwnCheck {
  readonly workload: Workload
  readonly check: HealthCheck
  readonly backend: Backend
}

/** Checks belong to no Gateway: they show what the first one shows. */
function clientCertificateOf({ listeners }: MeshSnapshot): Certificate | undefined {
  for (const { virtualHosts } of listeners.values()) {
    const shown = virtualHosts.find(({ clientCertificate }) => clientCertificate !== undefined)
    if (shown !== undefined) return shown.clientCertificate
  }
  return undefined
}

function ownKey(workloadKey: string): string {
  return `Workload ${workloadKey}`
}

function tcpCheck(intervalMs: number): HealthCheck {
  return { kind: 'TCP', intervalMs, timeoutMs: 1_000, healthyThreshold: 1, unhealthyThreshold: 1 }
}

function endpointId({ address, port }: Workload): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

function backendOf(key: string, workload: Workload, healthCheck: HealthCheck): Backend {
  const { namespace, name, address, port } = workload
  const endpoint = { id: endpointId(workload), address, port, weight: 1, zone: '', workload: name }
  return {
    key,
    namespace,
    service: name,
    port,
    portName: '',
    protocol: 'http1',
    tls: undefined,
    endpoints: [{ ...endpoint, healthy: true, draining: false }],
    settings: { ...defaultBackendSettings, healthCheck },
  }
}
