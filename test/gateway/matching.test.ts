import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { gateway, GatewayBed, namespace, route, wellGateway, wellListener, wellParent } from '../support/gateway.ts'
import type { Ask, Expected, RouteSketch } from '../support/gateway.ts'
import { freePort } from '../support/proxy.ts'

// Tests of the Gateway API's conformance suite, v1.6, by their names there: what a request matches.

/** A Gateway `infra/web` with one listener `http` and three Services. */
async function openWeb(): Promise<{ bed: GatewayBed; port: number; to: (service: string) => string }> {
  const bed = await GatewayBed.open('infra/v1', 'infra/v2', 'infra/v3')
  const port = await freePort()
  await bed.put('gateway', gateway('infra/web', [`{name: http, port: ${port}, protocol: HTTP}`]))
  return { bed, port, to: service => `backendRefs: [{name: ${service}, port: ${bed.servicePort}}]` }
}

type To = (service: string) => string

interface MatchingCase {
  readonly test: string
  readonly routes: (to: To) => Readonly<Record<string, Omit<RouteSketch, 'parents'>>>
  readonly rows: readonly (readonly [Ask, Expected])[]
}

const exact = (value: string): string => `path: {type: Exact, value: ${value}}`
const prefix = (value: string): string => `path: {type: PathPrefix, value: ${value}}`
const header = (name: string, value: string): string => `{name: ${name}, value: ${value}}`
const at = (where: string, headers: Record<string, string>): Ask => ({ at: where, headers })
const [v1, v2, v3] = ['infra/v1', 'infra/v2', 'infra/v3'] as const

