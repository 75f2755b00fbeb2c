import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { otherPair, shopPair } from '../../src/sources/reconcile/test-pairs.ts'
import { gateway, GatewayBed, grant, serviceParent, tlsSecret, wellListener } from '../support/gateway.ts'
import { UdpClient, UdpServer } from '../support/streams.ts'
import { until } from '../support/until.ts'
import { freePort } from '../support/ports.ts'

// Tests of the Gateway API's conformance suite, v1.6, by their names there: routes of connections and datagrams.
// Endpoints answer HTTP, which is bytes like any others here.

const [v1, v2, v3] = ['infra/v1', 'infra/v2', 'infra/v3'] as const

interface Sketch {
  readonly kind?: 'TCPRoute' | 'TLSRoute' | 'UDPRoute'
  readonly parents: string
  /** References in flow style. */
  readonly to: string
  readonly hostnames?: string
  readonly created?: string
}

function streamRoute(id: string, { kind = 'TCPRoute', parents, to, hostnames, created }: Sketch): string {
  const [routeNamespace = '', name = ''] = id.split('/')
  return `
apiVersion: gateway.networking.k8s.io/v1
kind: ${kind}
metadata: {name: ${name}, namespace: ${routeNamespace}${created === undefined ? '' : `, creationTimestamp: '${created}'`}}
spec:
  parentRefs: [${parents}]
  ${hostnames === undefined ? '' : `hostnames: [${hostnames}]`}
  rules: [{backendRefs: [${to}]}]
`
}

const to = (name: string, more = ''): string => `{name: ${name}, port: SERVICE_PORT${more}}`

/** Reasons of the conditions of a route's first parent. */
function reasons(bed: GatewayBed, id: string): string {
  const [parent] = bed.status(id).parents
  return (parent?.conditions ?? []).map(({ type, status, reason }) => `${type}=${status}/${reason}`).join(' ')
}

const well = 'Accepted=True/Accepted ResolvedRefs=True/ResolvedRefs'

describe('TCPRouteWeightedRouting', () => {
  it('connections are shared by weight, and weight 0 gets none', async () => {
    await using bed = await GatewayBed.open(v1, v2, v3)
    const port = await freePort()
    await bed.put(
      'gateway',
      gateway('infra/l4', [`{name: tcp, port: ${port}, protocol: TCP}`]),
      streamRoute('infra/r', {
        parents: '{name: l4}',
        to: [to('v1', ', weight: 7'), to('v2', ', weight: 3'), to('v3', ', weight: 0')].join(', '),
      }),
    )
    assert.equal(reasons(bed, 'TCPRoute infra/r'), well)
    await bed.expectShares(port, '/', { v1: 0.7, v2: 0.3 })
  })
})

describe('TCPRouteMultipleRoutesAttachment', () => {
  it('both routes are accepted and counted, and the oldest has the traffic until it goes', async () => {
    await using bed = await GatewayBed.open(v1, v2)
    const port = await freePort()
    const [young, old] = ['2026-02-01T00:00:00Z', '2026-01-01T00:00:00Z']
    await bed.put('gateway', gateway('infra/l4', [`{name: tcp, port: ${port}, protocol: TCP}`]))
    await bed.put('young', streamRoute('infra/a', { parents: '{name: l4}', to: to('v1'), created: young }))
    await bed.put('old', streamRoute('infra/b', { parents: '{name: l4}', to: to('v2'), created: old }))
    for (const name of ['a', 'b']) assert.equal(reasons(bed, `TCPRoute infra/${name}`), well)
    assert.deepEqual(bed.listeners('infra/l4'), { tcp: `${wellListener} routes=2 kinds=TCPRoute` })
    await bed.expect(port, [['/', v2]])
    await bed.remove('old')
    await bed.expect(port, [['/', v1]])
  })
})

describe('TCPRouteParentRefAttachAll', () => {
  it('without sectionName and port it is on every listener of its protocol', async () => {
    await using bed = await GatewayBed.open(v1)
    const [one, two, web] = [await freePort(), await freePort(), await freePort()]
    await bed.put(
      'gateway',
      gateway('infra/l4', [
        `{name: one, port: ${one}, protocol: TCP}`,
        `{name: two, port: ${two}, protocol: TCP}`,
        `{name: web, port: ${web}, protocol: HTTP}`,
      ]),
      streamRoute('infra/r', { parents: '{name: l4}', to: to('v1') }),
    )
    await bed.expect(one, [['/', v1]])
    await bed.expect(two, [['/', v1]])
    await bed.expect(web, [['/', 404]])
  })
})

describe('TCPRouteParentRefPortAndSectionName', () => {
  it('one is on its listener alone, and a connection to another without a route is reset', async () => {
    await using bed = await GatewayBed.open(v1)
    const [one, two] = [await freePort(), await freePort()]
    await bed.put(
      'gateway',
      gateway('infra/l4', [`{name: one, port: ${one}, protocol: TCP}`, `{name: two, port: ${two}, protocol: TCP}`]),
      streamRoute('infra/r', { parents: `{name: l4, sectionName: one, port: ${one}}`, to: to('v1') }),
    )
    await bed.expect(one, [['/', v1]])
    await assert.rejects(bed.ask(two, '/'), { code: 'ECONNRESET' })
    await until(() => bed.log.some(({ reason }) => reason === 'no-route'))
  })
})

