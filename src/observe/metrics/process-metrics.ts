import { readdirSync } from 'node:fs'
import type { Counter, Gauge, Meter } from '../../core/index.ts'

/** What the process uses now. */
export interface ProcessUsage {
  readonly cpuSeconds: number
  readonly residentBytes: number
  readonly openFds: number
  /** Seconds since 1970. */
  readonly startSeconds: number
}

/** The `process_*` metrics. They concern all threads, so exactly one registry of a process has them. */
export class ProcessMetrics {
  readonly #read: () => ProcessUsage
  readonly #cpuSeconds: Counter
  readonly #residentBytes: Gauge
  readonly #openFds: Gauge
  readonly #startSeconds: Gauge

  constructor(meter: Meter, read: () => ProcessUsage = readProcessUsage) {
    this.#read = read
    this.#cpuSeconds = meter.counter('process_cpu_seconds_total', {})
    this.#residentBytes = meter.gauge('process_resident_memory_bytes', {})
    this.#openFds = meter.gauge('process_open_fds', {})
    this.#startSeconds = meter.gauge('process_start_time_seconds', {})
  }

  /** Reads anew; call it before an export that is shown, not every second. */
  sample(): void {
    const usage = this.#read()
    this.#cpuSeconds.value = usage.cpuSeconds
    this.#residentBytes.value = usage.residentBytes
    this.#openFds.value = usage.openFds
    this.#startSeconds.value = usage.startSeconds
  }
}

export function readProcessUsage(): ProcessUsage {
  const { user, system } = process.cpuUsage()
  return {
    cpuSeconds: (user + system) / 1e6,
    residentBytes: process.memoryUsage.rss(),
    // One of them is the directory that is being read.
    openFds: readdirSync('/proc/self/fd').length - 1,
    startSeconds: Math.round(performance.timeOrigin) / 1000,
  }
}