const cases: readonly MatchingCase[] = [
  {
    test: 'HTTPRouteSimpleSameNamespace',
    routes: to => ({ simple: { rules: [to('v1')] } }),
    rows: [
      ['/', { by: v1, path: '/', host: 'example.net', method: 'GET' }],
      ['POST any.example/a/b?c=d', { by: v1, path: '/a/b?c=d', host: 'any.example', method: 'POST' }],
    ],
  },
  {
    test: 'HTTPRouteExactPathMatching',
    routes: to => ({
      exact: {
        rules: [`matches: [{${exact('/one')}}], ${to('v1')}`, `matches: [{${exact('/two')}}], ${to('v2')}`],
      },
    }),
    rows: [
      ['/one', v1],
      ['/one?two', v1],
      ['/two', v2],
      ['/', 404],
      ['/one/', 404],
      ['/one/example', 404],
      ['/two/', 404],
      ['/Two', 404],
      ['/oneone', 404],
    ],
  },
  {
    test: 'HTTPRouteHeaderMatching',
    routes: to => ({
      headers: {
        rules: [
          `matches: [{headers: [${header('version', 'one')}]}, {headers: [${header('Color', 'orange')}]}], ${to('v1')}`,
          `matches: [{headers: [${header('version', 'two')}]}, {headers: [${header('Version', 'two')}, ${header('color', 'blue')}]}, {headers: [${header('color', 'blue')}]}], ${to('v1')}`,
          `matches: [{headers: [${header('color', 'red')}, ${header('version', 'three')}]}, {headers: [${header('color', 'green')}]}], ${to('v2')}`,
          `matches: [{headers: [{type: RegularExpression, name: color, value: 'pu[a-z]+e'}]}], ${to('v3')}`,
        ],
      },
    }),
    rows: [
      [at('/', { version: 'one' }), v1],
      [at('/', { VERSION: 'one' }), v1],
      [at('/', { color: 'orange' }), v1],
      [at('/', { version: 'two' }), v1],
      [at('/', { version: 'two', color: 'orange' }), v1],
      [at('/', { color: 'blue' }), v1],
      [at('/', { color: 'red', version: 'three' }), v2],
      [at('/', { color: 'green' }), v2],
      [at('/', { color: 'purple' }), v3],
      [at('/', { color: 'red' }), 404],
      [at('/', { version: 'orange' }), 404],
      [at('/', { version: 'ONE' }), 404],
      [at('/', { color: 'purplest' }), 404],
      [at('/', { color: '' }), 404],
      ['/', 404],
    ],
  },
  {
    test: 'HTTPRouteMethodMatching',
    routes: to => ({
      methods: {
        rules: [
          `matches: [{method: POST}], ${to('v1')}`,
          `matches: [{method: GET}], ${to('v2')}`,
          `matches: [{${prefix('/path1')}, method: GET}], ${to('v1')}`,
          `matches: [{headers: [${header('version', 'one')}], method: PUT}], ${to('v2')}`,
          `matches: [{${prefix('/path2')}, headers: [${header('version', 'two')}], method: POST}], ${to('v3')}`,
          `matches: [{${prefix('/path3')}, method: PATCH}, {${prefix('/path4')}, headers: [${header('version', 'three')}], method: DELETE}], ${to('v1')}`,
          `matches: [{${prefix('/path5')}}], ${to('v1')}`,
          `matches: [{method: PATCH}], ${to('v2')}`,
          `matches: [{headers: [${header('version', 'four')}]}], ${to('v3')}`,
        ],
      },
    }),
    rows: [
      ['POST /', v1],
      ['GET /', v2],
      ['HEAD /', 404],
      ['GET /path1', v1],
      [at('PUT /', { version: 'one' }), v2],
      [at('POST /path2', { version: 'two' }), v3],
      ['PATCH /path3', v1],
      [at('DELETE /path4', { version: 'three' }), v1],
      // Precedence: the longer path, then the method, then headers.
      ['PATCH /path5', v1],
      [at('PATCH /', { version: 'four' }), v2],
      [at('OPTIONS /', { version: 'four' }), v3],
      ['PUT /', 404],
      ['DELETE /path4', 404],
    ],
  },
  {
    test: 'HTTPRouteQueryParamMatching',
    routes: to => ({
      queries: {
        rules: [
          `matches: [{queryParams: [${header('animal', 'whale')}]}], ${to('v1')}`,
          `matches: [{queryParams: [${header('animal', 'dolphin')}]}], ${to('v2')}`,
          `matches: [{queryParams: [${header('animal', 'dolphin')}, ${header('color', 'blue')}]}, {queryParams: [${header('ANIMAL', 'Whale')}]}], ${to('v3')}`,
          `matches: [{${prefix('/path1')}, queryParams: [${header('animal', 'whale')}]}], ${to('v1')}`,
          `matches: [{headers: [${header('version', 'one')}], queryParams: [${header('animal', 'whale')}]}], ${to('v2')}`,
          `matches: [{${prefix('/path3')}, queryParams: [${header('animal', 'shark')}]}, {${prefix('/path4')}, headers: [${header('version', 'three')}], queryParams: [${header('animal', 'kraken')}]}], ${to('v1')}`,
          `matches: [{${prefix('/path5')}}], ${to('v1')}`,
          `matches: [{queryParams: [${header('animal', 'hydra')}]}], ${to('v3')}`,
        ],
      },
    }),
    rows: [
      ['/?animal=whale', v1],
      ['/?animal=dolphin', v2],
      ['/?animal=whale&otherparam=irrelevant', v1],
      ['/?animal=dolphin&color=yellow', v2],
      ['/?animal=dolphin&color=blue', v3],
      ['/?color=blue&animal=dolphin', v3],
      ['/?ANIMAL=Whale', v3],
      ['/?Animal=whale', 404],
      ['/?animal=Whale', 404],
      ['/?animal=whale&animal=dolphin', v1],
      ['/?animal=dolphin&animal=whale', v2],
      ['/?color=blue', 404],
      ['/?animal=dog', 404],
      ['/?animal=whaledolphin', 404],
      ['/', 404],
      ['/path1?animal=whale', v1],
      [at('/?animal=whale', { version: 'one' }), v2],
      ['/path3?animal=shark', v1],
      [at('/path4?animal=kraken', { version: 'three' }), v1],
      ['/?animal=shark', 404],
      ['/path4?animal=kraken', 404],
      ['/path5?animal=hydra', v1],
      ['/?animal=hydra', v3],
    ],
  },
  {
    test: 'HTTPRouteMatching',
    routes: to => ({
      matching: {
        rules: [
          `matches: [{${prefix('/')}}, {headers: [${header('version', 'one')}]}], ${to('v1')}`,
          `matches: [{${prefix('/v2')}}, {headers: [${header('version', 'two')}]}], ${to('v2')}`,
          `matches: [{${prefix('/v2/')}, headers: [${header('version', 'both')}]}], ${to('v3')}`,
        ],
      },
    }),
    rows: [
      ['/', v1],
      ['/example', v1],
      [at('/', { version: 'one' }), v1],
      ['/v2', v2],
      ['/v2/example', v2],
      ['/v2/', v2],
      [at('/', { version: 'two' }), v2],
      [at('/v2', { version: 'one' }), v2],
      [at('/v2', { version: 'both' }), v3],
      ['/v2example', v1],
      ['/foo/v2/example', v1],
      ['/V2', v1],
    ],
  },
  {
    test: 'HTTPRoutePathMatchOrder',
    routes: to => ({
      // Written the wrong way round on purpose.
      order: {
        rules: [
          `matches: [{${prefix('/match')}}], ${to('v2')}`,
          `matches: [{${prefix('/match/prefix')}}], ${to('v1')}`,
          `matches: [{${prefix('/match/prefix/one')}}], ${to('v2')}`,
          `matches: [{${prefix('/match/prefix/one/any')}}], ${to('v3')}`,
          `matches: [{${exact('/match/exact')}}], ${to('v1')}`,
          `matches: [{${exact('/match/exact/one')}}], ${to('v3')}`,
          `matches: [{${exact('/match/prefix/one/any/time')}}], ${to('v2')}`,
          `matches: [{${exact('/match')}}], ${to('v3')}`,
        ],
      },
    }),
    rows: [
      ['/match/exact/one', v3],
      ['/match/exact', v1],
      ['/match', v3],
      ['/match/', v2],
      ['/match/prefix/one/any', v3],
      ['/match/prefix/one/any/time', v2],
      ['/match/prefix/one/any/time/else', v3],
      ['/match/prefix/any', v1],
      ['/match/any', v2],
      ['/matching', 404],
    ],
  },
  {
    test: 'HTTPRouteMatchingAcrossRoutes',
    routes: to => ({
      'part-one': {
        hostnames: ['example.com', 'example.net'],
        rules: [`matches: [{${prefix('/')}}, {headers: [${header('version', 'one')}]}], ${to('v1')}`],
      },
      'part-two': {
        hostnames: ['example.com'],
        rules: [`matches: [{${prefix('/v2')}}, {headers: [${header('version', 'two')}]}], ${to('v2')}`],
      },
    }),
    rows: [
      ['example.com/', v1],
      ['example.com/example', v1],
      ['example.net/example', v1],
      [at('example.com/example', { version: 'one' }), v1],
      ['example.com/v2', v2],
      ['example.com/v2/', v2],
      ['example.com/v2/example', v2],
      [at('example.com/', { version: 'two' }), v2],
      // Only the first route has this host.
      ['example.net/v2', v1],
      [at('example.net/', { version: 'two' }), v1],
      ['example.com/v2example', v1],
      ['example.com/foo/v2/example', v1],
      ['example.org/', 404],
    ],
  },
]

