/**
 * The attributes of Envoy as a plugin reads them, by their encodings: of a request by HTTP, by a client with a
 * certificate, to an endpoint by TLS, and of a connection of TCP. What is in no list is NOT_FOUND.
 */
import assert from 'node:assert/strict'
import http from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import tls from 'node:tls'
import { PluginChain } from '../../src/daemon/plugins/plugin-chain.ts'
import { RunningPlugins } from '../../src/daemon/plugins/running-plugins.ts'
import { StreamChain } from '../../src/daemon/plugins/stream-chain.ts'
import { defaultTlsParameters } from '../../src/model/index.ts'
import type { Listener, MeshSnapshot } from '../../src/model/index.ts'
import type { PluginRunner } from '../../src/proxy/index.ts'
import type { Plugin } from '../../src/wasm/index.ts'
import { Probe } from '../guests/probe.ts'
import type { Script } from '../guests/probe.ts'
import { tlsTo } from '../support/backend-tls.ts'
import { TestAuthority } from '../support/certificates.ts'
import { freePort } from '../support/ports.ts'
import { buildSnapshot, ProxyUnderTest } from '../support/proxy.ts'
import { StreamBed, TcpServer } from '../support/streams.ts'
import { until } from '../support/until.ts'

/** How many bytes a kind has; texts have any. */
const sizes = { int: 8, time: 8, bool: 1, text: undefined, map: undefined } as const
type Kind = keyof typeof sizes

/** Of a connection, whatever it carries, as far as its TLS goes. */
const ofConnection = {
  'source.address': 'text',
  'source.port': 'int',
  'destination.address': 'text',
  'destination.port': 'int',
  'connection.id': 'int',
  connection_id: 'int',
  'connection.mtls': 'bool',
  'connection.requested_server_name': 'text',
  'connection.tls_version': 'text',
  'connection.subject_local_certificate': 'text',
  'connection.dns_san_local_certificate': 'text',
} as const

/** Of a request and its answer. `none`: there is no such thing here, or not by then. */
const ofHttp: Readonly<Record<string, Kind>> = {
  'request.path': 'text',
  'request.url_path': 'text',
  'request.query': 'text',
  'request.host': 'text',
  'request.scheme': 'text',
  'request.method': 'text',
  'request.id': 'text',
  'request.referer': 'text',
  'request.useragent': 'text',
  'request.protocol': 'text',
  'request.headers': 'map',
  'request.time': 'time',
  'request.duration': 'time',
  'request.size': 'int',
  'request.headers_bytes': 'int',
  'request.total_size': 'int',
  'response.headers': 'map',
  'response.code': 'int',
  'response.code_details': 'text',
  'response.flags': 'int',
  'response.size': 'int',
  'response.headers_bytes': 'int',
  'response.total_size': 'int',
  'response.backend_latency': 'time',
  ...ofConnection,
  'connection.uri_san_local_certificate': 'text',
  'connection.subject_peer_certificate': 'text',
  'connection.dns_san_peer_certificate': 'text',
  'connection.uri_san_peer_certificate': 'text',
  'connection.sha256_peer_certificate_digest': 'text',
  'connection.peer_certificate': 'text',
  'upstream.address': 'text',
  'upstream.port': 'int',
  'upstream.local_address': 'text',
  'upstream.tls_version': 'text',
  'upstream.request_attempt_count': 'int',
  'upstream.num_endpoints': 'int',
  'upstream.cx_pool_ready_duration': 'time',
  'upstream.subject_local_certificate': 'text',
  'upstream.dns_san_local_certificate': 'text',
  'upstream.uri_san_local_certificate': 'text',
  'upstream.subject_peer_certificate': 'text',
  'upstream.dns_san_peer_certificate': 'text',
  'upstream.uri_san_peer_certificate': 'text',
  'upstream.sha256_peer_certificate_digest': 'text',
  'upstream.peer_certificate': 'text',
  'xds.cluster_name': 'text',
  cluster_name: 'text',
  'xds.route_name': 'text',
  route_name: 'text',
  'xds.virtual_host_name': 'text',
  virtual_host_name: 'text',
  'xds.listener_direction': 'int',
  listener_direction: 'int',
  plugin_name: 'text',
  plugin_root_id: 'text',
  plugin_vm_id: 'text',
}

