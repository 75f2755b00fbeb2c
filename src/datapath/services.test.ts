import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultBackendSettings } from '../model/index.ts'
import type { Backend } from '../model/index.ts'
import { isIpv4 } from './address.ts'
import { compileServices } from './services.ts'
import { meshOf } from './testing.ts'
import type { TestService } from './testing.ts'

const addresses = ['127.77.0.1', 'fd68:6564:646c::7f4d:1']
const db: TestService = { name: 'db', addresses, port: 5432, endpoints: [{}, { weight: 3 }] }
const settings = (more: Partial<Backend['settings']>): Partial<Backend> => ({
  settings: { ...defaultBackendSettings, ...more },
})

/** `kind ports of endpoints` by key. */
function summary(service: TestService): Record<string, string> {
  return Object.fromEntries(
    [...compileServices(meshOf([service]))].map(([key, { kind, endpoints }]) => [
      key,
      [kind, ...endpoints.map(({ address, port }) => `${isIpv4(address) ? 4 : 6}/${port}`)].join(' '),
    ]),
  )
}

const both = (text: string): Record<string, string> => ({
  '6 127.77.0.1 5432': text,
  '6 fd68:6564:646c::7f4d:1 5432': text,
})
const proxied = both('proxied 4/5432')

const rows: readonly (readonly [name: string, more: Partial<TestService>, expected: Record<string, string>])[] = [
  ['plain TCP is balanced on both addresses', {}, both('balanced 4/7000 4/7001')],
  ['without endpoints there is an entry that refuses', { endpoints: [] }, both('balanced')],
  [
    'unhealthy and draining endpoints get nothing',
    { endpoints: [{}, { healthy: false }, { draining: true }, {}] },
    both('balanced 4/7000 4/7003'),
  ],
  [
    'when most are unhealthy, all that stay get something',
    { endpoints: [{ healthy: false }, { healthy: false }, {}, { draining: true }] },
    both('balanced 4/7000 4/7001 4/7002'),
  ],
  [
    'an address has endpoints of its family',
    { endpoints: [{}, { address: '::1' }] },
    { '6 127.77.0.1 5432': 'balanced 4/7000', '6 fd68:6564:646c::7f4d:1 5432': 'balanced 6/7001' },
  ],
  ['HTTP goes to the proxy', { listener: 'HTTP', backend: { protocol: 'http1' } }, proxied],
  ['a TCPRoute goes to the proxy', { route: 'TCPRoute' }, proxied],
  ['hashing goes to the proxy', { backend: settings({ loadBalancing: ringHash() }) }, proxied],
  ['zones go to the proxy', { backend: settings({ preferLocalZone: true }) }, proxied],
  ['the PROXY protocol goes to the proxy', { backend: settings({ proxyProtocol: 'v2' }) }, proxied],
  [
    'limits that were set go to the proxy',
    { backend: settings({ circuitBreaker: { ...defaultBackendSettings.circuitBreaker, maxConnections: 1 } }) },
    proxied,
  ],
  ['a plugin goes to the proxy', { plugins: ['WasmPlugin shop/filter'] }, proxied],
  [
    'UDP is balanced',
    { carrier: 'udp', addresses: ['127.77.0.1'] },
    { '17 127.77.0.1 5432': 'balanced 4/7000 4/7001' },
  ],
]

function ringHash(): Backend['settings']['loadBalancing'] {
  return { kind: 'RingHash', source: { kind: 'source' }, minRingSize: 16 }
}

for (const [name, more, expected] of rows) {
  test(`compileServices(): ${name}`, () => assert.deepEqual(summary({ ...db, ...more }), expected))
}

test('compileServices() leaves out ports that the mesh does not carry', () => {
  const mesh = meshOf([db])
  assert.equal(compileServices({ ...mesh, snapshot: { ...mesh.snapshot, backends: new Map() } }).size, 0)
  assert.equal(compileServices({ ...mesh, snapshot: { ...mesh.snapshot, listeners: new Map() } }).size, 0)
})