for (const { test, routes, rows } of cases) {
  describe(test, () => {
    it('answers each request from the right endpoint', async () => {
      const { bed, port, to } = await openWeb()
      await using _ = bed
      const sketches = Object.entries(routes(to))
      await bed.put(
        'routes',
        ...sketches.map(([name, sketch]) => route(`infra/${name}`, { parents: 'web', ...sketch })),
      )
      assert.equal(bed.conditions('Gateway infra/web'), wellGateway)
      assert.deepEqual(bed.listeners('infra/web'), {
        http: `${wellListener} routes=${sketches.length} kinds=HTTPRoute`,
      })
      for (const [name] of sketches) assert.deepEqual(bed.parents(`infra/${name}`), { 'infra/web': wellParent })
      await bed.expect(port, rows)
    })
  })
}

describe('HTTPRouteMatchingAcrossRoutes', () => {
  it('of equal matches the older route wins, then the name, then the first rule', async () => {
    const { bed, port, to } = await openWeb()
    await using _ = bed
    const equal = (service: string): string => `matches: [{${prefix('/same')}}], ${to(service)}`
    await bed.put(
      'b',
      route('infra/b', { parents: 'web', created: '2026-02-01T00:00:00Z', rules: [equal('v2'), equal('v3')] }),
    )
    await bed.expect(port, [['/same', v2]])
    await bed.put('c', route('infra/c', { parents: 'web', created: '2026-01-01T00:00:00Z', rules: [equal('v3')] }))
    await bed.expect(port, [['/same', v3]])
    await bed.put('a', route('infra/a', { parents: 'web', created: '2026-01-01T00:00:00Z', rules: [equal('v1')] }))
    await bed.expect(port, [['/same', v1]])
    await bed.remove('a')
    await bed.expect(port, [['/same', v3]])
  })
})

