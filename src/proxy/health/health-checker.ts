import { encodeOwnProxyHeader } from '../../codec/index.ts'
import type { Clock, Logger, Timer } from '../../core/index.ts'
import type {
  Backend,
  BackendKey,
  BackendSettings,
  BackendTls,
  Certificate,
  Endpoint,
  HealthCheck,
} from '../../model/index.ts'
import { NodeTlsClients } from '../transport/tls-client.ts'
import { startProbe } from './probe.ts'
import type { ProbeResult } from './probe-result.ts'

/** What is known of one endpoint under an active check. */
export interface EndpointHealth {
  /** False too while no result is in: see `lastCheckMs`. */
  readonly healthy: boolean
  /** Wall clock of the last result, milliseconds since 1970; undefined before the first. */
  readonly lastCheckMs: number | undefined
  /** What the last check found, for people. */
  readonly detail: string
  readonly consecutiveSuccesses: number
  readonly consecutiveFailures: number
}

export type HealthListener = (backendKey: BackendKey, endpointId: string, healthy: boolean, detail: string) => void

export interface HealthCheckerOptions {
  readonly clock: Clock
  readonly logger: Logger
  /** Called with the first result of an endpoint and with every change; never after `dispose()`. */
  readonly onChange: HealthListener
  /** Checks under way at once; more wait their turn. @default 128 */
  readonly maxConcurrent?: number
  /** In [0, 1). @default Math.random */
  readonly random?: () => number
}

/**
 * Active health checks of all endpoints whose backend asks for them.
 *
 * First start: an endpoint with a check is not healthy until its first result,
 * which is asked for at once and counts by itself, whatever the thresholds: a
 * new endpoint should neither get requests on a guess nor wait for three good
 * answers. (Panic may still send to it, when too few others are healthy.)
 *
 * Then: `unhealthyThreshold` failures in a row make it unhealthy,
 * `healthyThreshold` successes in a row healthy again. Between the end of a
 * check and the next lies the interval, a tenth more or less; the second check
 * comes after a random part of it, so that endpoints that appeared together are
 * not asked together for ever.
 *
 * Draining endpoints are not asked. A changed check begins anew but keeps what
 * is known. Checks use sockets of their own and close them in every case.
 */
export class HealthChecker implements Disposable {
  readonly #options: HealthCheckerOptions
  readonly #maxConcurrent: number
  readonly #random: () => number
  readonly #watches = new Map<BackendKey, Map<string, Watch>>()
  /** The newest version seen, so that an unchanged backend costs one comparison. */
  readonly #seen = new Map<BackendKey, Backend>()
  /** Waiting for a place, first come, first served; a set, so that one that goes leaves it at once. */
  readonly #waiting = new Set<Watch>()
  #running = 0
  readonly #tlsClients = new NodeTlsClients()
  #certificate: Certificate | undefined = undefined

  constructor(options: HealthCheckerOptions) {
    this.#options = options
    this.#maxConcurrent = options.maxConcurrent ?? 128
    this.#random = options.random ?? Math.random
  }

