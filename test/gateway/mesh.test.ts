import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { explainRoute, RouteTable } from '../../src/proxy/index.ts'
import { gateway, GatewayBed, route, service, serviceParent, slice, wellParent } from '../support/gateway.ts'
import type { Ask, Expected, Request } from '../support/gateway.ts'
import { location, matchingCases, modifications, redirects, responseHeaders, to, under } from './cases.ts'
import { freePort } from '../support/ports.ts'

// Tests of the Gateway API's conformance suite, v1.6, by their names there: routes of the mesh (GAMMA).
// Clients call a Service at its virtual address.

const [v1, v2, echo] = ['infra/v1', 'infra/v2', 'infra/echo'] as const

/** Services `echo`, `v1`, `v2` and `v3`, all with pods of their own. */
async function openMesh(): Promise<GatewayBed> {
  return GatewayBed.open(echo, v1, v2, 'infra/v3')
}

function call(bed: GatewayBed, id: string, what: Ask): Request {
  const request: Request = typeof what === 'string' ? { at: what } : what
  return { ...request, address: bed.virtualAddress(id) }
}

async function expectAt(
  bed: GatewayBed,
  id: string,
  rows: readonly (readonly [Ask, Expected])[],
  port = bed.servicePort,
): Promise<void> {
  await bed.expect(
    port,
    rows.map(([what, expected]) => [call(bed, id, what), expected] as const),
  )
}

const producer = { 'Service infra/echo': wellParent }

describe('MeshBasic', () => {
  it('a Service without routes answers as without a mesh', async () => {
    await using bed = await openMesh()
    await expectAt(bed, echo, [
      ['/', { by: echo, path: '/', host: 'example.net' }],
      [
        { at: 'POST echo.infra/a?b=c', body: 'cargo' },
        { by: echo, path: '/a?b=c', host: 'echo.infra', method: 'POST' },
      ],
    ])
  })

  it('its own errors and redirects pass through', async () => {
    await using bed = await openMesh()
    await expectAt(bed, echo, [
      ['/?status=404', { by: echo, status: 404 }],
      ['/?status=503', { by: echo, status: 503 }],
      ['/?status=302&set=location:/there', { by: echo, status: 302, response: { location: '/there' } }],
    ])
  })
})

/** Which of the tests for Gateways the mesh has too, and what they are called there. */
const meshNames: Readonly<Record<string, string>> = {
  HTTPRouteSimpleSameNamespace: 'MeshHTTPRouteSimpleSameNamespace',
  HTTPRouteMatching: 'MeshHTTPRouteMatching',
  HTTPRouteQueryParamMatching: 'MeshHTTPRouteQueryParamMatching',
  // Not in the suite; the mesh has to match all the same.
  HTTPRouteExactPathMatching: 'mesh: HTTPRouteExactPathMatching',
  HTTPRouteHeaderMatching: 'mesh: HTTPRouteHeaderMatching',
  HTTPRouteMethodMatching: 'mesh: HTTPRouteMethodMatching',
  HTTPRoutePathMatchOrder: 'mesh: HTTPRoutePathMatchOrder',
  HTTPRouteRedirectHostAndStatus: 'MeshHTTPRouteRedirectHostAndStatus',
  HTTPRouteRedirectPath: 'MeshHTTPRouteRedirectPath',
  HTTPRouteRedirectPort: 'MeshHTTPRouteRedirectPort',
  HTTPRouteRedirectScheme: 'MeshHTTPRouteSchemeRedirect',
  HTTPRoute303Redirect: 'MeshHTTPRoute303Redirect',
  HTTPRoute307Redirect: 'MeshHTTPRoute307Redirect',
  HTTPRoute308Redirect: 'MeshHTTPRoute308Redirect',
  HTTPRouteRewritePath: 'MeshHTTPRouteRewritePath',
  HTTPRouteRequestHeaderModifier: 'MeshHTTPRouteRequestHeaderModifier',
  HTTPRouteResponseHeaderModifier: 'mesh: HTTPRouteResponseHeaderModifier',
  HTTPRouteBackendRequestHeaderModifier: 'MeshHTTPRouteBackendRequestHeaderModifier',
}

