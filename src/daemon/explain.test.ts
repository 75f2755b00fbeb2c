import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultBackendSettings } from '../model/index.ts'
import type { Backend, HttpRoute, Listener, MeshSnapshot, ServiceAddress, StreamRoute } from '../model/index.ts'
import type { ExplainRequest } from './admin-pages.ts'
import { Explainer } from './explain.ts'

const listener = (id: string, kind: Listener['kind'], host: string, hostname?: string): Listener => {
  const [address = '', port] = id.split(':')
  const virtualHosts = [{ id: host, hostname, certificates: [], tls: undefined, clientCertificate: undefined }]
  return { id, address, port: Number(port), kind, protocol: 'HTTP', virtualHosts }
}

const route = (key: string, virtualHost: string, path: string, header?: string): HttpRoute => ({
  key,
  kind: 'HTTPRoute',
  namespace: 'shop',
  name: key,
  createdMs: 0,
  attachments: [{ virtualHost, hostnames: [], clientNamespace: undefined }],
  rules: [
    {
      index: 0,
      name: undefined,
      matches: [
        {
          path: { kind: 'prefix', value: path },
          method: undefined,
          headers: header === undefined ? [] : [{ kind: 'exact', name: 'x-user', value: header }],
          query: [],
        },
      ],
      filters: [],
      backends: [
        { weight: 1, target: { kind: 'backend', key: 'shop/cart:80' }, filters: [] },
        {
          weight: 2,
          target: { kind: 'invalid', status: 500, reason: 'BackendNotFound', message: 'no Service x' },
          filters: [],
        },
      ],
      requestTimeoutMs: undefined,
      backendRequestTimeoutMs: 0,
      retry: undefined,
      session: undefined,
      failure: undefined,
    },
  ],
})

const backend: Backend = {
  key: 'shop/cart:80',
  namespace: 'shop',
  service: 'cart',
  port: 80,
  portName: '',
  protocol: 'http1',
  tls: undefined,
  endpoints: [],
  settings: defaultBackendSettings,
}

const snapshot: MeshSnapshot = {
  version: 1,
  listeners: new Map(
    [
      listener('127.0.0.1:8080', 'gateway', 'Gateway shop/web/http', '*.shop.example'),
      listener('127.77.0.1:80', 'service', 'Service shop/cart:80'),
      listener('127.77.0.2:80', 'service', 'Service other/cart:80'),
    ].map(each => [each.id, each]),
  ),
  routes: new Map(
    [
      route('HTTPRoute shop/cart', 'Gateway shop/web/http', '/cart'),
      route('HTTPRoute shop/anna', 'Gateway shop/web/http', '/cart', 'anna'),
      route('Service shop/cart:80', 'Service shop/cart:80', ''),
    ].map(each => [each.key, each]),
  ),
  plugins: new Map(),
  streamRoutes: new Map(),
  backends: new Map([[backend.key, backend]]),
}

const addresses: readonly ServiceAddress[] = [
  { namespace: 'shop', service: 'cart', address: '127.77.0.1', port: 80, portName: '' },
  { namespace: 'other', service: 'cart', address: '127.77.0.2', port: 80, portName: '' },
  { namespace: 'shop', service: 'web', address: '127.77.0.3', port: 80, portName: '' },
]

function explain(url: string, options: Partial<ExplainRequest> = {}) {
  const request: ExplainRequest = { method: 'GET', url: new URL(url), headers: [], from: undefined, ...options }
  return new Explainer().explain(request, snapshot, addresses)
}

const listeners: readonly (readonly [string, string | undefined, string])[] = [
  ['http://www.shop.example:8080/', undefined, '127.0.0.1:8080'],
  ['http://127.0.0.1:8080/', undefined, '127.0.0.1:8080'],
  ['http://www.shop.example/', undefined, 'none'],
  ['https://www.shop.example:8080/', undefined, 'none'],
  ['http://cart/', 'shop/web', '127.77.0.1:80'],
  ['http://cart/', 'other', '127.77.0.2:80'],
  ['http://cart/', undefined, 'none'],
  ['http://cart.other/', 'shop/web', '127.77.0.2:80'],
  ['http://cart.other.svc.cluster.local/', undefined, '127.77.0.2:80'],
  ['http://127.77.0.1/', undefined, '127.77.0.1:80'],
  ['http://cart:81/', 'shop', 'none'],
  ['http://cart/', 'web', '127.77.0.1:80'],
]
for (const [url, from, expected] of listeners) {
  test(`explain ${url} from ${from} finds listener ${expected}`, () => {
    const found = explain(url, { from }).listener
    assert.equal(found.kind === 'found' ? found.id : 'none', expected)
  })
}

test('explain does not guess who --from means', () => {
  assert.equal(explain('http://cart/', { from: 'wbe' }).listener.why, '--from wbe: there is no Service wbe')
  assert.equal(
    explain('http://cart/', { from: 'cart' }).listener.why,
    'several Services are called cart: --from shop/cart or other/cart',
  )
})

test('explain says which Gateways listen when none fits', () => {
  const { listener: found } = explain('http://www.shop.example/')
  assert.equal(found.why, 'nothing listens for http://www.shop.example:80; Gateways listen for HTTP on 127.0.0.1:8080')
})

