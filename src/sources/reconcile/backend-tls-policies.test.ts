import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BackendTls } from '../../model/index.ts'
import { FileSource } from '../file-source.ts'
import type { Reconciled } from './reconcile.ts'
import { brief, parentsOf, problemsOf, reconciled, resourcesOf, statusOf, testReconciler } from './testing.ts'
import { otherPair, shopPair } from './test-pairs.ts'

const fine = 'Accepted=True/Accepted ResolvedRefs=True/ResolvedRefs'

const base = `
apiVersion: v1
kind: Service
metadata: { name: cart, namespace: shop }
spec: { ports: [{ name: https, port: 443, appProtocol: https }, { name: http, port: 80 }] }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: ca, namespace: shop }
data: { ca.crt: ${JSON.stringify(shopPair.chain)} }
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: web, namespace: shop }
spec: { gatewayClassName: heddle, listeners: [{ name: http, port: 80, protocol: HTTP }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: cart, namespace: shop }
spec: { parentRefs: [{ name: web }], rules: [{ backendRefs: [{ name: cart, port: 443 }] }] }
---
`

const ca = 'caCertificateRefs: [{ group: "", kind: ConfigMap, name: ca }]'

interface Sketch {
  readonly targets?: string
  readonly validation?: string
  readonly created?: string
  readonly options?: string
}

function policy(name: string, sketch: Sketch = {}): string {
  const { targets = '{ group: "", kind: Service, name: cart }', validation = ca, created, options } = sketch
  return `
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: { name: ${name}, namespace: shop${created === undefined ? '' : `, creationTimestamp: "${created}"`} }
spec:
  targetRefs: [${targets}]
  validation: { hostname: cart.example, ${validation} }
  ${options === undefined ? '' : `options: ${options}`}
---
`
}

function tlsOf(result: Reconciled, key = 'shop/cart:443'): BackendTls | undefined {
  return result.snapshot.backends.get(key)?.tls
}

test('the ancestor is the Gateway, also where the route is attached to a ListenerSet, or is one of streams', () => {
  const set = (parent: string) => `
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: { name: extra, namespace: shop }
spec: { parentRef: { name: ${parent} }, listeners: [{ name: db, port: 81, protocol: TCP }, { name: http, port: 82, protocol: HTTP }] }
---
`
  const shared = `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: NAME, namespace: shop }
spec: { gatewayClassName: heddle, allowedListeners: { namespaces: { from: Same } }, listeners: [{ name: own, port: PORT, protocol: TCP }] }
---
`
  const gateways =
    shared.replace('NAME', 'one').replace('PORT', '90') + shared.replace('NAME', 'two').replace('PORT', '91')
  const attach = (kind: string, parent: string) => `
apiVersion: gateway.networking.k8s.io/v1
kind: ${kind}
metadata: { name: away, namespace: shop }
spec: { parentRefs: [${parent}], rules: [{ backendRefs: [{ name: cart, port: 443 }] }] }
---
`
  const toSet = (section: string) =>
    `{ group: gateway.networking.k8s.io, kind: ListenerSet, name: extra, sectionName: ${section} }`
  const [services] = base.split(/^apiVersion: gateway.*\nkind: HTTPRoute/m)
  for (const [route, parents] of [
    [attach('HTTPRoute', toSet('http')), ['one', 'two']],
    [attach('TCPRoute', toSet('db')), ['one', 'two']],
    [attach('TCPRoute', '{ name: two, sectionName: own }'), ['two', 'two']],
  ] as const) {
    const reconciler = testReconciler()
    for (const [index, of] of ['one', 'two'].entries()) {
      const result = reconciler.reconcile(resourcesOf(services ?? '', gateways, set(of), route, policy('tls')))
      assert.deepEqual(
        parentsOf(result, 'BackendTLSPolicy shop/tls'),
        { [parents[index] ?? '']: fine },
        `${route} ${of}`,
      )
    }
  }
})

test('a policy says name, authorities and what else is asked of a backend', () => {
  const result = reconciled(base + policy('tls', { options: '{ heddle.dev/min-version: "1.3" }' }))
  assert.deepEqual(tlsOf(result), {
    kind: 'valid',
    serverName: 'cart.example',
    names: [{ kind: 'dns', value: 'cart.example' }],
    authorities: shopPair.chain,
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    ciphers: undefined,
  })
  assert.deepEqual(tlsOf(result, 'shop/cart:80'), tlsOf(result))
  assert.deepEqual(parentsOf(result, 'BackendTLSPolicy shop/tls'), { web: fine })
  assert.deepEqual(problemsOf(result), [])
})