/** What only some requests have, and what nothing here is like. */
const absent = [
  'response.trailers',
  'response.grpc_status',
  'connection.termination_details',
  'connection.transport_failure_reason',
  'upstream.transport_failure_reason',
  'upstream.locality',
  'metadata.filter_metadata',
  'filter_state.none',
  'upstream_filter_state.none',
  'xds.filter_chain_name',
  'xds.cluster_metadata',
  'xds.route_metadata',
  'xds.virtual_host_metadata',
  'xds.listener_metadata',
  'xds.upstream_host_metadata',
  'xds.upstream_host_locality_metadata',
  'connection.toString',
  'request.constructor',
] as const

type Seen = Map<string, Buffer>

/** Reads attributes; what is there is kept. */
function* read(probe: Probe, names: readonly string[], seen: Seen): Script {
  for (const name of names) {
    const value = yield* probe.get('proxy_get_property', ...probe.text(name.replaceAll('.', '\0')))
    if (typeof value === 'string') seen.set(name, Buffer.from(value, 'latin1'))
    else assert.equal(value, 1, name)
  }
}

/** One plugin for all that passes. */
function runnerOf(plugin: Plugin): PluginRunner {
  const running = new RunningPlugins({ version: 0, slot: () => ({ plugin, isOpen: false }) }, ['only'])
  return { chain: () => new PluginChain(running), streamChain: () => new StreamChain(running) }
}

function proxyOf(plugin: Plugin): ProxyUnderTest {
  return new ProxyUnderTest({ plugins: runnerOf(plugin) })
}

function assertKinds(seen: Seen, expected: Readonly<Record<string, Kind>>): void {
  for (const [name, kind] of Object.entries(expected)) {
    const bytes = seen.get(name)
    assert.ok(bytes !== undefined, `${name} is not there`)
    if (sizes[kind] !== undefined) assert.equal(bytes.length, sizes[kind], name)
    else if (kind === 'map') assert.ok(bytes.readUInt32LE() > 0, name)
  }
}

const textOf = (seen: Seen, name: string): string => seen.get(name)?.toString() ?? 'none'
const numberOf = (seen: Seen, name: string): number => Number(seen.get(name)?.readBigInt64LE() ?? -1)

