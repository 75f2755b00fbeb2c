import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parse } from 'yaml'
import { reservedIdentities } from '../../src/model/index.ts'
import { evaluateNetworkPolicy } from '../../src/policy/index.ts'
import { testReconciler } from '../../src/sources/reconcile/testing.ts'
import { isAllowed } from './oracle.ts'
import type { RawParty, RawPolicy, RawProbe, RawWorld } from './oracle.ts'
import { recipes, world as worldText } from './recipes.ts'
import { compileWorld, probeOf, verdictOf } from './world.ts'

function worldOf(policies: string): RawWorld {
  const base = parse(worldText) as Omit<RawWorld, 'policies'>
  const specs = parse(policies) as Record<string, RawPolicy['spec']>
  return {
    ...base,
    policies: Object.entries(specs).map(([key, spec]) => {
      const [namespace = '', name = ''] = key.split('/')
      return { metadata: { namespace, name }, spec }
    }),
  }
}

/** `shop/web > shop/api UDP/53` */
function parseProbe(text: string, { workloads }: RawWorld): RawProbe {
  const [, from = '', to = '', protocol = 'TCP', port = ''] = /^(\S+) > (\S+) (?:(\w+)\/)?(\d+)$/.exec(text) ?? []
  const party = (name: string): RawParty => {
    const found = workloads.find(({ metadata }) => `${metadata.namespace}/${metadata.name}` === name)
    if (found === undefined && name.includes('/')) throw new TypeError(`no workload ${name}`)
    return found ?? name
  }
  return { from: party(from), to: party(to), protocol, port: Number(port) }
}

for (const { name, policies, allowed, denied } of recipes) {
  test(`NetworkPolicy: ${name}`, () => {
    const world = worldOf(policies)
    const compiled = compileWorld(testReconciler(), world)
    for (const [texts, expected] of [
      [allowed, true],
      [denied, false],
    ] as const) {
      for (const text of texts) {
        const probe = parseProbe(text, world)
        const verdict = verdictOf(compiled, probe)
        assert.equal(verdict.isAllowed, expected, `${text}: ${JSON.stringify(verdict)}`)
        assert.equal(isAllowed(world, probe), expected, `${text}, by the oracle`)
      }
    }
  })
}

test('NetworkPolicy: the agent of the node is let in by a closed workload, and reached by it', () => {
  const world = worldOf('shop/p: { podSelector: {}, policyTypes: [Ingress, Egress] }')
  const { set, compiled } = compileWorld(testReconciler(), world)
  const probe = probeOf(set, parseProbe('192.0.2.9 > shop/web 80', world))
  const node = { ...probe.from, identity: reservedIdentities.node }
  assert.deepEqual(evaluateNetworkPolicy(compiled, { ...probe, from: node }), {
    isAllowed: true,
    egress: { kind: 'open' },
    ingress: { kind: 'node' },
  })
  assert.equal(evaluateNetworkPolicy(compiled, { ...probe, from: probe.to, to: node }).isAllowed, true)
  assert.equal(evaluateNetworkPolicy(compiled, probe).isAllowed, false)
})

test('NetworkPolicy: a workload reaches itself, and not its twin', () => {
  const world = worldOf('shop/p: { podSelector: {} }')
  const [web] = world.workloads
  assert.ok(web !== undefined)
  const twin = { ...web, metadata: { ...web.metadata, name: 'web-2' }, spec: { ...web.spec, address: '10.0.0.7' } }
  const compiled = compileWorld(testReconciler(), { ...world, workloads: [...world.workloads, twin] })
  const [a, b] = [web, twin].map(each => probeOf(compiled.set, { from: each, to: each, protocol: 'TCP', port: 80 }))
  assert.equal(a?.from.identity, b?.from.identity)
  assert.deepEqual(verdictOf(compiled, { from: web, to: web, protocol: 'TCP', port: 80 }).ingress, { kind: 'self' })
  assert.equal(verdictOf(compiled, { from: web, to: twin, protocol: 'TCP', port: 80 }).isAllowed, false)
})

test('NetworkPolicy: a verdict names policy and rule, a refusal all that isolate', () => {
  const world = worldOf(`{ shop/b: { podSelector: {}, ingress: [{ ports: [{ port: 1 }] }, { ports: [{ port: 80 }] }] },
    shop/a: { podSelector: { matchLabels: { app: web } }, policyTypes: [Ingress, Egress] } }`)
  const compiled = compileWorld(testReconciler(), world)
  const allowed = verdictOf(compiled, parseProbe('lab/tester > shop/web 80', world)).ingress
  assert.ok(allowed.kind === 'allowed')
  const { id: _, ...rule } = allowed.rule
  assert.deepEqual(rule, { policy: 'shop/b', direction: 'ingress', index: 1 })
  assert.deepEqual(verdictOf(compiled, parseProbe('shop/web > shop/web 80', world)).egress, { kind: 'self' })
  assert.deepEqual(verdictOf(compiled, parseProbe('shop/web > shop/api 2', world)), {
    isAllowed: false,
    egress: { kind: 'denied', policies: ['shop/a'], isOverfull: false },
    ingress: { kind: 'denied', policies: ['shop/b'], isOverfull: false },
  })
  assert.deepEqual(verdictOf(compiled, parseProbe('ops/cron > shop/web 2', world)).ingress, {
    kind: 'denied',
    policies: ['shop/a', 'shop/b'],
    isOverfull: false,
  })
})
