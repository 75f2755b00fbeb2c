import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { NetworkPolicySet } from '../../model/index.ts'
import type { AnyResource } from '../schema/resource.ts'
import { NetworkIdentities } from './network-identities.ts'
import type { Reconciler } from './reconcile.ts'
import { brief, problemsOf, put, reconciled, statusOf, testReconciler } from './testing.ts'

function workload(name: string, labels: Record<string, string>, spec: object = {}): object {
  return {
    apiVersion: 'heddle.dev/v1alpha1',
    kind: 'Workload',
    metadata: { name, namespace: 'shop', labels },
    spec: { port: 80, service: 's', ...spec },
  }
}

function take(reconciler: Reconciler, ...values: readonly object[]): NetworkPolicySet {
  const resources = new Map<string, AnyResource>()
  for (const value of values) put(resources, value)
  return reconciler.reconcile(resources).networkPolicies
}

/** `web-1=16` */
function numbers({ members }: NetworkPolicySet): string[] {
  return members.map(({ key, identity }) => `${key.slice(5)}=${identity}`)
}

describe('identities', () => {
  test('are shared by workloads that policies cannot tell apart', () => {
    const set = take(
      testReconciler(),
      workload('a', { app: 'x', tier: 'y' }),
      workload('b', { tier: 'y', app: 'x' }, { port: 81, address: '10.0.0.1' }),
      workload('c', { app: 'x' }),
      workload('d', { app: 'x' }, { ports: [{ name: 'http', port: 80 }] }),
      workload('e', { app: 'x' }, { service: 't' }),
    )
    assert.deepEqual(numbers(set), ['a=16', 'b=16', 'c=17', 'd=18', 'e=19'])
    assert.equal(set.identities.size, 4)
  })

  test('are never given to others, and come back with what they stand for', () => {
    const reconciler = testReconciler()
    take(reconciler, workload('a', { app: 'a' }))
    assert.deepEqual(numbers(take(reconciler, workload('b', { app: 'b' }))), ['b=17'])
    assert.deepEqual(numbers(take(reconciler, workload('a', { app: 'a' }))), ['a=16'])
  })

  test('that are gone are forgotten when there are many of them, and their numbers are not given again', () => {
    const identities = new NetworkIdentities()
    const update = (name: string) => {
      const resources = new Map<string, AnyResource>()
      const resource = put(resources, workload('a', { app: name }))
      assert.ok(resource.kind === 'Workload')
      return identities.update([resource]).members[0]?.identity
    }
    for (let at = 0; at < 5000; at++) assert.equal(update(`a${at}`), 16 + at)
    assert.equal(update('a4999'), 16 + 4999)
    assert.equal(update('a0'), 16 + 5000)
  })

  test('keep the numbers of an earlier process', () => {
    const first = take(testReconciler(), workload('a', { app: 'a' }), workload('b', { app: 'b' }))
    const known = [...first.identities.values()].map(({ key, id }) => [key, id] as const)
    const second = take(testReconciler(known), workload('a0', { app: 'c' }), workload('b', { app: 'b' }))
    assert.deepEqual(numbers(second), ['a0=18', 'b=17'])
  })

  test('have the name of their label, their Service or their Workload', () => {
    const set = take(
      testReconciler(),
      workload('a', { 'heddle.dev/identity': 'billing' }),
      workload('b', {}),
      workload('c', {}, { service: undefined }),
    )
    assert.deepEqual(
      [...set.identities.values()].map(({ name }) => name),
      ['shop/billing', 'shop/s', 'shop/c'],
    )
  })

  test('stand for IPv4 where the address is IPv4-mapped', () => {
    const [member] = take(testReconciler(), workload('a', {}, { address: '::ffff:10.0.0.1' })).members
    assert.deepEqual(member?.address, Uint8Array.of(10, 0, 0, 1))
  })
})

test('a NetworkPolicy is accepted, and told of a port name that nobody has', () => {
  const result = reconciled(`
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: p, namespace: shop }
spec:
  podSelector: {}
  egress: [{ to: [{ podSelector: {} }], ports: [{ port: 80 }, { port: htpp }] }]
`)
  assert.equal(brief(statusOf(result, 'NetworkPolicy shop/p').conditions), 'Accepted=True/Accepted')
  assert.deepEqual(problemsOf(result), [
    'warning NetworkPolicy shop/p: spec.egress[0].ports[1].port: no Workload has a port named htpp, so it matches nothing; ports get names in spec.ports of Workloads',
  ])
})

test('the set of policies is the same object while nothing of it changes', () => {
  const reconciler = testReconciler()
  const resources = new Map<string, AnyResource>()
  put(resources, workload('a', { app: 'a' }))
  const before = reconciler.reconcile(resources).networkPolicies
  const more = new Map(resources)
  put(more, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'other', labels: { a: 'b' } } })
  assert.equal(reconciler.reconcile(more).networkPolicies, before)
})