test(
  'a plugin reads all attributes of a request, of both connections and their certificates',
  { timeout: 30_000 },
  async t => {
    using authority = new TestAuthority()
    const issue = (name: string): ReturnType<TestAuthority['issue']> =>
      authority.issue({ names: [`${name}.example`], uris: [`spiffe://mesh/${name}`], subject: `/O=Shop/CN=${name}` })
    const [edge, gateway, client, items] = [issue('edge'), issue('gateway'), issue('client'), issue('items')]
    const server = https.createServer(
      { cert: items.chain, key: items.key, ca: authority.certificate, requestCert: true, rejectUnauthorized: true },
      (request, response) => request.resume().on('end', () => response.end('an answer')),
    )
    t.after(() => server.close().closeAllConnections())
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const [port, dead] = [await freePort(), await freePort()]
    const [seen, failed]: readonly [Seen, Seen] = [new Map(), new Map()]
    const names = [...Object.keys(ofHttp), ...absent]
    let isFailing = false
    const probe = await Probe.start('0.2.1', {
      *proxy_on_log(probe, [id]) {
        if (id === 1) return
        yield* read(probe, names, isFailing ? failed : seen)
      },
    })
    await using proxy = proxyOf(probe.plugin)
    const apply = async (endpoint: number, version: number): Promise<void> => {
      const toItems = { ports: [endpoint], tls: tlsTo('items.example', authority) }
      const rules = [{ prefix: '', backends: ['shop/items:443'], plugins: ['probe'] }]
      const snapshot = buildSnapshot(
        { rules, backends: { 'shop/items:443': toItems }, certificate: edge },
        port,
        version,
      )
      for (const failure of await proxy.apply(secured(snapshot, authority, { name: 'own', ...gateway })))
        assert.fail(failure.join(' '))
    }
    await apply((server.address() as AddressInfo).port, 1)
    const ask = (): Promise<number> =>
      new Promise((resolve, reject) => {
        const identity = { cert: client.chain, key: client.key, ca: authority.certificate }
        const headers = { 'x-request-id': 'id-1', referer: 'there', 'user-agent': 'test', host: 'edge.example' }
        const options = { port, host: '127.0.0.1', servername: 'edge.example', path: '/a?b=c', agent: false, headers }
        const request = https.request({ ...options, ...identity, method: 'POST' }, response =>
          response.resume().on('end', () => resolve(response.statusCode ?? 0)),
        )
        request.on('error', reject).end('a body')
      })
    assert.equal(await ask(), 200)
    await until(() => seen.size > 0)
    assertKinds(seen, ofHttp)
    for (const name of absent) assert.equal(seen.get(name), undefined, name)
    for (const [name, text] of [
      ['request.path', '/a?b=c'],
      ['request.url_path', '/a'],
      ['request.query', 'b=c'],
      ['request.host', 'edge.example'],
      ['request.scheme', 'https'],
      ['request.id', 'id-1'],
      ['request.referer', 'there'],
      ['request.useragent', 'test'],
      ['response.code_details', 'via_upstream'],
      ['connection.requested_server_name', 'edge.example'],
      ['connection.tls_version', 'TLSv1.3'],
      ['connection.subject_local_certificate', 'CN=edge,O=Shop'],
      ['connection.subject_peer_certificate', 'CN=client,O=Shop'],
      ['connection.dns_san_peer_certificate', 'client.example'],
      ['upstream.uri_san_local_certificate', 'spiffe://mesh/gateway'],
      ['upstream.dns_san_peer_certificate', 'items.example'],
      ['upstream.tls_version', 'TLSv1.3'],
      ['xds.cluster_name', 'shop/items:443'],
    ] as const)
      assert.equal(textOf(seen, name), text, name)
    assert.match(textOf(seen, 'upstream.local_address'), /^127\.0\.0\.1:\d+$/)
    assert.deepEqual(
      [
        'request.size',
        'response.code',
        'response.size',
        'upstream.request_attempt_count',
        'upstream.num_endpoints',
      ].map(name => numberOf(seen, name)),
      [6, 200, 9, 1, 1],
    )
    assert.equal(seen.get('connection.mtls')?.[0], 1)
    assert.equal(numberOf(seen, 'xds.listener_direction'), 1)
    isFailing = true
    await apply(dead, 2)
    assert.equal(await ask(), 502)
    await until(() => failed.size > 0)
    assert.equal(textOf(failed, 'upstream.transport_failure_reason'), 'ECONNREFUSED')
    assert.equal(textOf(failed, 'upstream.local_address'), 'none')
    assert.equal(probe.plugin.state.failures.trap, 0)
  },
)

/** Clients show certificates, and so does the gateway to its backends. */
function secured(
  snapshot: MeshSnapshot,
  authority: TestAuthority,
  clientCertificate: Listener['virtualHosts'][0]['clientCertificate'],
): MeshSnapshot {
  const clients = { mode: 'require', authorities: authority.certificate } as const
  const listeners = [...snapshot.listeners].map(([id, listener]) => {
    const virtualHosts = listener.virtualHosts.map(host => ({
      ...host,
      clientCertificate,
      tls: { ...defaultTlsParameters, alpn: undefined, clients },
    }))
    return [id, { ...listener, virtualHosts }] as const
  })
  const routes = [...snapshot.routes].map(([key, route]) => {
    const attachments = route.attachments.map(attachment => ({ ...attachment, clientCertificate: 'own' }))
    return [key, { ...route, attachments }] as const
  })
  return { ...snapshot, listeners: new Map(listeners), routes: new Map(routes) }
}

