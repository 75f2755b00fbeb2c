import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { StreamRoute } from '../../model/index.ts'
import type { Reconciled } from './reconcile.ts'
import { Reconciler } from './reconcile.ts'
import { shopPair } from './test-pairs.ts'
import { brief, listenersOf, parentsOf, problemsOf, reconciled, resourcesOf, statusOf } from './testing.ts'

const secret = `
apiVersion: v1
kind: Secret
metadata: { name: cert, namespace: shop }
type: kubernetes.io/tls
data:
  tls.crt: ${Buffer.from(shopPair.chain).toString('base64')}
  tls.key: ${Buffer.from(shopPair.key).toString('base64')}
---
`

const gateway = (
  listeners: string,
  options: { name?: string; annotations?: string; created?: string } = {},
): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata:
  name: ${options.name ?? 'web'}
  namespace: shop
  annotations: { ${options.annotations ?? ''} }
  creationTimestamp: ${options.created ?? '2026-01-01T00:00:00Z'}
spec: { gatewayClassName: heddle, listeners: [${listeners}] }
---
`

const raw =
  '{ name: http, port: 80, protocol: HTTP }, { name: tcp, port: 90, protocol: TCP }, { name: tcp2, port: 91, protocol: TCP }, ' +
  '{ name: udp, port: 90, protocol: UDP }, { name: tls, port: 443, protocol: TLS, hostname: "*.a.example", tls: { mode: Passthrough } }'

const service = (name: string, ports: string, namespace = 'shop'): string => `
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: ${namespace} }
spec: { ports: [${ports}] }
---
`

interface RouteOptions {
  readonly name?: string
  readonly kind?: string
  readonly hostnames?: string
  readonly created?: string
  readonly refs?: string
}

function route(parents: string, options: RouteOptions = {}): string {
  const { name = 'r', kind = 'TCPRoute', created = '2026-01-01T00:00:00Z' } = options
  const hostnames = options.hostnames ?? (kind === 'TLSRoute' ? '[x.a.example]' : undefined)
  return `
apiVersion: gateway.networking.k8s.io/v1
kind: ${kind}
metadata: { name: ${name}, namespace: shop, generation: 3, creationTimestamp: ${created} }
spec:
  parentRefs: [${parents}]
  ${hostnames === undefined ? '' : `hostnames: ${hostnames}`}
  rules: [{ name: only, backendRefs: [${options.refs ?? '{ name: db, port: 5432 }'}] }]
