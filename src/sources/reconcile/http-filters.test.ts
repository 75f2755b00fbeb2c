import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Filter, HttpRoute } from '../../model/index.ts'
import { brief, parentsOf, problemsOf, put, reconciled, resourcesOf, statusOf, testReconciler } from './testing.ts'
import type { Reconciled } from './reconcile.ts'

const services = `
apiVersion: v1
kind: Service
metadata: { name: cart, namespace: shop }
spec: { ports: [{ name: http, port: 80 }, { name: grpc, port: 81, appProtocol: kubernetes.io/h2c }] }
---
apiVersion: v1
kind: Service
metadata: { name: auth, namespace: vault }
spec: { ports: [{ port: 80 }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: web, namespace: shop }
spec: { gatewayClassName: heddle, listeners: [{ name: http, port: 8080, protocol: HTTP }] }
---
`

function filter(name: string, spec: string): string {
  return `
apiVersion: heddle.dev/v1alpha1
kind: HTTPFilter
metadata: { name: ${name}, namespace: shop, generation: 3 }
spec: ${spec}
---
`
}

/** A route whose first rule has these filters, beside one rule without. */
function route(filters: string, kind = 'HTTPRoute'): string {
  const matches = kind === 'HTTPRoute' ? '[{ path: { value: /a } }]' : '[{ method: { service: shop.Cart } }]'
  return `
apiVersion: gateway.networking.k8s.io/v1
kind: ${kind}
metadata: { name: r, namespace: shop }
spec:
  parentRefs: [{ name: web }]
  rules:
    - { matches: ${matches}, filters: ${filters}, backendRefs: [{ name: cart, port: 81 }] }
    - { backendRefs: [{ name: cart, port: 81 }] }
---
`
}

function named(...names: string[]): string {
  const refs = names.map(
    name => `{ type: ExtensionRef, extensionRef: { group: heddle.dev, kind: HTTPFilter, name: ${name} } }`,
  )
  return `[${refs.join(', ')}]`
}

function auth(spec: string): string {
  return `[{ type: ExternalAuth, externalAuth: { ${spec} } }]`
}

function routeOf(result: Reconciled, kind = 'HTTPRoute'): HttpRoute {
  const found = result.snapshot.routes.get(`${kind} shop/r`)
  assert.ok(found !== undefined)
  return found
}

const forms: readonly (readonly [about: string, spec: string, expected: Filter])[] = [
  [
    'a rate limit with its defaults',
    '{ type: RateLimit, rateLimit: { requests: 5 } }',
    {
      kind: 'rate-limit',
      name: 'f',
      tableKey: 'shop/f 5 1000 5 16384 []',
      requests: 5,
      periodMs: 1000,
      burst: 5,
      by: [],
      maxKeys: 16384,
      tellsClient: true,
    },
  ],
  [
    'a rate limit with everything',
    `{ type: RateLimit, rateLimit: { requests: 100, per: 1m, burst: 20, maxKeys: 8, responseHeaders: false,
       by: [{ type: ClientAddress }, { type: Header, header: X-Key }, { type: CallerNamespace }, { type: CallerService }] } }`,
    {
      kind: 'rate-limit',
      name: 'f',
      tableKey:
        'shop/f 100 60000 20 8 [{"kind":"client-address"},{"kind":"header","name":"x-key"},{"kind":"caller-namespace"},{"kind":"caller-service"}]',
      requests: 100,
      periodMs: 60_000,
      burst: 20,
      by: [
        { kind: 'client-address' },
        { kind: 'header', name: 'x-key' },
        { kind: 'caller-namespace' },
        { kind: 'caller-service' },
      ],
      maxKeys: 8,
      tellsClient: false,
    },
  ],
  [
    'a fault',
    `{ type: Fault, fault: { delay: { duration: 2s, percent: 10 }, abort: { statusCode: 503, fraction: { numerator: 1, denominator: 1000 } },
       headers: [{ name: X-Fault, value: "on" }] } }`,
    {
      kind: 'fault',
      delay: { durationMs: 2000, fraction: 0.1 },
      abort: { status: 503, grpcStatus: undefined, fraction: 0.001 },
      headers: [{ kind: 'exact', name: 'x-fault', value: 'on' }],
    },
  ],
  [
    'a fault with a status of gRPC',
    '{ type: Fault, fault: { abort: { grpcStatus: unavailable } } }',
    { kind: 'fault', delay: undefined, abort: { status: 503, grpcStatus: 14, fraction: 1 }, headers: [] },
  ],
  [
    'compression',
    '{ type: Compression, compression: { encodings: [gzip], minSize: 2Ki, contentTypes: [Text/*] } }',
    { kind: 'compression', encodings: ['gzip'], minBytes: 2048, contentTypes: ['text/*'] },
  ],
  [
    'a direct response',
    '{ type: DirectResponse, directResponse: { statusCode: 503, body: "back soon\\n", headers: [{ name: retry-after, value: "60" }] } }',
    {
      kind: 'direct-response',
      status: 503,
      headers: [
        { name: 'content-type', value: 'text/plain; charset=utf-8' },
        { name: 'retry-after', value: '60' },
      ],
      body: 'back soon\n',
    },
  ],
  ['a body limit', '{ type: BodyLimit, bodyLimit: { maxSize: 10M } }', { kind: 'body-limit', maxBytes: 10_000_000 }],
  [
    'external authorization that fails open',
    '{ type: ExternalAuth, externalAuth: { protocol: GRPC, grpc: {}, backendRef: { name: cart, port: 81 }, timeout: 200ms, onFailure: Allow } }',
    {
      kind: 'external-auth',
      protocol: 'grpc',
      backend: 'shop/cart:81',
      pathPrefix: '',
      requestHeaders: undefined,
      responseHeaders: undefined,
      maxBodyBytes: 0,
      timeoutMs: 200,
      failsOpen: true,
    },
  ],
]

