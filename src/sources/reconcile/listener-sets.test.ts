import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { otherPair, shopPair, type TestPair } from './test-pairs.ts'
import {
  brief,
  listenersOf,
  parentsOf,
  problemsOf,
  reconciled,
  resourcesOf,
  statusOf,
  testReconciler,
} from './testing.ts'
import type { Reconciled } from './reconcile.ts'

// Names in capitals are those of the Gateway API's conformance suite, v1.6, as far
// as conditions and the snapshot alone show what it asks for.

interface GatewaySketch {
  readonly listeners?: string
  /** Of `allowedListeners.namespaces`; none for a Gateway that says nothing. */
  readonly allows?: string
  readonly more?: string
}

const http = (name: string, hostname?: string, port = 80): string =>
  `{ name: ${name}, port: ${port}, protocol: HTTP${hostname === undefined ? '' : `, hostname: "${hostname}"`} }`

function gateway({
  listeners = http('own', 'own.example'),
  allows = 'from: All',
  more = '',
}: GatewaySketch = {}): string {
  const allowed = allows === '' ? '' : `allowedListeners: { namespaces: { ${allows} } },`
  return `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: web, namespace: infra, generation: 3 }
spec: { gatewayClassName: heddle, ${allowed} ${more} listeners: [${listeners}] }
---
`
}

interface SetSketch {
  readonly namespace?: string
  readonly name?: string
  readonly created?: string
  readonly parent?: string
}

function set(listeners: string, sketch: SetSketch = {}): string {
  const { namespace = 'infra', name = 'extra', created, parent = 'name: web, namespace: infra' } = sketch
  const age = created === undefined ? '' : `, creationTimestamp: "${created}"`
  return `
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: { name: ${name}, namespace: ${namespace}, generation: 5${age} }
spec: { parentRef: { ${parent} }, listeners: [${listeners}] }
---
`
}

function namespace(name: string, labels: string): string {
  return `
apiVersion: v1
kind: Namespace
metadata: { name: ${name}, labels: { ${labels} } }
---
`
}

interface RouteSketch {
  readonly kind?: string
  readonly namespace?: string
  readonly rules?: string
}

function route(name: string, parents: string, sketch: RouteSketch = {}): string {
  const { kind = 'HTTPRoute', namespace: home = 'infra', rules = '{ backendRefs: [{ name: v1, port: 80 }] }' } = sketch
  const hostnames = kind === 'TLSRoute' ? 'hostnames: ["*.example"],' : ''
  return `
apiVersion: gateway.networking.k8s.io/v1
kind: ${kind}
metadata: { name: ${name}, namespace: ${home} }
spec: { parentRefs: [${parents}], ${hostnames} rules: [${rules}] }
---
`
}

const toSet = (name = 'extra', more = ''): string =>
  `{ group: gateway.networking.k8s.io, kind: ListenerSet, name: ${name}, namespace: infra${more} }`

const v1 = `
apiVersion: v1
kind: Service
metadata: { name: v1, namespace: infra }
spec: { ports: [{ port: 80 }] }
---
`

const well =
  'Accepted=True/Accepted Programmed=True/Programmed ResolvedRefs=True/ResolvedRefs Conflicted=False/NoConflicts'
const accepted = 'Accepted=True/Accepted Programmed=True/Programmed'
const partly = 'Accepted=True/ListenersNotValid Programmed=True/Programmed'
const notValid = 'Accepted=False/ListenersNotValid Programmed=False/ListenersNotValid'
const notAllowed = 'Accepted=False/NotAllowed Programmed=False/NotAllowed'
const conflict = (reason: string): string =>
  `Accepted=False/${reason} Programmed=False/${reason} ResolvedRefs=True/ResolvedRefs Conflicted=True/${reason}`
const fine = 'Accepted=True/Accepted ResolvedRefs=True/ResolvedRefs'

const conditions = (result: Reconciled, name = 'infra/extra'): string =>
  brief(statusOf(result, `ListenerSet ${name}`).conditions)
