import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  gateway,
  GatewayBed,
  grant,
  route,
  service,
  slice,
  wellGateway,
  wellListener,
  wellParent,
} from '../support/gateway.ts'
import type { Ask, Expected } from '../support/gateway.ts'
import { freePort } from '../support/ports.ts'

// Tests of the Gateway API's conformance suite, v1.6, by their names there: backends, their references and failures.

const [v1, v2, v3] = ['infra/v1', 'infra/v2', 'infra/v3'] as const

/** A Gateway `infra/web` with one listener. */
async function openWeb(...services: string[]): Promise<{ bed: GatewayBed; port: number }> {
  const bed = await GatewayBed.open(...services)
  const port = await freePort()
  await bed.put('gateway', gateway('infra/web', [`{name: http, port: ${port}, protocol: HTTP}`]))
  return { bed, port }
}

const unresolved = (reason: string): string => `Accepted=True/Accepted ResolvedRefs=False/${reason}`
const onePath = (path: string): string => `matches: [{path: {type: PathPrefix, value: ${path}}}]`

interface RefCase {
  readonly test: string
  readonly title: string
  readonly ref: (port: number) => string
  readonly reason: string
}

const invalidRefs: readonly RefCase[] = [
  {
    test: 'HTTPRouteInvalidBackendRefUnknownKind',
    title: 'an unknown kind',
    ref: port => `{group: unknown.example.com, kind: NonExistent, name: v1, port: ${port}}`,
    reason: 'InvalidKind',
  },
  {
    test: 'HTTPRouteInvalidNonExistentBackendRef',
    title: 'a Service that does not exist',
    ref: port => `{name: nowhere, port: ${port}}`,
    reason: 'BackendNotFound',
  },
  {
    test: 'HTTPRouteInvalidNonExistentBackendRef',
    title: 'a port that the Service does not have',
    ref: () => '{name: v1, port: 1}',
    reason: 'BackendNotFound',
  },
  {
    test: 'HTTPRouteInvalidCrossNamespaceBackendRef',
    title: 'a Service of another namespace',
    ref: port => `{name: v1, namespace: web-backend, port: ${port}}`,
    reason: 'RefNotPermitted',
  },
  {
    test: 'backends of another protocol',
    title: 'a port that does not speak HTTP',
    ref: () => '{name: odd, port: 8081}',
    reason: 'UnsupportedProtocol',
  },
]

for (const { test, title, ref, reason } of invalidRefs) {
  describe(test, () => {
    it(`${title} is answered 500, for its share alone`, async () => {
      const { bed, port } = await openWeb('infra/v1', 'web-backend/v1')
      await using _ = bed
      const good = `{name: v1, port: SERVICE_PORT}`
      await bed.put('odd', service('infra/odd', { ports: '[{name: redis, port: 8081, appProtocol: redis}]' }))
      await bed.put(
        'route',
        route('infra/r', {
          parents: 'web',
          rules: [
            `${onePath('/only')}, backendRefs: [${ref(bed.servicePort)}]`,
            `${onePath('/share')}, backendRefs: [${ref(bed.servicePort)}, ${good}]`,
            `${onePath('/good')}, backendRefs: [${good}]`,
          ],
        }),
      )
      assert.deepEqual(bed.parents('infra/r'), { 'infra/web': unresolved(reason) })
      assert.deepEqual(bed.listeners('infra/web'), { http: `${wellListener} routes=1 kinds=HTTPRoute,GRPCRoute` })
      assert.equal(bed.conditions('Gateway infra/web'), wellGateway)
      await bed.expect(port, [
        ['/only', 500],
        ['POST /only/deep', 500],
        ['/good', v1],
      ])
      await bed.expectShares(port, '/share', { v1: 0.5, 500: 0.5 })
    })
  })
}

const fromRoutes = '{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: infra}'