for (const [about, spec, expected] of forms) {
  test(`an HTTPFilter comes to ${about}`, () => {
    const result = reconciled(services + filter('f', spec) + route(named('f')))
    assert.deepEqual(
      problemsOf(result).filter(problem => !problem.includes('Gateway')),
      [],
    )
    assert.deepEqual(routeOf(result).rules[0]?.filters, [expected])
    assert.equal(brief(statusOf(result, 'HTTPFilter shop/f').conditions), 'Accepted=True/Accepted')
  })
}

test('a GRPCRoute has the same filters', () => {
  const spec = '{ type: RateLimit, rateLimit: { requests: 5 } }'
  const result = reconciled(services + filter('f', spec) + route(named('f'), 'GRPCRoute'))
  assert.equal(routeOf(result, 'GRPCRoute').rules[0]?.filters[0]?.kind, 'rate-limit')
})

test('the filter ExternalAuth of the Gateway API closes when it cannot ask', () => {
  const http = '{ path: /check/, allowedHeaders: [X-Team], allowedResponseHeaders: [X-User] }'
  const spec = `protocol: HTTP, backendRef: { name: cart, port: 80 }, forwardBody: { maxSize: 100 }, http: ${http}`
  const result = reconciled(services + route(auth(spec)))
  assert.deepEqual(routeOf(result).rules[0]?.filters, [
    {
      kind: 'external-auth',
      protocol: 'http',
      backend: 'shop/cart:80',
      pathPrefix: '/check',
      requestHeaders: ['x-team'],
      responseHeaders: ['x-user'],
      maxBodyBytes: 100,
      timeoutMs: 5000,
      failsOpen: false,
    },
  ])
})

