import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { gateway, GatewayBed, namespace, route, wellGateway, wellListener, wellParent } from '../support/gateway.ts'
import type { Ask, Expected } from '../support/gateway.ts'
import { matchingCases, prefix, to } from './cases.ts'
import { freePort } from '../support/ports.ts'

// Tests of the Gateway API's conformance suite, v1.6, by their names there: what a request matches.

/** A Gateway `infra/web` with one listener `http` and three Services. */
async function openWeb(): Promise<{ bed: GatewayBed; port: number }> {
  const bed = await GatewayBed.open('infra/v1', 'infra/v2', 'infra/v3')
  const port = await freePort()
  await bed.put('gateway', gateway('infra/web', [`{name: http, port: ${port}, protocol: HTTP}`]))
  return { bed, port }
}

const [v1, v2, v3] = ['infra/v1', 'infra/v2', 'infra/v3'] as const

for (const { test, routes, rows } of matchingCases) {
  describe(test, () => {
    it('answers each request from the right endpoint', async () => {
      const { bed, port } = await openWeb()
      await using _ = bed
      const sketches = Object.entries(routes)
      await bed.put(
        'routes',
        ...sketches.map(([name, sketch]) => route(`infra/${name}`, { parents: 'web', ...sketch })),
      )
      assert.equal(bed.conditions('Gateway infra/web'), wellGateway)
      assert.deepEqual(bed.listeners('infra/web'), {
        http: `${wellListener} routes=${sketches.length} kinds=HTTPRoute,GRPCRoute`,
      })
      for (const [name] of sketches) assert.deepEqual(bed.parents(`infra/${name}`), { 'infra/web': wellParent })
      await bed.expect(port, rows)
    })
  })
}

describe('HTTPRouteMatchingAcrossRoutes', () => {
  it('of equal matches the older route wins, then the name, then the first rule', async () => {
    const { bed, port } = await openWeb()
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
    const attached = (routes: number): string => `${wellListener} routes=${routes} kinds=HTTPRoute,GRPCRoute`
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
      const to = `backendRefs: [{name: v1, port: SERVICE_PORT}]`
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
    const attached = (routes: number): string => `${wellListener} routes=${routes} kinds=HTTPRoute,GRPCRoute`
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
    const rules = [`backendRefs: [{name: v1, port: SERVICE_PORT}]`]
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
          rules: [`backendRefs: [{name: v1, port: SERVICE_PORT}]`],
        }),
      )
      assert.deepEqual(Object.values(bed.parents(`${where}/r`)), [
        `Accepted=False/${reason} ResolvedRefs=True/ResolvedRefs`,
      ])
      assert.deepEqual(bed.listeners('infra/web'), { http: `${wellListener} routes=0 kinds=HTTPRoute,GRPCRoute` })
      await bed.expect(port, [['/', 404]])
    })
  })
}

describe('HTTPRouteInvalidCrossNamespaceParentRef', () => {
  it('a parent that does not exist has no entry in the status', async () => {
    await using bed = await GatewayBed.open('infra/v1')
    await bed.put(
      'route',
      route('infra/r', { parents: '{name: nowhere}', rules: [`backendRefs: [{name: v1, port: SERVICE_PORT}]`] }),
    )
    assert.deepEqual(bed.parents('infra/r'), {})
  })
})

describe('HTTPRouteObservedGenerationBump', () => {
  it('every condition is of the new generation after a change', async () => {
    const { bed, port } = await openWeb()
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
    const { bed, port } = await openWeb()
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
