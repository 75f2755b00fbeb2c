import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { otherPair, shopPair, weakPair } from '../../src/sources/reconcile/test-pairs.ts'
import {
  gateway,
  GatewayBed,
  grant,
  namespace,
  route,
  tlsSecret,
  wellGateway,
  wellListener,
  wellParent,
} from '../support/gateway.ts'
import { freePort } from '../support/ports.ts'

// Tests of the Gateway API's conformance suite, v1.6, by their names there: Gateways and their statuses.

const noKinds = 'routes=0 kinds='
const noRoutes = `${wellListener} routes=0 kinds=HTTPRoute,GRPCRoute`

describe('GatewayListenerUnsupportedProtocol', () => {
  it('is not accepted when no listener is left', async () => {
    await using bed = await GatewayBed.open()
    await bed.put('gateway', gateway('infra/odd', ['{name: odd, port: 8080, protocol: example.com/odd}']))
    assert.equal(
      bed.conditions('Gateway infra/odd'),
      'Accepted=False/ListenersNotValid Programmed=False/Invalid ResolvedRefs=True/ResolvedRefs',
    )
    assert.deepEqual(bed.listeners('infra/odd'), {
      odd: `Accepted=False/UnsupportedProtocol Programmed=False/Invalid ResolvedRefs=True/ResolvedRefs Conflicted=False/NoConflicts ${noKinds}`,
    })
    assert.deepEqual(bed.status('Gateway infra/odd').addresses, [])
  })

  it('is accepted and served with the listeners that are left', async () => {
    await using bed = await GatewayBed.open('infra/v1')
    const port = await freePort()
    await bed.put(
      'gateway',
      gateway('infra/mixed', [
        `{name: http, port: ${port}, protocol: HTTP}`,
        '{name: odd, port: 8080, protocol: example.com/odd}',
      ]),
      route('infra/all', { parents: 'mixed', rules: ['backendRefs: [{name: v1, port: SERVICE_PORT}]'] }),
    )
    assert.equal(
      bed.conditions('Gateway infra/mixed'),
      'Accepted=True/ListenersNotValid Programmed=True/Programmed ResolvedRefs=True/ResolvedRefs',
    )
    assert.deepEqual(bed.listeners('infra/mixed'), {
      http: `${wellListener} routes=1 kinds=HTTPRoute,GRPCRoute`,
      odd: `Accepted=False/UnsupportedProtocol Programmed=False/Invalid ResolvedRefs=True/ResolvedRefs Conflicted=False/NoConflicts ${noKinds}`,
    })
    await bed.expect(port, [['/', 'infra/v1']])
  })
})

describe('GatewayInvalidParametersRef', () => {
  it('is not accepted with parameters that are not there, and not served', async () => {
    await using bed = await GatewayBed.open('infra/v1')
    const port = await freePort()
    await bed.put(
      'gateway',
      gateway(
        'infra/web',
        [`{name: http, port: ${port}, protocol: HTTP}`],
        'infrastructure: {parametersRef: {group: example.com, kind: Parameters, name: none}}',
      ),
      route('infra/all', { parents: 'web', rules: ['backendRefs: [{name: v1, port: SERVICE_PORT}]'] }),
    )
    assert.equal(
      bed.conditions('Gateway infra/web'),
      'Accepted=False/InvalidParameters Programmed=False/Invalid ResolvedRefs=True/ResolvedRefs',
    )
    await assert.rejects(bed.ask(port, '/'), { code: 'ECONNREFUSED' })
  })
})

describe('GatewayInvalidRouteKind', () => {
  const wrong = 'ResolvedRefs=False/InvalidRouteKinds Conflicted=False/NoConflicts'

  it('has no supported kinds when all that it asks for are unknown', async () => {
    await using bed = await GatewayBed.open()
    const port = await freePort()
    await bed.put(
      'gateway',
      gateway('infra/web', [
        `{name: http, port: ${port}, protocol: HTTP, allowedRoutes: {kinds: [{kind: InvalidRoute}, {group: example.com, kind: HTTPRoute}]}}`,
      ]),
    )
    assert.deepEqual(bed.listeners('infra/web'), {
      http: `Accepted=True/Accepted Programmed=False/Invalid ${wrong} routes=0 kinds=`,
    })
    assert.equal(
      bed.conditions('Gateway infra/web'),
      'Accepted=True/Accepted Programmed=False/Invalid ResolvedRefs=False/ListenersNotResolved',
    )
  })

  it('supports and serves the known kinds among unknown ones', async () => {
    await using bed = await GatewayBed.open('infra/v1')
    const port = await freePort()
    await bed.put(
      'gateway',
      gateway('infra/web', [
        `{name: http, port: ${port}, protocol: HTTP, allowedRoutes: {kinds: [{kind: InvalidRoute}, {kind: HTTPRoute}]}}`,
      ]),
      route('infra/all', { parents: 'web', rules: ['backendRefs: [{name: v1, port: SERVICE_PORT}]'] }),
    )
    assert.deepEqual(bed.listeners('infra/web'), {
      http: `Accepted=True/Accepted Programmed=True/Programmed ${wrong} routes=1 kinds=HTTPRoute`,
    })
    await bed.expect(port, [['/', 'infra/v1']])
  })
})