const limit = '{ type: RateLimit, rateLimit: { requests: 5 } }'
const broken: readonly (readonly [about: string, filters: string, conditions: string, message: RegExp])[] = [
  [
    'a name that does not exist',
    named('per-clinet'),
    'Accepted=True/Accepted ResolvedRefs=False/FilterNotFound',
    /rules\[0\]\.filters\[0\]\.extensionRef: no HTTPFilter shop\/per-clinet, did you mean shop\/per-client\?; the rule answers 500/,
  ],
  [
    'a kind that does not exist',
    '[{ type: ExtensionRef, extensionRef: { group: heddle.dev, kind: Filter, name: per-client } }]',
    'Accepted=True/Accepted ResolvedRefs=False/InvalidKind',
    /no filter heddle\.dev\/Filter per-client; the rule answers 500/,
  ],
  [
    'two of what can be there once',
    named('pack', 'pack'),
    'Accepted=True/Accepted ResolvedRefs=True/ResolvedRefs PartiallyInvalid=True/UnsupportedValue',
    /filters\[1\]: a second filter for compression in one rule/,
  ],
  [
    'an authorizer that does not exist',
    auth('protocol: HTTP, http: {}, backendRef: { name: crat, port: 80 }'),
    'Accepted=True/Accepted ResolvedRefs=False/BackendNotFound',
    /filters\[0\]\.externalAuth\.backendRef: no Service shop\/crat, did you mean shop\/cart\?/,
  ],
  [
    'an authorizer of another namespace without a grant',
    auth('protocol: HTTP, http: {}, backendRef: { name: auth, namespace: vault, port: 80 }'),
    'Accepted=True/Accepted ResolvedRefs=False/RefNotPermitted',
    /Service vault\/auth is in another namespace/,
  ],
  [
    'a gRPC authorizer on a port that does not speak HTTP/2',
    auth('protocol: GRPC, grpc: {}, backendRef: { name: cart, port: 80 }'),
    'Accepted=True/Accepted ResolvedRefs=False/UnsupportedProtocol',
    /port 80 of Service shop\/cart does not speak HTTP\/2/,
  ],
  [
    'a fault with a pattern outside the dialect',
    named('odd'),
    'Accepted=True/Accepted ResolvedRefs=True/ResolvedRefs PartiallyInvalid=True/UnsupportedValue',
    /HTTPFilter shop\/odd: spec\.fault\.headers\[0\]\.value: \(\?=a\) /,
  ],
]
const present =
  filter('per-client', limit) +
  filter('pack', '{ type: Compression, compression: {} }') +
  filter(
    'odd',
    '{ type: Fault, fault: { abort: { statusCode: 500 }, headers: [{ type: RegularExpression, name: a, value: "(?=a)" }] } }',
  )

for (const [about, filters, conditions, message] of broken) {
  test(`a rule with ${about} answers 500, and the other rule works`, () => {
    const result = reconciled(services + present + route(filters))
    assert.deepEqual(parentsOf(result, 'HTTPRoute shop/r'), { web: conditions })
    assert.match(problemsOf(result).join('\n'), message)
    const { rules } = routeOf(result)
    assert.deepEqual(
      rules.map(rule => rule.failure?.status),
      [500, undefined],
    )
  })
}

test('a rule follows its filter when that comes, changes and goes', () => {
  const reconciler = testReconciler()
  const resources = resourcesOf(services + route(named('f')))
  const state = (): unknown => {
    const [rule] = routeOf(reconciler.reconcile(new Map(resources))).rules
    const [first] = rule?.filters ?? []
    return rule?.failure === undefined && first?.kind === 'rate-limit' ? first.requests : rule?.failure?.status
  }
  const write = (requests: number): void =>
    void put(resources, {
      apiVersion: 'heddle.dev/v1alpha1',
      kind: 'HTTPFilter',
      metadata: { name: 'f', namespace: 'shop' },
      spec: { type: 'RateLimit', rateLimit: { requests } },
    })
  assert.equal(state(), 500)
  write(5)
  assert.equal(state(), 5)
  write(6)
  assert.equal(state(), 6)
  resources.delete('HTTPFilter shop/f')
  assert.equal(state(), 500)
})

test('an authorizer of another namespace is asked once a grant admits it', () => {
  const grant = `
apiVersion: gateway.networking.k8s.io/v1
kind: ReferenceGrant
metadata: { name: g, namespace: vault }
spec:
  from: [{ group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: shop }]
  to: [{ group: "", kind: Service }]
---
`
  const filters = auth('protocol: HTTP, http: {}, backendRef: { name: auth, namespace: vault, port: 80 }')
  const [rule] = routeOf(reconciled(services + grant + route(filters))).rules
  assert.equal(rule?.failure, undefined)
  assert.equal(rule?.filters[0]?.kind, 'external-auth')
})
