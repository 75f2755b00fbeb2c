import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HttpRoute } from '../../model/index.ts'
import { parentsOf, problemsOf, reconciled, statusOf } from './testing.ts'
import type { Reconciled } from './reconcile.ts'

const gateway = `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: web, namespace: shop }
spec:
  gatewayClassName: heddle
  listeners:
    - { name: http, port: 80, protocol: HTTP }
    - { name: shop, port: 8080, protocol: HTTP, hostname: "*.shop.example" }
    - { name: all, port: 8081, protocol: HTTP, allowedRoutes: { namespaces: { from: All } } }
    - name: chosen
      port: 8082
      protocol: HTTP
      allowedRoutes: { namespaces: { from: Selector, selector: { matchLabels: { team: pay } } } }
    - name: named
      port: 8083
      protocol: HTTP
      allowedRoutes:
        namespaces: { from: Selector, selector: { matchExpressions: [{ key: kubernetes.io/metadata.name, operator: In, values: [guest] }] } }
    - { name: tcp, port: 9000, protocol: TCP }
---
apiVersion: v1
kind: Namespace
metadata: { name: pay, labels: { team: pay } }
---
`

function service(name: string, options: { namespace?: string; spec?: string } = {}): string {
  const { namespace = 'shop', spec = 'ports: [{ port: 80 }]' } = options
  return `
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: ${namespace} }
spec: { ${spec} }
---
`
}

function route(spec: string, options: { namespace?: string; name?: string } = {}): string {
  const { namespace = 'shop', name = 'r' } = options
  return `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: ${name}, namespace: ${namespace}, generation: 4 }
spec: { ${spec} }
---
`
}

const toCart = 'rules: [{ backendRefs: [{ name: cart, port: 80 }] }]'
const fine = 'Accepted=True/Accepted ResolvedRefs=True/ResolvedRefs'

function routeOf(result: Reconciled, key = 'HTTPRoute shop/r'): HttpRoute {
  const found = result.snapshot.routes.get(key)
  assert.ok(found !== undefined, `no route ${key}`)
  return found
}

test('a route attaches to the listeners that its parentRefs name', () => {
  const refused = (reason: string): string => `Accepted=False/${reason} ResolvedRefs=True/ResolvedRefs`
  const rows: {
    refs: string
    namespace?: string
    hostnames?: string
    parents: Record<string, string>
    on: string[]
  }[] = [
    { refs: '{ name: web, sectionName: http }', parents: { 'web/http': fine }, on: ['http'] },
    { refs: '{ name: web, port: 8080 }', parents: { 'web:8080': fine }, on: ['shop'] },
    { refs: '{ name: web }', parents: { web: fine }, on: ['http', 'shop', 'all'] },
    { refs: '{ name: web, sectionName: http, port: 80 }', parents: { 'web/http:80': fine }, on: ['http'] },
    {
      refs: '{ name: web, sectionName: http, port: 8080 }',
      parents: { 'web/http:8080': refused('NoMatchingParent') },
      on: [],
    },
    { refs: '{ name: web, sectionName: htp }', parents: { 'web/htp': refused('NoMatchingParent') }, on: [] },
    { refs: '{ name: web, port: 81 }', parents: { 'web:81': refused('NoMatchingParent') }, on: [] },
    { refs: '{ name: web, sectionName: tcp }', parents: { 'web/tcp': refused('NotAllowedByListeners') }, on: [] },
    {
      refs: '{ name: web, sectionName: shop }',
      hostnames: '[other.example]',
      parents: { 'web/shop': refused('NoMatchingListenerHostname') },
      on: [],
    },
    {
      refs: '{ name: web, sectionName: shop }, { name: web, sectionName: http }',
      hostnames: '[other.example]',
      parents: { 'web/shop': refused('NoMatchingListenerHostname'), 'web/http': fine },
      on: ['http'],
    },
    { refs: '{ name: web, namespace: shop }', namespace: 'guest', parents: { web: fine }, on: ['all', 'named'] },
    { refs: '{ name: web, namespace: shop }', namespace: 'pay', parents: { web: fine }, on: ['all', 'chosen'] },
    {
      refs: '{ name: web, namespace: shop, sectionName: http }',
      namespace: 'guest',
      parents: { 'web/http': refused('NotAllowedByListeners') },
      on: [],
    },
    {
      refs: '{ name: web, namespace: shop, sectionName: chosen }',
      namespace: 'guest',
      parents: { 'web/chosen': refused('NotAllowedByListeners') },
      on: [],
    },
    { refs: '{ name: wbe }', parents: {}, on: [] },
    { refs: '{ group: x.dev, kind: Door, name: web }', parents: {}, on: [] },
    { refs: '{ kind: Service, name: cart }', parents: {}, on: [] },
  ]
  for (const row of rows) {
    const namespace = row.namespace ?? 'shop'
    const hostnames = row.hostnames === undefined ? '' : `hostnames: ${row.hostnames}, `
    const text = gateway + service('cart', { namespace })
    const result = reconciled(text + route(`parentRefs: [${row.refs}], ${hostnames}${toCart}`, { namespace }))
    assert.deepEqual(parentsOf(result, `HTTPRoute ${namespace}/r`), row.parents, row.refs)
    const attachments = result.snapshot.routes.get(`HTTPRoute ${namespace}/r`)?.attachments ?? []
    assert.deepEqual(
      attachments.map(one => one.virtualHost),
      row.on.map(name => `Gateway shop/web/${name}`),
      row.refs,
    )
    const counts = statusOf(result, 'Gateway shop/web').listeners.filter(one => one.attachedRoutes === 1)
    assert.deepEqual(
      counts.map(one => one.name),
      row.on,
      row.refs,
    )
  }
})