const attachedSets = (result: Reconciled): number => statusOf(result, 'Gateway infra/web').attachedListenerSets ?? 0
const hostsOf = (result: Reconciled): Record<string, string[]> =>
  Object.fromEntries(
    [...result.snapshot.listeners.values()]
      .filter(listener => listener.kind === 'gateway')
      .map(({ id, virtualHosts }) => [id, virtualHosts.map(host => host.id)]),
  )

test('a ListenerSet adds its listeners to the sockets of its Gateway', () => {
  const result = reconciled(gateway() + set(`${http('a', 'a.example')}, ${http('b', undefined, 8080)}`))
  assert.deepEqual(hostsOf(result), {
    '127.0.0.1:80': ['ListenerSet infra/extra/a', 'Gateway infra/web/own'],
    '127.0.0.1:8080': ['ListenerSet infra/extra/b'],
  })
  assert.equal(conditions(result), accepted)
  assert.deepEqual(listenersOf(result, 'ListenerSet infra/extra'), { a: well, b: well })
  assert.equal(attachedSets(result), 1)
  assert.deepEqual(problemsOf(result), [])
  const { addresses, conditions: list, listeners } = statusOf(result, 'ListenerSet infra/extra')
  assert.deepEqual(addresses, [])
  for (const { observedGeneration } of [...list, ...listeners.flatMap(listener => listener.conditions)]) {
    assert.equal(observedGeneration, 5)
  }
  assert.equal(listenersOf(result, 'Gateway infra/web')['a'], undefined)
})