test('subject alternative names replace the hostname, the system has authorities, too', () => {
  const validation =
    'wellKnownCACertificates: System, subjectAltNames: [{ type: URI, uri: "spiffe://mesh/cart" }, { type: Hostname, hostname: "*.cart.example" }]'
  const tls = tlsOf(reconciled(base + policy('tls', { validation })))
  assert.ok(tls?.kind === 'valid')
  assert.equal(tls.authorities, undefined)
  assert.deepEqual(tls.names, [
    { kind: 'uri', value: 'spiffe://mesh/cart' },
    { kind: 'dns', value: '*.cart.example' },
  ])
})

test('appProtocol https is a backend of an HTTPRoute only with a policy', () => {
  const without = reconciled(base)
  assert.equal(tlsOf(without), undefined)
  assert.deepEqual(parentsOf(without, 'HTTPRoute shop/cart'), {
    web: 'Accepted=True/Accepted ResolvedRefs=False/UnsupportedProtocol',
  })
  const result = reconciled(base + policy('tls'))
  assert.deepEqual(parentsOf(result, 'HTTPRoute shop/cart'), { web: fine })
  assert.equal(result.snapshot.backends.get('shop/cart:443')?.protocol, 'http1')
  // Clients of the mesh bring their own TLS.
  const own = [...result.snapshot.listeners.values()].find(({ kind, port }) => kind === 'service' && port === 443)
  assert.equal(own?.protocol, 'TLS')
})

test('a policy that cannot be used holds its target all the same', () => {
  const rows: [string, string, string][] = [
    [
      'caCertificateRefs: [{ group: "", kind: ConfigMap, name: cas }]',
      'Accepted=False/NoValidCACertificate ResolvedRefs=False/InvalidCACertificateRef',
      'no ConfigMap shop/cas, did you mean shop/ca?',
    ],
    [
      'caCertificateRefs: [{ group: "", kind: Secret, name: ca }]',
      'Accepted=False/NoValidCACertificate ResolvedRefs=False/InvalidKind',
      'authorities must be in a ConfigMap, not in Secret',
    ],
    [
      `caCertificateRefs: [{ group: "", kind: ConfigMap, name: ca }, { group: "", kind: ConfigMap, name: no }]`,
      'Accepted=True/Accepted ResolvedRefs=False/InvalidCACertificateRef',
      'no ConfigMap shop/no',
    ],
    [
      'wellKnownCACertificates: example.com/ours',
      'Accepted=False/Invalid ResolvedRefs=True/ResolvedRefs',
      'example.com/ours is no known set of authorities, only System',
    ],
  ]
  for (const [validation, conditions, message] of rows) {
    const result = reconciled(base + policy('tls', { validation }))
    assert.deepEqual(parentsOf(result, 'BackendTLSPolicy shop/tls'), { web: conditions })
    const tls = tlsOf(result)
    assert.ok(tls?.kind === 'invalid', conditions)
    assert.ok(tls.message.startsWith(`BackendTLSPolicy shop/tls: ${message}`), tls.message)
    assert.ok(problemsOf(result).some(problem => problem.includes(message)))
  }
  const options = '{ heddle.dev/ciphers: NONE-SUCH }'
  const result = reconciled(base + policy('tls', { options }))
  assert.deepEqual(parentsOf(result, 'BackendTLSPolicy shop/tls'), {
    web: 'Accepted=False/Invalid ResolvedRefs=True/ResolvedRefs',
  })
  assert.equal(tlsOf(result)?.kind, 'invalid')
})

