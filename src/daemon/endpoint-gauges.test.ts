import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultBackendSettings } from '../model/index.ts'
import type { Backend, Endpoint } from '../model/index.ts'
import { MetricRegistry } from '../observe/index.ts'
import { countStates, EndpointGauges } from './endpoint-gauges.ts'

function endpoint(id: string, more: Partial<Endpoint> = {}): Endpoint {
  const base = { id, address: id, port: 80, weight: 1, zone: '', workload: '', healthy: true, draining: false }
  return { ...base, ...more }
}

function backend(key: string, ...endpoints: Endpoint[]): Backend {
  const names = { key, namespace: 'shop', service: 'a', port: 80, portName: '' }
  return { ...names, protocol: 'http1', tls: undefined, endpoints, settings: defaultBackendSettings }
}

function mapOf(...backends: Backend[]): ReadonlyMap<string, Backend> {
  return new Map(backends.map(each => [each.key, each]))
}

function seriesOf(meter: MetricRegistry): Record<string, number> {
  const state = meter.export().metrics.find(({ name }) => name === 'heddle_upstream_endpoints')
  return Object.fromEntries((state?.series ?? []).map((labels, at) => [labels.join(' '), state?.values[at] ?? -1]))
}

test('countStates() counts each endpoint once, by the first reason that keeps it from requests', () => {
  const each = backend(
    'a',
    endpoint('1'),
    endpoint('2', { healthy: false }),
    endpoint('3'),
    endpoint('4', { draining: true, healthy: false }),
    endpoint('5', { healthy: false }),
  )
  const counts = countStates(each, new Set(['3', '4', '5']))
  assert.deepEqual(counts, { healthy: 1, unhealthy: 2, ejected: 1, draining: 1 })
})

test('EndpointGauges follow health, ejections of any worker, and backends that go', () => {
  const meter = new MetricRegistry()
  const gauges = new EndpointGauges(meter)
  const a = backend('a', endpoint('1'), endpoint('2'))
  const b = backend('b')
  gauges.update(mapOf(a, b), [])
  assert.deepEqual(seriesOf(meter), { 'a healthy': 2, 'b healthy': 0 })
  const ejection = { backend: 'a', endpoint: '2', activeRequests: 0 }
  gauges.update(mapOf(a, b), [
    { ...ejection, ejected: true },
    { ...ejection, ejected: false },
  ])
  const withEjected = { 'a healthy': 1, 'a unhealthy': 0, 'a ejected': 1, 'a draining': 0 }
  assert.deepEqual(seriesOf(meter), { ...withEjected, 'b healthy': 0 })
  gauges.update(mapOf(a), [])
  assert.deepEqual(seriesOf(meter), { ...withEjected, 'a healthy': 2, 'a ejected': 0 })
  gauges.update(mapOf(backend('a', endpoint('1', { healthy: false }))), [])
  assert.deepEqual(seriesOf(meter), { ...withEjected, 'a healthy': 0, 'a unhealthy': 1, 'a ejected': 0 })
})