describe('HTTPRouteReferenceGrant', () => {
  for (const [title, to] of [
    ['all Services', "{group: '', kind: Service}"],
    ['this Service', "{group: '', kind: Service, name: v1}"],
  ] as const) {
    it(`a grant for ${title} admits the reference, until it goes`, async () => {
      const { bed, port } = await openWeb('web-backend/v1')
      await using _ = bed
      await bed.put(
        'route',
        route('infra/r', {
          parents: 'web',
          rules: [`backendRefs: [{name: v1, namespace: web-backend, port: SERVICE_PORT}]`],
        }),
      )
      await bed.put('grant', grant('web-backend/g', fromRoutes, to))
      assert.deepEqual(bed.parents('infra/r'), { 'infra/web': wellParent })
      await bed.expect(port, [['/', 'web-backend/v1']])
      await bed.remove('grant')
      assert.deepEqual(bed.parents('infra/r'), { 'infra/web': unresolved('RefNotPermitted') })
      await bed.expect(port, [['/', 500]])
      await bed.put('grant', grant('web-backend/g', fromRoutes, to))
      await bed.expect(port, [['/', 'web-backend/v1']])
    })
  }
})

describe('HTTPRouteInvalidReferenceGrant', () => {
  const toServices = "{group: '', kind: Service}"
  const cases: readonly (readonly [string, string, string, string])[] = [
    ['in the namespace of the route', 'infra', fromRoutes, toServices],
    ['for another namespace', 'web-backend', fromRoutes.replace('infra', 'elsewhere'), toServices],
    ['for another kind of route', 'web-backend', fromRoutes.replace('HTTPRoute', 'GRPCRoute'), toServices],
    [
      'for another group of routes',
      'web-backend',
      fromRoutes.replace('gateway.networking.k8s.io', 'example.com'),
      toServices,
    ],
    ['for another Service', 'web-backend', fromRoutes, "{group: '', kind: Service, name: other}"],
    ['for another kind', 'web-backend', fromRoutes, "{group: '', kind: Secret}"],
    ['for another group', 'web-backend', fromRoutes, '{group: example.com, kind: Service}'],
    ['for Gateways', 'web-backend', fromRoutes.replace('HTTPRoute', 'Gateway'), toServices],
  ]
  for (const [title, where, from, to] of cases) {
    it(`a grant ${title} admits nothing`, async () => {
      const { bed, port } = await openWeb('web-backend/v1')
      await using _ = bed
      await bed.put('grant', grant(`${where}/g`, from, to))
      await bed.put(
        'route',
        route('infra/r', {
          parents: 'web',
          rules: [`backendRefs: [{name: v1, namespace: web-backend, port: SERVICE_PORT}]`],
        }),
      )
      assert.deepEqual(bed.parents('infra/r'), { 'infra/web': unresolved('RefNotPermitted') })
      await bed.expect(port, [['/', 500]])
    })
  }
})

describe('HTTPRoutePartiallyInvalidViaInvalidReferenceGrant', () => {
  it('rules whose references are resolved go on serving', async () => {
    const { bed, port } = await openWeb('infra/v1', 'app-backend/v1', 'app-backend/v2')
    await using _ = bed
    await bed.put('grant', grant('app-backend/g', fromRoutes, "{group: '', kind: Service, name: v1}"))
    const ref = (name: string): string => `{name: ${name}, namespace: app-backend, port: SERVICE_PORT}`
    await bed.put(
      'route',
      route('infra/r', {
        parents: 'web',
        rules: [`${onePath('/v2')}, backendRefs: [${ref('v2')}]`, `${onePath('/')}, backendRefs: [${ref('v1')}]`],
      }),
    )
    assert.deepEqual(bed.parents('infra/r'), { 'infra/web': unresolved('RefNotPermitted') })
    await bed.expect(port, [
      ['/v2', 500],
      ['/', 'app-backend/v1'],
    ])
  })
})

describe('HTTPRouteNoBackendRefs', () => {
  it('a rule without backends is answered 500 and is well', async () => {
    const { bed, port } = await openWeb('infra/v1')
    await using _ = bed
    await bed.put(
      'route',
      route('infra/r', {
        parents: 'web',
        rules: [
          onePath('/absent'),
          `${onePath('/empty')}, backendRefs: []`,
          `${onePath('/zero')}, backendRefs: [{name: v1, port: SERVICE_PORT, weight: 0}]`,
        ],
      }),
    )
    assert.deepEqual(bed.parents('infra/r'), { 'infra/web': wellParent })
    await bed.expect(port, [
      ['/absent', 500],
      ['/empty', 500],
      ['/zero', 500],
    ])
  })
})