describe('TCPRouteInvalidBackendRefNonexistent and TCPRouteReferenceGrant', () => {
  it('a backend that can not be used refuses its share, and a grant lets it through', async () => {
    await using bed = await GatewayBed.open('shop/v1')
    const port = await freePort()
    const parents = '{name: l4}'
    await bed.put('gateway', gateway('infra/l4', [`{name: tcp, port: ${port}, protocol: TCP}`]))
    await bed.put('route', streamRoute('infra/r', { parents, to: to('nowhere') }))
    assert.equal(reasons(bed, 'TCPRoute infra/r'), 'Accepted=True/Accepted ResolvedRefs=False/BackendNotFound')
    await assert.rejects(bed.ask(port, '/'), { code: 'ECONNRESET' })
    await bed.put('route', streamRoute('infra/r', { parents, to: to('v1', ', namespace: shop') }))
    assert.equal(reasons(bed, 'TCPRoute infra/r'), 'Accepted=True/Accepted ResolvedRefs=False/RefNotPermitted')
    await assert.rejects(bed.ask(port, '/'), { code: 'ECONNRESET' })
    const from = '{group: gateway.networking.k8s.io, kind: TCPRoute, namespace: infra}'
    await bed.put('grant', grant('shop/g', from, "{group: '', kind: Service}"))
    await bed.expect(port, [['/', 'shop/v1']])
  })
})

describe('TLSRouteTerminateSimpleSameNamespace and TLSRouteMixedTerminationSameNamespace', () => {
  it('TLS ends here by name, beside HTTPS and passthrough on the same port', async () => {
    await using bed = await GatewayBed.open(v1, v2)
    const port = await freePort()
    const certificate = (name: string): string => `certificateRefs: [{name: ${name}}]`
    await bed.put('secrets', tlsSecret('infra/shop', shopPair), tlsSecret('infra/other', otherPair))
    await bed.put(
      'gateway',
      gateway('infra/l4', [
        `{name: end, port: ${port}, protocol: TLS, hostname: shop.example, tls: {mode: Terminate, ${certificate('shop')}}}`,
        `{name: web, port: ${port}, protocol: HTTPS, hostname: other.example, tls: {${certificate('other')}}}`,
        `{name: through, port: ${port}, protocol: TLS, hostname: '*.shop.example', tls: {mode: Passthrough}}`,
      ]),
      streamRoute('infra/end', {
        kind: 'TLSRoute',
        parents: '{name: l4, sectionName: end}',
        to: to('v1'),
        hostnames: 'shop.example',
      }),
      `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: infra}
spec: {parentRefs: [{name: l4, sectionName: web}], rules: [{backendRefs: [${to('v2')}]}]}
`,
    )
    assert.equal(reasons(bed, 'TLSRoute infra/end'), well)
    const shop = { servername: 'shop.example', ca: shopPair.chain }
    await bed.expect(port, [
      [{ at: 'shop.example/', tls: shop }, v1],
      [{ at: 'other.example/', tls: { servername: 'other.example', ca: otherPair.chain } }, v2],
      // Bytes are not looked into: the Host does not count.
      [{ at: 'other.example/', tls: shop }, v1],
    ])
    const deep = { at: 'deep.shop.example/', tls: { servername: 'deep.shop.example', ca: shopPair.chain } }
    await assert.rejects(bed.ask(port, deep), /unrecognized.name/i)
  })
})

describe('UDPRoute', () => {
  it('datagrams go to the endpoint and back; the TCP listener beside it has the same port', async () => {
    await using bed = await GatewayBed.open(v1)
    await using server = await UdpServer.start(datagram => [Buffer.from(`got ${datagram.toString()}`)])
    const port = await freePort()
    await bed.put(
      'gateway',
      gateway('infra/l4', [`{name: udp, port: ${port}, protocol: UDP}`, `{name: tcp, port: ${port}, protocol: TCP}`]),
      streamRoute('infra/u', { kind: 'UDPRoute', parents: '{name: l4}', to: '{name: dns, port: 53}' }),
      streamRoute('infra/t', { parents: '{name: l4}', to: to('v1') }),
      `
apiVersion: v1
kind: Service
metadata: {name: dns, namespace: infra}
spec: {ports: [{name: dns, port: 53, protocol: UDP}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: dns-1, namespace: infra, labels: {kubernetes.io/service-name: dns}}
addressType: IPv4
ports: [{name: dns, port: ${server.port}, protocol: UDP}]
endpoints: [{addresses: ['127.0.0.1'], conditions: {ready: true}}]
`,
    )
    assert.equal(reasons(bed, 'UDPRoute infra/u'), well)
    await using client = await UdpClient.open(port, bed.address)
    assert.equal(await client.ask('x'), 'got x')
    await bed.expect(port, [['/', v1]])
  })
})

describe('routes of streams in the mesh', () => {
  it('a TCPRoute on a Service decides for its clients, and without one its own endpoints serve', async () => {
    await using bed = await GatewayBed.open(v2)
    await bed.service(v1, { ports: '[{name: http, port: SERVICE_PORT, appProtocol: tcp}]' })
    const at = { at: '/', address: bed.virtualAddress(v1) }
    await bed.expect(bed.servicePort, [[at, v1]])
    await bed.put('route', streamRoute('infra/r', { parents: serviceParent('v1'), to: to('v2') }))
    await bed.expect(bed.servicePort, [[at, v2]])
    await bed.remove('route')
    await bed.expect(bed.servicePort, [[at, v1]])
  })
})
