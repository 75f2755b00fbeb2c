import type { Backend, BackendKey, MeshSnapshot, SnapshotDelta } from '../model/index.ts'
import type { Meter, Problem } from '../core/index.ts'
import {
  mergeStates,
  MetricRegistry,
  MetricsAggregator,
  ProcessMetrics,
  RateWindow,
  renderPrometheus,
} from '../observe/index.ts'
import type { CertificateStatus, MetricsState } from '../observe/index.ts'
import { EndpointGauges } from './endpoint-gauges.ts'
import { keepSeriesAfter } from './stale-series.ts'
import type { EndpointActivity } from './worker-messages.ts'

const notAfterMetric = 'heddle_certificate_not_after_seconds'

/**
 * What the agent counts: the last states of its workers, the main thread's own
 * series, and the rates of the last minute. Sums are made when something
 * changed and somebody asks, so that an idle agent does next to nothing.
 */
export class AgentMetrics {
  readonly rates: RateWindow = new RateWindow()
  readonly #meter = new MetricRegistry()
  readonly #process = new ProcessMetrics(this.#meter)
  readonly #endpoints = new EndpointGauges(this.#meter)
  readonly #workers = new MetricsAggregator()
  /** Of requests that passed in the kernel; whoever counts there says so. */
  readonly kernelPath: MetricRegistry = new MetricRegistry()
  /** Of all workers; undefined when it has to be summed up anew. */
  #total: MetricsState | undefined

  /** For what else the main thread counts. */
  get meter(): Meter {
    return this.#meter
  }

  /** @param state  absolute; replaces what the worker said before */
  collected(worker: number, state: MetricsState): void {
    this.#workers.set(worker, state)
    this.#total = undefined
  }

  /** Something was added to `kernelPath`. */
  kernelPathCounted(): void {
    this.#total = undefined
  }

  /** The worker is gone and counted as restarted by `workerRestarted` if another takes its place. */
  retired(worker: number): void {
    this.#workers.retire(worker)
    this.#total = undefined
  }

  workerRestarted(): void {
    this.#meter.counter('heddle_worker_restarts_total', {}).value++
  }

  workloadRestarted(workload: string): void {
    this.#meter.counter('heddle_workload_restarts_total', { workload }).value++
  }

  /** @param seconds from reading the change to handing out what came of it */
  configApplied(seconds: number): void {
    this.#meter.histogram('heddle_config_apply_seconds', {}).record(seconds)
  }

  problems(problems: readonly Problem[]): void {
    for (const severity of ['error', 'warning'] as const) {
      const count = problems.filter(problem => problem.severity === severity).length
      this.#meter.gauge('heddle_config_problems', { severity }).value = count
    }
  }

  /** @param count  of NetworkPolicies in force, all of which are enforced or none */
  networkPolicies(count: number, { isActive }: { readonly isActive: boolean }): void {
    this.#meter.gauge('heddle_network_policies', { enforced: 'yes' }).value = isActive ? count : 0
    this.#meter.gauge('heddle_network_policies', { enforced: 'no' }).value = isActive ? 0 : count
  }

  /** Those that are in use now; others have no series any more. */
  certificates(certificates: readonly CertificateStatus[]): void {
    const names = new Set(certificates.map(({ name }) => name))
    this.#meter.retain((metric, [name = '']) => metric !== notAfterMetric || names.has(name))
    for (const { name, notAfterMs } of certificates) {
      this.#meter.gauge(notAfterMetric, { certificate: name }).value = notAfterMs / 1000
    }
  }

  /** Another snapshot is in force: series of what went with it are forgotten. */
  published(before: MeshSnapshot, delta: SnapshotDelta): void {
    this.#meter.gauge('heddle_config_version', {}).value = delta.version
    const keep = keepSeriesAfter(before, delta)
    if (keep === undefined) return
    this.#workers.retain(keep)
    this.kernelPath.retain(keep)
    this.#total = undefined
  }

  /** Goes on with the rates; about every second, after the workers were asked. */
  sample(nowMs: number): void {
    this.rates.add(this.#sum(), nowMs)
  }

  /** Prometheus text of everything. */
  render(backends: ReadonlyMap<BackendKey, Backend>, activity: readonly EndpointActivity[]): string {
    this.#process.sample()
    this.#endpoints.update(backends, activity)
    return renderPrometheus(mergeStates([this.#sum(), this.#meter.export()]))
  }

  #sum(): MetricsState {
    this.#total ??= mergeStates([this.#workers.total(), this.kernelPath.export()])
    return this.#total
  }
}