test('what a plugin sets for a connection its later requests find, and no other connection', async t => {
  const server = http.createServer((_request, response) => response.end('an answer'))
  t.after(() => server.close().closeAllConnections())
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const found: (string | number)[] = []
  const probe = await Probe.start('0.2.1', {
    *proxy_on_request_headers(probe) {
      found.push(yield* probe.get('proxy_get_property', ...probe.text('filter_state\0user')))
      // SetEnvoyFilterStateArguments: path, value, and the connection as life span.
      const argument = probe.text('\x0a\x04user\x12\x03ann\x18\x02')
      yield ['proxy_call_foreign_function', ...probe.text('set_envoy_filter_state'), ...argument, 0, 0]
      return 0
    },
  })
  const port = await freePort()
  await using proxy = proxyOf(probe.plugin)
  const rules = [{ prefix: '', backends: ['shop/items:80'], plugins: ['probe'] }]
  const backends = { 'shop/items:80': { ports: [(server.address() as AddressInfo).port] } }
  await proxy.apply(buildSnapshot({ rules, backends }, port, 1))
  const ask = (agent: http.Agent): Promise<void> =>
    new Promise((resolve, reject) => {
      http.get({ port, agent }, response => response.resume().on('end', resolve)).on('error', reject)
    })
  const agents = [1, 2].map(() => new http.Agent({ keepAlive: true, maxSockets: 1 }))
  for (const agent of agents) {
    await ask(agent)
    await ask(agent)
    agent.destroy()
  }
  assert.deepEqual(found, [1, 'ann', 1, 'ann'])
})

const ofTcp: Readonly<Record<string, Kind>> = {
  ...ofConnection,
  'upstream.address': 'text',
  'upstream.port': 'int',
  'upstream.local_address': 'text',
  'upstream.request_attempt_count': 'int',
  'xds.cluster_name': 'text',
  'xds.route_name': 'text',
  'xds.virtual_host_name': 'text',
  'xds.listener_direction': 'int',
}

test(
  'a plugin reads the attributes of a connection of TCP, and why it came to nothing',
  { timeout: 30_000 },
  async () => {
    using authority = new TestAuthority()
    const pair = authority.issue({ names: ['db.example'], subject: '/CN=db' })
    await using server = await TcpServer.start(socket => socket.on('data', bytes => socket.end(bytes)))
    const [seen, failed]: readonly [Seen, Seen] = [new Map(), new Map()]
    let isFailing = false
    const probe = await Probe.start(
      '0.2.1',
      {
        *proxy_on_upstream_data(probe) {
          yield* read(probe, [...Object.keys(ofTcp), ...absent], seen)
          return 0
        },
        *proxy_on_log(probe, [id]) {
          if (id !== 1 && isFailing) yield* read(probe, [...Object.keys(ofTcp), ...absent], failed)
        },
      },
      { config: { kind: 'tcp' } },
    )
    const host = 'Gateway shop/db/tcp'
    const certificates = [{ name: 'db', ...pair }]
    const sketch = (port: number): Parameters<StreamBed['apply']>[0] => ({
      listeners: {
        db: { protocol: 'TLS', hosts: [{ id: host, tlsMode: 'terminate', certificates, plugins: ['probe'] }] },
      },
      routes: [{ on: host, kind: 'TLSRoute', to: { 'db:1': 1 } }],
      backends: { 'db:1': { ports: [port] } },
    })
    const runner = runnerOf(probe.plugin)
    await using bed = await StreamBed.start(sketch(server.port), { transport: 'native', runner })
    const say = async (): Promise<void> => {
      const options = { port: bed.port(), host: '127.0.0.1', servername: 'db.example', ca: authority.certificate }
      const socket = tls.connect(options, () => socket.write('hello'))
      socket.on('error', () => {})
      await new Promise<void>(resolve => socket.resume().on('close', () => resolve()))
    }
    await say()
    await until(() => seen.size > 0)
    assertKinds(seen, ofTcp)
    assert.equal(textOf(seen, 'connection.subject_local_certificate'), 'CN=db')
    assert.equal(textOf(seen, 'connection.requested_server_name'), 'db.example')
    assert.match(textOf(seen, 'upstream.local_address'), /^127\.0\.0\.1:\d+$/)
    assert.equal(seen.get('connection.mtls')?.[0], 0)
    isFailing = true
    await bed.apply(sketch(await freePort()))
    await say()
    await until(() => failed.size > 0)
    assert.equal(textOf(failed, 'upstream.transport_failure_reason'), 'ECONNREFUSED')
    assert.equal(textOf(failed, 'connection.termination_details'), 'connect-failed')
    assert.equal(probe.plugin.state.failures.trap, 0)
  },
)