test('explain names the rule, its rivals and its backends', () => {
  const { explanation, backends } = explain('http://www.shop.example:8080/cart/7', { headers: [['X-User', 'anna']] })
  assert.equal(explanation?.kind, 'routed')
  const candidates = explanation?.kind === 'routed' ? explanation.candidates : []
  assert.deepEqual(
    candidates.map(each => `${each.route.key} ${each.verdict}`),
    ['HTTPRoute shop/anna chosen', 'HTTPRoute shop/cart outranked'],
  )
  assert.deepEqual(
    backends.map(each => [each.key, each.weight, each.invalid, each.policy]),
    [
      ['shop/cart:80', 1, null, 'LeastRequest'],
      ['BackendNotFound', 2, 'no Service x', ''],
    ],
  )
})

test('explain judges the Host header where one is given, and refuses what the proxy refuses', () => {
  const other = explain('http://127.0.0.1:8080/cart', { headers: [['Host', 'evil.example:8080']] })
  assert.equal(other.explanation?.kind, 'no-virtual-host')
  assert.match(explain('http://www.shop.example:8080/..%2fadmin').refused ?? '', /hides a dot segment/)
})

const streams: MeshSnapshot = {
  ...snapshot,
  listeners: new Map(
    [
      { ...listener('127.0.0.1:5432', 'gateway', 'Gateway shop/l4/db'), protocol: 'TCP' as const },
      {
        ...listener('127.0.0.1:53', 'gateway', 'Gateway shop/l4/dns'),
        id: '127.0.0.1:53/udp',
        protocol: 'UDP' as const,
      },
      {
        ...listener('127.0.0.1:443', 'gateway', 'Gateway shop/l4/tls'),
        protocol: 'TLS' as const,
        virtualHosts: [
          { ...host('Gateway shop/l4/web', 'web.example'), tlsMode: 'https' as const },
          { ...host('Gateway shop/l4/end', 'end.example'), tlsMode: 'terminate' as const },
          { ...host('Gateway shop/l4/any', '*.example'), tlsMode: 'passthrough' as const },
        ],
      },
    ].map(each => [each.id, each]),
  ),
  streamRoutes: new Map(
    [
      stream('TCPRoute', 'db', 'Gateway shop/l4/db', 1),
      stream('TCPRoute', 'late', 'Gateway shop/l4/db', 2),
      stream('UDPRoute', 'dns', 'Gateway shop/l4/dns', 1),
      stream('TLSRoute', 'end', 'Gateway shop/l4/end', 1, ['end.example']),
      stream('TLSRoute', 'a', 'Gateway shop/l4/any', 1, ['a.example']),
    ].map(each => [each.key, each]),
  ),
}

function host(id: string, hostname?: string) {
  return { id, hostname, certificates: [], tls: undefined, clientCertificate: undefined }
}

function stream(
  kind: StreamRoute['kind'],
  name: string,
  virtualHost: string,
  createdMs: number,
  hostnames: readonly string[] = [],
): StreamRoute {
  return {
    key: `${kind} shop/${name}`,
    kind,
    namespace: 'shop',
    name,
    createdMs,
    attachments: [{ virtualHost, hostnames, clientNamespace: undefined }],
    ruleName: undefined,
    backends: [{ weight: 1, target: { kind: 'backend', key: 'shop/cart:80' } }],
  }
}

const streamCases: readonly (readonly [string, string | undefined, string | null, string | null])[] = [
  ['tcp://localhost:5432', 'Gateway shop/l4/db', 'TCPRoute shop/db', null],
  ['udp://127.0.0.1:53', 'Gateway shop/l4/dns', 'UDPRoute shop/dns', null],
  ['tls://end.example:443', 'Gateway shop/l4/end', 'TLSRoute shop/end', 'terminate'],
  ['tls://A.example:443', 'Gateway shop/l4/any', 'TLSRoute shop/a', 'passthrough'],
  ['tls://b.example:443', 'Gateway shop/l4/any', null, 'passthrough'],
  ['tls://127.0.0.1:443', undefined, null, null],
]
for (const [url, virtualHost, route, mode] of streamCases) {
  test(`explain ${url} finds ${route ?? 'no route'}`, () => {
    const request: ExplainRequest = { method: 'TCP', url: new URL(url), headers: [], from: undefined }
    const document = new Explainer().explain(request, streams, addresses)
    assert.equal(document.explanation, null)
    assert.deepEqual(
      [document.stream?.virtualHost ?? undefined, document.stream?.route, document.stream?.tls],
      [virtualHost, route, mode],
    )
    assert.deepEqual(
      document.backends.map(({ key }) => key),
      route === null ? [] : ['shop/cart:80'],
    )
  })
}

test('explain says why another stream route has no part', () => {
  const ask = (url: string) =>
    new Explainer().explain({ method: 'TCP', url: new URL(url), headers: [], from: undefined }, streams, addresses)
      .stream
  assert.deepEqual(ask('tcp://localhost:5432')?.others, [
    { route: 'TCPRoute shop/late', why: 'another route comes first' },
  ])
  assert.deepEqual(ask('tls://b.example:443')?.others, [
    { route: 'TLSRoute shop/a', why: 'the server name is not a.example' },
  ])
})

test('explain of bytes where HTTP is spoken says how to ask', () => {
  const request: ExplainRequest = { method: 'TLS', url: new URL('tls://web.example:443'), headers: [], from: undefined }
  const { refused, stream: found } = new Explainer().explain(request, streams, addresses)
  assert.equal(found, null)
  assert.match(refused ?? '', /^HTTP is spoken there: ask with a method and a URL/)
})