const shared = [
  ...matchingCases.map(({ test, routes, rows }) => ({ test, routes, rows: () => rows })),
  ...[...redirects, ...modifications].map(({ test, rules, rows }) => ({ test, routes: { r: { rules } }, rows })),
]

for (const [test, name] of Object.entries(meshNames)) {
  describe(name, () => {
    it('answers at the virtual address of the Service as a Gateway does', async () => {
      const found = shared.find(one => one.test === test)
      assert.ok(found)
      await using bed = await openMesh()
      const parents = serviceParent('echo', ', port: SERVICE_PORT')
      const sketches = Object.entries(found.routes)
      await bed.put('routes', ...sketches.map(([id, sketch]) => route(`infra/${id}`, { parents, ...sketch })))
      for (const [id] of sketches) {
        assert.deepEqual(bed.parents(`infra/${id}`), { [`Service infra/echo:${bed.servicePort}`]: wellParent })
      }
      await expectAt(bed, echo, found.rows(bed.servicePort))
    })
  })
}

describe('MeshHTTPRouteNamedRule', () => {
  it('a rule with a name serves like one without', async () => {
    await using bed = await openMesh()
    await bed.put(
      'route',
      route('infra/r', {
        parents: serviceParent('echo'),
        rules: [`name: named, ${under('/named')}, ${to('v1')}`, `${under('/unnamed')}, ${to('v2')}`],
      }),
    )
    assert.deepEqual(bed.parents('infra/r'), producer)
    await expectAt(bed, echo, [
      ['/named', v1],
      ['/unnamed', v2],
    ])
    assert.deepEqual(
      bed.log.map(record => record.rule),
      ['named', '1'],
    )
  })
})

describe('MeshHTTPRouteWeight', () => {
  it('each backend gets its share of 500 requests', async () => {
    await using bed = await openMesh()
    await bed.put(
      'route',
      route('infra/r', {
        parents: serviceParent('echo'),
        rules: [
          'backendRefs: [{name: v1, port: SERVICE_PORT, weight: 70}, {name: v2, port: SERVICE_PORT, weight: 30}, {name: v3, port: SERVICE_PORT, weight: 0}]',
        ],
      }),
    )
    assert.deepEqual(bed.parents('infra/r'), producer)
    await bed.expectShares(bed.servicePort, call(bed, echo, '/'), { v1: 0.7, v2: 0.3 })
  })
})

describe('MeshTrafficSplit', () => {
  it('splits by path, and between Services by weight', async () => {
    await using bed = await openMesh()
    const split = 'backendRefs: [{name: v1, port: SERVICE_PORT, weight: 1}, {name: v2, port: SERVICE_PORT, weight: 1}]'
    await bed.put(
      'route',
      route('infra/r', {
        parents: serviceParent('echo'),
        rules: [
          `matches: [{path: {type: Exact, value: /v1}}], ${to('v1')}`,
          `matches: [{path: {type: Exact, value: /v2}}], ${to('v2')}`,
          `${under('/split')}, ${split}`,
        ],
      }),
    )
    await expectAt(bed, echo, [
      ['/v1', v1],
      ['/v2', v2],
      // A route decides: what fits none of its matches is not passed to the Service.
      ['/', 404],
      ['/v1/deep', 404],
    ])
    await bed.expectShares(bed.servicePort, call(bed, echo, '/split'), { v1: 0.5, v2: 0.5 })
  })

  it('without its route the Service answers itself again', async () => {
    await using bed = await openMesh()
    await bed.put(
      'route',
      route('infra/r', { parents: serviceParent('echo'), rules: [`${under('/v1')}, ${to('v1')}`] }),
    )
    await expectAt(bed, echo, [
      ['/v1', v1],
      ['/', 404],
    ])
    await bed.remove('route')
    await expectAt(bed, echo, [
      ['/v1', echo],
      ['/', echo],
    ])
  })
})