describe('HTTPRouteMultipleGateways', () => {
  it('one route serves all its Gateways and has a status for each', async () => {
    await using bed = await GatewayBed.open('infra/v1', 'infra/v2')
    const [one, two] = [await freePort(), await freePort()]
    const to = (service: string): string => `backendRefs: [{name: ${service}, port: ${bed.servicePort}}]`
    await bed.put(
      'gateways',
      gateway('infra/one', [`{name: http, port: ${one}, protocol: HTTP}`]),
      gateway('infra/two', [`{name: http, port: ${two}, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}`]),
    )
    await bed.put(
      'routes',
      route('infra/both', {
        parents: '{name: one}, {name: two}',
        rules: [`matches: [{${prefix('/both')}}], ${to('v1')}`],
      }),
      route('infra/only', { parents: 'two', rules: [`matches: [{${prefix('/only')}}], ${to('v2')}`] }),
    )
    assert.deepEqual(bed.parents('infra/both'), { 'infra/one': wellParent, 'infra/two': wellParent })
    assert.deepEqual(bed.parents('infra/only'), { 'infra/two': wellParent })
    await bed.expect(one, [
      ['/both', v1],
      ['/only', 404],
    ])
    await bed.expect(two, [
      ['/both', v1],
      ['/only', v2],
    ])
    await bed.put('gateways', gateway('infra/two', [`{name: http, port: ${two}, protocol: HTTP}`]))
    assert.deepEqual(bed.parents('infra/both'), { 'infra/two': wellParent })
    await bed.expect(two, [['/both', v1]])
  })
})

