import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MetricRegistry } from '../../observe/index.ts'
import { LocalMetrics } from '../../wasm/index.ts'
import { PluginMetricsReport } from './plugin-metrics.ts'
import type { PluginStatus } from './plugin-status.ts'

const status: PluginStatus = {
  key: 'WasmPlugin shop/a',
  name: 'shop.a',
  status: 'running',
  instances: 2,
  memoryBytes: 131_072,
  streams: 3,
  failures: { trap: 4, cpu: 5, exit: 0, start: 0 },
  detail: undefined,
  module: 'hash',
  problem: undefined,
}

test('record() writes the state of a plugin and what it counts itself, however often it is asked', () => {
  const meter = new MetricRegistry()
  const report = new PluginMetricsReport(meter)
  const own = new LocalMetrics()
  own.define('counter', 'seen')?.record(7n)
  own.define('gauge', 'level')?.record(8n)
  const sizes = own.define('histogram', 'size')
  sizes?.record(10n)
  sizes?.record(20n)
  report.record(status, own)
  report.record(status, own)
  const seen = meter
    .export()
    .metrics.filter(({ name }) => name.startsWith('heddle_plugin_'))
    .flatMap(({ name, series, values }) => series.map((labels, at) => [name, ...labels.slice(1), values[at]].join(' ')))
  assert.deepEqual(seen.toSorted(), [
    'heddle_plugin_custom level 8',
    'heddle_plugin_custom_count_total size 2',
    'heddle_plugin_custom_total seen 7',
    'heddle_plugin_custom_total size 30',
    'heddle_plugin_failures_total cpu 5',
    'heddle_plugin_failures_total trap 4',
    'heddle_plugin_instances 2',
    'heddle_plugin_memory_bytes 131072',
    'heddle_plugin_streams 3',
  ])
})
