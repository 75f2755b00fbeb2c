import assert from 'node:assert/strict'
import { test } from 'node:test'
import { brief, listenersOf, problemsOf, reconciled, statusOf } from './testing.ts'
import { otherPair, shopPair } from './test-pairs.ts'

const fine = 'Accepted=True/Accepted Programmed=True/Programmed ResolvedRefs=True/ResolvedRefs'
const fineListener = `${fine} Conflicted=False/NoConflicts`

function gateway(spec: string, name = 'web', created = '2026-01-01T00:00:00Z'): string {
  return `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: ${name}, namespace: shop, generation: 7, creationTimestamp: "${created}" }
spec: { gatewayClassName: heddle, ${spec} }
---
`
}

const plain = 'listeners: [{ name: http, port: 80, protocol: HTTP }]'

test('a Gateway of the built-in class is accepted, programmed and listens on the bind address', () => {
  const result = reconciled(gateway(plain))
  const status = statusOf(result, 'Gateway shop/web')
  assert.equal(brief(status.conditions), fine)
  assert.deepEqual(listenersOf(result, 'Gateway shop/web'), { http: fineListener })
  assert.deepEqual(status.addresses, ['127.0.0.1'])
  assert.deepEqual(
    status.listeners[0]?.supportedKinds.map(({ kind }) => kind),
    ['HTTPRoute', 'GRPCRoute'],
  )
  for (const one of [...status.conditions, ...(status.listeners[0]?.conditions ?? [])]) {
    assert.equal(one.observedGeneration, 7)
  }
  assert.deepEqual(
    [...result.snapshot.listeners.values()],
    [
      {
        id: '127.0.0.1:80',
        address: '127.0.0.1',
        port: 80,
        kind: 'gateway',
        protocol: 'HTTP',
        virtualHosts: [
          {
            id: 'Gateway shop/web/http',
            hostname: undefined,
            certificates: [],
            tls: undefined,
            clientCertificate: undefined,
          },
        ],
      },
    ],
  )
  assert.equal(
    brief(statusOf(result, 'GatewayClass heddle').conditions),
    'Accepted=True/Accepted SupportedVersion=True/SupportedVersion',
  )
  assert.deepEqual(problemsOf(result), [])
})

function gatewayClass(name: string, spec: string): string {
  return `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: { name: ${name}, generation: 3 }
spec: { ${spec} }
---
`
}

const ours = 'controllerName: heddle.dev/gateway-controller'

test('a GatewayClass decides whether its Gateways are served', () => {
  const rows: {
    classes: string
    gateway: string | undefined
    class: string | undefined
    problem: RegExp | undefined
  }[] = [
    { classes: gatewayClass('heddle', ours), gateway: fine, class: 'Accepted=True/Accepted', problem: undefined },
    {
      classes: gatewayClass('heddle', `${ours}, parametersRef: { group: x.dev, kind: Params, name: p }`),
      gateway: 'Accepted=False/InvalidParameters Programmed=False/Invalid ResolvedRefs=True/ResolvedRefs',
      class: 'Accepted=False/InvalidParameters',
      problem: /no parameters x\.dev\/Params p/,
    },
    {
      classes: gatewayClass('heddle', 'controllerName: example.com/other'),
      gateway: undefined,
      class: undefined,
      problem: /belongs to another controller; Heddle.s are of heddle.dev\/gateway-controller/,
    },
    {
      classes: gatewayClass('hedle', ours),
      gateway: undefined,
      class: undefined,
      problem: /no GatewayClass heddle, did you mean hedle\?/,
    },
  ]
  for (const row of rows) {
    const result = reconciled(row.classes + gateway(plain))
    const status = result.statuses.find(one => one.kind === 'Gateway')
    assert.equal(status === undefined ? undefined : brief(status.conditions), row.gateway)
    if (row.class !== undefined) {
      assert.ok(brief(statusOf(result, 'GatewayClass heddle').conditions).startsWith(row.class))
    }
    assert.equal(result.snapshot.listeners.size, row.gateway === fine ? 1 : 0)
    if (row.problem === undefined) assert.deepEqual(problemsOf(result), [])
    else assert.match(problemsOf(result).join('\n'), row.problem)
  }
})

test('the built-in class steps back when the files have any GatewayClass', () => {
  const result = reconciled(gatewayClass('other', ours) + gateway(plain))
  assert.equal(result.snapshot.listeners.size, 0)
})

const off = (reason: string) =>
  `Accepted=False/${reason} Programmed=False/Invalid ResolvedRefs=True/ResolvedRefs Conflicted=True/${reason}`

