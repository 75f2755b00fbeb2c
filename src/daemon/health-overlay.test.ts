import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultBackendSettings, diffSnapshots, emptySnapshot } from '../model/index.ts'
import type { Backend, MeshSnapshot } from '../model/index.ts'
import { HealthOverlay } from './health-overlay.ts'

function backend(name: string, isChecked: boolean): Backend {
  const endpoint = { address: '127.0.0.1', weight: 1, zone: '', workload: '', healthy: true, draining: false }
  return {
    key: `shop/${name}:80`,
    namespace: 'shop',
    service: name,
    port: 80,
    portName: '',
    protocol: 'http1',
    tls: undefined,
    endpoints: [1, 2].map(port => ({ ...endpoint, id: `127.0.0.1:${port}`, port })),
    settings: {
      ...defaultBackendSettings,
      healthCheck: isChecked
        ? { kind: 'TCP', intervalMs: 1, timeoutMs: 1, healthyThreshold: 1, unhealthyThreshold: 1 }
        : undefined,
    },
  }
}

const snapshot: MeshSnapshot = {
  ...emptySnapshot,
  backends: new Map([backend('a', true), backend('b', true), backend('c', false)].map(each => [each.key, each])),
}

test('HealthOverlay returns the snapshot itself while all endpoints are healthy or unchecked', () => {
  assert.equal(
    new HealthOverlay().apply(snapshot, () => true),
    snapshot,
  )
  assert.equal(
    new HealthOverlay().apply(snapshot, () => undefined),
    snapshot,
  )
})

test('HealthOverlay replaces only the backend whose health changed', () => {
  const overlay = new HealthOverlay()
  const sick = new Set<string>()
  const apply = () => overlay.apply(snapshot, ({ key }, id) => !sick.has(`${key} ${id}`))
  const before = apply()
  sick.add('shop/a:80 127.0.0.1:2')
  const after = apply()
  assert.deepEqual(
    diffSnapshots(before, after).backends.set.map(([key, { endpoints }]) => [key, endpoints.map(each => each.healthy)]),
    [['shop/a:80', [true, false]]],
  )
  sick.add('shop/b:80 127.0.0.1:1')
  const both = apply()
  assert.deepEqual(
    diffSnapshots(after, both).backends.set.map(([key]) => key),
    ['shop/b:80'],
  )
  sick.clear()
  assert.equal(apply(), snapshot)
})

test('HealthOverlay keeps an endpoint unhealthy that its source calls unready', () => {
  const source = backend('a', true)
  const unready = { ...source, endpoints: source.endpoints.map(endpoint => ({ ...endpoint, healthy: false })) }
  const result = new HealthOverlay().apply(
    { ...emptySnapshot, backends: new Map([[unready.key, unready]]) },
    () => true,
  )
  assert.equal(result.backends.get('shop/a:80')?.endpoints[0]?.healthy, false)
})