test('the older of two policies wins, one that names a port holds there', () => {
  const named = '{ group: "", kind: Service, name: cart, sectionName: https }'
  const result = reconciled(
    base +
      policy('younger', { created: '2026-02-01T00:00:00Z', validation: 'wellKnownCACertificates: System' }) +
      policy('older', { created: '2026-01-01T00:00:00Z' }) +
      policy('port', { created: '2026-03-01T00:00:00Z', targets: named, options: '{ heddle.dev/max-version: "1.2" }' }),
  )
  const [port, whole] = [tlsOf(result), tlsOf(result, 'shop/cart:80')]
  assert.ok(port?.kind === 'valid' && whole?.kind === 'valid')
  assert.equal(port.maxVersion, 'TLSv1.2')
  assert.equal(whole.authorities, shopPair.chain)
  assert.deepEqual(parentsOf(result, 'BackendTLSPolicy shop/older'), { web: fine })
  assert.deepEqual(parentsOf(result, 'BackendTLSPolicy shop/port'), { web: fine })
  assert.deepEqual(parentsOf(result, 'BackendTLSPolicy shop/younger'), {
    web: 'Accepted=False/Conflicted ResolvedRefs=True/ResolvedRefs',
  })
})

test('targets have to be there', () => {
  const rows: [string, string][] = [
    ['{ group: "", kind: Service, name: card }', 'no Service shop/card, did you mean shop/cart?'],
    ['{ group: "", kind: Service, name: cart, sectionName: htpps }', 'did you mean https?'],
    ['{ group: apps, kind: Deployment, name: cart }', 'a policy is for a Service, not for apps/Deployment'],
  ]
  for (const [targets, message] of rows) {
    const result = reconciled(base + policy('tls', { targets }))
    const { parents, conditions } = statusOf(result, 'BackendTLSPolicy shop/tls')
    assert.match(brief(parents[0]?.conditions ?? conditions), /^Accepted=False\/TargetNotFound/)
    assert.ok(
      problemsOf(result).some(problem => problem.includes(message)),
      problemsOf(result).join(),
    )
    assert.equal(tlsOf(result, 'shop/cart:80'), undefined)
  }
})

test('a policy follows its ConfigMap, and an equal one is the same object', () => {
  const reconciler = testReconciler()
  const resources = new Map(resourcesOf(base + policy('tls')))
  const before = tlsOf(reconciler.reconcile(resources))
  const reread = new Map([...resources, ...resourcesOf(policy('tls'))])
  assert.equal(tlsOf(reconciler.reconcile(reread)), before)
  const rotated = resourcesOf(`
apiVersion: v1
kind: ConfigMap
metadata: { name: ca, namespace: shop }
data: { ca.crt: ${JSON.stringify(otherPair.chain)} }
`)
  const after = tlsOf(reconciler.reconcile(new Map([...reread, ...rotated])))
  assert.ok(after?.kind === 'valid')
  assert.equal(after.authorities, otherPair.chain)
  reread.delete('BackendTLSPolicy shop/tls')
  const gone = reconciler.reconcile(new Map(reread))
  assert.equal(tlsOf(gone), undefined)
  assert.ok(!gone.statuses.some(({ kind }) => kind === 'BackendTLSPolicy'))
})

test('a policy of a Service that no Gateway leads to tells its Service', () => {
  const text = base.replace('name: cart, port: 443', 'name: other, port: 1') + policy('tls')
  assert.deepEqual(parentsOf(reconciled(text), 'BackendTLSPolicy shop/tls'), { cart: fine })
})

test('a policy that never was right has nothing sent to its targets, as far as they can be read', async () => {
  for (const wrong of [
    policy('p', { validation: `${ca}, wellKnownCACertificates: System` }),
    policy('p', { validation: `${ca}, unknownField: 1` }),
    policy('p').replace('hostname: cart.example, ', ''),
  ]) {
    await using source = await FileSource.open({ paths: [] })
    const result = source.put('mesh', base + wrong)
    const tls = tlsOf(result)
    assert.ok(tls?.kind === 'invalid', wrong)
    const why = 'it has mistakes and never was right; nothing is sent to its targets'
    assert.equal(tls.message, `BackendTLSPolicy shop/p: ${why}`)
    assert.match(JSON.stringify(parentsOf(result, 'BackendTLSPolicy shop/p')), /Accepted=False\/Invalid/)
    assert.match(problemsOf(result).join('\n'), /until it is right, nothing is sent to cart, rather than plain text/)
    // Once it is right, and wrong again, the good version stays.
    assert.equal(tlsOf(source.put('mesh', base + policy('p')))?.kind, 'valid')
    assert.equal(tlsOf(source.put('mesh', base + wrong))?.kind, 'valid')
  }
})