test('listeners of one Gateway that conflict are all off', () => {
  const rows: [string, Record<string, string>][] = [
    [
      '{ name: a, port: 80, protocol: HTTP, hostname: a.com }, { name: b, port: 80, protocol: HTTP, hostname: b.com }',
      { a: fineListener, b: fineListener },
    ],
    [
      '{ name: a, port: 80, protocol: HTTP, hostname: a.com }, { name: b, port: 81, protocol: HTTP, hostname: a.com }',
      { a: fineListener, b: fineListener },
    ],
    [
      '{ name: a, port: 80, protocol: HTTP }, { name: b, port: 80, protocol: TCP }, { name: c, port: 81, protocol: HTTP }',
      { a: off('ProtocolConflict'), b: off('ProtocolConflict'), c: fineListener },
    ],
    [
      '{ name: a, port: 80, protocol: HTTP, hostname: a.com }, { name: b, port: 80, protocol: HTTPS, hostname: b.com, tls: { certificateRefs: [{ name: x }] } }',
      {
        a: off('ProtocolConflict'),
        b: off('ProtocolConflict').replace(
          'ResolvedRefs=True/ResolvedRefs',
          'ResolvedRefs=False/InvalidCertificateRef',
        ),
      },
    ],
  ]
  for (const [listeners, expected] of rows) {
    const result = reconciled(gateway(`listeners: [${listeners}]`))
    assert.deepEqual(listenersOf(result, 'Gateway shop/web'), expected, listeners)
  }
})

test('listeners with an unsupported protocol leave the others standing', () => {
  const unsupported =
    'Accepted=False/UnsupportedProtocol Programmed=False/Invalid ResolvedRefs=True/ResolvedRefs Conflicted=False/NoConflicts'
  const mixed = reconciled(
    gateway('listeners: [{ name: http, port: 80, protocol: HTTP }, { name: own, port: 81, protocol: x.dev/own }]'),
  )
  assert.deepEqual(listenersOf(mixed, 'Gateway shop/web'), { http: fineListener, own: unsupported })
  const status = statusOf(mixed, 'Gateway shop/web')
  assert.equal(
    brief(status.conditions),
    'Accepted=True/ListenersNotValid Programmed=True/Programmed ResolvedRefs=True/ResolvedRefs',
  )
  assert.deepEqual(status.listeners[1]?.supportedKinds, [])
  const alone = reconciled(gateway('listeners: [{ name: own, port: 81, protocol: x.dev/own }]'))
  assert.equal(
    brief(statusOf(alone, 'Gateway shop/web').conditions),
    'Accepted=False/ListenersNotValid Programmed=False/Invalid ResolvedRefs=True/ResolvedRefs',
  )
  assert.deepEqual(statusOf(alone, 'Gateway shop/web').addresses, [])
})

test('allowedRoutes.kinds keeps the kinds that fit and tells the others', () => {
  const rows: [string, string[], string, boolean][] = [
    ['[{ kind: HTTPRoute }]', ['HTTPRoute'], 'True/ResolvedRefs', true],
    ['[{ kind: HTTPRoute }, { kind: TCPRoute }]', ['HTTPRoute'], 'False/InvalidRouteKinds', true],
    ['[{ kind: TCPRoute }]', [], 'False/InvalidRouteKinds', false],
    ['[{ group: x.dev, kind: HTTPRoute }]', [], 'False/InvalidRouteKinds', false],
  ]
  for (const [kinds, supported, refs, served] of rows) {
    const result = reconciled(
      gateway(`listeners: [{ name: http, port: 80, protocol: HTTP, allowedRoutes: { kinds: ${kinds} } }]`),
    )
    const [listener] = statusOf(result, 'Gateway shop/web').listeners
    assert.deepEqual(
      listener?.supportedKinds.map(entry => entry.kind),
      supported,
      kinds,
    )
    assert.match(brief(listener?.conditions ?? []), new RegExp(`Accepted=True/Accepted .* ResolvedRefs=${refs}`))
    assert.equal(result.snapshot.listeners.size, served ? 1 : 0, kinds)
    assert.match(
      brief(statusOf(result, 'Gateway shop/web').conditions),
      refs.startsWith('True') ? /ResolvedRefs=True/ : /ResolvedRefs=False\/ListenersNotResolved/,
    )
  }
})

