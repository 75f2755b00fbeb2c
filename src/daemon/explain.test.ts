import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultBackendSettings } from '../model/index.ts'
import type { Backend, HttpRoute, Listener, MeshSnapshot, ServiceAddress } from '../model/index.ts'
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
      requestTimeoutMs: 0,
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
  streamRoutes: new Map(),
  backends: new Map([[backend.key, backend]]),
}

const addresses: readonly ServiceAddress[] = [
  { namespace: 'shop', service: 'cart', address: '127.77.0.1', port: 80, portName: '' },
  { namespace: 'other', service: 'cart', address: '127.77.0.2', port: 80, portName: '' },
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
]
for (const [url, from, expected] of listeners) {
  test(`explain ${url} from ${from} finds listener ${expected}`, () => {
    const found = explain(url, { from }).listener
    assert.equal(found.kind === 'found' ? found.id : 'none', expected)
  })
}

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