describe('GatewayInvalidTLSConfiguration', () => {
  const malformed = { chain: 'no certificate', key: shopPair.key }
  const cases: readonly (readonly [string, string])[] = [
    ['a Secret that does not exist', '{name: nowhere}'],
    ['a reference of an unknown group', '{group: example.com, kind: Secret, name: good}'],
    ['a reference of an unknown kind', '{kind: ConfigMap, name: good}'],
    ['a Secret whose certificate is malformed', '{name: malformed}'],
    ['a Secret whose key belongs to another certificate', '{name: mismatch}'],
    ['a Secret whose key is too short for TLS', '{name: weak}'],
  ]
  for (const [title, ref] of cases) {
    it(`is not programmed with ${title}`, async () => {
      await using bed = await GatewayBed.open()
      const port = await freePort()
      await bed.put(
        'secrets',
        tlsSecret('infra/good', shopPair),
        tlsSecret('infra/malformed', malformed),
        tlsSecret('infra/weak', weakPair),
        tlsSecret('infra/mismatch', { chain: shopPair.chain, key: otherPair.key }),
      )
      await bed.put(
        'gateway',
        gateway('infra/web', [
          `{name: https, port: ${port}, protocol: HTTPS, tls: {certificateRefs: [${ref}]}, allowedRoutes: {kinds: [{kind: HTTPRoute}]}}`,
        ]),
      )
      assert.deepEqual(bed.listeners('infra/web'), {
        https:
          'Accepted=True/Accepted Programmed=False/Invalid ResolvedRefs=False/InvalidCertificateRef Conflicted=False/NoConflicts routes=0 kinds=HTTPRoute',
      })
      assert.equal(
        bed.conditions('Gateway infra/web'),
        'Accepted=True/Accepted Programmed=False/Invalid ResolvedRefs=False/ListenersNotResolved',
      )
      await assert.rejects(bed.ask(port, '/'), { code: 'ECONNREFUSED' })
    })
  }
})

const fromGateways = '{group: gateway.networking.k8s.io, kind: Gateway, namespace: infra}'
const refused =
  'Accepted=True/Accepted Programmed=False/Invalid ResolvedRefs=False/RefNotPermitted Conflicted=False/NoConflicts routes=0 kinds=HTTPRoute,GRPCRoute'

interface GrantCase {
  readonly test: string
  readonly title: string
  readonly grants: readonly string[]
  readonly isPermitted: boolean
}

const secretGrants: readonly GrantCase[] = [
  {
    test: 'GatewaySecretMissingReferenceGrant',
    title: 'is refused without any grant',
    grants: [],
    isPermitted: false,
  },
  {
    test: 'GatewaySecretReferenceGrantAllInNamespace',
    title: 'is permitted by a grant for all Secrets',
    grants: [grant('vault/all', fromGateways, "{group: '', kind: Secret}")],
    isPermitted: true,
  },
  {
    test: 'GatewaySecretReferenceGrantSpecific',
    title: 'is permitted by a grant for this Secret',
    grants: [grant('vault/one', fromGateways, "{group: '', kind: Secret, name: certificate}")],
    isPermitted: true,
  },
  ...[
    [
      'for another namespace',
      '{group: gateway.networking.k8s.io, kind: Gateway, namespace: elsewhere}',
      '{kind: Secret, group: ""}',
      'vault',
    ],
    [
      'for another kind of referrer',
      '{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: infra}',
      '{kind: Secret, group: ""}',
      'vault',
    ],
    [
      'for another group of referrers',
      '{group: "", kind: Gateway, namespace: infra}',
      '{kind: Secret, group: ""}',
      'vault',
    ],
    ['for another kind of referent', fromGateways, '{kind: Service, group: ""}', 'vault'],
    ['for another group of referents', fromGateways, '{kind: Secret, group: example.com}', 'vault'],
    ['for another Secret', fromGateways, '{kind: Secret, group: "", name: other}', 'vault'],
    ['in the namespace of the Gateway', fromGateways, '{kind: Secret, group: ""}', 'infra'],
  ].map(([what, from = '', to = '', where = '']) => ({
    test: 'GatewaySecretInvalidReferenceGrant',
    title: `is refused by a grant ${what}`,
    grants: [grant(`${where}/wrong`, from, to)],
    isPermitted: false,
  })),
]