test('spec.addresses are judged by type, then by whether the machine has them', () => {
  const rows: [string, string, string[], string[]][] = [
    ['[{ value: 10.1.1.1 }]', fine, ['10.1.1.1'], ['10.1.1.1:80']],
    ['[{ type: Hostname, value: localhost }]', fine, ['127.0.0.1'], ['127.0.0.1:80']],
    ['[{ type: IPAddress }]', fine, ['127.0.0.1'], ['127.0.0.1:80']],
    [
      '[{ value: 127.0.0.5 }, { value: 10.9.9.9 }]',
      'Accepted=True/Accepted Programmed=False/AddressNotUsable ResolvedRefs=True/ResolvedRefs',
      ['127.0.0.5'],
      ['127.0.0.5:80'],
    ],
    [
      '[{ value: 10.9.9.9 }]',
      'Accepted=True/Accepted Programmed=False/AddressNotUsable ResolvedRefs=True/ResolvedRefs',
      [],
      [],
    ],
    [
      '[{ type: x.dev/Named, value: front }, { value: 127.0.0.1 }]',
      'Accepted=False/UnsupportedAddress Programmed=False/Invalid ResolvedRefs=True/ResolvedRefs',
      [],
      [],
    ],
  ]
  for (const [addresses, conditions, shown, sockets] of rows) {
    const result = reconciled(gateway(`${plain}, addresses: ${addresses}`))
    const status = statusOf(result, 'Gateway shop/web')
    assert.equal(brief(status.conditions), conditions, addresses)
    assert.deepEqual(status.addresses, shown, addresses)
    assert.deepEqual([...result.snapshot.listeners.keys()], sockets, addresses)
  }
})

test('unknown infrastructure parameters refuse the Gateway', () => {
  const result = reconciled(
    gateway(`${plain}, infrastructure: { parametersRef: { group: x.dev, kind: Params, name: p } }`),
  )
  assert.match(brief(statusOf(result, 'Gateway shop/web').conditions), /^Accepted=False\/InvalidParameters/)
  assert.equal(result.snapshot.listeners.size, 0)
})

test('Gateways share a socket by hostname, and the older one wins an equal hostname', () => {
  const listeners = (hostname: string): string =>
    `listeners: [{ name: http, port: 80, protocol: HTTP${hostname === '' ? '' : `, hostname: "${hostname}"`} }]`
  const result = reconciled(
    gateway(listeners('a.com'), 'young', '2026-03-01T00:00:00Z') +
      gateway(listeners('a.com'), 'old', '2026-01-01T00:00:00Z') +
      gateway(listeners('*.com'), 'wild', '2026-02-01T00:00:00Z') +
      gateway(listeners(''), 'any', '2026-02-01T00:00:00Z'),
  )
  const socket = result.snapshot.listeners.get('127.0.0.1:80')
  assert.deepEqual(
    socket?.virtualHosts.map(host => host.id),
    ['Gateway shop/old/http', 'Gateway shop/wild/http', 'Gateway shop/any/http'],
  )
  assert.deepEqual(listenersOf(result, 'Gateway shop/young'), {
    http: 'Accepted=False/PortUnavailable Programmed=False/Invalid ResolvedRefs=True/ResolvedRefs Conflicted=False/NoConflicts',
  })
  assert.deepEqual(problemsOf(result), [
    'error Gateway shop/young: spec.listeners[0]: Gateway shop/old has 127.0.0.1:80 with hostname a.com',
  ])
})

test('a failure to listen turns Programmed off and the socket stays wanted', () => {
  const result = reconciled(gateway(plain), { listenFailures: new Map([['127.0.0.1:80', 'permission denied']]) })
  assert.deepEqual(listenersOf(result, 'Gateway shop/web'), {
    http: 'Accepted=True/Accepted Programmed=False/PortUnavailable ResolvedRefs=True/ResolvedRefs Conflicted=False/NoConflicts',
  })
  assert.equal(
    brief(statusOf(result, 'Gateway shop/web').conditions),
    'Accepted=True/Accepted Programmed=False/Invalid ResolvedRefs=True/ResolvedRefs',
  )
  assert.equal(result.snapshot.listeners.size, 1)
})

