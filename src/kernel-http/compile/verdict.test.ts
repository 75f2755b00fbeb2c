import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultBackendSettings } from '../../model/index.ts'
import type { Backend, RouteRule } from '../../model/index.ts'
import { verdictOf } from './verdict.ts'

const backend: Backend = {
  key: 'shop/b:80',
  namespace: 'shop',
  service: 'b',
  port: 80,
  portName: '',
  protocol: 'http1',
  tls: undefined,
  endpoints: [7000, 7001].map(port => ({
    id: `127.0.0.1:${port}`,
    address: '127.0.0.1',
    port,
    weight: port === 7000 ? 1 : 3,
    zone: '',
    workload: '',
    healthy: true,
    draining: false,
  })),
  settings: defaultBackendSettings,
}

const rule: RouteRule = {
  index: 0,
  name: undefined,
  matches: [{ path: { kind: 'prefix', value: '' }, method: undefined, headers: [], query: [] }],
  filters: [],
  backends: [{ weight: 1, target: { kind: 'backend', key: backend.key }, filters: [] }],
  requestTimeoutMs: undefined,
  backendRequestTimeoutMs: 0,
  retry: undefined,
  session: undefined,
  failure: undefined,
}

function where(ruleParts: Partial<RouteRule>, backendParts: Partial<Backend> = {}): string {
  const backends = new Map([[backend.key, { ...backend, ...backendParts }]])
  const verdict = verdictOf({ ...rule, ...ruleParts }, { backends, isReached: ({ port }) => port < 8000 })
  if (verdict.kind === 'user space') return verdict.reason
  return verdict.targets.map(({ endpoint, weight }) => `${endpoint.port}:${weight}`).join(' ')
}

const settings = defaultBackendSettings
const retry = { attempts: 1, codes: [], grpcCodes: [], backoffMs: 25 }
const [first] = backend.endpoints
const far = backend.endpoints.map(endpoint => ({ ...endpoint, id: 'far:8000', port: 8000 }))

test('verdictOf() says whether a rule is in the kernel, or why it is not', () => {
  assert.equal(where({}), '7000:250000 7001:750000')
  assert.equal(where({ retry }), 'retries configured')
  assert.equal(where({ filters: [{ kind: 'request-headers', set: [], add: [], remove: ['a'] }] }), 'header filter')
  assert.equal(where({ requestTimeoutMs: 5, backendRequestTimeoutMs: 3 }), '7000:250000 7001:750000')
  assert.equal(where({ requestTimeoutMs: 0 }), '7000:250000 7001:750000')
  assert.equal(where({ plugins: ['WasmPlugin shop/auth'] }), 'plugin')
  assert.equal(where({ backends: [] }), 'no backend')
  assert.equal(where({}, { protocol: 'h2c' }), 'HTTP/2 to the backend')
  assert.equal(where({}, { settings: { ...settings, retry } }), 'retries configured')
  assert.equal(where({}, { settings: { ...settings, slowStartMs: 1 } }), 'slow start')
  assert.equal(where({}, { endpoints: [] }), 'no endpoint is ready')
  assert.equal(where({}, { endpoints: far }), 'endpoint far:8000 is not reached in the kernel')
  assert.equal(where({}, { endpoints: Array.from({ length: 9 }, () => ({ ...first! })) }), 'more than 8 endpoints')
})