describe('HTTPRouteServiceTypes', () => {
  it('headless Services and Services with hand-made slices serve', async () => {
    const { bed, port } = await openWeb('infra/v1', 'infra/v2', 'infra/v3')
    await using _ = bed
    const pods = (name: string): readonly { pod: string; port: number }[] => bed.echo(`infra/${name}`).pods
    const sliceOf = (name: string, of: string, portName = 'http'): string =>
      pods(of)
        .map(({ pod, port: podPort }) =>
          slice({ namespace: 'infra', name, pod: `${name}-${pod}`, port: podPort, portName }),
        )
        .join('\n---\n')
    await bed.put(
      'services',
      service('infra/headless', { ports: '[{name: http, port: 8080}]', spec: 'clusterIP: None' }),
      sliceOf('headless', 'v1'),
      service('infra/manual', { ports: '[{name: web, port: 8080, targetPort: 1}]' }),
      sliceOf('manual', 'v2', 'web'),
      service('infra/headless-manual', {
        ports: '[{name: first, port: 8080}, {name: second, port: 8081}]',
        spec: 'clusterIP: None',
      }),
      sliceOf('headless-manual', 'v3', 'second'),
      service('infra/empty', { ports: '[{name: http, port: 8080}]' }),
      service('infra/outside', {
        ports: '[{name: http, port: 8080}]',
        spec: 'type: ExternalName, externalName: example.com'.replace(', ', '\n  '),
      }),
    )
    const to = (name: string, number: number): string =>
      `${onePath(`/${name}-${number}`)}, backendRefs: [{name: ${name}, port: ${number}}]`
    await bed.put(
      'route',
      route('infra/r', {
        parents: 'web',
        rules: [
          to('headless', 8080),
          to('manual', 8080),
          to('headless-manual', 8081),
          to('headless-manual', 8080),
          to('empty', 8080),
        ],
      }),
      route('infra/outside', { parents: 'web', rules: [to('outside', 8080)] }),
    )
    assert.deepEqual(bed.parents('infra/r'), { 'infra/web': wellParent })
    assert.deepEqual(bed.parents('infra/outside'), { 'infra/web': unresolved('InvalidKind') })
    await bed.expect(port, [
      ['/headless-8080', v1],
      ['/manual-8080', v2],
      ['/headless-manual-8081', v3],
      // Without endpoints: the Service is there and can't serve.
      ['/headless-manual-8080', 503],
      ['/empty-8080', 503],
      ['/outside-8080', 500],
    ])
    await bed.put('late', sliceOf('empty', 'v1'))
    await bed.expect(port, [['/empty-8080', v1]])
    await bed.remove('late')
    await bed.expect(port, [['/empty-8080', 503]])
  })
})

describe('HTTPRouteWeight', () => {
  it('each backend gets its share of 500 requests, whatever the weights add up to', async () => {
    const { bed, port } = await openWeb('infra/v1', 'infra/v2', 'infra/v3')
    await using _ = bed
    const ref = (name: string, weight: number): string => `{name: ${name}, port: SERVICE_PORT, weight: ${weight}}`
    await bed.put(
      'route',
      route('infra/r', {
        parents: 'web',
        rules: [
          `${onePath('/')}, backendRefs: [${ref('v1', 70)}, ${ref('v2', 30)}, ${ref('v3', 0)}]`,
          `${onePath('/large')}, backendRefs: [${ref('v1', 1_000_000)}, ${ref('v2', 250_000)}, ${ref('v3', 750_000)}]`,
          `${onePath('/default')}, backendRefs: [{name: v1, port: SERVICE_PORT}, {name: v2, port: SERVICE_PORT}]`,
        ],
      }),
    )
    assert.deepEqual(bed.parents('infra/r'), { 'infra/web': wellParent })
    await bed.expectShares(port, '/', { v1: 0.7, v2: 0.3, v3: 0 })
    await bed.expectShares(port, '/large', { v1: 0.5, v2: 0.125, v3: 0.375 })
    await bed.expectShares(port, '/default', { v1: 0.5, v2: 0.5 })
  })
})

const timeouts = (more: string): string => `timeouts: {${more}}`