---
`
}

const db = service('db', '{ name: a, port: 5432, appProtocol: tcp }, { name: b, port: 5432, protocol: UDP }')
const fine = 'Accepted=True/Accepted ResolvedRefs=True/ResolvedRefs'

function routeOf(result: Reconciled, key = 'TCPRoute shop/r'): StreamRoute {
  const found = result.snapshot.streamRoutes.get(key)
  assert.ok(found !== undefined, `no route ${key}`)
  return found
}

test('a route attaches to the listeners of its kind', () => {
  const refused = (reason: string): string => `Accepted=False/${reason} ResolvedRefs=True/ResolvedRefs`
  const rows: [kind: string, refs: string, parents: Record<string, string>, on: string[]][] = [
    ['TCPRoute', '{ name: web }', { web: fine }, ['tcp', 'tcp2']],
    ['TCPRoute', '{ name: web, sectionName: tcp2 }', { 'web/tcp2': fine }, ['tcp2']],
    ['TCPRoute', '{ name: web, port: 90 }', { 'web:90': fine }, ['tcp']],
    ['TCPRoute', '{ name: web, sectionName: tcp, port: 91 }', { 'web/tcp:91': refused('NoMatchingParent') }, []],
    ['TCPRoute', '{ name: web, sectionName: http }', { 'web/http': refused('NotAllowedByListeners') }, []],
    ['TCPRoute', '{ name: web, sectionName: udp }', { 'web/udp': refused('NotAllowedByListeners') }, []],
    ['TCPRoute', '{ name: web, sectionName: none }', { 'web/none': refused('NoMatchingParent') }, []],
    ['UDPRoute', '{ name: web }', { web: fine }, ['udp']],
    ['UDPRoute', '{ name: web, sectionName: tcp }', { 'web/tcp': refused('NotAllowedByListeners') }, []],
    ['TLSRoute', '{ name: web }', { web: fine }, ['tls']],
    ['TLSRoute', '{ name: web, sectionName: http }', { 'web/http': refused('NotAllowedByListeners') }, []],
  ]
  for (const [kind, refs, parents, on] of rows) {
    const result = reconciled(gateway(raw) + db + route(refs, { kind }))
    assert.deepEqual(parentsOf(result, `${kind} shop/r`), parents, refs)
    const attachments = result.snapshot.streamRoutes.get(`${kind} shop/r`)?.attachments ?? []
    assert.deepEqual(
      attachments.map(one => one.virtualHost),
      on.map(name => `Gateway shop/web/${name}`),
      refs,
    )
    const status = statusOf(result, 'Gateway shop/web')
    assert.deepEqual(
      status.listeners.filter(one => one.attachedRoutes === 1).map(one => one.name),
      on,
      refs,
    )
    const [parent] = statusOf(result, `${kind} shop/r`).parents
    assert.ok(parent?.conditions.every(one => one.observedGeneration === 3))
  }
})

test('supportedKinds is what the protocol carries', () => {
  const tls = (mode: string): string => `{ name: l, port: 443, protocol: TLS, tls: { ${mode} } }`
  const rows: [listener: string, kinds: string[]][] = [
    ['{ name: l, port: 90, protocol: TCP }', ['TCPRoute']],
    ['{ name: l, port: 90, protocol: UDP }', ['UDPRoute']],
    [tls('mode: Passthrough'), ['TLSRoute']],
    [tls('mode: Terminate, certificateRefs: [{ name: cert }]'), ['TLSRoute']],
  ]
  for (const [listener, kinds] of rows) {
    const result = reconciled(gateway(listener) + secret)
    const [only] = statusOf(result, 'Gateway shop/web').listeners
    assert.deepEqual(
      only?.supportedKinds.map(one => one.kind),
      kinds,
      listener,
    )
    assert.match(brief(only?.conditions ?? []), /^Accepted=True\/Accepted Programmed=True/, listener)
  }
})

test('a route of TLS has the hostnames that it shares with the listener', () => {
  const rows: [hostnames: string, common: string[] | undefined][] = [
    ['[x.a.example]', ['x.a.example']],
    ['["*.a.example"]', ['*.a.example']],
    ['["*.example"]', ['*.a.example']],
    ['[x.a.example, other.test]', ['x.a.example']],
    ['[other.test]', undefined],
    ['[a.example]', undefined],
  ]
  for (const [hostnames, common] of rows) {
    const result = reconciled(gateway(raw) + db + route('{ name: web }', { kind: 'TLSRoute', hostnames }))
    const found = result.snapshot.streamRoutes.get('TLSRoute shop/r')
    assert.deepEqual(found?.attachments[0]?.hostnames, common, hostnames)
    if (common === undefined) {
      assert.match(parentsOf(result, 'TLSRoute shop/r')['web'] ?? '', /^Accepted=False\/NoMatchingListenerHostname/)
    }
  }
})

test('several routes on one listener are all attached', () => {
  const result = reconciled(
    gateway(raw) + db + route('{ name: web, port: 90 }') + route('{ name: web, port: 90 }', { name: 's' }),
  )
  assert.deepEqual(parentsOf(result, 'TCPRoute shop/r'), { 'web:90': fine })
  assert.deepEqual(parentsOf(result, 'TCPRoute shop/s'), { 'web:90': fine })
  assert.equal(statusOf(result, 'Gateway shop/web').listeners[1]?.attachedRoutes, 2)
})

test('a backend that can not be used keeps its share and leaves the route accepted', () => {
  const rows: [kind: string, ref: string, reason: string][] = [
    ['TCPRoute', '{ name: nobody, port: 80 }', 'BackendNotFound'],
    ['TCPRoute', '{ name: db, port: 81 }', 'BackendNotFound'],
    ['TCPRoute', '{ group: x.dev, kind: Bucket, name: b }', 'InvalidKind'],
    ['TCPRoute', '{ name: db, namespace: vault, port: 5432 }', 'RefNotPermitted'],
    ['UDPRoute', '{ name: plain, port: 80 }', 'UnsupportedProtocol'],
    ['TCPRoute', '{ name: dns, port: 53 }', 'UnsupportedProtocol'],
    ['TLSRoute', '{ name: nobody, port: 80 }', 'BackendNotFound'],
  ]
  const services = db + service('plain', '{ port: 80 }') + service('dns', '{ port: 53, protocol: UDP }')
  for (const [kind, ref, reason] of rows) {
    const refs = `{ name: db, port: 5432, weight: 3 }, ${ref}`
    const result = reconciled(gateway(raw) + services + route('{ name: web }', { kind, refs }))
    assert.deepEqual(parentsOf(result, `${kind} shop/r`), {
      web: `Accepted=True/Accepted ResolvedRefs=False/${reason}`,
    })
    const [good, bad] = routeOf(result, `${kind} shop/r`).backends
    const key = kind === 'UDPRoute' ? 'shop/db:5432/udp' : 'shop/db:5432'
    assert.deepEqual(good, { weight: 3, target: { kind: 'backend', key } })
    assert.equal(bad?.target.kind, 'invalid')
    assert.ok(
      problemsOf(result).some(line => line.includes('spec.rules[0].backendRefs[1]')),
      problemsOf(result).join('\n'),
    )
  }
})

test('a ReferenceGrant for the kind opens another namespace', () => {
  const grant = (kind: string): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: ReferenceGrant
metadata: { name: g, namespace: vault }
spec:
  from: [{ group: gateway.networking.k8s.io, kind: ${kind}, namespace: shop }]
  to: [{ group: "", kind: Service }]
---
`
  const vault = service('db', '{ port: 5432 }', 'vault')
  const refs = '{ name: db, namespace: vault, port: 5432 }'
  const granted = reconciled(gateway(raw) + vault + grant('TCPRoute') + route('{ name: web }', { refs }))
  assert.deepEqual(parentsOf(granted, 'TCPRoute shop/r'), { web: fine })
  const other = reconciled(gateway(raw) + vault + grant('HTTPRoute') + route('{ name: web }', { refs }))
  assert.match(parentsOf(other, 'TCPRoute shop/r')['web'] ?? '', /RefNotPermitted/)
})