describe('HTTPRouteHostnameIntersection', () => {
  it('a route has the hosts that it shares with the listener, and no others', async () => {
    await using bed = await GatewayBed.open('infra/v1', 'infra/v2', 'infra/v3')
    const port = await freePort()
    const to = (service: string): string => `backendRefs: [{name: ${service}, port: ${bed.servicePort}}]`
    const on = (section: string): string => `{name: web, sectionName: ${section}}`
    await bed.put(
      'gateway',
      gateway('infra/web', [
        `{name: exact, port: ${port}, protocol: HTTP, hostname: very.specific.com}`,
        `{name: wildcard, port: ${port}, protocol: HTTP, hostname: '*.wildcard.io'}`,
        `{name: other, port: ${port}, protocol: HTTP, hostname: '*.anotherwildcard.io'}`,
        `{name: single, port: ${port}, protocol: HTTP, hostname: one.single.com}`,
      ]),
    )
    await bed.put(
      'routes',
      route('infra/specific-to-specific', {
        parents: on('exact'),
        hostnames: ['non.matching.com', '*.nonmatchingwildcard.io', 'very.specific.com'],
        rules: [`matches: [{${prefix('/s1')}}], ${to('v1')}`],
      }),
      route('infra/wildcard-to-specific', {
        parents: on('exact'),
        hostnames: ['*.specific.com', 'non.matching.com'],
        rules: [`matches: [{${prefix('/s3')}}], ${to('v3')}`],
      }),
      route('infra/specific-to-wildcard', {
        parents: on('wildcard'),
        hostnames: ['foo.wildcard.io', 'foo.bar.wildcard.io', 'wildcard.io', 'non.matching.com'],
        rules: [`matches: [{${prefix('/s2')}}], ${to('v2')}`],
      }),
      route('infra/wildcard-to-wildcard', {
        parents: on('other'),
        hostnames: ['*.anotherwildcard.io', '*.deep.wildcard.io'],
        rules: [`matches: [{${prefix('/s4')}}], ${to('v1')}`],
      }),
      route('infra/none', {
        parents: on('single'),
        hostnames: ['two.single.com', '*.other.com', 'single.com'],
        rules: [`matches: [{${prefix('/s5')}}], ${to('v2')}`],
      }),
    )
    assert.equal(bed.conditions('Gateway infra/web'), wellGateway)
    const attached = (routes: number): string => `${wellListener} routes=${routes} kinds=HTTPRoute`
    assert.deepEqual(bed.listeners('infra/web'), {
      exact: attached(2),
      wildcard: attached(1),
      other: attached(1),
      single: attached(0),
    })
    for (const [name, section] of [
      ['specific-to-specific', 'exact'],
      ['wildcard-to-specific', 'exact'],
      ['specific-to-wildcard', 'wildcard'],
      ['wildcard-to-wildcard', 'other'],
    ]) {
      assert.deepEqual(bed.parents(`infra/${name}`), { [`infra/web/${section}`]: wellParent })
    }
    assert.deepEqual(bed.parents('infra/none'), {
      'infra/web/single': 'Accepted=False/NoMatchingListenerHostname ResolvedRefs=True/ResolvedRefs',
    })
    await bed.expect(port, [
      ['very.specific.com/s1', v1],
      ['very.specific.com:1234/s1', { by: v1, host: 'very.specific.com:1234' }],
      ['VERY.specific.COM/s1', v1],
      ['non.matching.com/s1', 404],
      ['foo.nonmatchingwildcard.io/s1', 404],
      ['foo.wildcard.io/s1', 404],
      ['very.specific.com/non-matching-prefix', 404],
      ['very.specific.com/s3', v3],
      ['non.matching.com/s3', 404],
      ['foo.specific.com/s3', 404],
      ['foo.wildcard.io/s2', v2],
      ['foo.bar.wildcard.io/s2', v2],
      ['bar.wildcard.io/s2', 404],
      ['wildcard.io/s2', 404],
      ['non.matching.com/s2', 404],
      ['one.anotherwildcard.io/s4', v1],
      ['one.two.three.anotherwildcard.io/s4', v1],
      ['anotherwildcard.io/s4', 404],
      ['foo.deep.wildcard.io/s4', 404],
      ['one.single.com/s5', 404],
      ['two.single.com/s5', 404],
    ])
  })
})

