import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NetworkPolicy, NetworkPolicySet, ResourceStatus } from '../model/index.ts'
import { NetworkPolicies } from './network-policies.ts'

function policy(key: string, fields: Partial<NetworkPolicy> = {}): NetworkPolicy {
  return { key, subjects: [16], ingress: [], egress: undefined, isStandIn: false, ...fields }
}

function set(...policies: readonly NetworkPolicy[]): NetworkPolicySet {
  const identity = { id: 16, name: 'n/i', key: 'i', namespace: 'n', service: '', labels: {}, ports: [] }
  const member = (key: string, last: number) => ({
    key,
    identity: 16,
    address: Uint8Array.of(10, 0, 0, last),
    ports: [],
  })
  return { identities: new Map([[16, identity]]), members: [member('n/a', 1), member('n/b', 2)], policies }
}

const reason = 'the datapath sleeps'

test('NetworkPolicies warns once of policies that nobody enforces, and tells it as long as there are some', () => {
  const policies = new NetworkPolicies({ isActive: false, reason })
  assert.deepEqual(policies.problems(), [])
  assert.equal(policies.update(set()), false)
  const first = set(policy('n/a'))
  assert.equal(policies.update(first), true)
  assert.equal(policies.update(first), false)
  assert.equal(policies.update(set(...['a', 'b', 'c', 'd', 'e', 'f', 'g'].map(name => policy(`n/${name}`)))), false)
  assert.deepEqual(policies.problems(), [
    {
      severity: 'warning',
      path: '',
      message:
        'NetworkPolicies are NOT enforced: the datapath sleeps; traffic flows as if n/a, n/b, n/c, n/d, n/e and 2 more were not there',
    },
  ])
  assert.equal(policies.update(set()), false)
  assert.deepEqual(policies.problems(), [])
  assert.equal(policies.update(first), true, 'again for the first one')
})

test('NetworkPolicies says nothing where they are enforced', () => {
  const policies = new NetworkPolicies({ isActive: true, reason: '' })
  assert.equal(policies.update(set(policy('n/a'))), false)
  assert.deepEqual(policies.problems(), [])
})

test('NetworkPolicies shows what each selects and says', () => {
  const policies = new NetworkPolicies({ isActive: false, reason })
  const rule = { peers: undefined, ports: undefined }
  policies.update(
    set(policy('n/a', { isStandIn: true }), policy('n/b', { subjects: [], ingress: undefined, egress: [rule, rule] })),
  )
  assert.deepEqual(policies.status(), [
    { name: 'n/a', selects: ['n/a', 'n/b'], ingressRules: 0, egressRules: null, state: 'stand-in', isEnforced: false },
    { name: 'n/b', selects: [], ingressRules: null, egressRules: 2, state: 'accepted', isEnforced: false },
  ])
})

test('NetworkPolicies adds a condition to the statuses of policies', () => {
  const status: ResourceStatus = {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    namespace: 'n',
    name: 'a',
    generation: 3,
    conditions: [],
    addresses: [],
    listeners: [],
    parents: [],
  }
  const other = { ...status, kind: 'Gateway' }
  const [own, untouched] = new NetworkPolicies({ isActive: false, reason }).conditioned([status, other])
  assert.deepEqual(own?.conditions, [
    { type: 'Enforced', status: 'False', reason: 'NoKernelTier', message: reason, observedGeneration: 3 },
  ])
  assert.equal(untouched, other)
  const [enforced] = new NetworkPolicies({ isActive: true, reason: '' }).conditioned([status])
  assert.equal(enforced?.conditions[0]?.status, 'True')
})