describe('HTTPRouteTimeoutRequest', () => {
  it('the exchange ends with 504 once its time is over, unless the time is 0s', async () => {
    const { bed, port } = await openWeb('infra/v1')
    await using _ = bed
    const to = 'backendRefs: [{name: v1, port: SERVICE_PORT}]'
    await bed.put(
      'route',
      route('infra/r', {
        parents: 'web',
        rules: [
          `${onePath('/limited')}, ${timeouts('request: 500ms')}, ${to}`,
          `${onePath('/unlimited')}, ${timeouts('request: 0s')}, ${to}`,
        ],
      }),
    )
    assert.deepEqual(bed.parents('infra/r'), { 'infra/web': wellParent })
    await bed.expect(port, [
      ['/limited', v1],
      ['/limited?delay=20000', 504],
      ['/unlimited?delay=600', v1],
    ])
  })
})

describe('HTTPRouteTimeoutBackendRequest', () => {
  it('one try ends with 504 once its time is over, and the retries get their own', async () => {
    const { bed, port } = await openWeb('infra/v1')
    await using _ = bed
    const to = 'backendRefs: [{name: v1, port: SERVICE_PORT}]'
    await bed.put(
      'route',
      route('infra/r', {
        parents: 'web',
        rules: [
          `${onePath('/limited')}, ${timeouts('backendRequest: 500ms')}, ${to}`,
          `${onePath('/both')}, ${timeouts('request: 20s, backendRequest: 300ms')}, ${to}`,
          `${onePath('/unlimited')}, ${timeouts('backendRequest: 0s')}, ${to}`,
          `${onePath('/retried')}, ${timeouts('request: 20s, backendRequest: 200ms')}, retry: {attempts: 2, codes: [504], backoff: 1ms}, ${to}`,
        ],
      }),
    )
    assert.deepEqual(bed.parents('infra/r'), { 'infra/web': wellParent })
    await bed.expect(port, [
      ['/limited', v1],
      ['/limited?delay=20000', 504],
      ['/both?delay=20000', 504],
      ['/unlimited?delay=600', v1],
    ])
    const before = bed.echo(v1).seen.length
    await bed.expect(port, [['/retried?delay=20000', 504]])
    await bed.echo(v1).until(seen => seen.length >= before + 3)
    assert.equal(bed.echo(v1).seen.length - before, 3)
  })
})

describe('HTTPRouteRetry', () => {
  const codes = [500, 502, 503, 504]
  const fails = (path: string, times: number, code: number): string =>
    `/${path}?fail=${times}&code=${code}&key=${path}-${times}-${code}`

  it('retries the codes that are named as often as allowed, then passes on the last answer', async () => {
    const { bed, port } = await openWeb('infra/v1')
    await using _ = bed
    const to = 'backendRefs: [{name: v1, port: SERVICE_PORT}]'
    await bed.put(
      'route',
      route('infra/r', {
        parents: 'web',
        rules: [
          `${onePath('/one-code')}, retry: {codes: [500], attempts: 3, backoff: 1ms}, ${to}`,
          `${onePath('/all-codes')}, retry: {codes: [${codes.join(', ')}], attempts: 2, backoff: 1ms}, ${to}`,
          `${onePath('/never')}, ${to}`,
        ],
      }),
    )
    assert.deepEqual(bed.parents('infra/r'), { 'infra/web': wellParent })
    const rows: (readonly [Ask, Expected])[] = [
      [fails('one-code', 2, 500), v1],
      [fails('one-code', 3, 500), v1],
      [fails('one-code', 4, 500), { by: v1, status: 500 }],
      [fails('one-code', 2, 503), { by: v1, status: 503 }],
      [fails('never', 1, 503), { by: v1, status: 503 }],
      ...codes.flatMap((code): [Ask, Expected][] => [
        [fails('all-codes', 1, code), v1],
        [fails('all-codes', 3, code), { by: v1, status: code }],
      ]),
    ]
    await bed.expect(port, rows)
  })

  it('retries connections that are reset, whatever codes are named', async () => {
    const { bed, port } = await openWeb('infra/v1')
    await using _ = bed
    await bed.put(
      'route',
      route('infra/r', {
        parents: 'web',
        rules: [`retry: {codes: [500], attempts: 2, backoff: 1ms}, backendRefs: [{name: v1, port: SERVICE_PORT}]`],
      }),
    )
    await bed.expect(port, [
      [fails('reset', 2, 0), v1],
      [fails('reset', 3, 0), 502],
    ])
  })

  it('waits at least the backoff between two tries', async () => {
    const { bed, port } = await openWeb('infra/v1')
    await using _ = bed
    await bed.put(
      'route',
      route('infra/r', {
        parents: 'web',
        rules: [`retry: {codes: [503], attempts: 2, backoff: 100ms}, backendRefs: [{name: v1, port: SERVICE_PORT}]`],
      }),
    )
    const start = performance.now()
    await bed.expect(port, [[fails('slow', 2, 503), v1]])
    assert.ok(performance.now() - start >= 200)
  })
})

