import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NetworkAccess, NetworkMember } from '../../model/index.ts'
import { compileNetworkPolicies } from '../../policy/index.ts'
import { EndpointState } from '../balancing/endpoint-state.ts'
import { AccessGate, ClientAccess } from './access-gate.ts'

const members: readonly NetworkMember[] = ['web', 'db'].map((name, at) => ({
  key: `shop/${name}`,
  identity: 16 + at,
  address: Uint8Array.of(127, 0, 0, 1),
  ports: [{ protocol: 'TCP', port: 7000 + at }],
}))

/** @param allowed  who may connect to `shop/db` */
function accessFor(allowed: readonly number[]): NetworkAccess {
  const identities = members.map(
    ({ key, identity }) =>
      [identity, { id: identity, name: key, key, namespace: 'shop', service: '', labels: {}, ports: [] }] as const,
  )
  const ingress = [{ peers: [{ kind: 'identities' as const, ids: allowed }], ports: undefined }]
  const policy = { key: 'shop/db', subjects: [17], ingress, egress: undefined, isStandIn: false }
  const compiled = compileNetworkPolicies({ identities: new Map(identities), members, policies: [policy] })
  const callers = new Map([[7n, { namespace: 'shop', service: 'shop/web', workload: 'shop/web' }]])
  return { compiled, members, callers }
}

const db = new EndpointState(
  {
    id: 'db',
    address: '127.0.0.1',
    port: 7001,
    weight: 1,
    zone: '',
    workload: 'db',
    healthy: true,
    draining: false,
  },
  0,
)
const web = (): ClientAccess =>
  new ClientAccess({ namespace: 'shop', service: 'shop/web', workload: 'shop/web' }, '127.0.0.1')

test('AccessGate refuses everything before it has tables', () => {
  assert.match(new AccessGate().refusal(web(), db), /no policies yet/)
})

test('AccessGate judges who calls and who is at the endpoint, and again by newer tables', () => {
  const gate = new AccessGate()
  const client = web()
  const open = accessFor([16])
  assert.equal(gate.take(open), true)
  assert.equal(gate.take(open), false)
  assert.equal(gate.refusal(client, db), '')
  assert.equal(gate.refusal(new ClientAccess(undefined, '127.0.0.1'), db), 'ingress denied by shop/db')
  assert.equal(gate.refusal(new ClientAccess(undefined, '::ffff:127.0.0.1'), db), 'ingress denied by shop/db')
  assert.equal(gate.take(accessFor([])), true)
  assert.equal(gate.refusal(client, db), 'ingress denied by shop/db')
  assert.equal(gate.refusal(client, db, 'UDP'), 'ingress denied by shop/db', 'what was said is kept')
})

test('AccessGate refuses a caller of the mesh whom the tables do not know, also without a policy', () => {
  const gate = new AccessGate()
  gate.take({ ...accessFor([16]), compiled: compileNetworkPolicies({ identities: new Map(), members, policies: [] }) })
  const lost = new ClientAccess({ namespace: '', service: '', workload: '' }, '127.0.0.1')
  assert.match(gate.refusal(lost, db), /nobody knows who/)
  assert.equal(gate.callerOf(7n)?.workload, 'shop/web')
  assert.equal(gate.callerOf(8n), undefined)
})
