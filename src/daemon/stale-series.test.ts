import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultBackendSettings, diffSnapshots, emptySnapshot } from '../model/index.ts'
import type { Backend, HttpRoute, MeshSnapshot, StreamRoute } from '../model/index.ts'
import { keepSeriesAfter } from './stale-series.ts'

const backend = (name: string, ports: readonly number[]): Backend => ({
  key: `shop/${name}:80`,
  namespace: 'shop',
  service: name,
  port: 80,
  portName: '',
  protocol: 'http1',
  tls: undefined,
  endpoints: ports.map(port => ({
    id: `127.0.0.1:${port}`,
    address: '127.0.0.1',
    port,
    weight: 1,
    zone: '',
    workload: '',
    healthy: true,
    draining: false,
  })),
  settings: defaultBackendSettings,
})

const snapshotOf = (...backends: Backend[]): MeshSnapshot => ({
  ...emptySnapshot,
  backends: new Map(backends.map(each => [each.key, each])),
})

function keepAfter(before: MeshSnapshot, after: MeshSnapshot) {
  return keepSeriesAfter(before, diffSnapshots(before, after))
}

test('keepSeriesAfter() has nothing to do when nothing went', () => {
  const before = snapshotOf(backend('a', [1]))
  assert.equal(keepAfter(before, snapshotOf(backend('a', [1, 2]), backend('b', []))), undefined)
})

test('keepSeriesAfter() drops the series of an endpoint that went, alone or with its backend, and in that backend only', () => {
  const before = snapshotOf(backend('a', [1, 2]), backend('b', [1]), backend('c', [1]))
  const keep = keepAfter(before, snapshotOf(backend('a', [1]), backend('b', [1]))) ?? assert.fail()
  const tries = 'heddle_upstream_requests_total'
  assert.equal(keep(tries, ['shop/a:80', '127.0.0.1:1', '2xx']), true)
  assert.equal(keep(tries, ['shop/a:80', '127.0.0.1:2', '2xx']), false)
  assert.equal(keep(tries, ['shop/b:80', '127.0.0.1:1', '2xx']), true)
  assert.equal(keep(tries, ['shop/c:80', '127.0.0.1:1', '2xx']), false)
  assert.equal(keep('heddle_upstream_connections_total', ['shop/c:80']), true)
  assert.equal(keep('heddle_config_version', []), true)
})

test('keepSeriesAfter() drops the series of a route that went', () => {
  const route: HttpRoute = {
    key: 'HTTPRoute shop/x',
    kind: 'HTTPRoute',
    namespace: 'shop',
    name: 'x',
    createdMs: 0,
    attachments: [],
    rules: [],
  }
  const keep = keepAfter({ ...emptySnapshot, routes: new Map([[route.key, route]]) }, emptySnapshot) ?? assert.fail()
  const requests = 'http_server_requests_total'
  assert.equal(keep(requests, ['Gateway shop/web/http', 'HTTPRoute shop/x', 'shop/c:80', '2xx']), false)
  assert.equal(keep(requests, ['Gateway shop/web/http', 'HTTPRoute shop/y', 'shop/c:80', '2xx']), true)
})

test('keepSeriesAfter() drops the series of a stream route that went', () => {
  const gone: StreamRoute = {
    key: 'TCPRoute shop/db',
    kind: 'TCPRoute',
    namespace: 'shop',
    name: 'db',
    createdMs: 0,
    attachments: [],
    ruleName: undefined,
    backends: [],
  }
  const keep = keepAfter({ ...emptySnapshot, streamRoutes: new Map([[gone.key, gone]]) }, emptySnapshot)
  assert.equal(keep?.('heddle_stream_sessions_total', ['Gateway shop/l4/db', 'TCPRoute shop/db', 'shop/db:1']), false)
  assert.equal(keep?.('heddle_stream_sessions_total', ['Gateway shop/l4/db', 'TCPRoute shop/other', 'shop/db:1']), true)
})
