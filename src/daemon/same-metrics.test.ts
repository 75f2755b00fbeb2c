import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MetricRegistry } from '../observe/index.ts'
import { isSameMetrics } from './same-metrics.ts'

test('isSameMetrics() sees counts, new series and series that were made again', () => {
  const meter = new MetricRegistry()
  const labels = { backend: 'a' }
  const gauge = meter.gauge('heddle_upstream_connections', labels)
  const first = meter.export()
  assert.equal(isSameMetrics(first, meter.export()), true)
  gauge.value++
  assert.equal(isSameMetrics(first, meter.export()), false)
  gauge.value--
  assert.equal(isSameMetrics(first, meter.export()), true)
  meter.retain(() => false)
  assert.equal(isSameMetrics(first, meter.export()), false)
  meter.gauge('heddle_upstream_connections', labels)
  assert.equal(isSameMetrics(first, meter.export()), false)
})
