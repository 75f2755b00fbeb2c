import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { HttpRoute, PathMatch } from '../../model/index.ts'
import type { Reconciled } from './reconcile.ts'
import {
  listenersOf,
  parentsOf,
  problemsOf,
  put,
  reconciled,
  resourcesOf,
  statusOf,
  testReconciler,
} from './testing.ts'

const base = `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: web, namespace: shop }
spec:
  gatewayClassName: heddle
  listeners:
    - { name: http, port: 80, protocol: HTTP }
    - { name: named, port: 8080, protocol: HTTP, hostname: "*.shop.example" }
    - { name: only-http, port: 8081, protocol: HTTP, allowedRoutes: { kinds: [{ kind: HTTPRoute }] } }
    - { name: only-grpc, port: 8082, protocol: HTTP, allowedRoutes: { kinds: [{ kind: GRPCRoute }] } }
---
apiVersion: v1
kind: Service
metadata: { name: cart, namespace: shop }
spec:
  ports:
    - { name: grpc, port: 7070 }
    - { name: h2c, port: 7071, appProtocol: kubernetes.io/h2c }
    - { name: http, port: 80, appProtocol: http }
    - { name: api, port: 90 }
---
`

interface Sketch {
  readonly kind?: 'GRPCRoute' | 'HTTPRoute'
  readonly name?: string
  readonly namespace?: string
  readonly parents?: string
  readonly hostnames?: string
  readonly rules?: string
  readonly created?: string
}

function route(sketch: Sketch = {}): string {
  const { kind = 'GRPCRoute', name = 'r', namespace = 'shop', parents = '{ name: web, sectionName: http }' } = sketch
  const { rules = `{ backendRefs: [{ name: cart, port: ${kind === 'GRPCRoute' ? 7070 : 80} }] }` } = sketch
  const created = sketch.created === undefined ? '' : `, creationTimestamp: "${sketch.created}"`
  const hostnames = sketch.hostnames === undefined ? '' : `hostnames: [${sketch.hostnames}], `
  return `
apiVersion: gateway.networking.k8s.io/v1
kind: ${kind}
metadata: { name: ${name}, namespace: ${namespace}, generation: 7${created} }
spec: { parentRefs: [${parents}], ${hostnames}rules: [${rules}] }
---
`
}

const fine = 'Accepted=True/Accepted ResolvedRefs=True/ResolvedRefs'

function routeOf(result: Reconciled, key = 'GRPCRoute shop/r'): HttpRoute {
  const found = result.snapshot.routes.get(key)
  assert.ok(found !== undefined, [...result.snapshot.routes.keys()].join())
  return found
}

