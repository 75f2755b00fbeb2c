import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseRunRequest, WorkloadLeases } from './workload-leases.ts'
import type { RunRequest } from './workload-leases.ts'

function openSink() {
  const documents = new Map<string, unknown>()
  return {
    documents,
    put: (name: string, text: string) => void documents.set(name, JSON.parse(text)),
    remove: (name: string) => void documents.delete(name),
  }
}

const request: RunRequest = {
  namespace: 'shop',
  name: 'reviews-1',
  service: 'reviews',
  address: '127.0.0.1',
  port: 9080,
  labels: { version: 'v2' },
  healthPath: '/healthz',
  pid: 4711,
}

test('WorkloadLeases puts a Workload into the mesh for as long as the lease lasts', () => {
  const sink = openSink()
  const leases = new WorkloadLeases(sink)
  const lease = leases.grant(request)
  assert.deepEqual([leases.pidOf('shop/reviews-1'), leases.pidOf('shop/other')], [4711, undefined])
  assert.deepEqual(sink.documents.get('heddle run shop/reviews-1'), {
    apiVersion: 'heddle.dev/v1alpha1',
    kind: 'Workload',
    metadata: { namespace: 'shop', name: 'reviews-1', labels: { version: 'v2' } },
    spec: { service: 'reviews', address: '127.0.0.1', port: 9080, healthCheck: { http: { path: '/healthz' } } },
  })
  lease[Symbol.dispose]()
  assert.deepEqual([sink.documents.size, leases.size, leases.pidOf('shop/reviews-1')], [0, 0, undefined])
})

test('WorkloadLeases keeps a second lease of the same name when the first one ends late', () => {
  const sink = openSink()
  const leases = new WorkloadLeases(sink)
  const first = leases.grant(request)
  const second = leases.grant({ ...request, port: 9081 })
  first[Symbol.dispose]()
  assert.equal(sink.documents.size, 1)
  second[Symbol.dispose]()
  assert.equal(sink.documents.size, 0)
})

test('parseRunRequest() fills in the namespace and the address', () => {
  const result = parseRunRequest({ name: 'a', port: 80 })
  assert.deepEqual(result, {
    kind: 'request',
    request: {
      namespace: 'default',
      name: 'a',
      service: undefined,
      address: '127.0.0.1',
      port: 80,
      labels: {},
      healthPath: undefined,
      pid: undefined,
    },
  })
})

const invalid: readonly (readonly [unknown, RegExp])[] = [
  [null, /JSON object/],
  [{ port: 80 }, /^name/],
  [{ name: 'A', port: 80 }, /^name/],
  [{ name: 'a' }, /^port/],
  [{ name: 'a', port: '80' }, /^port/],
  [{ name: 'a', port: 65_536 }, /^port/],
  [{ name: 'a', port: 80, namespace: '../x' }, /^namespace/],
  [{ name: 'a', port: 80, service: 7 }, /^service/],
  [{ name: 'a', port: 80, labels: { a: 1 } }, /^labels/],
  [{ name: 'a', port: 80, healthPath: 'x' }, /^healthPath/],
  [{ name: 'a', port: 80, pid: 1 }, /^pid/],
]
for (const [body, message] of invalid) {
  test(`parseRunRequest() refuses ${JSON.stringify(body)}`, () => {
    const result = parseRunRequest(body)
    assert.match(result.kind === 'invalid' ? result.message : '', message)
  })
}