describe('HTTPRouteListenerHostnameMatching', () => {
  it('each listener of a port answers for its own hosts', async () => {
    await using bed = await GatewayBed.open('infra/v1', 'infra/v2', 'infra/v3')
    const port = await freePort()
    const to = (service: string): string => `backendRefs: [{name: ${service}, port: ${bed.servicePort}}]`
    await bed.put(
      'gateway',
      gateway('infra/web', [
        `{name: one, port: ${port}, protocol: HTTP, hostname: bar.com}`,
        `{name: two, port: ${port}, protocol: HTTP, hostname: foo.bar.com}`,
        `{name: three, port: ${port}, protocol: HTTP, hostname: '*.bar.com'}`,
        `{name: four, port: ${port}, protocol: HTTP, hostname: '*.foo.com'}`,
      ]),
    )
    await bed.put(
      'routes',
      route('infra/a', { parents: '{name: web, sectionName: one}', rules: [to('v1')] }),
      route('infra/b', { parents: '{name: web, sectionName: two}', rules: [to('v2')] }),
      route('infra/c', {
        parents: '{name: web, sectionName: three}, {name: web, sectionName: four}',
        rules: [to('v3')],
      }),
    )
    assert.deepEqual(bed.parents('infra/c'), { 'infra/web/three': wellParent, 'infra/web/four': wellParent })
    await bed.expect(port, [
      ['bar.com/', v1],
      ['foo.bar.com/', v2],
      ['baz.bar.com/', v3],
      ['boo.bar.com/', v3],
      ['multiple.prefixes.bar.com/', v3],
      ['multiple.prefixes.foo.com/', v3],
      ['foo.com/', 404],
      ['no.matching.host/', 404],
    ])
  })
})

describe('GatewayHTTPListenerIsolation', () => {
  const listeners = { any: undefined, wide: '*.example.com', narrow: '*.foo.example.com', exact: 'abc.foo.example.com' }

  for (const intersects of [false, true]) {
    it(`only routes of the best listener count, ${intersects ? 'whatever hostnames routes have' : 'routes without hostnames'}`, async () => {
      await using bed = await GatewayBed.open('infra/v1')
      const port = await freePort()
      const to = `backendRefs: [{name: v1, port: ${bed.servicePort}}]`
      const own = { any: ['bar.com', '*.example.com', '*.foo.example.com', 'abc.foo.example.com'] }
      await bed.put(
        'gateway',
        gateway(
          'infra/web',
          Object.entries(listeners).map(
            ([name, hostname]) =>
              `{name: ${name}, port: ${port}, protocol: HTTP${hostname === undefined ? '' : `, hostname: '${hostname}'`}}`,
          ),
        ),
      )
      const names = Object.keys(listeners)
      await bed.put(
        'routes',
        ...names.map(name =>
          route(`infra/${name}`, {
            parents: `{name: web, sectionName: ${name}}`,
            ...(intersects ? { hostnames: own.any } : {}),
            rules: [`matches: [{${prefix(`/${name}`)}}], ${to}`],
          }),
        ),
      )
      for (const name of names) assert.deepEqual(bed.parents(`infra/${name}`), { [`infra/web/${name}`]: wellParent })
      const hosts: Record<string, string> = {
        'bar.com': 'any',
        'bar.example.com': 'wide',
        'bar.foo.example.com': 'narrow',
        'abc.foo.example.com': 'exact',
      }
      await bed.expect(
        port,
        Object.entries(hosts).flatMap(([host, served]) =>
          names.map((name): [Ask, Expected] => [`${host}/${name}`, name === served ? v1 : 404]),
        ),
      )
    })
  }
})