test('an attachment carries the intersection of the hostnames', () => {
  const result = reconciled(
    gateway +
      service('cart') +
      route(
        `parentRefs: [{ name: web, sectionName: http }, { name: web, sectionName: shop }], hostnames: [www.shop.example, "*.example", other.org], ${toCart}`,
      ),
  )
  assert.deepEqual(routeOf(result).attachments, [
    {
      virtualHost: 'Gateway shop/web/http',
      hostnames: ['www.shop.example', '*.example', 'other.org'],
      clientNamespace: undefined,
    },
    {
      virtualHost: 'Gateway shop/web/shop',
      hostnames: ['www.shop.example', '*.shop.example'],
      clientNamespace: undefined,
    },
  ])
})

test('a route status copies the parentRef and has the generation on every condition', () => {
  const result = reconciled(
    gateway + service('cart') + route(`parentRefs: [{ name: web, sectionName: http }], ${toCart}`),
  )
  const [parent] = statusOf(result, 'HTTPRoute shop/r').parents
  assert.deepEqual(parent?.parentRef, {
    group: 'gateway.networking.k8s.io',
    kind: 'Gateway',
    namespace: 'shop',
    name: 'web',
    sectionName: 'http',
  })
  assert.deepEqual(
    parent?.conditions.map(one => one.observedGeneration),
    [4, 4],
  )
  assert.equal(parent?.controllerName, 'heddle.dev/gateway-controller')
})

test('routes of another controller have neither an entry nor a problem of their own', () => {
  const foreign = `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: { name: heddle }
spec: { controllerName: example.com/other }
---
`
  const result = reconciled(foreign + gateway + service('cart') + route(`parentRefs: [{ name: web }], ${toCart}`))
  assert.deepEqual(parentsOf(result, 'HTTPRoute shop/r'), {})
  assert.deepEqual(
    problemsOf(result).filter(problem => problem.includes('HTTPRoute')),
    [],
  )
})

const onGateway = 'parentRefs: [{ name: web, sectionName: http }]'