  /**
   * Takes the backends of a new snapshot; those that are missing are no longer checked.
   *
   * @param certificate  shown to endpoints that ask for one by TLS
   */
  update(backends: Iterable<Backend>, certificate?: Certificate): void {
    this.#certificate = certificate
    const keys = new Set<BackendKey>()
    for (const backend of backends) {
      keys.add(backend.key)
      if (this.#seen.get(backend.key) === backend) continue
      this.#seen.set(backend.key, backend)
      this.#updateBackend(backend)
    }
    for (const key of this.#seen.keys()) {
      if (keys.has(key)) continue
      this.#seen.delete(key)
      for (const watch of this.#watches.get(key)?.values() ?? []) this.#stop(watch)
      this.#watches.delete(key)
    }
  }

  /** By endpoint id; empty for a backend without a check. */
  status(backendKey: BackendKey): ReadonlyMap<string, EndpointHealth> {
    const result = new Map<string, EndpointHealth>()
    for (const [id, watch] of this.#watches.get(backendKey) ?? []) {
      result.set(id, {
        healthy: watch.healthy === true,
        lastCheckMs: watch.lastCheckMs,
        detail: watch.detail,
        consecutiveSuccesses: watch.successes,
        consecutiveFailures: watch.failures,
      })
    }
    return result
  }

  /** False while unknown; undefined when the endpoint has no active check. */
  isHealthy(backendKey: BackendKey, endpointId: string): boolean | undefined {
    const watch = this.#watches.get(backendKey)?.get(endpointId)
    return watch === undefined ? undefined : watch.healthy === true
  }

  /** Checks under way. */
  get running(): number {
    return this.#running
  }

  [Symbol.dispose](): void {
    this.#waiting.clear()
    this.update([])
  }

  #updateBackend(backend: Backend): void {
    const check = backend.settings.healthCheck
    const before = this.#watches.get(backend.key)
    const after = new Map<string, Watch>()
    if (check !== undefined) {
      for (const endpoint of backend.endpoints) {
        if (endpoint.draining || after.has(endpoint.id)) continue
        after.set(endpoint.id, this.#renew(before?.get(endpoint.id), backend, endpoint, check))
      }
    }
    for (const [id, watch] of before ?? []) if (!after.has(id)) this.#stop(watch)
    if (after.size > 0) this.#watches.set(backend.key, after)
    else this.#watches.delete(backend.key)
  }

  #renew(before: Watch | undefined, { key, tls, settings }: Backend, endpoint: Endpoint, check: HealthCheck): Watch {
    const { proxyProtocol } = settings
    const isSameWay = before?.tls === tls && before?.proxyProtocol === proxyProtocol
    if (before !== undefined && isSameWay && isSameCheck(before.check, check)) return before
    const watch = before ?? new Watch(key, endpoint, check)
    if (before !== undefined) {
      this.#stop(before)
      watch.check = check
      watch.checks = 0
    }
    watch.tls = tls
    watch.proxyProtocol = proxyProtocol
    this.#request(watch)
    return watch
  }

  /** Starts a check, or queues it behind those under way. */
  #request(watch: Watch): void {
    if (this.#running < this.#maxConcurrent) this.#start(watch)
    else this.#waiting.add(watch)
  }

  #start(watch: Watch): void {
    this.#running++
    const { address, port } = watch.endpoint
    const policy = watch.tls
    const tls = policy && { clients: this.#tlsClients, policy, certificate: this.#certificate }
    const version = watch.proxyProtocol
    const preface = version === undefined ? undefined : encodeOwnProxyHeader(version)
    watch.probe = startProbe(watch.check, { address, port, tls, preface }, this.#options.clock, result => {
      this.#release(watch)
      this.#schedule(watch)
      this.#record(watch, result)
    })
  }

  #release(watch: Watch): void {
    watch.probe = undefined
    this.#running--
    for (const next of this.#waiting) {
      if (this.#running >= this.#maxConcurrent) break
      this.#waiting.delete(next)
      this.#start(next)
    }
  }

  #schedule(watch: Watch): void {
    const part = watch.checks++ === 0 ? this.#random() : 1 - jitter + 2 * jitter * this.#random()
    watch.timer = this.#options.clock
      .after(watch.check.intervalMs * part, () => {
        watch.timer = undefined
        this.#request(watch)
      })
      .unref()
  }

  #record(watch: Watch, result: ProbeResult): void {
    watch.lastCheckMs = this.#options.clock.wallMs()
    watch.detail = result.detail
    watch.successes = result.healthy ? watch.successes + 1 : 0
    watch.failures = result.healthy ? 0 : watch.failures + 1
    const healthy = judge(watch)
    if (healthy === watch.healthy) return
    const wasWell = watch.healthy === true
    watch.healthy = healthy
    const { logger } = this.#options
    const fields = { backend: watch.backendKey, endpoint: watch.endpoint.id, detail: result.detail }
    if (healthy) logger.info('endpoint is healthy', fields)
    else if (wasWell) logger.warn('endpoint is unhealthy', fields)
    // Most often it has only begun to start.
    else logger.info('endpoint is not healthy yet', fields)
    this.#options.onChange(watch.backendKey, watch.endpoint.id, healthy, result.detail)
  }

  #stop(watch: Watch): void {
    watch.timer?.[Symbol.dispose]()
    watch.timer = undefined
    this.#waiting.delete(watch)
    if (watch.probe === undefined) return
    watch.probe[Symbol.dispose]()
    this.#release(watch)
  }
}

/** One endpoint of one backend under check. */
class Watch {
  readonly backendKey: BackendKey
  readonly endpoint: Endpoint
  check: HealthCheck
  tls: BackendTls | undefined = undefined
  proxyProtocol: BackendSettings['proxyProtocol'] | undefined = undefined
  /** Undefined until the first result. */
  healthy: boolean | undefined = undefined
  lastCheckMs: number | undefined = undefined
  detail = 'not checked yet'
  successes = 0
  failures = 0
  /** Checks ended since the check was configured. */
  checks = 0
  probe: Disposable | undefined = undefined
  timer: Timer | undefined = undefined

  constructor(backendKey: BackendKey, endpoint: Endpoint, check: HealthCheck) {
    this.backendKey = backendKey
    this.endpoint = endpoint
    this.check = check
  }
}

function judge(watch: Watch): boolean {
  if (watch.healthy === undefined) return watch.successes > 0
  if (watch.healthy) return watch.failures < watch.check.unhealthyThreshold
  return watch.successes >= watch.check.healthyThreshold
}

/** Checks are plain data in a fixed order of fields; snapshots rebuild them. */
function isSameCheck(a: HealthCheck, b: HealthCheck): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b)
}

/** A tenth of the interval, to either side. */
const jitter = 0.1
