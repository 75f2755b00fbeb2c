import assert from 'node:assert/strict'
import { test } from 'node:test'
import { diffSnapshots } from '../../model/index.ts'
import type { AnyResource } from '../schema/resource.ts'
import type { Reconciled } from './reconcile.ts'
import { put, resourcesOf, testReconciler } from './testing.ts'

const shop = `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: web, namespace: shop }
spec: { gatewayClassName: heddle, listeners: [{ name: http, port: 80, protocol: HTTP }] }
---
apiVersion: v1
kind: Service
metadata: { name: cart, namespace: shop }
spec: { ports: [{ port: 80 }] }
---
apiVersion: v1
kind: Service
metadata: { name: pay, namespace: shop }
spec: { ports: [{ port: 80 }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: cart-1, namespace: shop, labels: { kubernetes.io/service-name: cart } }
addressType: IPv4
ports: [{ port: 9080 }]
endpoints: [{ addresses: [10.0.0.1] }, { addresses: [10.0.0.2] }]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: cart, namespace: shop }
spec: { parentRefs: [{ name: web }], rules: [{ backendRefs: [{ name: cart, port: 80 }] }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: pay, namespace: shop }
spec: { parentRefs: [{ name: web }], rules: [{ backendRefs: [{ name: pay, port: 80 }] }] }
`

test('reconcile() gives the same object while nothing changes', () => {
  const reconciler = testReconciler()
  const resources = resourcesOf(shop)
  const first = reconciler.reconcile(resources)
  assert.equal(reconciler.reconcile(resources), first)
  assert.equal(reconciler.reconcile(new Map(resources)), first)
  assert.equal(first.snapshot.version, 1)
})

test('one changed slice replaces one backend and one endpoint', () => {
  const reconciler = testReconciler()
  const resources = resourcesOf(shop)
  const before = reconciler.reconcile(resources)
  const edited = new Map(resources)
  put(edited, {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'cart-1', namespace: 'shop', labels: { 'kubernetes.io/service-name': 'cart' } },
    addressType: 'IPv4',
    ports: [{ port: 9080 }],
    endpoints: [{ addresses: ['10.0.0.1'] }, { addresses: ['10.0.0.3'] }],
  })
  const after = reconciler.reconcile(edited)
  const delta = diffSnapshots(before.snapshot, after.snapshot)
  assert.deepEqual(
    delta.backends.set.map(entry => entry[0]),
    ['shop/cart:80'],
  )
  assert.deepEqual(
    [delta.routes, delta.listeners],
    [
      { set: [], removed: [] },
      { set: [], removed: [] },
    ],
  )
  assert.equal(after.snapshot.routes, before.snapshot.routes)
  const [old, now] = [before.snapshot.backends.get('shop/cart:80'), after.snapshot.backends.get('shop/cart:80')]
  assert.equal(now?.endpoints[0], old?.endpoints[0])
  assert.equal(now?.settings, old?.settings)
  assert.equal(after.statuses, before.statuses)
  assert.equal(before.snapshot.backends.get('shop/cart:80'), old)
})

test('a rewritten resource that means the same changes nothing', () => {
  const reconciler = testReconciler()
  const before = reconciler.reconcile(resourcesOf(shop))
  assert.equal(reconciler.reconcile(resourcesOf(shop)), before)
})

test('one changed route replaces that route and the counts of its Gateway', () => {
  const reconciler = testReconciler()
  const resources = resourcesOf(shop)
  const before = reconciler.reconcile(resources)
  const edited = new Map(resources)
  edited.delete('HTTPRoute shop/pay')
  const after = reconciler.reconcile(edited)
  const delta = diffSnapshots(before.snapshot, after.snapshot)
  assert.deepEqual(delta.routes, { set: [], removed: ['HTTPRoute shop/pay'] })
  assert.equal(after.snapshot.backends, before.snapshot.backends)
  const count = (result: Reconciled): number | undefined =>
    result.statuses.find(status => status.kind === 'Gateway')?.listeners[0]?.attachedRoutes
  assert.deepEqual([count(before), count(after)], [2, 1])
  assert.equal(before.snapshot.routes.size, 4)
})