test('a backendRef that cannot be used answers 500 for its share, and the route says why', () => {
  const services =
    service('cart') +
    service('far', { namespace: 'other' }) +
    service('headless', { spec: 'clusterIP: None, ports: [{ port: 80 }]' }) +
    service('external', { spec: 'type: ExternalName, externalName: example.com' }) +
    service('mixed', {
      spec: `ports:
      - { name: h2c, port: 1, appProtocol: kubernetes.io/h2c }
      - { name: redis, port: 2, appProtocol: redis }
      - { name: wss, port: 3, appProtocol: kubernetes.io/wss }
      - { name: ws, port: 4, appProtocol: kubernetes.io/ws }
      - { name: web, port: 5, appProtocol: http }
      - { name: dns, port: 6, protocol: UDP }`,
    })
  const rows: [string, string, string | undefined][] = [
    ['{ name: cart, port: 80 }', 'True/ResolvedRefs', undefined],
    ['{ name: headless, port: 80 }', 'True/ResolvedRefs', undefined],
    ['{ name: mixed, port: 1 }', 'True/ResolvedRefs', undefined],
    ['{ name: mixed, port: 4 }', 'True/ResolvedRefs', undefined],
    ['{ name: mixed, port: 5 }', 'True/ResolvedRefs', undefined],
    ['{ name: carts, port: 80 }', 'False/BackendNotFound', 'no Service shop/carts, did you mean shop/cart?'],
    ['{ name: far, port: 80 }', 'False/BackendNotFound', 'no Service shop/far, did you mean other/far?'],
    ['{ name: cart, port: 81 }', 'False/BackendNotFound', 'Service shop/cart has no port 81, only 80'],
    [
      '{ kind: Bucket, group: x.dev, name: cart, port: 80 }',
      'False/InvalidKind',
      'a backend must be a Service, not x.dev/Bucket',
    ],
    [
      '{ name: external, port: 80 }',
      'False/InvalidKind',
      'Service shop/external is of type ExternalName, which has no endpoints',
    ],
    [
      '{ name: far, namespace: other, port: 80 }',
      'False/RefNotPermitted',
      'Service other/far is in another namespace, and no ReferenceGrant there admits it',
    ],
    [
      '{ name: mixed, port: 2 }',
      'False/UnsupportedProtocol',
      'port 2 of Service shop/mixed does not speak HTTP (appProtocol redis)',
    ],
    [
      '{ name: mixed, port: 3 }',
      'False/UnsupportedProtocol',
      'port 3 of Service shop/mixed does not speak HTTP (appProtocol kubernetes.io/wss); a BackendTLSPolicy says how a backend is reached by TLS',
    ],
    [
      '{ name: mixed, port: 6 }',
      'False/UnsupportedProtocol',
      'port 6 of Service shop/mixed does not speak HTTP (protocol UDP)',
    ],
  ]
  for (const [ref, resolved, message] of rows) {
    const rules = `rules: [{ backendRefs: [{ name: cart, port: 80, weight: 9 }, ${ref}] }]`
    const result = reconciled(gateway + services + route(`${onGateway}, ${rules}`))
    assert.deepEqual(parentsOf(result, 'HTTPRoute shop/r'), {
      'web/http': `Accepted=True/Accepted ResolvedRefs=${resolved}`,
    })
    const [first, second] = routeOf(result).rules[0]?.backends ?? []
    assert.deepEqual(first, { weight: 9, target: { kind: 'backend', key: 'shop/cart:80' }, filters: [] }, ref)
    const found = problemsOf(result).filter(problem => problem.includes('HTTPRoute'))
    if (message === undefined) {
      assert.equal(second?.target.kind, 'backend', ref)
      assert.deepEqual(found, [], ref)
    } else {
      const [, reason] = resolved.split('/')
      assert.deepEqual(second?.target, { kind: 'invalid', status: 500, reason, message }, ref)
      assert.deepEqual(found, [`error HTTPRoute shop/r: spec.rules[0].backendRefs[1]: ${message}`], ref)
    }
  }
})