for (const test of new Set(secretGrants.map(one => one.test))) {
  describe(test, () => {
    for (const { title, grants, isPermitted } of secretGrants.filter(one => one.test === test)) {
      it(`a certificate of another namespace ${title}`, async () => {
        await using bed = await GatewayBed.open('infra/v1')
        const port = await freePort()
        await bed.put('secret', tlsSecret('vault/certificate', shopPair))
        if (grants.length > 0) await bed.put('grants', ...grants)
        await bed.put(
          'gateway',
          gateway('infra/web', [
            `{name: https, port: ${port}, protocol: HTTPS, tls: {certificateRefs: [{name: certificate, namespace: vault}]}}`,
          ]),
        )
        assert.deepEqual(bed.listeners('infra/web'), { https: isPermitted ? noRoutes : refused })
        const tls = { servername: 'shop.example', ca: shopPair.chain }
        if (isPermitted) await bed.expect(port, [[{ at: 'shop.example/', tls }, 404]])
        else await assert.rejects(bed.ask(port, { at: '/', tls }), { code: 'ECONNREFUSED' })
      })
    }
  })
}

describe('GatewaySecretReferenceGrantSpecific', () => {
  it('the certificate goes at once with its grant', async () => {
    await using bed = await GatewayBed.open()
    const port = await freePort()
    await bed.put('secret', tlsSecret('vault/certificate', shopPair))
    await bed.put('grant', grant('vault/one', fromGateways, "{group: '', kind: Secret, name: certificate}"))
    await bed.put(
      'gateway',
      gateway('infra/web', [
        `{name: https, port: ${port}, protocol: HTTPS, tls: {certificateRefs: [{name: certificate, namespace: vault}]}}`,
      ]),
    )
    assert.deepEqual(bed.listeners('infra/web'), { https: noRoutes })
    await bed.remove('grant')
    assert.deepEqual(bed.listeners('infra/web'), { https: refused })
    await assert.rejects(bed.ask(port, '/'), { code: 'ECONNREFUSED' })
  })
})

describe('GatewayModifyListeners', () => {
  const listener = (name: string, port: number, hostname: string): string =>
    `{name: ${name}, port: ${port}, protocol: HTTP, hostname: ${hostname}}`

  it('a listener that is added serves, one that is removed is gone from status and traffic', async () => {
    await using bed = await GatewayBed.open('infra/v1')
    const [one, two] = [await freePort(), await freePort()]
    const rules = ['backendRefs: [{name: v1, port: SERVICE_PORT}]']
    await bed.put('gateway', gateway('infra/web', [listener('one', one, 'one.example.com')]))
    await bed.put('route', route('infra/all', { parents: 'web', rules }))
    const healthy = `${wellListener} routes=1 kinds=HTTPRoute,GRPCRoute`
    assert.deepEqual(bed.listeners('infra/web'), { one: healthy })
    await assert.rejects(bed.ask(two, 'two.example.com/'), { code: 'ECONNREFUSED' })

    await bed.put(
      'gateway',
      gateway('infra/web', [listener('one', one, 'one.example.com'), listener('two', two, 'two.example.com')]),
    )
    assert.equal(bed.status('Gateway infra/web').generation, 2)
    assert.equal(bed.conditions('Gateway infra/web'), wellGateway)
    assert.deepEqual(bed.listeners('infra/web'), { one: healthy, two: healthy })
    await bed.expect(one, [
      ['one.example.com/', 'infra/v1'],
      ['two.example.com/', 404],
    ])
    await bed.expect(two, [['two.example.com/', 'infra/v1']])

    await bed.put('gateway', gateway('infra/web', [listener('two', two, 'two.example.com')]))
    assert.equal(bed.status('Gateway infra/web').generation, 3)
    assert.deepEqual(bed.listeners('infra/web'), { two: healthy })
    await bed.expect(two, [['two.example.com/', 'infra/v1']])
    await assert.rejects(bed.ask(one, 'one.example.com/'), { code: 'ECONNREFUSED' })
  })
})