describe('a GRPCRoute', () => {
  test('comes to the model of an HTTPRoute', () => {
    const result = reconciled(
      base +
        route({
          hostnames: 'api.shop.example',
          rules: `{
            name: add,
            matches: [{ method: { service: shop.Cart, method: Add }, headers: [{ name: X-Tenant, value: a }] }],
            filters: [
              { type: RequestHeaderModifier, requestHeaderModifier: { set: [{ name: a, value: b }] } },
              { type: ResponseHeaderModifier, responseHeaderModifier: { remove: [X-Secret] } },
              { type: RequestMirror, requestMirror: { backendRef: { name: cart, port: 7071 }, percent: 10 } },
            ],
            backendRefs: [
              { name: cart, port: 7070, weight: 3 },
              { name: cart, port: 7071, filters: [{ type: RequestHeaderModifier, requestHeaderModifier: { add: [{ name: c, value: d }] } }] },
            ],
            sessionPersistence: { type: Header, sessionName: x-session },
          }`,
        }),
    )
    assert.deepEqual(problemsOf(result), [])
    assert.deepEqual(parentsOf(result, 'GRPCRoute shop/r'), { 'web/http': fine })
    const { kind, attachments, rules } = routeOf(result)
    assert.equal(kind, 'GRPCRoute')
    assert.deepEqual(attachments, [
      { virtualHost: 'Gateway shop/web/http', hostnames: ['api.shop.example'], clientNamespace: undefined },
    ])
    assert.deepEqual(rules, [
      {
        index: 0,
        name: 'add',
        matches: [
          {
            path: { kind: 'exact', value: '/shop.Cart/Add' },
            method: undefined,
            headers: [{ kind: 'exact', name: 'x-tenant', value: 'a' }],
            query: [],
          },
        ],
        filters: [
          { kind: 'request-headers', set: [{ name: 'a', value: 'b' }], add: [], remove: [] },
          { kind: 'response-headers', set: [], add: [], remove: ['x-secret'] },
          { kind: 'mirror', target: { kind: 'backend', key: 'shop/cart:7071' }, fraction: 0.1 },
        ],
        backends: [
          { weight: 3, target: { kind: 'backend', key: 'shop/cart:7070' }, filters: [] },
          {
            weight: 1,
            target: { kind: 'backend', key: 'shop/cart:7071' },
            filters: [{ kind: 'request-headers', set: [], add: [{ name: 'c', value: 'd' }], remove: [] }],
          },
        ],
        requestTimeoutMs: undefined,
        backendRequestTimeoutMs: 0,
        retry: undefined,
        session: { kind: 'header', name: 'x-session', absoluteTimeoutMs: 0, idleTimeoutMs: 0, permanent: false },
        failure: undefined,
      },
    ])
  })

  const weight = (service: number, method: number): number => service * 1025 + method
  const paths: readonly (readonly [string, PathMatch])[] = [
    ['{}', { kind: 'prefix', value: '' }],
    ['{ service: a.B, method: C }', { kind: 'exact', value: '/a.B/C' }],
    ['{ service: a.B }', { kind: 'regex', value: '/a\\.B/[^/]+', weight: weight(3, 0) }],
    ['{ method: C }', { kind: 'regex', value: '/[^/]+/C', weight: weight(0, 1) }],
    [
      '{ type: RegularExpression, service: "a|b", method: "C.*" }',
      { kind: 'regex', value: '/(?:a|b)/(?:C.*)', weight: weight(3, 3) },
    ],
    [
      '{ type: RegularExpression, service: "a\\\\..*" }',
      { kind: 'regex', value: '/(?:a\\..*)/[^/]+', weight: weight(5, 0) },
    ],
    ['{ type: RegularExpression, method: "C" }', { kind: 'regex', value: '/[^/]+/(?:C)', weight: weight(0, 1) }],
  ]
  for (const [method, path] of paths) {
    test(`matches ${method} as ${path.kind} ${path.value}`, () => {
      const match = method === '{}' ? '{}' : `{ method: ${method} }`
      const result = reconciled(base + route({ rules: `{ matches: [${match}] }` }))
      assert.deepEqual(routeOf(result).rules[0]?.matches[0]?.path, path)
    })
  }

  test('without rules decides nothing and is accepted', () => {
    const result = reconciled(base + route({ rules: '' }))
    assert.deepEqual(parentsOf(result, 'GRPCRoute shop/r'), { 'web/http': fine })
    assert.deepEqual(routeOf(result).rules, [])
  })

  const conditions: readonly (readonly [string, Sketch, string])[] = [
    ['listeners of its kind', { parents: '{ name: web, sectionName: only-grpc }' }, fine],
    [
      'a listener of HTTPRoutes',
      { parents: '{ name: web, sectionName: only-http }' },
      'Accepted=False/NotAllowedByListeners ResolvedRefs=True/ResolvedRefs',
    ],
    [
      'a listener that is not there',
      { parents: '{ name: web, sectionName: nothing }' },
      'Accepted=False/NoMatchingParent ResolvedRefs=True/ResolvedRefs',
    ],
    [
      'another hostname than the listener',
      { parents: '{ name: web, sectionName: named }', hostnames: 'other.example' },
      'Accepted=False/NoMatchingListenerHostname ResolvedRefs=True/ResolvedRefs',
    ],
    [
      'a broken expression in its only rule',
      { rules: '{ matches: [{ method: { type: RegularExpression, service: "a(" } }] }' },
      'Accepted=False/UnsupportedValue ResolvedRefs=True/ResolvedRefs',
    ],
    [
      'a broken expression in one of its rules',
      { rules: '{ matches: [{ method: { type: RegularExpression, method: "(?=a)" } }] }, { matches: [{}] }' },
      'Accepted=True/Accepted ResolvedRefs=True/ResolvedRefs PartiallyInvalid=True/UnsupportedValue',
    ],
    [
      'a filter that does not exist',
      { rules: '{ filters: [{ type: ExtensionRef, extensionRef: { group: x.dev, kind: Thing, name: t } }] }' },
      'Accepted=True/Accepted ResolvedRefs=False/InvalidKind',
    ],
    [
      'a backend that does not exist',
      { rules: '{ backendRefs: [{ name: nothing, port: 80 }] }' },
      'Accepted=True/Accepted ResolvedRefs=False/BackendNotFound',
    ],
    [
      'a backend that does not speak HTTP/2',
      { rules: '{ backendRefs: [{ name: cart, port: 80 }] }' },
      'Accepted=True/Accepted ResolvedRefs=False/UnsupportedProtocol',
    ],
    ['a port of a Service', { parents: '{ group: "", kind: Service, name: cart, port: 7071 }' }, fine],
    [
      'a port of a Service that does not speak HTTP/2',
      { parents: '{ group: "", kind: Service, name: cart, port: 80 }' },
      'Accepted=False/NoMatchingParent ResolvedRefs=True/ResolvedRefs',
    ],
  ]
  for (const [what, sketch, expected] of conditions) {
    test(`with ${what}: ${expected}`, () => {
      const result = reconciled(base + route(sketch))
      assert.deepEqual(Object.values(parentsOf(result, 'GRPCRoute shop/r')), [expected])
      for (const { conditions: list } of statusOf(result, 'GRPCRoute shop/r').parents) {
        assert.ok(list.every(condition => condition.observedGeneration === 7))
      }
    })
  }

  test('tells what a port needs to be its backend', () => {
    const result = reconciled(base + route({ rules: '{ backendRefs: [{ name: cart, port: 80 }] }' }))
    assert.deepEqual(problemsOf(result), [
      'error GRPCRoute shop/r: spec.rules[0].backendRefs[0]: port 80 of Service shop/cart does not speak HTTP/2 (appProtocol http); give the port appProtocol: kubernetes.io/h2c',
    ])
  })

  test('speaks HTTP/2 to a port that says nothing of itself, as backend and as parent', () => {
    const rules = '{ backendRefs: [{ name: cart, port: 90 }] }'
    const result = reconciled(base + route({ rules, parents: '{ group: "", kind: Service, name: cart, port: 90 }' }))
    assert.deepEqual(Object.values(parentsOf(result, 'GRPCRoute shop/r')), [fine])
    assert.deepEqual(problemsOf(result), [])
  })

  test('counts as attached, and needs a ReferenceGrant of its own kind', () => {
    const far = `
apiVersion: v1
kind: Service
metadata: { name: far, namespace: other }
spec: { ports: [{ name: grpc, port: 1 }] }
---
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: { name: g, namespace: other }
spec: { from: [{ group: gateway.networking.k8s.io, kind: KIND, namespace: shop }], to: [{ group: "", kind: Service }] }
---
`
    const text = base + route({ rules: '{ backendRefs: [{ name: far, namespace: other, port: 1 }] }' })
    const granted = reconciled(text + far.replace('KIND', 'GRPCRoute'))
    assert.deepEqual(parentsOf(granted, 'GRPCRoute shop/r'), { 'web/http': fine })
    assert.equal(statusOf(granted, 'Gateway shop/web').listeners[0]?.attachedRoutes, 1)
    assert.match(listenersOf(granted, 'Gateway shop/web')['http'] ?? '', /^Accepted=True/)
    const refused = reconciled(text + far.replace('KIND', 'HTTPRoute'))
    assert.match(parentsOf(refused, 'GRPCRoute shop/r')['web/http'] ?? '', /ResolvedRefs=False\/RefNotPermitted$/)
  })
})