const marks = (value: string): string => `filters: [${responseHeaders(`set: [{name: X-Header-Set, value: ${value}}]`)}]`

describe('MeshFrontend', () => {
  it('the route of a Service holds for that Service alone, not for the backends it names', async () => {
    await using bed = await openMesh()
    await bed.put('route', route('infra/r', { parents: serviceParent('v2'), rules: [`${marks('set')}, ${to('v2')}`] }))
    assert.deepEqual(bed.parents('infra/r'), { 'Service infra/v2': wellParent })
    await expectAt(bed, v2, [['/', { by: v2, response: { 'x-header-set': 'set' } }]])
    await expectAt(bed, v1, [['/', { by: v1, response: { 'x-header-set': null } }]])
    // Backends are endpoints: the route of v2 does not hold for what another route sends there.
    await bed.put('other', route('infra/other', { parents: serviceParent('v1'), rules: [to('v2')] }))
    await expectAt(bed, v1, [['/', { by: v2, response: { 'x-header-set': null } }]])
  })

  it('a call to a pod goes around all routes', async () => {
    await using bed = await openMesh()
    await bed.put('route', route('infra/r', { parents: serviceParent('v2'), rules: [`${marks('set')}, ${to('v2')}`] }))
    const [pod] = bed.echo(v2).pods
    assert.ok(pod)
    await bed.expect(pod.port, [
      [
        { at: '/', address: '127.0.0.1' },
        { by: v2, response: { 'x-header-set': null } },
      ],
    ])
  })

  it('a Service without endpoints is a frontend of others', async () => {
    await using bed = await openMesh()
    await bed.put('front', service('infra/front', { ports: '[{name: http, port: SERVICE_PORT}]' }))
    await expectAt(bed, 'infra/front', [['/', 503]])
    await bed.put('route', route('infra/r', { parents: serviceParent('front'), rules: [to('v1')] }))
    await expectAt(bed, 'infra/front', [['/', v1]])
  })

  it('headless Services are no parents', async () => {
    await using bed = await openMesh()
    await bed.put('bare', service('infra/bare', { ports: '[{name: http, port: 8080}]', spec: 'clusterIP: None' }))
    await bed.put('route', route('infra/r', { parents: serviceParent('bare'), rules: [to('v1')] }))
    assert.deepEqual(bed.parents('infra/r'), {
      'Service infra/bare': 'Accepted=False/NoMatchingParent ResolvedRefs=True/ResolvedRefs',
    })
  })

  it('the group of a Service must be the empty string', async () => {
    await using bed = await openMesh()
    await bed.put('route', route('infra/r', { parents: '{kind: Service, name: echo}', rules: [to('v1')] }))
    assert.deepEqual(bed.parents('infra/r'), {})
    await expectAt(bed, echo, [['/', echo]])
  })
})

describe('MeshFrontendHostname', () => {
  it('the address decides, whatever Host says and whatever hostnames the route has', async () => {
    await using bed = await openMesh()
    await bed.put(
      'route',
      route('infra/r', {
        parents: serviceParent('v2'),
        hostnames: ['only.example.com'],
        rules: [`${marks('set')}, ${to('v2')}`],
      }),
    )
    const set: Expected = { by: v2, response: { 'x-header-set': 'set' } }
    await expectAt(bed, v2, [
      ['v1/', set],
      ['v1.infra/', set],
      ['only.example.com/', set],
      ['unknown.example.com/', set],
    ])
    await expectAt(bed, v1, [['v2/', { by: v1, response: { 'x-header-set': null } }]])
  })
})