test('sockets tell TCP from UDP and join the TLS listeners of a port', () => {
  const result = reconciled(
    secret +
      gateway(
        '{ name: tcp, port: 90, protocol: TCP }, { name: udp, port: 90, protocol: UDP }, ' +
          '{ name: https, port: 443, protocol: HTTPS, hostname: a.example, tls: { certificateRefs: [{ name: cert }] } }, ' +
          '{ name: pass, port: 443, protocol: TLS, hostname: b.example, tls: { mode: Passthrough } }, ' +
          '{ name: end, port: 443, protocol: TLS, hostname: c.example, tls: { mode: Terminate, certificateRefs: [{ name: cert }] } }, ' +
          '{ name: only, port: 444, protocol: HTTPS, tls: { certificateRefs: [{ name: cert }] } }',
      ),
  )
  const sockets = [...result.snapshot.listeners.values()].map(({ id, protocol, virtualHosts }) => [
    id,
    protocol,
    virtualHosts.map(host => host.tlsMode).join(),
  ])
  assert.deepEqual(sockets, [
    ['127.0.0.1:90', 'TCP', ''],
    ['127.0.0.1:90/udp', 'UDP', ''],
    ['127.0.0.1:443', 'TLS', 'https,passthrough,terminate'],
    ['127.0.0.1:444', 'HTTPS', 'https'],
  ])
})

test('listeners of one port that can not share it are both off', () => {
  const pass = 'protocol: TLS, tls: { mode: Passthrough }'
  const rows: [a: string, b: string, reason: string | undefined][] = [
    ['protocol: TCP', 'protocol: HTTP', 'ProtocolConflict'],
    ['protocol: TCP', pass, 'ProtocolConflict'],
    [pass, 'protocol: HTTPS, tls: { certificateRefs: [{ name: cert }] }', 'HostnameConflict'],
    [`hostname: a.test, ${pass}`, 'protocol: HTTPS, tls: { certificateRefs: [{ name: cert }] }', undefined],
    [
      `hostname: a.test, ${pass}`,
      'protocol: TLS, tls: { mode: Terminate, certificateRefs: [{ name: cert }] }',
      undefined,
    ],
    ['protocol: TCP', 'protocol: UDP', undefined],
  ]
  for (const [a, b, reason] of rows) {
    const result = reconciled(secret + gateway(`{ name: a, port: 443, ${a} }, { name: b, port: 443, ${b} }`))
    const conflict = reason === undefined ? 'Conflicted=False/NoConflicts' : `Conflicted=True/${reason}`
    for (const conditions of Object.values(listenersOf(result, 'Gateway shop/web'))) {
      assert.ok(conditions.includes(conflict), `${a} | ${b}: ${conditions}`)
    }
  }
})

test('a second Gateway does not get a port of TCP that is taken', () => {
  const tcp = '{ name: tcp, port: 90, protocol: TCP }'
  const result = reconciled(gateway(tcp) + gateway(tcp, { name: 'late', created: '2026-02-01T00:00:00Z' }))
  assert.match(listenersOf(result, 'Gateway shop/late')['tcp'] ?? '', /^Accepted=False\/PortUnavailable/)
})

test('the annotation for the PROXY protocol holds for the listeners of TCP', () => {
  const result = reconciled(gateway(raw, { annotations: 'heddle.dev/proxy-protocol: Require' }))
  assert.deepEqual(
    [...result.snapshot.listeners.values()].map(one => [one.id, one.proxyProtocol ?? false]),
    [
      ['127.0.0.1:80', true],
      ['127.0.0.1:90', true],
      ['127.0.0.1:91', true],
      ['127.0.0.1:90/udp', false],
      ['127.0.0.1:443', true],
    ],
  )
  const wrong = reconciled(gateway(raw, { annotations: 'heddle.dev/proxy-protocol: maybe' }))
  assert.match(problemsOf(wrong).join('\n'), /error Gateway shop\/web: metadata.annotations: .*write Require/)
})