describe('HTTPRouteBackendProtocolWebSocket', () => {
  for (const appProtocol of ['kubernetes.io/ws', undefined]) {
    it(`messages go both ways through a route, appProtocol ${appProtocol ?? 'unset'}`, async () => {
      const { bed, port } = await openWeb()
      await using _ = bed
      const declared = appProtocol === undefined ? '' : `, appProtocol: ${appProtocol}`
      await bed.service('infra/v1', { ports: `[{name: http, port: SERVICE_PORT${declared}}]` })
      await bed.put(
        'route',
        route('infra/r', {
          parents: 'web',
          rules: [`${onePath('/ws')}, backendRefs: [{name: v1, port: SERVICE_PORT}]`],
        }),
      )
      assert.deepEqual(bed.parents('infra/r'), { 'infra/web': wellParent })
      const socket = new WebSocket(`ws://${bed.address}:${port}/ws`)
      const messages: string[] = []
      await new Promise<void>((resolve, reject) => {
        socket.addEventListener('error', () => reject(new Error('the WebSocket failed')))
        socket.addEventListener('open', () => socket.send('one'))
        socket.addEventListener('message', event => {
          messages.push(String(event.data))
          if (messages.length === 1) socket.send('two')
          else socket.close()
        })
        socket.addEventListener('close', () => resolve())
      })
      assert.deepEqual(messages, ['v1-pod-0/ws one', 'v1-pod-0/ws two'])
    })
  }
})

describe('HTTPRoute with filters that cannot be carried out', () => {
  it('a rule with an unknown extension answers 500, others go on', async () => {
    const { bed, port } = await openWeb('infra/v1')
    await using _ = bed
    const to = 'backendRefs: [{name: v1, port: SERVICE_PORT}]'
    await bed.put(
      'route',
      route('infra/r', {
        parents: 'web',
        rules: [
          `${onePath('/odd')}, filters: [{type: ExtensionRef, extensionRef: {group: example.com, kind: Odd, name: odd}}], ${to}`,
          `${onePath('/')}, ${to}`,
        ],
      }),
    )
    assert.deepEqual(bed.parents('infra/r'), { 'infra/web': unresolved('InvalidKind') })
    await bed.expect(port, [
      ['/odd', 500],
      ['/', v1],
    ])
  })

  it('a mirror of another namespace needs a grant', async () => {
    const { bed, port } = await openWeb('infra/v1', 'app-backend/v2')
    await using _ = bed
    await bed.put(
      'route',
      route('infra/r', {
        parents: 'web',
        rules: [
          `filters: [{type: RequestMirror, requestMirror: {backendRef: {name: v2, namespace: app-backend, port: SERVICE_PORT}}}], backendRefs: [{name: v1, port: SERVICE_PORT}]`,
        ],
      }),
    )
    assert.deepEqual(bed.parents('infra/r'), { 'infra/web': unresolved('RefNotPermitted') })
    await bed.expect(port, [['/before', v1]])
    await bed.put('grant', grant('app-backend/g', fromRoutes, "{group: '', kind: Service, name: v2}"))
    assert.deepEqual(bed.parents('infra/r'), { 'infra/web': wellParent })
    await bed.expect(port, [['/after', v1]])
    const echo = bed.echo('app-backend/v2')
    await echo.until(seen => seen.length > 0)
    assert.deepEqual(
      echo.seen.map(seen => seen.path),
      ['/after'],
    )
  })
})