describe('a GRPCRoute and an HTTPRoute', () => {
  const accepted = (result: Reconciled): Record<string, string> =>
    Object.fromEntries(
      result.statuses
        .filter(status => status.kind.endsWith('Route'))
        .map(({ kind, name, parents }) => [
          `${kind} ${name}`,
          parents.map(parent => `${parent.conditions[0]?.status}/${parent.conditions[0]?.reason}`).join(' '),
        ]),
    )
  const won = 'True/Accepted'
  const lost = 'False/Conflicted'
  const older = '2026-01-01T00:00:00Z'
  const newer = '2026-02-01T00:00:00Z'

  const cases: readonly (readonly [string, Sketch, Sketch, string, string])[] = [
    ['of equal age: the name decides', { name: 'a' }, { name: 'b' }, won, lost],
    ['of equal age and in the other order', { name: 'b' }, { name: 'a' }, lost, won],
    ['of different age', { name: 'a', created: newer }, { name: 'b', created: older }, lost, won],
    ['with a hostname in common', { hostnames: 'a.example, b.example' }, { hostnames: '"*.example"' }, won, lost],
    ['without a hostname in common', { hostnames: 'a.example' }, { hostnames: 'b.example' }, won, won],
    [
      'on different listeners',
      { parents: '{ name: web, sectionName: http }' },
      { parents: '{ name: web, sectionName: named }' },
      won,
      won,
    ],
    [
      'with one listener of several in common',
      { parents: '{ name: web, sectionName: http }' },
      { parents: '{ name: web, sectionName: http }, { name: web, sectionName: named }' },
      won,
      `${lost} ${won}`,
    ],
    [
      'on a port of a Service, whatever the age',
      { parents: '{ group: "", kind: Service, name: cart, port: 7070 }', created: newer },
      { parents: '{ group: "", kind: Service, name: cart, port: 7070 }', created: older },
      won,
      lost,
    ],
    [
      'on different ports of a Service',
      { parents: '{ group: "", kind: Service, name: cart, port: 7070 }' },
      { parents: '{ group: "", kind: Service, name: cart, port: 7071 }' },
      won,
      won,
    ],
    [
      'on a port of a Service for different clients',
      { parents: '{ group: "", kind: Service, name: cart, port: 7070 }' },
      { parents: '{ group: "", kind: Service, name: cart, namespace: shop, port: 7070 }', namespace: 'guest' },
      won,
      won,
    ],
  ]
  for (const [what, grpc, http, ofGrpc, ofHttp] of cases) {
    test(what, () => {
      const texts = [route({ name: 'g', ...grpc }), route({ kind: 'HTTPRoute', name: 'h', ...http })]
      for (const text of [texts.join(''), texts.toReversed().join('')]) {
        const result = reconciled(base + text)
        assert.deepEqual(Object.values(accepted(result)), [ofGrpc, ofHttp])
      }
    })
  }

  test('the loser is told, is not attached and not counted', () => {
    const result = reconciled(base + route({ name: 'a' }) + route({ kind: 'HTTPRoute', name: 'b' }))
    assert.deepEqual(problemsOf(result), [
      'warning HTTPRoute shop/b: spec.parentRefs[0]: not on Gateway shop/web/http: GRPCRoute shop/a is older and has a hostname in common',
    ])
    assert.equal(result.snapshot.routes.has('HTTPRoute shop/b'), false)
    assert.equal(statusOf(result, 'Gateway shop/web').listeners[0]?.attachedRoutes, 1)
  })

  test('the older keeps out every younger one of the other kind, and only those', () => {
    const names = ['a', 'b', 'c', 'd']
    const text = names.map((name, at) => route({ kind: at % 2 === 0 ? 'GRPCRoute' : 'HTTPRoute', name })).join('')
    assert.deepEqual(accepted(reconciled(base + text)), {
      'GRPCRoute a': won,
      'GRPCRoute c': won,
      'HTTPRoute b': lost,
      'HTTPRoute d': lost,
    })
  })

  test('one that lost to a loser is accepted', () => {
    // b loses to a, so that c, which shares a hostname with b alone, is free.
    const text =
      route({ kind: 'GRPCRoute', name: 'a', hostnames: 'one.example' }) +
      route({ kind: 'HTTPRoute', name: 'b', hostnames: 'one.example, two.example' }) +
      route({ kind: 'GRPCRoute', name: 'c', hostnames: 'two.example' })
    assert.deepEqual(Object.values(accepted(reconciled(base + text))), [won, won, lost])
  })

  test('the younger is accepted as soon as the older is gone, changes its hostnames or its listener', () => {
    const reconciler = testReconciler()
    const text = base + route({ name: 'a' }) + route({ kind: 'HTTPRoute', name: 'b', hostnames: 'b.example' })
    const resources = resourcesOf(text)
    const states: Record<string, string>[] = [accepted(reconciler.reconcile(resources))]
    const change = (sketch: Sketch): void => {
      const next = new Map(resources)
      for (const [id, resource] of resourcesOf(route({ name: 'a', ...sketch }))) next.set(id, resource)
      states.push(accepted(reconciler.reconcile(next)))
    }
    change({ hostnames: 'a.example' })
    change({ hostnames: '"*.example"' })
    change({ parents: '{ name: web, sectionName: named }' })
    change({})
    const without = new Map(resources)
    without.delete('GRPCRoute shop/a')
    const last = reconciler.reconcile(without)
    assert.deepEqual(
      states.map(state => state['HTTPRoute b']),
      [lost, won, lost, won, lost],
    )
    assert.deepEqual(accepted(last), { 'HTTPRoute b': won })
    assert.equal(last.snapshot.routes.has('HTTPRoute shop/b'), true)
  })

  test('decisions made step by step are those made at once', () => {
    let seed = 11
    const random = (below: number): number => (seed = (Math.imul(seed, 48271) >>> 0) % 0x7fffffff) % below
    const reconciler = testReconciler()
    const resources = resourcesOf(base)
    for (let step = 0; step < 120; step++) {
      const kind = random(2) === 0 ? 'GRPCRoute' : 'HTTPRoute'
      const name = `r${random(5)}`
      const next = new Map(resources)
      if (random(4) === 0) next.delete(`${kind} shop/${name}`)
      else {
        const hostnames = ['a.example', 'b.example', '"*.example"'][random(3)] ?? ''
        const created = `2026-0${1 + random(3)}-01T00:00:00Z`
        for (const [id, resource] of resourcesOf(route({ kind, name, hostnames, created }))) next.set(id, resource)
      }
      resources.clear()
      for (const [id, resource] of next) resources.set(id, resource)
      const stepwise = reconciler.reconcile(next)
      const atOnce = testReconciler().reconcile(new Map(next))
      assert.deepEqual(accepted(stepwise), accepted(atOnce), `step ${step}`)
      assert.deepEqual([...stepwise.snapshot.routes.keys()].sort(), [...atOnce.snapshot.routes.keys()].sort())
    }
  })
})

test('BackendPolicy.retry reaches the model with gRPC statuses as numbers', () => {
  const resources = resourcesOf(base)
  put(resources, {
    apiVersion: 'heddle.dev/v1alpha1',
    kind: 'BackendPolicy',
    metadata: { name: 'p', namespace: 'shop' },
    spec: { targetRefs: [{ name: 'cart' }], retry: { attempts: 2, grpcCodes: ['unavailable', 'resource-exhausted'] } },
  })
  const result = testReconciler().reconcile(resources)
  assert.deepEqual(result.snapshot.backends.get('shop/cart:7070')?.settings.retry, {
    attempts: 2,
    codes: [],
    grpcCodes: [14, 8],
    backoffMs: 25,
  })
  assert.equal(reconciled(base).snapshot.backends.get('shop/cart:7070')?.settings.retry, undefined)
})