describe('MeshPorts', () => {
  /** Service `echo` with two more ports. */
  async function openPorts(): Promise<{ bed: GatewayBed; one: number; two: number }> {
    const bed = await GatewayBed.open(v1)
    const [one, two] = [await freePort(), await freePort()]
    const ports = `[{name: http, port: ${one}}, {name: http-alt, port: ${two}}]`
    await bed.service(echo, { ports })
    const [pod] = bed.echo(echo).pods
    assert.ok(pod)
    const again = { namespace: 'infra', name: 'echo', pod: pod.pod, port: pod.port, portName: 'http-alt' }
    await bed.put('slice', slice(again))
    return { bed, one, two }
  }

  it('a route with a port holds for that port alone', async () => {
    const { bed, one, two } = await openPorts()
    await using _ = bed
    const marked = (value: string): string => `${marks(value)}, backendRefs: [{name: echo, port: ${two}}]`
    await bed.put(
      'route',
      route('infra/r', { parents: serviceParent('echo', `, port: ${two}`), rules: [marked('v2')] }),
    )
    assert.deepEqual(bed.parents('infra/r'), { [`Service infra/echo:${two}`]: wellParent })
    await expectAt(bed, echo, [['/', { by: echo, response: { 'x-header-set': null } }]], one)
    await expectAt(bed, echo, [['/', { by: echo, response: { 'x-header-set': 'v2' } }]], two)
  })

  it('a route without a port holds for all ports', async () => {
    const { bed, one, two } = await openPorts()
    await using _ = bed
    await bed.put(
      'route',
      route('infra/r', { parents: serviceParent('echo'), rules: [`${marks('all')}, ${to('v1')}`] }),
    )
    assert.deepEqual(bed.parents('infra/r'), producer)
    for (const port of [one, two]) {
      await expectAt(bed, echo, [['/', { by: v1, response: { 'x-header-set': 'all' } }]], port)
    }
  })

  it('a port that the Service does not have matches no parent', async () => {
    const { bed, one } = await openPorts()
    await using _ = bed
    await bed.put('route', route('infra/r', { parents: serviceParent('echo', ', port: 1'), rules: [to('v1')] }))
    assert.deepEqual(bed.parents('infra/r'), {
      'Service infra/echo:1': 'Accepted=False/NoMatchingParent ResolvedRefs=True/ResolvedRefs',
    })
    await expectAt(bed, echo, [['/', echo]], one)
  })
})

describe('MeshConsumerRoute', () => {
  it('a route of another namespace holds for the clients there and leaves all others alone', async () => {
    await using bed = await openMesh()
    const parents = serviceParent('echo', ', namespace: infra')
    const backend = 'backendRefs: [{name: v2, namespace: infra, port: SERVICE_PORT}]'
    await bed.put('consumer', route('consumer/r', { parents, rules: [`${under('/consumed')}, ${backend}`] }))
    // References to other namespaces need no grant in the mesh.
    assert.deepEqual(bed.parents('consumer/r'), { 'Service infra/echo': wellParent })
    await expectAt(bed, echo, [
      ['/consumed', echo],
      ['/', echo],
    ])

    await bed.put(
      'producer',
      route('infra/r', { parents: serviceParent('echo'), rules: [`${under('/')}, ${to('v1')}`] }),
    )
    await expectAt(bed, echo, [
      ['/consumed', v1],
      ['/', v1],
    ])

    // Nobody knows yet where a call comes from, so the choice itself is asked.
    const table = (RouteTable.empty as RouteTable<string>).update(
      bed.source.current.snapshot,
      (found, rule) => `${found.key} ${rule.index}`,
    )
    const listener = `${bed.virtualAddress(echo)}:${bed.servicePort}`
    const routeFor = (path: string, client: string | undefined): string | undefined => {
      const request = { method: 'GET', host: 'echo', path, query: '', header: () => undefined }
      const explanation = explainRoute(table, listener, request, client)
      return 'decision' in explanation ? explanation.decision?.target : undefined
    }
    assert.equal(routeFor('/consumed', 'consumer'), 'HTTPRoute consumer/r 0')
    // The sets are never merged: what no consumer route matches is not for the producer's routes.
    assert.equal(routeFor('/', 'consumer'), undefined)
    assert.equal(routeFor('/consumed', 'elsewhere'), 'HTTPRoute infra/r 0')
    assert.equal(routeFor('/', undefined), 'HTTPRoute infra/r 0')
  })
})