describe('GatewayObservedGenerationBump', () => {
  it('every condition is of the new generation after a change, of the old one after none', async () => {
    await using bed = await GatewayBed.open()
    const [one, two] = [await freePort(), await freePort()]
    const http = `{name: http, port: ${one}, protocol: HTTP}`
    await bed.put('gateway', gateway('infra/web', [http]))
    assert.equal(bed.status('Gateway infra/web').generation, 1)
    assert.equal(bed.conditions('Gateway infra/web'), wellGateway)
    await bed.put('gateway', gateway('infra/web', [http]))
    assert.equal(bed.status('Gateway infra/web').generation, 1)
    await bed.put('gateway', gateway('infra/web', [http, `{name: alternate, port: ${two}, protocol: HTTP}`]))
    assert.equal(bed.status('Gateway infra/web').generation, 2)
    assert.equal(bed.conditions('Gateway infra/web'), wellGateway)
    assert.deepEqual(bed.listeners('infra/web'), { http: noRoutes, alternate: noRoutes })
  })
})

describe('GatewayClassObservedGenerationBump', () => {
  it('every condition is of the new generation after a change', async () => {
    await using bed = await GatewayBed.open()
    const gatewayClass = (description: string): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: other}
spec: {controllerName: heddle.dev/gateway-controller, description: ${description}}
`
    const accepted = 'Accepted=True/Accepted SupportedVersion=True/SupportedVersion'
    await bed.put('other', gatewayClass('old'))
    assert.equal(bed.conditions('GatewayClass other'), accepted)
    await bed.put('other', gatewayClass('new'))
    assert.equal(bed.status('GatewayClass other').generation, 2)
    assert.equal(bed.conditions('GatewayClass other'), accepted)
  })

  it('a class of another controller has no status, nor have its Gateways', async () => {
    await using bed = await GatewayBed.open()
    await bed.put(
      'foreign',
      `{apiVersion: gateway.networking.k8s.io/v1, kind: GatewayClass, metadata: {name: foreign}, spec: {controllerName: example.com/other}}`,
      gateway('infra/web', ['{name: http, port: 8080, protocol: HTTP}']).replace(
        'gatewayClassName: test',
        'gatewayClassName: foreign',
      ),
    )
    assert.deepEqual(
      bed.source.current.statuses.map(({ kind, name }) => `${kind} ${name}`),
      ['GatewayClass test'],
    )
  })
})

describe('GatewayStaticAddresses', () => {
  const at = (...addresses: string[]): string => `addresses: [${addresses.join(', ')}]`

  it('is not accepted with an address of an unknown type, then programmed by degrees', async () => {
    await using bed = await GatewayBed.open('infra/v1')
    const port = await freePort()
    const usable = `${bed.network}7`
    const listeners = [`{name: http, port: ${port}, protocol: HTTP}`]
    await bed.put(
      'route',
      route('infra/all', { parents: 'web', rules: ['backendRefs: [{name: v1, port: SERVICE_PORT}]'] }),
    )
    const steps: readonly (readonly [string, string, readonly string[]])[] = [
      [
        at('{type: example.com/odd, value: somewhere}', '{value: 192.0.2.1}', `{value: ${usable}}`),
        'Accepted=False/UnsupportedAddress Programmed=False/Invalid ResolvedRefs=True/ResolvedRefs',
        [],
      ],
      [
        at('{value: 192.0.2.1}', `{value: ${usable}}`),
        'Accepted=True/Accepted Programmed=False/AddressNotUsable ResolvedRefs=True/ResolvedRefs',
        [usable],
      ],
      [at(`{value: ${usable}}`), wellGateway, [usable]],
    ]
    for (const [addresses, conditions, served] of steps) {
      await bed.put('gateway', gateway('infra/web', listeners, addresses))
      assert.equal(bed.conditions('Gateway infra/web'), conditions)
      assert.deepEqual(bed.status('Gateway infra/web').addresses, served)
    }
    await bed.expect(port, [[{ at: '/', address: usable }, 'infra/v1']])
    await assert.rejects(bed.ask(port, '/'), { code: 'ECONNREFUSED' })
  })
})

describe('GatewayOptionalAddressValue', () => {
  it('an address without value is one of our choice', async () => {
    await using bed = await GatewayBed.open('infra/v1')
    const port = await freePort()
    await bed.put(
      'gateway',
      gateway('infra/web', [`{name: http, port: ${port}, protocol: HTTP}`], 'addresses: [{type: IPAddress}]'),
      route('infra/all', { parents: 'web', rules: ['backendRefs: [{name: v1, port: SERVICE_PORT}]'] }),
    )
    assert.equal(bed.conditions('Gateway infra/web'), wellGateway)
    assert.deepEqual(bed.status('Gateway infra/web').addresses, [bed.address])
    await bed.expect(port, [['/', 'infra/v1']])
  })
})

describe('GatewayWithAttachedRoutes', () => {
  it('counts the routes that each listener accepts', async () => {
    await using bed = await GatewayBed.open('infra/v1')
    const port = await freePort()
    const rules = ['backendRefs: [{name: v1, port: SERVICE_PORT}]']
    await bed.put('namespaces', namespace('infra', 'team: infra'), namespace('guest', 'team: guest'))
    await bed.put(
      'gateway',
      gateway('infra/one', [
        `{name: http, port: ${port}, protocol: HTTP, allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: {team: infra}}}}}`,
      ]),
      gateway(
        'infra/two',
        [
          `{name: first, port: ${port}, protocol: HTTP, hostname: first.example.com}`,
          `{name: second, port: ${port}, protocol: HTTP, hostname: second.example.com}`,
        ],
        `addresses: [{value: ${bed.network}2}]`,
      ),
    )
    await bed.put(
      'routes',
      route('infra/a', { parents: 'one', rules }),
      route('infra/b', { parents: 'two', hostnames: ['first.example.com'], rules }),
      route('infra/c', { parents: '{name: one}, {name: two, sectionName: second}', rules }),
      route('guest/d', { parents: '{name: one, namespace: infra}', rules }),
    )
    const well = (routes: number): string => `${wellListener} routes=${routes} kinds=HTTPRoute,GRPCRoute`
    assert.deepEqual(bed.listeners('infra/one'), { http: well(2) })
    assert.deepEqual(bed.listeners('infra/two'), { first: well(1), second: well(1) })
    await bed.put('routes', route('infra/a', { parents: 'one', rules }))
    assert.deepEqual(bed.listeners('infra/one'), { http: well(1) })
    assert.deepEqual(bed.listeners('infra/two'), { first: well(0), second: well(0) })
    await bed.remove('routes')
    assert.deepEqual(bed.listeners('infra/one'), { http: well(0) })
  })

  it('counts them on a listener that is off', async () => {
    await using bed = await GatewayBed.open('infra/v1')
    await bed.put(
      'gateway',
      gateway('infra/web', [
        '{name: https, port: 8443, protocol: HTTPS, tls: {certificateRefs: [{name: nowhere}]}, allowedRoutes: {kinds: [{kind: HTTPRoute}]}}',
      ]),
      route('infra/all', { parents: 'web', rules: ['backendRefs: [{name: v1, port: SERVICE_PORT}]'] }),
    )
    assert.deepEqual(bed.listeners('infra/web'), {
      https:
        'Accepted=True/Accepted Programmed=False/Invalid ResolvedRefs=False/InvalidCertificateRef Conflicted=False/NoConflicts routes=1 kinds=HTTPRoute',
    })
    assert.deepEqual(bed.parents('infra/all'), { 'infra/web': wellParent })
  })

  it('counts routes whose references are not resolved', async () => {
    await using bed = await GatewayBed.open()
    const port = await freePort()
    await bed.put(
      'gateway',
      gateway('infra/web', [`{name: http, port: ${port}, protocol: HTTP}`]),
      route('infra/all', { parents: 'web', rules: ['backendRefs: [{name: nowhere, port: 80}]'] }),
    )
    assert.deepEqual(bed.listeners('infra/web'), { http: `${wellListener} routes=1 kinds=HTTPRoute,GRPCRoute` })
  })
})

describe('GatewayWithAttachedRoutesWithPort8080', () => {
  it('counts for a listener on port 8080 as on any other', async () => {
    await using bed = await GatewayBed.open('infra/v1')
    await bed.put(
      'gateway',
      gateway('infra/web', ['{name: http, port: 8080, protocol: HTTP}'], `addresses: [{value: ${bed.network}3}]`),
      route('infra/all', {
        parents: '{name: web, port: 8080}',
        rules: ['backendRefs: [{name: v1, port: SERVICE_PORT}]'],
      }),
      route('infra/none', {
        parents: '{name: web, port: 8090}',
        rules: ['backendRefs: [{name: v1, port: SERVICE_PORT}]'],
      }),
    )
    assert.match(bed.listeners('infra/web')['http'] ?? '', /routes=1 kinds=HTTPRoute,GRPCRoute$/)
    assert.deepEqual(bed.parents('infra/all'), { 'infra/web:8080': wellParent })
    assert.deepEqual(bed.parents('infra/none'), {
      'infra/web:8090': 'Accepted=False/NoMatchingParent ResolvedRefs=True/ResolvedRefs',
    })
  })
})