test('problems follow their resource when it moves in its file', () => {
  let line = 5
  const reconciler = testReconciler()
  const [route] = resourcesOf(`
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: r }
spec: { parentRefs: [{ name: gone }] }`).values()
  assert.ok(route !== undefined)
  const origin = {
    file: 'a.yaml',
    get line() {
      return line
    },
    locate: () => ({ line: line + 3, column: 9 }),
  }
  const resources = new Map<string, AnyResource>([['HTTPRoute default/r', { ...route, origin }]])
  const first = reconciler.reconcile(resources)
  assert.deepEqual(
    first.problems.map(problem => [problem.file, problem.line, problem.column]),
    [['a.yaml', 8, 9]],
  )
  assert.equal(reconciler.reconcile(resources), first)
  line = 15
  assert.deepEqual(
    reconciler.reconcile(resources).problems.map(problem => problem.line),
    [18],
  )
})

test('a bad service network is refused', async () => {
  const { Reconciler } = await import('./reconcile.ts')
  assert.throws(() => new Reconciler({ serviceCidr: '127.0.0.1' }), { code: 'MESH_SETTING_INVALID' })
})

/** A small generator of the same numbers for the same seed (mulberry32). */
function randomOf(seed: number): (below: number) => number {
  let state = seed
  return below => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

/** A random resource out of a world small enough that references often meet, and often don't. */
function randomResource(random: (below: number) => number): unknown {
  const pick = <Value>(...values: readonly Value[]): Value => values[random(values.length)] as Value
  const namespace = pick('a', 'b')
  const metadata = (name: string, labels: Record<string, string> = {}): object => ({
    name,
    namespace,
    labels,
    creationTimestamp: `2026-01-0${1 + random(3)}T00:00:00Z`,
    generation: 1 + random(3),
  })
  const gatewayApi = 'gateway.networking.k8s.io/v1'
  const service = pick('s1', 's2', 's3')
  const backendRef = (): object => ({
    name: pick('s1', 's2', 's3', 's4'),
    port: pick(80, 81),
    ...(random(3) === 0 ? { namespace: pick('a', 'b') } : {}),
  })
  switch (random(11)) {
    case 0:
      return {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: metadata(service),
        spec: {
          ...pick({}, {}, { clusterIP: 'None' }, { clusterIP: '127.5.5.5' }),
          selector: pick({}, { app: 'x' }),
          ports: [
            { name: 'http', port: 80, ...pick({}, {}, { appProtocol: 'redis' }) },
            ...pick([], [{ name: 'b', port: 81 }]),
          ],
        },
      }
    case 1:
      return {
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: metadata(pick('e1', 'e2'), { 'kubernetes.io/service-name': pick('s1', 's2', 's4') }),
        addressType: 'IPv4',
        ports: [{ name: pick('http', 'b'), port: 9000 }],
        endpoints: [{ addresses: [`10.0.0.${random(4)}`], conditions: { ready: random(2) === 0 } }],
      }
    case 2:
      return {
        apiVersion: gatewayApi,
        kind: 'Gateway',
        metadata: metadata(pick('g1', 'g2')),
        spec: {
          gatewayClassName: pick('heddle', 'heddle', 'other'),
          listeners: [
            { name: 'x', port: pick(80, 81), protocol: 'HTTP', ...pick({}, { hostname: 'x.com' }) },
            {
              name: 'y',
              port: pick(80, 81),
              ...pick<object>({ protocol: 'HTTP', hostname: '*.com' }, { protocol: 'TCP' }),
              allowedRoutes: {
                namespaces: pick<object>({ from: 'All' }, { from: 'Selector', selector: { matchLabels: { l: '1' } } }),
              },
            },
          ],
        },
      }
    case 3:
      return pick<object>(
        {
          apiVersion: gatewayApi,
          kind: 'GatewayClass',
          metadata: { name: 'other' },
          spec: { controllerName: 'heddle.dev/gateway-controller' },
        },
        {
          apiVersion: gatewayApi,
          kind: 'GatewayClass',
          metadata: { name: 'heddle' },
          spec: { controllerName: pick('heddle.dev/gateway-controller', 'x.dev/y') },
        },
      )
    case 4:
      return { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels: { l: pick('1', '2') } } }
    case 5:
      return {
        apiVersion: gatewayApi,
        kind: 'ReferenceGrant',
        metadata: metadata(pick('rg1', 'rg2')),
        spec: {
          from: [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', namespace: pick('a', 'b') }],
          to: [{ group: '', kind: 'Service', ...pick({}, { name: 's1' }) }],
        },
      }
    case 6:
      return {
        apiVersion: 'heddle.dev/v1alpha1',
        kind: 'BackendPolicy',
        metadata: metadata(pick('p1', 'p2')),
        spec: {
          targetRefs: [{ name: pick('s1', 's2', 's4'), ...pick({}, { sectionName: 'http' }) }],
          panicThreshold: random(100),
          ...pick({}, {}, { protocol: 'TCP' }),
        },
      }
    case 10:
      return {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'NetworkPolicy',
        metadata: metadata(pick('n1', 'n2')),
        spec: {
          podSelector: pick({}, { matchLabels: { app: 'x' } }),
          ingress: [
            { from: [pick({ namespaceSelector: { matchLabels: { l: '1' } } }, { podSelector: {} })] },
            { ports: [{ port: pick<string | number>('http', 80) }] },
          ],
        },
      }
    case 7:
      return {
        apiVersion: 'heddle.dev/v1alpha1',
        kind: 'Workload',
        metadata: metadata(pick('w1', 'w2'), pick<Record<string, string>>({}, { app: 'x' })),
        spec: { port: 7000 + random(3), ...pick({}, { service: pick('s1', 's4') }) },
      }
    default:
      return {
        apiVersion: gatewayApi,
        kind: 'HTTPRoute',
        metadata: metadata(pick('r1', 'r2', 'r3', 'r4')),
        spec: {
          parentRefs: [
            pick<object>(
              { name: pick('g1', 'g2'), namespace: pick('a', 'b'), ...pick({}, { sectionName: 'y' }) },
              { group: '', kind: 'Service', name: service, namespace: pick('a', 'b'), ...pick({}, { port: 80 }) },
            ),
          ],
          ...pick({}, { hostnames: ['x.com'] }),
          rules: [
            { backendRefs: [backendRef(), backendRef()] },
            { matches: [{ path: { type: 'RegularExpression', value: pick('/a', '/b', '(') } }] },
          ],
        },
      }
  }
}

/** Without what depends on history: the version, and the order of maps. */
function plain(result: Reconciled): unknown {
  const { listeners, routes, backends } = result.snapshot
  const sorted = (map: ReadonlyMap<string, unknown>): unknown => [...map].toSorted(([a], [b]) => (a < b ? -1 : 1))
  return { ...result, snapshot: { listeners: sorted(listeners), routes: sorted(routes), backends: sorted(backends) } }
}

test('after any edits the result is the one of a fresh run, and unchanged members are the same objects', () => {
  for (let seed = 1; seed <= 12; seed++) {
    const random = randomOf(seed)
    const reconciler = testReconciler()
    let resources = new Map<string, AnyResource>()
    let before: Reconciled | undefined
    for (let step = 0; step < 60; step++) {
      resources = new Map(resources)
      for (let edit = random(3); edit >= 0; edit--) {
        const keys = [...resources.keys()]
        const victim = keys[random(keys.length)]
        if (victim !== undefined && random(4) === 0) resources.delete(victim)
        else put(resources, randomResource(random))
      }
      const listenFailures = new Map(random(5) === 0 ? [['127.0.0.1:80', 'in use']] : [])
      const after = reconciler.reconcile(resources, { listenFailures })
      const numbers = [...after.networkPolicies.identities.values()].map(({ key, id }) => [key, id] as const)
      const fresh = testReconciler(numbers).reconcile(resources, { listenFailures })
      assert.deepEqual(plain(after), plain(fresh), `seed ${seed} step ${step}`)
      if (before !== undefined) assertIdentity(before, after, `seed ${seed} step ${step}`)
      before = after
    }
  }
})

function assertIdentity(before: Reconciled, after: Reconciled, where: string): void {
  for (const table of ['listeners', 'routes', 'backends'] as const) {
    for (const [key, value] of after.snapshot[table]) {
      const old = before.snapshot[table].get(key)
      if (old !== undefined && old !== value)
        assert.notDeepEqual(value, old, `${where}: ${key} was replaced by its equal`)
    }
  }
  for (const table of ['members', 'policies'] as const) {
    for (const value of after.networkPolicies[table]) {
      const old = before.networkPolicies[table].find(({ key }) => key === value.key)
      if (old !== undefined && old !== value)
        assert.notDeepEqual(value, old, `${where}: ${value.key} was replaced by its equal`)
    }
  }
}