test('a ReferenceGrant admits exactly what it names', () => {
  const grant = (from: string, to: string, namespace = 'other'): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: ReferenceGrant
metadata: { name: grant, namespace: ${namespace} }
spec:
  from: [{ group: gateway.networking.k8s.io, ${from} }]
  to: [{ group: "", ${to} }]
---
`
  const rows: [string, boolean][] = [
    [grant('kind: HTTPRoute, namespace: shop', 'kind: Service'), true],
    [grant('kind: HTTPRoute, namespace: shop', 'kind: Service, name: far'), true],
    [grant('kind: HTTPRoute, namespace: shop', 'kind: Service, name: near'), false],
    [grant('kind: HTTPRoute, namespace: shop', 'kind: Secret'), false],
    [grant('kind: HTTPRoute, namespace: other', 'kind: Service'), false],
    [grant('kind: Gateway, namespace: shop', 'kind: Service'), false],
    [grant('kind: HTTPRoute, namespace: shop', 'kind: Service', 'shop'), false],
    ['', false],
  ]
  for (const [text, isAdmitted] of rows) {
    const rules = `rules: [{ backendRefs: [{ name: far, namespace: other, port: 80 }] }]`
    const result = reconciled(gateway + service('far', { namespace: 'other' }) + text + route(`${onGateway}, ${rules}`))
    const expected = isAdmitted ? 'True/ResolvedRefs' : 'False/RefNotPermitted'
    assert.deepEqual(
      parentsOf(result, 'HTTPRoute shop/r'),
      { 'web/http': `Accepted=True/Accepted ResolvedRefs=${expected}` },
      text,
    )
  }
})

test('an existing Service is not told to a route that may not know of it', () => {
  const rules = 'rules: [{ backendRefs: [{ name: nowhere, namespace: other, port: 80 }] }]'
  const result = reconciled(gateway + route(`${onGateway}, ${rules}`))
  assert.match(parentsOf(result, 'HTTPRoute shop/r')['web/http'] ?? '', /RefNotPermitted/)
})

test('a rule without backendRefs is resolved and forwards nowhere', () => {
  const result = reconciled(gateway + route(`${onGateway}, rules: [{}]`))
  assert.deepEqual(parentsOf(result, 'HTTPRoute shop/r'), { 'web/http': fine })
  assert.deepEqual(routeOf(result).rules[0]?.backends, [])
})

const mesh = 'parentRefs: [{ group: "", kind: Service, name: cart, namespace: shop }]'

test('a route on a Service replaces its own route, for all clients or for those of its namespace', () => {
  const ports = { spec: 'ports: [{ name: http, port: 80 }, { name: admin, port: 81 }]' }
  const plain = reconciled(service('cart', ports))
  assert.deepEqual([...plain.snapshot.routes.keys()].toSorted(), ['Service shop/cart:80', 'Service shop/cart:81'])
  assert.deepEqual(plain.snapshot.routes.get('Service shop/cart:80')?.rules[0]?.backends, [
    { weight: 1, target: { kind: 'backend', key: 'shop/cart:80' }, filters: [] },
  ])

  const producer = reconciled(service('cart', ports) + route(`${mesh}, ${toCart}`))
  assert.deepEqual([...producer.snapshot.routes.keys()], ['HTTPRoute shop/r'])
  assert.deepEqual(
    routeOf(producer).attachments,
    [80, 81].map(port => ({ virtualHost: `Service shop/cart:${port}`, hostnames: [], clientNamespace: undefined })),
  )

  const onePort = reconciled(service('cart', ports) + route(`${mesh.replace(' }]', ', port: 81 }]')}, ${toCart}`))
  assert.deepEqual([...onePort.snapshot.routes.keys()].toSorted(), ['HTTPRoute shop/r', 'Service shop/cart:80'])

  const byName = reconciled(
    service('cart', ports) + route(`${mesh.replace(' }]', ', sectionName: admin }]')}, ${toCart}`),
  )
  assert.deepEqual([...byName.snapshot.routes.keys()].toSorted(), ['HTTPRoute shop/r', 'Service shop/cart:80'])

  const toShop = 'rules: [{ backendRefs: [{ name: cart, namespace: shop, port: 80 }] }]'
  const consumer = reconciled(service('cart', ports) + route(`${mesh}, ${toShop}`, { namespace: 'client' }))
  assert.deepEqual([...consumer.snapshot.routes.keys()].toSorted(), [
    'HTTPRoute client/r',
    'Service shop/cart:80',
    'Service shop/cart:81',
  ])
  assert.deepEqual(
    routeOf(consumer, 'HTTPRoute client/r').attachments.map(one => one.clientNamespace),
    ['client', 'client'],
  )
  // Mesh routes need no grant for other namespaces.
  assert.deepEqual(parentsOf(consumer, 'HTTPRoute client/r'), { cart: fine })
})

test('hostnames of a mesh route are ignored', () => {
  const result = reconciled(service('cart') + route(`${mesh}, hostnames: [nothing.example], ${toCart}`))
  assert.deepEqual(routeOf(result).attachments[0]?.hostnames, [])
})

test('a Service without an address, the port or the protocol is no parent', () => {
  const rows: [string, string, RegExp | undefined][] = [
    ['clusterIP: None, ports: [{ port: 80 }]', '', /is headless/],
    ['type: ExternalName, externalName: example.com, ports: [{ port: 80 }]', '', /is of type ExternalName/],
    ['ports: [{ port: 80 }]', ', port: 81', /has no port 81, only 80/],
    ['ports: [{ port: 80, appProtocol: redis }]', '', /does not speak HTTP there \(80: appProtocol redis\)/],
    ['type: NodePort, ports: [{ port: 80 }]', '', undefined],
    ['type: LoadBalancer, ports: [{ port: 80 }]', '', undefined],
  ]
  for (const [spec, extra, problem] of rows) {
    const parent = mesh.replace(' }]', `${extra} }]`)
    const text = service('cart', { spec }) + service('b')
    const result = reconciled(text + route(`${parent}, rules: [{ backendRefs: [{ name: b, port: 80 }] }]`))
    const [conditions] = Object.values(parentsOf(result, 'HTTPRoute shop/r'))
    const accepted = problem === undefined ? 'True/Accepted' : 'False/NoMatchingParent'
    assert.equal(conditions, `Accepted=${accepted} ResolvedRefs=True/ResolvedRefs`, spec)
    if (problem !== undefined) assert.match(problemsOf(result).join('\n'), problem)
  }
})

test('a parent that does not exist gets no entry but a problem', () => {
  const result = reconciled(service('card') + service('cart', { namespace: 'depot' }) + route(`${mesh}, rules: [{}]`))
  assert.deepEqual(parentsOf(result, 'HTTPRoute shop/r'), {})
  assert.deepEqual(problemsOf(result), [
    'warning HTTPRoute shop/r: spec.parentRefs[0]: no Service shop/cart, did you mean shop/card?',
  ])
})

test('a regular expression that does not compile drops its match and closes the rest of its rule', () => {
  const broken = '{ path: { type: RegularExpression, value: "/a(" } }'
  const rows: { rules: string; conditions: string; left: [number, number, boolean][] }[] = [
    {
      rules: `{ matches: [${broken}] }, { matches: [{ path: { value: /b } }] }`,
      conditions: `${fine} PartiallyInvalid=True/UnsupportedValue`,
      left: [[1, 1, false]],
    },
    {
      rules: `{ matches: [${broken}, { path: { value: /c } }] }, { matches: [{ path: { value: /b } }] }`,
      conditions: `${fine} PartiallyInvalid=True/UnsupportedValue`,
      left: [
        [0, 1, true],
        [1, 1, false],
      ],
    },
    {
      rules: `{ matches: [{ headers: [{ type: RegularExpression, name: x, value: "(?!a)" }] }] }`,
      conditions: 'Accepted=False/UnsupportedValue ResolvedRefs=True/ResolvedRefs',
      left: [],
    },
    {
      rules: `{ matches: [{ queryParams: [{ type: RegularExpression, name: x, value: "*" }] }, { method: GET }] }`,
      conditions: 'Accepted=False/UnsupportedValue ResolvedRefs=True/ResolvedRefs',
      left: [[0, 1, true]],
    },
  ]
  for (const row of rows) {
    const result = reconciled(gateway + route(`${onGateway}, rules: [${row.rules}]`))
    assert.deepEqual(parentsOf(result, 'HTTPRoute shop/r'), { 'web/http': row.conditions }, row.rules)
    assert.deepEqual(
      routeOf(result).rules.map(rule => [rule.index, rule.matches.length, rule.failure !== undefined]),
      row.left,
      row.rules,
    )
    const isAccepted = row.conditions.startsWith(fine)
    assert.equal(statusOf(result, 'Gateway shop/web').listeners[0]?.attachedRoutes, isAccepted ? 1 : 0)
    const partial = statusOf(result, 'HTTPRoute shop/r').parents[0]?.conditions[2]
    if (isAccepted) assert.match(partial?.message ?? '', /^Dropped Rule: spec\.rules\[0\]\.matches\[0\]/)
    assert.match(problemsOf(result).join('\n'), /is not a regular expression|look-around/)
  }
})

test('a Service is not opened by a route whose every rule is refused', () => {
  const rules = 'rules: [{ filters: [{ type: ExtensionRef, extensionRef: { group: x.dev, kind: Auth, name: a } }] }]'
  const result = reconciled(service('cart') + route(`${mesh}, ${rules}`))
  assert.deepEqual([...result.snapshot.routes.keys()], ['HTTPRoute shop/r'])
  assert.equal(routeOf(result).rules[0]?.failure?.status, 500)
})

test('a filter that cannot be carried out fails its rule or its backend', () => {
  const extension = '{ type: ExtensionRef, extensionRef: { group: x.dev, kind: Auth, name: a } }'
  const external =
    '{ type: ExternalAuth, externalAuth: { protocol: HTTP, http: {}, backendRef: { name: cart, port: 80 } } }'
  const unknown = external.replace('name: cart', 'name: nobody')
  const rows: [string, string, boolean, boolean][] = [
    [`{ filters: [${extension}] }`, 'Accepted=True/Accepted ResolvedRefs=False/InvalidKind', true, false],
    [`{ filters: [${unknown}] }`, 'Accepted=True/Accepted ResolvedRefs=False/BackendNotFound', true, false],
    [
      `{ backendRefs: [{ name: cart, port: 80, filters: [${extension}] }] }`,
      'Accepted=True/Accepted ResolvedRefs=False/InvalidKind',
      false,
      true,
    ],
    [
      `{ backendRefs: [{ name: cart, port: 80, filters: [${external}] }] }`,
      `${fine} PartiallyInvalid=True/UnsupportedValue`,
      false,
      true,
    ],
  ]
  for (const [rules, conditions, ruleFails, backendFails] of rows) {
    const result = reconciled(gateway + service('cart') + route(`${onGateway}, rules: [${rules}]`))
    assert.deepEqual(parentsOf(result, 'HTTPRoute shop/r'), { 'web/http': conditions }, rules)
    const [rule] = routeOf(result).rules
    assert.equal(rule?.failure?.status, ruleFails ? 500 : undefined, rules)
    if (backendFails) assert.equal(rule?.backends[0]?.target.kind, 'invalid', rules)
  }
})

test('every standard filter reaches the model', () => {
  const rules = `rules: [{
    filters: [
      { type: RequestHeaderModifier, requestHeaderModifier: { set: [{ name: A, value: a }], add: [{ name: B, value: b }], remove: [X-Old] } },
      { type: ResponseHeaderModifier, responseHeaderModifier: { remove: [Server] } },
      { type: URLRewrite, urlRewrite: { hostname: inner.example, path: { type: ReplacePrefixMatch, replacePrefixMatch: /x } } },
      { type: RequestMirror, requestMirror: { backendRef: { name: cart, port: 80 }, fraction: { numerator: 1, denominator: 4 } } },
      { type: RequestMirror, requestMirror: { backendRef: { name: cart, port: 80 }, percent: 10 } },
      { type: RequestMirror, requestMirror: { backendRef: { name: cart, port: 80 } } },
      { type: CORS, cors: { allowOrigins: ["https://a.example"], allowCredentials: true } } ],
    matches: [{ path: { value: /foo } }],
    backendRefs: [{ name: cart, port: 80, filters: [{ type: RequestHeaderModifier, requestHeaderModifier: { remove: [Y] } }] }]
  }]`
  const result = reconciled(gateway + service('cart') + route(`${onGateway}, ${rules}`))
  assert.deepEqual(
    problemsOf(result).filter(problem => problem.includes('HTTPRoute')),
    [],
  )
  const target = { kind: 'backend', key: 'shop/cart:80' }
  assert.deepEqual(routeOf(result).rules[0]?.filters, [
    {
      kind: 'request-headers',
      set: [{ name: 'A', value: 'a' }],
      add: [{ name: 'B', value: 'b' }],
      remove: ['x-old'],
    },
    { kind: 'response-headers', set: [], add: [], remove: ['server'] },
    { kind: 'rewrite', hostname: 'inner.example', path: { kind: 'prefix', value: '/x' } },
    { kind: 'mirror', target, fraction: 0.25 },
    { kind: 'mirror', target, fraction: 0.1 },
    { kind: 'mirror', target, fraction: 1 },
    {
      kind: 'cors',
      allowOrigins: ['https://a.example'],
      allowCredentials: true,
      allowMethods: [],
      allowHeaders: [],
      exposeHeaders: [],
      maxAgeSeconds: 5,
    },
  ])
  assert.deepEqual(routeOf(result).rules[0]?.backends[0]?.filters, [
    { kind: 'request-headers', set: [], add: [], remove: ['y'] },
  ])
})

test('a redirect reaches the model', () => {
  const redirect = '{ scheme: https, port: 8443, path: { type: ReplaceFullPath, replaceFullPath: /new } }'
  const rules = `rules: [{ filters: [{ type: RequestRedirect, requestRedirect: ${redirect} }] }]`
  const result = reconciled(gateway + route(`${onGateway}, ${rules}`))
  assert.deepEqual(routeOf(result).rules[0]?.filters, [
    {
      kind: 'redirect',
      scheme: 'https',
      hostname: undefined,
      path: { kind: 'full', value: '/new' },
      port: 8443,
      status: 302,
    },
  ])
})

test('a mirror whose Service is missing is left out and told', () => {
  const rules =
    'rules: [{ filters: [{ type: RequestMirror, requestMirror: { backendRef: { name: gone, port: 80 } } }] }]'
  const result = reconciled(gateway + route(`${onGateway}, ${rules}`))
  assert.deepEqual(routeOf(result).rules[0]?.filters, [])
  assert.equal(routeOf(result).rules[0]?.failure, undefined)
  assert.deepEqual(parentsOf(result, 'HTTPRoute shop/r'), {
    'web/http': 'Accepted=True/Accepted ResolvedRefs=False/BackendNotFound',
  })
})

test('matches, timeouts, retry and session reach the model', () => {
  const rules = `rules: [
    { name: first,
      matches: [
        { path: { type: Exact, value: /a }, method: POST, headers: [{ name: X-A, value: "1" }, { name: x-b, value: "2", type: RegularExpression }] },
        { path: { value: /b/ }, queryParams: [{ name: Q, value: v }] },
        { path: { value: / } } ],
      timeouts: { request: 1m500ms, backendRequest: 5s },
      retry: { codes: [500, 503], attempts: 3, backoff: 100ms },
      sessionPersistence: { sessionName: sid, absoluteTimeout: 1h, cookieConfig: { lifetimeType: Permanent } } },
    { retry: {}, sessionPersistence: { type: Header } } ]`
  const result = reconciled(gateway + route(`${onGateway}, ${rules}`))
  const [first, second] = routeOf(result).rules
  assert.deepEqual(first?.matches, [
    {
      path: { kind: 'exact', value: '/a' },
      method: 'POST',
      headers: [
        { kind: 'exact', name: 'x-a', value: '1' },
        { kind: 'regex', name: 'x-b', value: '2' },
      ],
      query: [],
    },
    {
      path: { kind: 'prefix', value: '/b' },
      method: undefined,
      headers: [],
      query: [{ kind: 'exact', name: 'Q', value: 'v' }],
    },
    { path: { kind: 'prefix', value: '' }, method: undefined, headers: [], query: [] },
  ])
  assert.equal(first?.name, 'first')
  assert.equal(first?.requestTimeoutMs, 60_500)
  assert.equal(first?.backendRequestTimeoutMs, 5_000)
  assert.deepEqual(first?.retry, { attempts: 3, codes: [500, 503], grpcCodes: [], backoffMs: 100 })
  assert.deepEqual(first?.session, {
    kind: 'cookie',
    name: 'sid',
    absoluteTimeoutMs: 3_600_000,
    idleTimeoutMs: 0,
    permanent: true,
  })
  assert.deepEqual(second?.retry, { attempts: 1, codes: [], grpcCodes: [], backoffMs: 25 })
  assert.equal(second?.session?.kind, 'header')
  assert.match(second?.session?.name ?? '', /^x-heddle-session-[0-9a-f]{8}$/)
})