test('Gateways that share a port agree about the PROXY protocol', () => {
  const http = (host: string): string => `{ name: http, port: 80, protocol: HTTP, hostname: ${host} }`
  const result = reconciled(
    gateway(http('a.test'), { annotations: 'heddle.dev/proxy-protocol: Require' }) +
      gateway(http('b.test'), { name: 'late', created: '2026-02-01T00:00:00Z' }),
  )
  assert.match(listenersOf(result, 'Gateway shop/late')['http'] ?? '', /PortUnavailable/)
  assert.match(problemsOf(result).join('\n'), /with the PROXY protocol/)
})

test('a port of a Service has its own route until one of its kind decides', () => {
  const ports =
    '{ name: a, port: 1, appProtocol: tcp }, { name: b, port: 2, appProtocol: tls }, { name: c, port: 3, protocol: UDP }'
  const own = reconciled(service('db', ports))
  assert.deepEqual(
    [...own.snapshot.streamRoutes.keys()],
    ['Service shop/db:1', 'Service shop/db:2', 'Service shop/db:3/udp'],
  )
  const rows: [kind: string, port: number, reason: string, on: string | undefined][] = [
    ['TCPRoute', 1, 'True/Accepted', 'Service shop/db:1'],
    ['TCPRoute', 2, 'True/Accepted', 'Service shop/db:2'],
    ['TLSRoute', 2, 'True/Accepted', 'Service shop/db:2'],
    ['TLSRoute', 1, 'False/NoMatchingParent', undefined],
    ['UDPRoute', 3, 'True/Accepted', 'Service shop/db:3/udp'],
    ['TCPRoute', 3, 'False/NoMatchingParent', undefined],
  ]
  for (const [kind, port, reason, on] of rows) {
    const parents = `{ group: "", kind: Service, name: db, port: ${port} }`
    const text =
      service('db', ports) + route(parents, { kind, refs: `{ name: db, port: ${kind === 'UDPRoute' ? 3 : 1} }` })
    const result = reconciled(text)
    assert.match(parentsOf(result, `${kind} shop/r`)[`db:${port}`] ?? '', new RegExp(`^Accepted=${reason}`), kind)
    assert.equal(result.snapshot.streamRoutes.get(`${kind} shop/r`)?.attachments[0]?.virtualHost, on)
    for (const key of own.snapshot.streamRoutes.keys()) {
      assert.equal(result.snapshot.streamRoutes.has(key), key !== on, `${kind} ${port} ${key}`)
    }
  }
})

test('endpoints of a port of UDP are those of the slice port of UDP, and nothing checks them', () => {
  const text =
    service('dns', '{ name: d, port: 53 }, { name: u, port: 53, protocol: UDP }') +
    `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: dns-1, namespace: shop, labels: { kubernetes.io/service-name: dns } }
addressType: IPv4
ports: [{ name: d, port: 8053 }, { name: u, port: 8054, protocol: UDP }]
endpoints: [{ addresses: [10.0.0.1] }]
---
apiVersion: heddle.dev/v1alpha1
kind: BackendPolicy
metadata: { name: p, namespace: shop }
spec: { targetRefs: [{ name: dns }], healthCheck: { tcp: {} } }
`
  const { backends } = reconciled(text).snapshot
  const tcp = backends.get('shop/dns:53')
  const udp = backends.get('shop/dns:53/udp')
  assert.deepEqual([tcp?.endpoints[0]?.id, udp?.endpoints[0]?.id], ['10.0.0.1:8053', '10.0.0.1:8054'])
  assert.deepEqual([tcp?.settings.healthCheck?.kind, udp?.settings.healthCheck], ['TCP', undefined])
})

test('an unchanged route stays the same object, and its leaving gives the port back', () => {
  const reconciler = new Reconciler()
  const parents = '{ group: "", kind: Service, name: db, port: 5432 }'
  const resources = resourcesOf(db + route(parents))
  const first = reconciler.reconcile(resources)
  const more = new Map([...resources, ...resourcesOf(service('other', '{ port: 80 }'))])
  const second = reconciler.reconcile(more)
  assert.equal(routeOf(second), routeOf(first))
  const less = new Map(more)
  less.delete('TCPRoute shop/r')
  const third = reconciler.reconcile(less)
  assert.deepEqual([...third.snapshot.streamRoutes.keys()], ['Service shop/db:5432/udp', 'Service shop/db:5432'])
})