describe('HTTPRouteListenerPortMatching', () => {
  it('a port, a section, or both choose the listeners that a route attaches to', async () => {
    await using bed = await GatewayBed.open('infra/v1', 'infra/v2', 'infra/v3')
    const [one, two, three] = [await freePort(), await freePort(), await freePort()]
    const to = (service: string, path: string): string =>
      `matches: [{${prefix(path)}}], backendRefs: [{name: ${service}, port: ${bed.servicePort}}]`
    await bed.put(
      'gateway',
      gateway('infra/web', [
        `{name: one, port: ${one}, protocol: HTTP, hostname: foo.com}`,
        `{name: two, port: ${two}, protocol: HTTP, hostname: foo.com}`,
        `{name: three, port: ${three}, protocol: HTTP, hostname: foo.com}`,
        `{name: four, port: ${three}, protocol: HTTP, hostname: bar.com}`,
      ]),
    )
    await bed.put(
      'routes',
      route('infra/port', { parents: `{name: web, port: ${one}}`, rules: [to('v1', '/port')] }),
      route('infra/ports', { parents: `{name: web, port: ${three}}`, rules: [to('v2', '/ports')] }),
      route('infra/both', { parents: `{name: web, sectionName: four, port: ${three}}`, rules: [to('v3', '/both')] }),
      route('infra/all', { parents: 'web', rules: [to('v1', '/all')] }),
    )
    assert.deepEqual(bed.parents('infra/both'), { [`infra/web/four:${three}`]: wellParent })
    const attached = (routes: number): string => `${wellListener} routes=${routes} kinds=HTTPRoute`
    assert.deepEqual(bed.listeners('infra/web'), {
      one: attached(2),
      two: attached(1),
      three: attached(2),
      four: attached(3),
    })
    await bed.expect(one, [
      ['foo.com/port', v1],
      ['foo.com/ports', 404],
      ['foo.com/all', v1],
      ['bar.com/all', 404],
    ])
    await bed.expect(two, [
      ['foo.com/port', 404],
      ['foo.com/both', 404],
      ['foo.com/all', v1],
    ])
    await bed.expect(three, [
      ['foo.com/ports', v2],
      ['bar.com/ports', v2],
      ['foo.com/both', 404],
      ['bar.com/both', v3],
      ['foo.com/port', 404],
    ])
  })
})

describe('HTTPRouteCrossNamespace', () => {
  it('a Gateway that admits them serves routes of other namespaces', async () => {
    await using bed = await GatewayBed.open('guest/v1', 'stranger/v1', 'infra/v1')
    const [selected, all] = [await freePort(), await freePort()]
    const rules = [`backendRefs: [{name: v1, port: ${bed.servicePort}}]`]
    await bed.put('namespaces', namespace('guest', 'access: granted'), namespace('stranger', 'access: denied'))
    await bed.put(
      'gateway',
      gateway('infra/selected', [
        `{name: http, port: ${selected}, protocol: HTTP, allowedRoutes: {namespaces: {from: Selector, selector: {matchExpressions: [{key: access, operator: In, values: [granted]}]}}}}`,
      ]),
      gateway('infra/all', [`{name: http, port: ${all}, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}`]),
    )
    const parents = '{name: selected, namespace: infra}, {name: all, namespace: infra}'
    await bed.put(
      'routes',
      route('guest/r', { parents, hostnames: ['guest.example.com'], rules }),
      route('stranger/r', { parents, hostnames: ['stranger.example.com'], rules }),
    )
    assert.deepEqual(bed.parents('guest/r'), { 'infra/selected': wellParent, 'infra/all': wellParent })
    assert.deepEqual(bed.parents('stranger/r'), {
      'infra/selected': 'Accepted=False/NotAllowedByListeners ResolvedRefs=True/ResolvedRefs',
      'infra/all': wellParent,
    })
    await bed.expect(selected, [
      ['guest.example.com/', 'guest/v1'],
      ['stranger.example.com/', 404],
    ])
    await bed.expect(all, [
      ['guest.example.com/', 'guest/v1'],
      ['stranger.example.com/', 'stranger/v1'],
    ])
    await bed.put('namespaces', namespace('guest', 'access: denied'), namespace('stranger', 'access: granted'))
    await bed.expect(selected, [
      ['guest.example.com/', 404],
      ['stranger.example.com/', 'stranger/v1'],
    ])
  })
})