describe('client certificates that the Gateway asks for', () => {
  const https = (name: string, port: number): string =>
    `{ name: ${name}, port: ${port}, protocol: HTTPS, hostname: ${name}.example, tls: { certificateRefs: [{ name: shop }] } }`
  const secret = `
apiVersion: v1
kind: Secret
metadata: { name: shop, namespace: infra }
type: kubernetes.io/tls
data: { tls.crt: ${btoa(shopPair.chain)}, tls.key: ${btoa(shopPair.key)} }
---
`
  const authority = (namespaceOf: string): string => `
apiVersion: v1
kind: ConfigMap
metadata: { name: ca, namespace: ${namespaceOf} }
data: { ca.crt: ${JSON.stringify(otherPair.chain)} }
---
`
  const validation = '{ validation: { caCertificateRefs: [{ group: "", kind: ConfigMap, name: ca }] } }'
  const asking = (frontend: string): string =>
    gateway({ listeners: `${https('own', 443)}, ${http('plain')}`, more: `tls: { frontend: ${frontend} },` })
  const listeners = set(`${https('a', 443)}, ${https('b', 8443)}, ${http('c', 'c.example')}`)
  const clientsOf = (result: Reconciled): Record<string, string | undefined> =>
    Object.fromEntries(
      [...result.snapshot.listeners.values()].flatMap(({ virtualHosts }) =>
        virtualHosts.map(({ id, tls }) => [id.replace(/^.*\//, ''), tls?.clients?.mode]),
      ),
    )

  test('are asked for by listeners of its sets, too, by port', () => {
    const all = reconciled(asking(`{ default: ${validation} }`) + secret + authority('infra') + listeners)
    assert.deepEqual(clientsOf(all), { a: 'require', b: 'require', c: undefined, own: 'require', plain: undefined })
    assert.deepEqual(problemsOf(all), [])
    const perPort = `{ default: ${validation}, perPort: [{ port: 8443, tls: {} }] }`
    const some = reconciled(asking(perPort) + secret + authority('infra') + listeners)
    assert.deepEqual(clientsOf(some), { a: 'require', b: undefined, c: undefined, own: 'require', plain: undefined })
  })

  test('take listeners of sets off where nobody could be checked, told once', () => {
    // The authority is looked for where the Gateway is, not where the set is.
    const away = set(https('d', 443), { namespace: 'team' }) + secret.replace('namespace: infra', 'namespace: team')
    const result = reconciled(asking(`{ default: ${validation} }`) + secret + authority('team') + listeners + away)
    assert.deepEqual(clientsOf(result), { c: undefined, plain: undefined })
    const off =
      'Accepted=False/NoValidCACertificate Programmed=False/Invalid ResolvedRefs=False/InvalidCACertificateRef Conflicted=False/NoConflicts'
    for (const [id, name] of [
      ['infra/extra', 'a'],
      ['infra/extra', 'b'],
      ['team/extra', 'd'],
    ] as const) {
      assert.ok(listenersOf(result, `ListenerSet ${id}`)[name]?.startsWith(off), name)
    }
    assert.equal(conditions(result), partly)
    assert.equal(conditions(result, 'team/extra'), notValid)
    assert.deepEqual(
      problemsOf(result).filter(problem => problem.includes('ConfigMap')),
      ['error Gateway infra/web: spec.tls.frontend.default.validation.caCertificateRefs[0]: no ConfigMap infra/ca'],
    )
  })
})

describe('whom allowedListeners admits', () => {
  const rows: readonly (readonly [string, allows: string, namespace: string, admitted: boolean])[] = [
    ['ListenerSetDefaultNotAllowed', '', 'infra', false],
    ['ListenerSetAllowedNamespaceNone', 'from: None', 'infra', false],
    ['ListenerSetAllowedNamespaceSame', 'from: Same', 'infra', true],
    ['ListenerSetAllowedNamespaceSame', 'from: Same', 'team', false],
    ['ListenerSetAllowedNamespaceSelector', 'from: Selector, selector: { matchLabels: { a: b } }', 'team', true],
    ['ListenerSetAllowedNamespaceSelector', 'from: Selector, selector: { matchLabels: { a: b } }', 'other', false],
    ['all namespaces', 'from: All', 'other', true],
    ['a selector that is not there', 'from: Selector', 'team', false],
  ]
  for (const [what, allows, home, isAdmitted] of rows) {
    test(`${what}: ${allows || 'nothing'} ${isAdmitted ? 'admits' : 'does not admit'} namespace ${home}`, () => {
      const result = reconciled(
        gateway({ allows }) + namespace('team', 'a: b') + set(http('x', 'x.example'), { namespace: home }),
      )
      assert.equal(conditions(result, `${home}/extra`), isAdmitted ? accepted : notAllowed)
      assert.equal(attachedSets(result), isAdmitted ? 1 : 0)
      assert.equal(hostsOf(result)['127.0.0.1:80']?.length, isAdmitted ? 2 : 1)
      assert.equal(brief(statusOf(result, 'Gateway infra/web').conditions).startsWith(accepted), true)
    })
  }

  test('routes can not attach to a set that is not admitted, and both are told', () => {
    const result = reconciled(gateway({ allows: '' }) + set(http('x')) + v1 + route('r', toSet()))
    assert.deepEqual(parentsOf(result, 'HTTPRoute infra/r'), {
      extra: 'Accepted=False/NoMatchingParent ResolvedRefs=True/ResolvedRefs',
    })
    assert.deepEqual(problemsOf(result), [
      'warning HTTPRoute infra/r: spec.parentRefs[0]: ListenerSet infra/extra is not accepted: allowedListeners of Gateway infra/web does not admit namespace infra',
      'error ListenerSet infra/extra: spec.parentRef: allowedListeners of Gateway infra/web does not admit namespace infra',
    ])
  })

  test('the labels of a namespace may change', () => {
    const allows = 'from: Selector, selector: { matchLabels: { a: b } }'
    const text = (labels: string): string =>
      gateway({ allows }) + namespace('team', labels) + set(http('x', 'x.example'), { namespace: 'team' })
    const reconciler = testReconciler()
    const resources = resourcesOf(text('a: b'))
    assert.equal(conditions(reconciler.reconcile(resources), 'team/extra'), accepted)
    const relabelled = new Map(resources)
    for (const [id, resource] of resourcesOf(namespace('team', 'a: c'))) relabelled.set(id, resource)
    const result = reconciler.reconcile(relabelled)
    assert.equal(conditions(result, 'team/extra'), notAllowed)
    assert.deepEqual(hostsOf(result), { '127.0.0.1:80': ['Gateway infra/web/own'] })
  })
})

describe('ListenerSetHostnameConflict', () => {
  const result = reconciled(
    gateway({ listeners: `${http('own', 'own.example')}, ${http('taken', 'gateway.example')}`, allows: 'from: Same' }) +
      set([http('a', 'a.example'), http('taken', 'gateway.example'), http('later', 'set.example')].join(', '), {
        name: 'g-1',
      }) +
      set(http('taken', 'gateway.example'), { name: 'g-2' }) +
      set([http('b', 'b.example'), http('later', 'set.example')].join(', '), { name: 's-1' }) +
      set(http('later', 'set.example'), { name: 's-2' }),
  )
  const lost = conflict('HostnameConflict')

  test('the Gateway wins over its sets, an earlier set over a later one', () => {
    assert.deepEqual(listenersOf(result, 'Gateway infra/web'), { own: well, taken: well })
    assert.deepEqual(listenersOf(result, 'ListenerSet infra/g-1'), { a: well, taken: lost, later: well })
    assert.deepEqual(listenersOf(result, 'ListenerSet infra/g-2'), { taken: lost })
    assert.deepEqual(listenersOf(result, 'ListenerSet infra/s-1'), { b: well, later: lost })
    assert.deepEqual(listenersOf(result, 'ListenerSet infra/s-2'), { later: lost })
  })

  test('a set is accepted as long as one of its entries is', () => {
    assert.deepEqual(
      ['g-1', 'g-2', 's-1', 's-2'].map(name => conditions(result, `infra/${name}`)),
      [partly, notValid, partly, notValid],
    )
    assert.equal(attachedSets(result), 2)
  })

  test('the loser is told by whom', () => {
    assert.ok(
      problemsOf(result).includes(
        'error ListenerSet infra/s-2: spec.listeners[0]: port 80 with hostname set.example clashes with listener later (HTTP) of ListenerSet infra/g-1, which comes first',
      ),
      problemsOf(result).join('\n'),
    )
  })
})

describe('ListenerSetProtocolConflict', () => {
  const tcp = (name: string): string => `{ name: ${name}, port: 80, protocol: TCP }`
  const result = reconciled(
    gateway({ allows: 'from: Same' }) +
      set([http('a', 'a.example'), tcp('raw'), http('b', 'b.example')].join(', '), { name: 'g-1' }) +
      set(tcp('raw'), { name: 'g-2' }),
  )

  test('a protocol that the port does not have loses', () => {
    assert.deepEqual(listenersOf(result, 'ListenerSet infra/g-1'), {
      a: well,
      raw: conflict('ProtocolConflict'),
      b: well,
    })
    assert.equal(conditions(result, 'infra/g-1'), partly)
    assert.equal(conditions(result, 'infra/g-2'), notValid)
    assert.equal(attachedSets(result), 1)
  })
})

describe('the order of sets', () => {
  test('is their age, then namespace and name', () => {
    const same = http('x', 'x.example')
    const winner = (...sets: readonly SetSketch[]): string[] => {
      const result = reconciled(gateway() + sets.map(sketch => set(same, sketch)).join(''))
      return result.statuses
        .filter(({ kind, conditions: list }) => kind === 'ListenerSet' && list[0]?.status === 'True')
        .map(({ namespace: home, name }) => `${home}/${name}`)
    }
    assert.deepEqual(winner({ name: 'b' }, { name: 'a' }), ['infra/a'])
    assert.deepEqual(winner({ name: 'a', namespace: 'z' }, { name: 'b', namespace: 'c' }), ['c/b'])
    const [older, newer] = ['2026-01-01T00:00:00Z', '2026-02-01T00:00:00Z']
    assert.deepEqual(winner({ name: 'a', created: newer }, { name: 'b', created: older }), ['infra/b'])
  })

  test('decides inside one set by the place of the entry', () => {
    const result = reconciled(gateway() + set(`${http('a', undefined, 81)}, { name: b, port: 81, protocol: TCP }`))
    assert.deepEqual(listenersOf(result, 'ListenerSet infra/extra'), { a: well, b: conflict('ProtocolConflict') })
  })

  test('an entry that lost takes no place from later ones', () => {
    const result = reconciled(
      gateway({ listeners: http('own', undefined, 80) }) +
        set(`{ name: raw, port: 80, protocol: TCP }, ${http('a', undefined, 81)}`, { name: 'a' }) +
        set(http('late', 'late.example'), { name: 'b' }),
    )
    assert.deepEqual(listenersOf(result, 'ListenerSet infra/b'), { late: well })
  })
})

describe('ListenerSetReferenceGrant', () => {
  const secret = (pair: TestPair): string => `
apiVersion: v1
kind: Secret
metadata: { name: certificate, namespace: vault }
type: kubernetes.io/tls
data: { tls.crt: ${Buffer.from(pair.chain).toString('base64')}, tls.key: ${Buffer.from(pair.key).toString('base64')} }
---
`
  const grant = (kind: string, home: string): string => `
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: { name: ${kind.toLowerCase()}-${home}, namespace: vault }
spec: { from: [{ group: gateway.networking.k8s.io, kind: ${kind}, namespace: ${home} }], to: [{ group: "", kind: Secret }] }
---
`
  const https = (hostname: string): string =>
    `{ name: tls, port: 443, protocol: HTTPS, hostname: ${hostname}, tls: { certificateRefs: [{ name: certificate, namespace: vault }] } }`
  const text =
    gateway({ listeners: https('own.example') }) +
    secret(otherPair) +
    set(https('a.example'), { name: 'with' }) +
    set(https('b.example'), { name: 'without', namespace: 'team' })

  test('a set needs a grant for its own kind and namespace; that of the Gateway is not inherited', () => {
    const result = reconciled(text + grant('Gateway', 'infra') + grant('ListenerSet', 'infra'))
    assert.match(listenersOf(result, 'Gateway infra/web')['tls'] ?? '', /ResolvedRefs=True/)
    assert.match(listenersOf(result, 'ListenerSet infra/with')['tls'] ?? '', /Programmed=True\S* ResolvedRefs=True/)
    assert.match(
      listenersOf(result, 'ListenerSet team/without')['tls'] ?? '',
      /Programmed=False\S* ResolvedRefs=False\/RefNotPermitted/,
    )
    assert.equal(conditions(result, 'infra/with'), accepted)
    assert.equal(conditions(result, 'team/without'), notValid)
    assert.equal(attachedSets(result), 1)
  })

  test('nor does the Gateway have that of a set', () => {
    const result = reconciled(text + grant('ListenerSet', 'infra'))
    assert.match(listenersOf(result, 'Gateway infra/web')['tls'] ?? '', /ResolvedRefs=False\/RefNotPermitted/)
    assert.equal(conditions(result, 'infra/with'), accepted)
    // The set keeps the Gateway going.
    assert.match(brief(statusOf(result, 'Gateway infra/web').conditions), /^Accepted=True\S* Programmed=True/)
  })

  test('overlapping certificates and hostnames are told across the sets', () => {
    const result = reconciled(
      gateway({ listeners: https('"*.shop.example"') }) +
        secret(shopPair) +
        set(https('a.shop.example')) +
        grant('Gateway', 'infra') +
        grant('ListenerSet', 'infra'),
    )
    for (const id of ['Gateway infra/web', 'ListenerSet infra/extra']) {
      assert.match(listenersOf(result, id)['tls'] ?? '', /OverlappingTLSConfig=True\/OverlappingHostnames$/)
    }
  })
})

describe('routes', () => {
  test('ListenerSetHTTPRouting: a route reaches all entries, or the one it names', () => {
    const result = reconciled(
      gateway() +
        set(`${http('a', 'a.example')}, ${http('b', 'b.example')}`) +
        v1 +
        route('all', toSet()) +
        route('one', toSet('extra', ', sectionName: b')) +
        route('port', toSet('extra', ', port: 81')),
    )
    assert.deepEqual(parentsOf(result, 'HTTPRoute infra/all'), { extra: fine })
    assert.deepEqual(parentsOf(result, 'HTTPRoute infra/one'), { 'extra/b': fine })
    assert.deepEqual(parentsOf(result, 'HTTPRoute infra/port'), {
      'extra:81': 'Accepted=False/NoMatchingParent ResolvedRefs=True/ResolvedRefs',
    })
    assert.deepEqual(
      result.snapshot.routes
        .get('HTTPRoute infra/all')
        ?.attachments.map(({ virtualHost, hostnames }) => [virtualHost, hostnames]),
      [
        ['ListenerSet infra/extra/a', ['a.example']],
        ['ListenerSet infra/extra/b', ['b.example']],
      ],
    )
    const counts = statusOf(result, 'ListenerSet infra/extra').listeners.map(listener => listener.attachedRoutes)
    assert.deepEqual(counts, [1, 2])
    assert.deepEqual(statusOf(result, 'Gateway infra/web').listeners[0]?.attachedRoutes, 0)
  })

  test('ListenerSetAllowedRoutesNamespaces: Same is the namespace of the set', () => {
    const result = reconciled(
      gateway() +
        namespace('chosen', 'allowed: ns') +
        set(
          [
            '{ name: all, port: 80, protocol: HTTP, hostname: all.example, allowedRoutes: { namespaces: { from: All } } }',
            '{ name: same, port: 80, protocol: HTTP, hostname: same.example }',
            '{ name: chosen, port: 80, protocol: HTTP, hostname: chosen.example, allowedRoutes: { namespaces: { from: Selector, selector: { matchLabels: { allowed: ns } } } } }',
          ].join(', '),
        ) +
        set(http('far', 'far.example'), { namespace: 'team', name: 'far' }) +
        route('same', toSet(), { rules: '{}' }) +
        route('chosen', toSet(), { namespace: 'chosen', rules: '{}' }) +
        route('other', toSet(), { namespace: 'other', rules: '{}' }) +
        route('near', '{ group: gateway.networking.k8s.io, kind: ListenerSet, name: far }', {
          namespace: 'team',
          rules: '{}',
        }) +
        route('away', '{ group: gateway.networking.k8s.io, kind: ListenerSet, name: far, namespace: team }', {
          rules: '{}',
        }),
    )
    assert.deepEqual(
      statusOf(result, 'ListenerSet infra/extra').listeners.map(listener => listener.attachedRoutes),
      [3, 1, 1],
    )
    assert.deepEqual(parentsOf(result, 'HTTPRoute team/near'), { far: fine })
    assert.deepEqual(parentsOf(result, 'HTTPRoute infra/away'), {
      far: 'Accepted=False/NotAllowedByListeners ResolvedRefs=True/ResolvedRefs',
    })
  })

  test('ListenerSetAllowedRoutesSupportedKinds: a kind that the protocol has not', () => {
    const result = reconciled(
      gateway() +
        set(
          '{ name: tls, port: 443, protocol: TLS, hostname: x.example, tls: { mode: Passthrough }, allowedRoutes: { kinds: [{ kind: HTTPRoute }] } }',
        ),
    )
    assert.match(listenersOf(result, 'ListenerSet infra/extra')['tls'] ?? '', /ResolvedRefs=False\/InvalidRouteKinds/)
    assert.deepEqual(statusOf(result, 'ListenerSet infra/extra').listeners[0]?.supportedKinds, [])
  })

  test('ListenerSetDualParentRefIndependence: each parentRef is judged by itself', () => {
    const result = reconciled(
      gateway() +
        set(http('entry', 'set.example')) +
        v1 +
        route('both', `{ name: web }, ${toSet()}`) +
        route('one', `{ name: web, sectionName: entry }, ${toSet('extra', ', sectionName: entry')}`),
    )
    assert.deepEqual(parentsOf(result, 'HTTPRoute infra/both'), { web: fine, extra: fine })
    assert.deepEqual(parentsOf(result, 'HTTPRoute infra/one'), {
      'web/entry': 'Accepted=False/NoMatchingParent ResolvedRefs=True/ResolvedRefs',
      'extra/entry': fine,
    })
    assert.equal(statusOf(result, 'ListenerSet infra/extra').listeners[0]?.attachedRoutes, 2)
    assert.equal(statusOf(result, 'Gateway infra/web').listeners[0]?.attachedRoutes, 1)
  })

  test('ListenerSetGatewayParentSectionNameNotFound: the entry of a set is no section of its Gateway', () => {
    const result = reconciled(gateway() + set(http('entry')) + v1 + route('r', '{ name: web, sectionName: entry }'))
    assert.deepEqual(parentsOf(result, 'HTTPRoute infra/r'), {
      'web/entry': 'Accepted=False/NoMatchingParent ResolvedRefs=True/ResolvedRefs',
    })
  })

  test('ListenerSetRouteStatusScopedToParentRef: the status names the parents that the route names', () => {
    const result = reconciled(
      gateway() +
        set(http('entry', 'set.example')) +
        v1 +
        route('set-only', toSet()) +
        route('gateway-only', '{ name: web }'),
    )
    const named = (name: string): string[] =>
      statusOf(result, `HTTPRoute infra/${name}`).parents.map(({ parentRef }) => `${parentRef.kind} ${parentRef.name}`)
    assert.deepEqual(named('set-only'), ['ListenerSet extra'])
    assert.deepEqual(named('gateway-only'), ['Gateway web'])
  })

  test('of every kind attach', () => {
    const entries = [
      http('http', 'h.example'),
      '{ name: tcp, port: 5432, protocol: TCP }',
      '{ name: udp, port: 53, protocol: UDP }',
      '{ name: tls, port: 8443, protocol: TLS, tls: { mode: Passthrough } }',
    ]
    const services = `
apiVersion: v1
kind: Service
metadata: { name: many, namespace: infra }
spec: { ports: [{ name: grpc, port: 1 }, { name: raw, port: 2, appProtocol: tcp }, { name: dns, port: 3, protocol: UDP }] }
---
`
    const kinds: readonly (readonly [string, string, number])[] = [
      ['GRPCRoute', 'http', 1],
      ['TCPRoute', 'tcp', 2],
      ['UDPRoute', 'udp', 3],
      ['TLSRoute', 'tls', 2],
    ]
    const result = reconciled(
      gateway() +
        set(entries.join(', ')) +
        services +
        kinds
          .map(([kind, section, port]) =>
            route(section, toSet('extra', `, sectionName: ${section}`), {
              kind,
              rules: `{ backendRefs: [{ name: many, port: ${port} }] }`,
            }),
          )
          .join(''),
    )
    for (const [kind, section] of kinds) {
      assert.deepEqual(parentsOf(result, `${kind} infra/${section}`), { [`extra/${section}`]: fine })
    }
    const counts = statusOf(result, 'ListenerSet infra/extra').listeners.map(listener => listener.attachedRoutes)
    assert.deepEqual(counts, [1, 1, 1, 1])
  })

  test('need grants for other namespaces, as on a Gateway', () => {
    const result = reconciled(
      gateway() +
        set('{ name: x, port: 80, protocol: HTTP, allowedRoutes: { namespaces: { from: All } } }') +
        v1 +
        route('r', toSet(), {
          namespace: 'team',
          rules: '{ backendRefs: [{ name: v1, namespace: infra, port: 80 }] }',
        }),
    )
    assert.deepEqual(parentsOf(result, 'HTTPRoute team/r'), {
      extra: 'Accepted=True/Accepted ResolvedRefs=False/RefNotPermitted',
    })
  })

  test('name a set that is not there', () => {
    const result = reconciled(gateway() + set(http('x', 'x.example')) + v1 + route('r', toSet('extras')))
    assert.deepEqual(parentsOf(result, 'HTTPRoute infra/r'), {})
    assert.deepEqual(problemsOf(result), [
      'warning HTTPRoute infra/r: spec.parentRefs[0]: no ListenerSet infra/extras, did you mean infra/extra?',
    ])
  })
})

describe('the Gateway of a set', () => {
  test('is not there, or no Gateway: no status, but a problem', () => {
    const missing = reconciled(gateway() + set(http('x'), { parent: 'name: wep' }))
    assert.deepEqual(problemsOf(missing), [
      'warning ListenerSet infra/extra: spec.parentRef: no Gateway infra/wep, did you mean infra/web?',
    ])
    const odd = reconciled(gateway() + set(http('x'), { parent: 'kind: Bucket, group: x.dev, name: web' }))
    assert.deepEqual(problemsOf(odd), [
      'warning ListenerSet infra/extra: spec.parentRef: a parent must be a Gateway, not x.dev/Bucket',
    ])
    for (const result of [missing, odd]) {
      assert.equal(
        result.statuses.some(({ kind }) => kind === 'ListenerSet'),
        false,
      )
    }
  })

  test('is of another controller: the set is none of our business', () => {
    const foreign = `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: { name: heddle }
spec: { controllerName: other.dev/controller }
---
`
    const result = reconciled(foreign + gateway() + set(http('x')) + v1 + route('r', toSet()))
    assert.equal(
      result.statuses.some(({ kind }) => kind === 'ListenerSet'),
      false,
    )
    assert.deepEqual(parentsOf(result, 'HTTPRoute infra/r'), {})
  })

  test('is not accepted, and so its sets are not', () => {
    const more = 'infrastructure: { parametersRef: { group: x.dev, kind: Thing, name: t } },'
    const result = reconciled(gateway({ more }) + set(http('x', 'x.example')))
    assert.equal(conditions(result), 'Accepted=False/ParentNotAccepted Programmed=False/ParentNotProgrammed')
    assert.equal(attachedSets(result), 0)
  })

  test('comes, goes and comes back', () => {
    const reconciler = testReconciler()
    const whole = resourcesOf(gateway() + set(http('x', 'x.example')) + v1 + route('r', toSet()))
    const first = reconciler.reconcile(whole)
    assert.equal(conditions(first), accepted)
    const without = new Map(whole)
    without.delete('Gateway infra/web')
    const second = reconciler.reconcile(without)
    assert.deepEqual(hostsOf(second), {})
    assert.equal(second.snapshot.routes.has('HTTPRoute infra/r'), false)
    const third = reconciler.reconcile(new Map(whole))
    assert.equal(conditions(third), accepted)
    assert.deepEqual(hostsOf(third), hostsOf(first))
    const removed = new Map(whole)
    removed.delete('ListenerSet infra/extra')
    const last = reconciler.reconcile(removed)
    assert.deepEqual(hostsOf(last), { '127.0.0.1:80': ['Gateway infra/web/own'] })
    assert.equal(attachedSets(last), 0)
  })

  test('can not listen on a port of the set alone', () => {
    const listenFailures = new Map([['127.0.0.1:81', 'address in use']])
    const result = reconciled(gateway() + set(http('x', undefined, 81)), { listenFailures })
    assert.equal(conditions(result), 'Accepted=True/Accepted Programmed=False/PortUnavailable')
    assert.match(brief(statusOf(result, 'Gateway infra/web').conditions), /Programmed=True/)
  })
})
