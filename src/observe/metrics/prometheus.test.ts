import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MetricRegistry } from './metric-registry.ts'
import { parsePrometheus } from './parse-prometheus.ts'
import { ProcessMetrics } from './process-metrics.ts'
import { renderPrometheus } from './prometheus.ts'

test('renderPrometheus() writes the text format, sorted', () => {
  const registry = new MetricRegistry()
  new ProcessMetrics(registry, () => ({
    cpuSeconds: 1.25,
    residentBytes: 65_000_000,
    openFds: 31,
    startSeconds: 1_790_000_000.5,
  })).sample()
  registry.counter('heddle_upstream_retries_total', { backend: 'shop/reviews:9080' }).value = 3
  registry.counter('heddle_upstream_retries_total', { backend: 'shop/cart:8080' }).value = 1e21
  const histogram = registry.histogram('heddle_config_apply_seconds', {})
  for (const value of [0.0004, 0.003, 20]) histogram.record(value)
  assert.equal(
    renderPrometheus(registry.export()),
    `# HELP heddle_config_apply_seconds From a change on disk being read to the snapshot being handed out.
# TYPE heddle_config_apply_seconds histogram
heddle_config_apply_seconds_bucket{le="0.0005"} 1
heddle_config_apply_seconds_bucket{le="0.001"} 1
heddle_config_apply_seconds_bucket{le="0.0025"} 1
heddle_config_apply_seconds_bucket{le="0.005"} 2
heddle_config_apply_seconds_bucket{le="0.01"} 2
heddle_config_apply_seconds_bucket{le="0.025"} 2
heddle_config_apply_seconds_bucket{le="0.05"} 2
heddle_config_apply_seconds_bucket{le="0.075"} 2
heddle_config_apply_seconds_bucket{le="0.1"} 2
heddle_config_apply_seconds_bucket{le="0.25"} 2
heddle_config_apply_seconds_bucket{le="0.5"} 2
heddle_config_apply_seconds_bucket{le="0.75"} 2
heddle_config_apply_seconds_bucket{le="1"} 2
heddle_config_apply_seconds_bucket{le="2.5"} 2
heddle_config_apply_seconds_bucket{le="5"} 2
heddle_config_apply_seconds_bucket{le="7.5"} 2
heddle_config_apply_seconds_bucket{le="10"} 2
heddle_config_apply_seconds_bucket{le="+Inf"} 3
heddle_config_apply_seconds_sum 20.0034
heddle_config_apply_seconds_count 3
# HELP heddle_upstream_retries_total Tries after the first.
# TYPE heddle_upstream_retries_total counter
heddle_upstream_retries_total{backend="shop/cart:8080"} 1e+21
heddle_upstream_retries_total{backend="shop/reviews:9080"} 3
# HELP process_cpu_seconds_total User and system CPU time of the agent, all threads.
# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total 1.25
# HELP process_open_fds Open file descriptors of the agent.
# TYPE process_open_fds gauge
process_open_fds 31
# HELP process_resident_memory_bytes Resident memory of the agent.
# TYPE process_resident_memory_bytes gauge
process_resident_memory_bytes 65000000
# HELP process_start_time_seconds When the agent started, in seconds since 1970.
# TYPE process_start_time_seconds gauge
process_start_time_seconds 1790000000.5
`,
  )
})

test('renderPrometheus() escapes label values so that they read back and add no line', () => {
  const hostile = 'a"b\\c\nheddle_config_version 99\n\\n"} 1'
  const registry = new MetricRegistry()
  registry.counter('heddle_upstream_overloaded_total', { backend: hostile, limit: 'pending' }).value = 4
  registry.histogram('heddle_upstream_request_duration_seconds', { backend: hostile }).record(0.2)
  const families = parsePrometheus(renderPrometheus(registry.export()))
  assert.deepEqual(
    families.map(family => family.name),
    ['heddle_upstream_overloaded_total', 'heddle_upstream_request_duration_seconds'],
  )
  assert.deepEqual(families[0]?.samples, [
    { name: 'heddle_upstream_overloaded_total', labels: { backend: hostile, limit: 'pending' }, value: 4 },
  ])
  assert.equal(families[1]?.samples.length, 20)
  for (const sample of families[1]?.samples ?? []) assert.equal(sample.labels['backend'], hostile)
})

test('parsePrometheus() refuses what Prometheus would misread', () => {
  const head = '# HELP a b\n# TYPE a gauge\n'
  for (const text of [
    'a 1\n',
    '# TYPE a gauge\na 1\n',
    `${head}a 1`,
    `${head}b 1\n`,
    `${head}a x\n`,
    `${head}a{x="1"} 1\na{x="1"} 2\n`,
    `${head}a{x="1"y="2"} 1\n`,
    `${head}a{x="\\q"} 1\n`,
    '# HELP h b\n# TYPE h histogram\nh_bucket{le="1"} 2\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 1\n',
    '# HELP h b\n# TYPE h histogram\nh_bucket{le="1"} 1\nh_sum 1\nh_count 1\n',
  ]) {
    assert.throws(() => parsePrometheus(text), Error, JSON.stringify(text))
  }
})

test('ProcessMetrics reads the running process', () => {
  const registry = new MetricRegistry()
  new ProcessMetrics(registry).sample()
  const values = new Map(registry.export().metrics.map(metric => [metric.name, metric.values[0] ?? 0]))
  assert.ok((values.get('process_cpu_seconds_total') ?? 0) > 0)
  assert.ok((values.get('process_resident_memory_bytes') ?? 0) > 10e6)
  assert.ok((values.get('process_open_fds') ?? 0) >= 3)
  assert.ok((values.get('process_start_time_seconds') ?? 0) > 1.7e9)
})
