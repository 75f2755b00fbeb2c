import type { Counter, Meter } from '../../core/index.ts'
import type { LocalMetrics } from '../../wasm/index.ts'
import type { PluginStatus } from './plugin-status.ts'

/** Writes what is known of the plugins of a worker to its metrics; called before they are read. */
export class PluginMetricsReport {
  readonly #meter: Meter

  constructor(meter: Meter) {
    this.#meter = meter
  }

  record(status: PluginStatus, own: LocalMetrics): void {
    const labels = { plugin: status.key }
    this.#meter.gauge('heddle_plugin_instances', labels).value = status.instances
    this.#meter.gauge('heddle_plugin_memory_bytes', labels).value = status.memoryBytes
    this.#meter.gauge('heddle_plugin_streams', labels).value = status.streams
    for (const [kind, count] of Object.entries(status.failures)) {
      raise(this.#meter.counter('heddle_plugin_failures_total', { ...labels, kind }), count)
    }
    for (const [name, { kind, value, count }] of own) {
      const named = { ...labels, name }
      if (kind === 'gauge') this.#meter.gauge('heddle_plugin_custom', named).value = Number(value)
      else raise(this.#meter.counter('heddle_plugin_custom_total', named), Number(value))
      if (kind === 'histogram') raise(this.#meter.counter('heddle_plugin_custom_count_total', named), count)
    }
  }
}

function raise(counter: Counter, value: number): void {
  counter.value = Math.max(counter.value, value)
}