describe('mesh: Gateway and Service as parents of one route', () => {
  it('serves both, each with its status', async () => {
    await using bed = await openMesh()
    const port = await freePort()
    await bed.put(
      'gateway',
      gateway('infra/web', [`{name: http, port: ${port}, protocol: HTTP, hostname: example.net}`]),
    )
    await bed.put(
      'route',
      route('infra/r', {
        parents: `{name: web}, ${serviceParent('echo')}`,
        hostnames: ['example.net'],
        rules: [
          `${under('/v1')}, ${to('v1')}`,
          `${under('/moved')}, filters: [{type: RequestRedirect, requestRedirect: {hostname: example.org}}]`,
        ],
      }),
    )
    assert.deepEqual(bed.parents('infra/r'), { 'infra/web': wellParent, ...producer })
    await bed.expect(port, [
      ['/v1', v1],
      ['example.org/v1', 404],
      ['/moved', location(`http://example.org:${port}/moved`)],
    ])
    await expectAt(bed, echo, [
      ['/v1', v1],
      ['example.org/v1', v1],
      ['/moved', location(`http://example.org:${bed.servicePort}/moved`)],
    ])
  })
})

describe('mesh: backends that can not be used', () => {
  it('answers 500 for its share and says so in the status', async () => {
    await using bed = await openMesh()
    await bed.put(
      'route',
      route('infra/r', {
        parents: serviceParent('echo'),
        rules: [
          `${under('/missing')}, backendRefs: [{name: nowhere, port: 80}]`,
          `${under('/kind')}, backendRefs: [{group: example.com, kind: Odd, name: v1, port: 80}]`,
          under('/none'),
          `${under('/share')}, backendRefs: [{name: nowhere, port: 80}, {name: v1, port: SERVICE_PORT}]`,
        ],
      }),
    )
    assert.deepEqual(bed.parents('infra/r'), {
      'Service infra/echo': 'Accepted=True/Accepted ResolvedRefs=False/BackendNotFound',
    })
    await expectAt(bed, echo, [
      ['/missing', 500],
      ['/kind', 500],
      ['/none', 500],
    ])
    await bed.expectShares(bed.servicePort, call(bed, echo, '/share'), { v1: 0.5, 500: 0.5 })
  })
})

describe('mesh: timeouts, retries and mirrors', () => {
  it('hold at the virtual address', async () => {
    await using bed = await openMesh()
    await bed.put(
      'route',
      route('infra/r', {
        parents: serviceParent('echo'),
        rules: [
          `${under('/slow')}, timeouts: {request: 150ms}, ${to('v1')}`,
          `${under('/retry')}, retry: {codes: [503], attempts: 2, backoff: 1ms}, ${to('v1')}`,
          `${under('/mirror')}, filters: [{type: RequestMirror, requestMirror: {backendRef: {name: v2, port: SERVICE_PORT}}}], ${to('v1')}`,
        ],
      }),
    )
    assert.deepEqual(bed.parents('infra/r'), producer)
    await expectAt(bed, echo, [
      ['/slow?delay=20000', 504],
      ['/retry?fail=2&code=503&key=a', v1],
      ['/retry?fail=3&code=503&key=b', { by: v1, status: 503 }],
      ['/mirror', v1],
    ])
    await bed.echo(v2).until(seen => seen.length === 1)
  })
})
