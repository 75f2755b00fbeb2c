import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { RouteTable } from '../../src/proxy/routing/index.ts'
import { parentsOf, reconciled } from '../../src/sources/reconcile/testing.ts'

// What a gRPC request matches, from the files to the decision of the router. The
// names in capitals are those of the Gateway API's conformance suite, v1.6.

const listeners = (list: string): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: web, namespace: infra }
spec: { gatewayClassName: heddle, listeners: [${list}] }
---
`
const anyHost = listeners('{ name: http, port: 80, protocol: HTTP }')

const services = ['v1', 'v2', 'v3']
  .map(
    name => `
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: infra }
spec: { ports: [{ port: 8080, appProtocol: kubernetes.io/h2c }] }
---
`,
  )
  .join('')

interface Sketch {
  readonly name?: string
  readonly namespace?: string
  readonly parents?: string
  readonly hostnames?: string
  readonly created?: string
  readonly rules: readonly string[]
}

function route(sketch: Sketch): string {
  const { name = 'r', namespace = 'infra', parents = '{ name: web }', hostnames = '', created, rules } = sketch
  const age = created === undefined ? '' : `, creationTimestamp: "${created}"`
  return `
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: { name: ${name}, namespace: ${namespace}${age} }
spec: { parentRefs: [${parents}], hostnames: [${hostnames}], rules: [${rules.join(', ')}] }
---
`
}

const rule = (matches: string, service: string): string =>
  `{ matches: [${matches}], backendRefs: [{ name: ${service}, port: 8080 }] }`
const method = (service: string, name?: string): string =>
  `{ method: { service: ${service}${name === undefined ? '' : `, method: ${name}`} } }`
const headers = (...pairs: readonly string[]): string =>
  `{ headers: [${pairs.map(pair => `{ name: ${pair.split('=')[0]}, value: ${pair.split('=')[1]} }`).join(', ')}] }`

interface Ask {
  /** @default '/a.Echo/Echo' */
  readonly path?: string
  readonly host?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** The Service a request goes to; undefined where nothing matches, which gRPC hears as UNIMPLEMENTED. */
function router(...texts: readonly string[]): (ask: Ask) => string | undefined {
  const { snapshot } = reconciled(services + texts.join(''))
  const empty: RouteTable<string> = RouteTable.empty
  const table = empty.update(snapshot, (_, { backends: [backend] }) =>
    backend?.target.kind === 'backend' ? backend.target.key : 'none',
  )
  return ({ path = '/a.Echo/Echo', host = 'example.com', headers: given = {} }) => {
    const request = { method: 'POST', host, path, query: '', header: (name: string) => given[name] }
    return table
      .virtualHost('127.0.0.1:80', host)
      ?.match(request, undefined)
      ?.target.slice('infra/'.length, -':8080'.length)
  }
}

describe('GRPCExactMethodMatching', () => {
  const ask = router(
    anyHost,
    route({ rules: [rule(method('a.Echo', 'Echo'), 'v1'), rule(method('a.Echo', 'EchoTwo'), 'v2')] }),
  )
  for (const [path, service] of [
    ['/a.Echo/Echo', 'v1'],
    ['/a.Echo/EchoTwo', 'v2'],
    ['/a.Echo/EchoThree', undefined],
    ['/a.Echo/echo', undefined],
    ['/A.Echo/Echo', undefined],
    ['/a.Echo/Echo/', undefined],
    ['/a.Echo', undefined],
  ] as const) {
    it(`${path} goes to ${service}`, () => assert.equal(ask({ path }), service))
  }
})

describe('GRPCRouteHeaderMatching', () => {
  const ask = router(
    anyHost,
    route({
      rules: [
        rule(headers('version=one'), 'v1'),
        rule(headers('version=two'), 'v2'),
        rule(headers('version=two', 'color=orange'), 'v1'),
        rule(`${headers('color=blue')}, ${headers('color=green')}`, 'v1'),
        rule(`${headers('color=red')}, ${headers('color=yellow')}`, 'v2'),
      ],
    }),
  )
  const rows: readonly (readonly [Record<string, string>, string | undefined])[] = [
    [{ version: 'one' }, 'v1'],
    [{ version: 'two' }, 'v2'],
    [{ version: 'two', color: 'orange' }, 'v1'],
    [{ version: 'two', color: 'blue' }, 'v2'],
    [{ color: 'orange' }, undefined],
    [{ 'some-other-header': 'one' }, undefined],
    [{ color: 'blue' }, 'v1'],
    [{ color: 'green' }, 'v1'],
    [{ color: 'red' }, 'v2'],
    [{ color: 'yellow' }, 'v2'],
    [{ color: 'purple' }, undefined],
  ]
  for (const [given, service] of rows) {
    it(`${JSON.stringify(given)} goes to ${service}`, () => assert.equal(ask({ headers: given }), service))
  }
})

describe('GRPCRouteListenerHostnameMatching', () => {
  const listener = (name: string, hostname: string): string =>
    `{ name: ${name}, port: 80, protocol: HTTP, hostname: "${hostname}" }`
  const texts = [
    listeners(
      [
        listener('listener-1', 'bar.com'),
        listener('listener-2', 'foo.bar.com'),
        listener('listener-3', '*.bar.com'),
        listener('listener-4', '*.foo.com'),
      ].join(', '),
    ),
    route({ name: 'r1', parents: '{ name: web, sectionName: listener-1 }', rules: [rule('', 'v1')] }),
    route({ name: 'r2', parents: '{ name: web, sectionName: listener-2 }', rules: [rule('', 'v2')] }),
    route({
      name: 'r3',
      parents: '{ name: web, sectionName: listener-3 }, { name: web, sectionName: listener-4 }',
      rules: [rule('', 'v3')],
    }),
  ]
  const ask = router(...texts)
  for (const [host, service] of [
    ['bar.com', 'v1'],
    ['foo.bar.com', 'v2'],
    ['baz.bar.com', 'v3'],
    ['boo.bar.com', 'v3'],
    ['multiple.prefixes.bar.com', 'v3'],
    ['multiple.prefixes.foo.com', 'v3'],
    ['foo.com', undefined],
    ['no.matching.host', undefined],
  ] as const) {
    it(`${host} goes to ${service}`, () => assert.equal(ask({ host }), service))
  }

  it('each parent has an entry in the status', () => {
    const fine = 'Accepted=True/Accepted ResolvedRefs=True/ResolvedRefs'
    assert.deepEqual(parentsOf(reconciled(services + texts.join('')), 'GRPCRoute infra/r3'), {
      'web/listener-3': fine,
      'web/listener-4': fine,
    })
  })
})

describe('precedence of GRPCRoutes', () => {
  const regex = (service: string, name?: string): string =>
    `{ method: { type: RegularExpression, service: "${service}"${name === undefined ? '' : `, method: "${name}"`} } }`
  const anyService = (name: string): string => `{ method: { method: ${name} } }`
  /** The first match goes before the second, in whichever order they stand. */
  const rows: readonly (readonly [string, first: string, second: string, Ask])[] = [
    ['service and method before service', method('a.Echo', 'Echo'), method('a.Echo'), {}],
    ['service and method before method', method('a.Echo', 'Echo'), anyService('Echo'), {}],
    [
      'service before method, however long the method',
      method('a.B'),
      anyService('AVeryLongMethodName'),
      { path: '/a.B/AVeryLongMethodName' },
    ],
    ['method before everything', anyService('Echo'), '{}', {}],
    ['service before everything', method('a.Echo'), '{}', {}],
    [
      'more headers of equal methods',
      `{ method: { service: a.Echo }, headers: [{ name: a, value: b }] }`,
      method('a.Echo'),
      { headers: { a: 'b' } },
    ],
    ['a service before headers', method('a.Echo'), headers('a=b', 'c=d'), { headers: { a: 'b', c: 'd' } }],
    [
      'an exact method before expressions',
      method('a.Echo', 'Echo'),
      regex('a.EchoEchoEcho|a.Echo', 'Echo|EchoEcho'),
      {},
    ],
    ['the longer expression of a service', regex('a.Ech[o]'), regex('a..*', 'EchoEcho|Echo'), {}],
    ['of equal services the longer expression of a method', regex('a..*', 'Ech[o]'), regex('a..*', 'E.*'), {}],
  ]
  for (const [what, first, second, ask] of rows) {
    it(what, () => {
      assert.equal(router(anyHost, route({ rules: [rule(first, 'v1'), rule(second, 'v2')] }))(ask), 'v1')
      assert.equal(router(anyHost, route({ rules: [rule(second, 'v2'), rule(first, 'v1')] }))(ask), 'v1')
      const split = [
        route({ name: 'a', rules: [rule(second, 'v2')] }),
        route({ name: 'b', rules: [rule(first, 'v1')] }),
      ]
      assert.equal(router(anyHost, ...split)(ask), 'v1')
    })
  }

  it('of equal matches the older route wins, then the name, then the first rule', () => {
    const same = (service: string): string => rule(method('a.Echo'), service)
    const a = route({ name: 'a', created: '2026-02-01T00:00:00Z', rules: [same('v1')] })
    const b = route({ name: 'b', created: '2026-01-01T00:00:00Z', rules: [same('v2'), same('v3')] })
    const c = route({ name: 'c', created: '2026-01-01T00:00:00Z', rules: [same('v3')] })
    assert.equal(router(anyHost, a)({}), 'v1')
    assert.equal(router(anyHost, a, b)({}), 'v2')
    assert.equal(router(anyHost, a, c)({}), 'v3')
    assert.equal(router(anyHost, a, c, b)({}), 'v2')
  })

  it('a longer hostname goes before a longer service', () => {
    const ask = router(
      anyHost,
      route({ name: 'a', rules: [rule(method('a.Echo', 'Echo'), 'v1')] }),
      route({ name: 'b', hostnames: '"*.com"', rules: [rule('', 'v2')] }),
      route({ name: 'c', hostnames: 'example.com', rules: [rule(headers('x=y'), 'v3')] }),
    )
    assert.equal(ask({ headers: { x: 'y' } }), 'v3')
    assert.equal(ask({}), 'v2')
    assert.equal(ask({ host: 'example.org' }), 'v1')
  })

  it('expressions match whole names', () => {
    const ask = router(
      anyHost,
      route({ rules: [rule(regex('a.Ech', 'Ec'), 'v1'), rule(regex('(a|b).Echo', 'E.ho'), 'v2')] }),
    )
    assert.equal(ask({ path: '/a.Echo/Echo' }), 'v2')
    assert.equal(ask({ path: '/b.Echo/Exho' }), 'v2')
    assert.equal(ask({ path: '/a.Ech/Ec' }), 'v1')
    assert.equal(ask({ path: '/xa.Ech/Ec' }), undefined)
    assert.equal(ask({ path: '/a.Echo/EchoX' }), undefined)
  })

  it('one service among many is found with its own rule', () => {
    const rules = Array.from({ length: 16 }, (_, at) => rule(method(`shop.S${at}`), at === 9 ? 'v2' : 'v1'))
    const ask = router(anyHost, route({ rules }), route({ name: 'z', rules: [rule(anyService('Any'), 'v3')] }))
    assert.equal(ask({ path: '/shop.S9/Get' }), 'v2')
    assert.equal(ask({ path: '/shop.S10/Any' }), 'v1')
    assert.equal(ask({ path: '/shopXS9/Get' }), undefined)
    assert.equal(ask({ path: '/other.Service/Any' }), 'v3')
  })
})