const refusals: readonly (readonly [string, string, (port: number) => string, string])[] = [
  ['HTTPRouteInvalidCrossNamespaceParentRef', 'guest', () => '{name: web, namespace: infra}', 'NotAllowedByListeners'],
  [
    'HTTPRouteInvalidParentRefNotMatchingSectionName',
    'infra',
    () => '{name: web, sectionName: absent}',
    'NoMatchingParent',
  ],
  ['HTTPRouteInvalidParentRefNotMatchingListenerPort', 'infra', () => '{name: web, port: 81}', 'NoMatchingParent'],
  [
    'HTTPRouteInvalidParentRefSectionNameNotMatchingPort',
    'infra',
    () => '{name: web, sectionName: http, port: 81}',
    'NoMatchingParent',
  ],
  [
    'HTTPRouteInvalidParentRefSectionNameNotMatchingPort',
    'infra',
    port => `{name: web, sectionName: absent, port: ${port}}`,
    'NoMatchingParent',
  ],
]

for (const [test, where, parentOf, reason] of refusals) {
  describe(test, () => {
    it('the route is not accepted, not counted and gets no traffic', async () => {
      await using bed = await GatewayBed.open(`${where}/v1`)
      const port = await freePort()
      await bed.put('gateway', gateway('infra/web', [`{name: http, port: ${port}, protocol: HTTP}`]))
      await bed.put(
        'route',
        route(`${where}/r`, {
          parents: parentOf(port),
          rules: [`backendRefs: [{name: v1, port: ${bed.servicePort}}]`],
        }),
      )
      assert.deepEqual(Object.values(bed.parents(`${where}/r`)), [
        `Accepted=False/${reason} ResolvedRefs=True/ResolvedRefs`,
      ])
      assert.deepEqual(bed.listeners('infra/web'), { http: `${wellListener} routes=0 kinds=HTTPRoute` })
      await bed.expect(port, [['/', 404]])
    })
  })
}

describe('HTTPRouteInvalidCrossNamespaceParentRef', () => {
  it('a parent that does not exist has no entry in the status', async () => {
    await using bed = await GatewayBed.open('infra/v1')
    await bed.put(
      'route',
      route('infra/r', { parents: '{name: nowhere}', rules: [`backendRefs: [{name: v1, port: ${bed.servicePort}}]`] }),
    )
    assert.deepEqual(bed.parents('infra/r'), {})
  })
})

describe('HTTPRouteObservedGenerationBump', () => {
  it('every condition is of the new generation after a change', async () => {
    const { bed, port, to } = await openWeb()
    await using _ = bed
    await bed.put('route', route('infra/r', { parents: 'web', rules: [to('v1')] }))
    assert.equal(bed.status('HTTPRoute infra/r').generation, 1)
    assert.deepEqual(bed.parents('infra/r'), { 'infra/web': wellParent })
    await bed.expect(port, [['/', v1]])
    await bed.put('route', route('infra/r', { parents: 'web', rules: [to('v2')] }))
    assert.equal(bed.status('HTTPRoute infra/r').generation, 2)
    assert.deepEqual(bed.parents('infra/r'), { 'infra/web': wellParent })
    await bed.expect(port, [['/', v2]])
  })
})

describe('HTTPRouteNamedRule', () => {
  it('a rule with a name serves like one without, and the name is in the log', async () => {
    const { bed, port, to } = await openWeb()
    await using _ = bed
    await bed.put(
      'route',
      route('infra/r', {
        parents: 'web',
        rules: [
          `name: named, matches: [{${prefix('/named')}}], ${to('v1')}`,
          `matches: [{${prefix('/unnamed')}}], ${to('v2')}`,
        ],
      }),
    )
    assert.deepEqual(bed.parents('infra/r'), { 'infra/web': wellParent })
    await bed.expect(port, [
      ['/named', v1],
      ['/unnamed', v2],
    ])
    assert.deepEqual(
      bed.log.map(record => record.rule),
      ['named', '1'],
    )
  })
})