test('HTTPS listeners resolve their certificates', async t => {
  const secret = (name: string, namespace: string, crt: string, key: string, type = 'kubernetes.io/tls'): string => `
apiVersion: v1
kind: Secret
metadata: { name: ${name}, namespace: ${namespace} }
type: ${type}
data: { tls.crt: "${Buffer.from(crt).toString('base64')}", tls.key: "${Buffer.from(key).toString('base64')}" }
---
`
  const secrets =
    secret('good', 'shop', shopPair.chain, shopPair.key) +
    secret('mixed', 'shop', shopPair.chain, otherPair.key) +
    secret('garbage', 'shop', 'no PEM', shopPair.key) +
    secret('opaque', 'shop', shopPair.chain, shopPair.key, 'Opaque') +
    secret('far', 'certs', shopPair.chain, shopPair.key)
  const grant = (to: string, from = 'kind: Gateway, namespace: shop'): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: ReferenceGrant
metadata: { name: grant, namespace: certs }
spec:
  from: [{ group: gateway.networking.k8s.io, ${from} }]
  to: [{ group: "", ${to} }]
---
`
  const rows: { name: string; refs: string; more?: string; resolved: string; served: string[] }[] = [
    { name: 'a good one', refs: '{ name: good }', resolved: 'True/ResolvedRefs', served: ['shop/good'] },
    { name: 'a missing one', refs: '{ name: god }', resolved: 'False/InvalidCertificateRef', served: [] },
    { name: 'a malformed one', refs: '{ name: garbage }', resolved: 'False/InvalidCertificateRef', served: [] },
    { name: 'the key of another', refs: '{ name: mixed }', resolved: 'False/InvalidCertificateRef', served: [] },
    { name: 'the wrong type', refs: '{ name: opaque }', resolved: 'False/InvalidCertificateRef', served: [] },
    { name: 'the wrong kind', refs: '{ kind: Key, name: good }', resolved: 'False/InvalidCertificateRef', served: [] },
    {
      name: 'the wrong group',
      refs: '{ group: x.dev, name: good }',
      resolved: 'False/InvalidCertificateRef',
      served: [],
    },
    {
      name: 'one good of two',
      refs: '{ name: missing }, { name: good }',
      resolved: 'False/InvalidCertificateRef',
      served: ['shop/good'],
    },
    { name: 'no grant', refs: '{ name: far, namespace: certs }', resolved: 'False/RefNotPermitted', served: [] },
    {
      name: 'a grant for all',
      refs: '{ name: far, namespace: certs }',
      more: grant('kind: Secret'),
      resolved: 'True/ResolvedRefs',
      served: ['certs/far'],
    },
    {
      name: 'a grant for it',
      refs: '{ name: far, namespace: certs }',
      more: grant('kind: Secret, name: far'),
      resolved: 'True/ResolvedRefs',
      served: ['certs/far'],
    },
    ...['kind: Secret, name: near', 'kind: Service'].map(to => ({
      name: `a grant for ${to}`,
      refs: '{ name: far, namespace: certs }',
      more: grant(to),
      resolved: 'False/RefNotPermitted',
      served: [],
    })),
    ...['kind: HTTPRoute, namespace: shop', 'kind: Gateway, namespace: other'].map(from => ({
      name: `a grant from ${from}`,
      refs: '{ name: far, namespace: certs }',
      more: grant('kind: Secret', from),
      resolved: 'False/RefNotPermitted',
      served: [],
    })),
  ]
  for (const row of rows) {
    await t.test(row.name, () => {
      const listener = `{ name: https, port: 443, protocol: HTTPS, tls: { certificateRefs: [${row.refs}] } }`
      const result = reconciled(secrets + (row.more ?? '') + gateway(`listeners: [${listener}]`))
      const programmed = row.served.length > 0 ? 'True/Programmed' : 'False/Invalid'
      assert.equal(
        listenersOf(result, 'Gateway shop/web')['https'],
        `Accepted=True/Accepted Programmed=${programmed} ResolvedRefs=${row.resolved} Conflicted=False/NoConflicts`,
      )
      const hosts = result.snapshot.listeners.get('127.0.0.1:443')?.virtualHosts ?? []
      assert.deepEqual(
        hosts.flatMap(host => host.certificates.map(one => one.name)),
        row.served,
      )
    })
  }

  await t.test('overlapping hostnames and certificates are told', () => {
    const listener = (name: string, hostname: string): string =>
      `{ name: ${name}, port: 443, protocol: HTTPS, hostname: "${hostname}", tls: { certificateRefs: [{ name: good }] } }`
    const overlapping = reconciled(
      secrets + gateway(`listeners: [${listener('a', '*.shop.example')}, ${listener('b', 'www.shop.example')}]`),
    )
    assert.match(
      listenersOf(overlapping, 'Gateway shop/web')['a'] ?? '',
      /OverlappingTLSConfig=True\/OverlappingHostnames/,
    )
    const sharing = reconciled(
      secrets + gateway(`listeners: [${listener('a', 'shop.example')}, ${listener('b', 'www.shop.example')}]`),
    )
    assert.match(
      listenersOf(sharing, 'Gateway shop/web')['b'] ?? '',
      /OverlappingTLSConfig=True\/OverlappingCertificates/,
    )
  })

  await t.test('a client certificate for backends has to resolve', () => {
    const rows: [string, string][] = [
      ['{ name: good }', 'True/ResolvedRefs'],
      ['{ name: missing }', 'False/InvalidClientCertificateRef'],
      ['{ name: far, namespace: certs }', 'False/RefNotPermitted'],
    ]
    for (const [ref, expected] of rows) {
      const result = reconciled(secrets + gateway(`${plain}, tls: { backend: { clientCertificateRef: ${ref} } }`))
      assert.match(
        brief(statusOf(result, 'Gateway shop/web').conditions),
        new RegExp(`^Accepted=True.* ResolvedRefs=${expected}$`),
      )
      const shown = result.snapshot.listeners.get('127.0.0.1:80')?.virtualHosts[0]?.clientCertificate?.name
      assert.equal(shown, expected.startsWith('True') ? 'shop/good' : undefined)
    }
  })
})
