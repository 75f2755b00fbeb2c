import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import http2 from 'node:http2'
import { connect } from 'node:net'
import path from 'node:path'
import { test } from 'node:test'
import { metrics } from '../../src/model/index.ts'
import { fetchText, TestMesh } from './agent-process.ts'
import { answering, gateway, route, service, workload } from './resources.ts'
import { freePort } from '../support/ports.ts'

/** Answers as its path says. */
const program = `
require('node:http').createServer((request, response) => {
  if (request.url.endsWith('/die')) process.exit(1)
  if (request.url.endsWith('/fail')) response.statusCode = 503
  const answer = () => response.end('flaky ' + process.pid)
  if (request.url.endsWith('/slow')) setTimeout(answer, 400)
  else answer()
}).listen(process.env.PORT, '127.0.0.1')`

const flaky = (port: number, deadPort: number) => `
---
apiVersion: heddle.dev/v1alpha1
kind: Workload
metadata: {name: flaky-1, namespace: shop}
spec:
  service: flaky
  port: ${port}
  process: {command: [${JSON.stringify(process.execPath)}, -e, ${JSON.stringify(program)}], restartBackoff: 10ms}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: flaky-x, namespace: shop, labels: {kubernetes.io/service-name: flaky}}
addressType: IPv4
ports: [{port: ${deadPort}}]
endpoints: [{addresses: [127.0.0.1]}]
---
apiVersion: heddle.dev/v1alpha1
kind: BackendPolicy
metadata: {name: flaky, namespace: shop}
spec:
  targetRefs: [{name: flaky}]
  loadBalancing: {type: RoundRobin}
  circuitBreaker: {maxRequests: 4, retryBudget: {percent: 0, minConcurrency: 2}}
  outlierDetection: {consecutiveFailures: 20, consecutiveGatewayFailures: 20, maxEjectionPercent: 50}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: flaky, namespace: shop}
spec:
  parentRefs: [{name: web}]
  rules:
  - matches: [{path: {type: PathPrefix, value: /flaky}}]
    backendRefs: [{name: flaky, port: 9080}]
    retry: {attempts: 3, codes: [503], backoff: 10ms}
    filters: [{type: RequestMirror, requestMirror: {backendRef: {name: a, port: 9080}}}]
`

/** A route of the mesh that asks who calls, a port for any TCP, and one for UDP that has no route. */
const more = (tcpPort: number, udpPort: number) => `
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: ours, namespace: guest}
spec:
  parentRefs: [{group: '', kind: Service, namespace: shop, name: a}]
  rules: [{filters: [{type: RequestRedirect, requestRedirect: {hostname: elsewhere.example}}]}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: streams, namespace: shop}
spec:
  gatewayClassName: heddle
  listeners: [{name: tcp, port: ${tcpPort}, protocol: TCP}, {name: udp, port: ${udpPort}, protocol: UDP}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: TCPRoute
metadata: {name: any, namespace: shop}
spec: {parentRefs: [{name: streams, sectionName: tcp}], rules: [{backendRefs: [{name: a, port: 9080}]}]}
`

/** What this mesh does not come to, with the test that has it. */
const elsewhere: Readonly<Record<string, string>> = {
  // A listener with certificates.
  heddle_tls_handshakes_total: '../real/tls-agent.test.ts',
  heddle_certificate_not_after_seconds: '../real/tls-agent.test.ts',
  // 50,000 series of one metric.
  heddle_metrics_overflow_total: '../../src/observe/metrics/metric-registry.test.ts',
  // A filter that compresses.
  heddle_compressed_answers_total: '../real/browser.test.ts',
  // A name that is asked for.
  heddle_dns_queries_total: '../names/agent.test.ts',
  // Programs of a mesh in the kernel tier.
  heddle_service_requests_total: '../datapath/proxy-policy.test.ts',
  heddle_flows_total: '../datapath/flows.test.ts',
  heddle_flow_bytes_total: '../datapath/flows.test.ts',
  heddle_flow_events_lost_total: '../datapath/flows.test.ts',
  // Plugins.
  heddle_plugin_failures_total: './plugin-workers.test.ts',
  heddle_plugin_instances: '../../src/daemon/plugins/plugin-metrics.test.ts',
  heddle_plugin_memory_bytes: '../../src/daemon/plugins/plugin-metrics.test.ts',
  heddle_plugin_streams: '../../src/daemon/plugins/plugin-metrics.test.ts',
  heddle_plugin_custom: '../../src/daemon/plugins/plugin-metrics.test.ts',
  heddle_plugin_custom_total: '../../src/daemon/plugins/plugin-metrics.test.ts',
  heddle_plugin_custom_count_total: '../../src/daemon/plugins/plugin-metrics.test.ts',
  // An endpoint that speaks gRPC.
  rpc_server_requests_total: '../proxy/grpc.test.ts',
  heddle_upstream_grpc_requests_total: '../proxy/grpc.test.ts',
}

/** Asks once as a client of HTTP/2 that was told so, then breaks the protocol on the same connection. */
async function breakHttp2(port: number): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  const session = http2.connect('http://a', { createConnection: () => socket })
  const failed = new Promise(resolve => session.once('error', resolve))
  const stream = session.request({ ':path': '/' })
  stream.resume()
  await once(stream, 'end')
  // RFC 9113 section 6.7: a PING has eight bytes.
  socket.write(Buffer.from([0, 0, 1, 6, 0, 0, 0, 0, 0, 0]))
  assert.match(String(await failed), /error code 6/)
}

test('every metric of the table is measured by some path of an agent', async t => {
  const mesh = await TestMesh.create(t)
  const tcpPort = await freePort()
  const udpPort = await freePort()
  mesh.write(
    'mesh.yaml',
    gateway(mesh.gatewayPort) +
      service('a') +
      service('flaky') +
      workload('a-1', 'a', await freePort()) +
      flaky(await freePort(), await freePort()) +
      more(tcpPort, udpPort) +
      route([['a', 1]]),
  )
  const trap = path.join(mesh.directory, 'trap.mjs')
  const trigger = path.join(mesh.directory, 'crash')
  writeFileSync(
    trap,
    `import { isMainThread } from 'node:worker_threads'
     import { unlinkSync } from 'node:fs'
     if (!isMainThread) setInterval(() => {
       try { unlinkSync(${JSON.stringify(trigger)}) } catch { return }
       throw new Error('a defect on purpose')
     }, 5).unref()`,
  )
  await mesh.up({ env: { NODE_OPTIONS: `--import=${trap}` } })
  await answering(mesh, '/', /^a-1/)
  await answering(mesh, '/flaky', /^flaky/)
  const repeat = (count: number, target: string) =>
    Promise.all(Array.from({ length: count }, () => mesh.get(target).catch(() => undefined)))
  const value = async (pattern: RegExp) => {
    const { body } = await mesh.ask('/metrics')
    const lines = body.split('\n').filter(line => pattern.test(line))
    return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
  }
  const endpoints = (state: string) => value(new RegExp(`^heddle_upstream_endpoints.*shop/flaky.*state="${state}"`))

  assert.deepEqual((await mesh.status()).problems, [])
  assert.deepEqual([await endpoints('healthy'), await endpoints('ejected')], [2, 0])
  const upload = {
    host: '127.0.0.1',
    port: mesh.gatewayPort,
    path: '/',
    method: 'POST',
    body: 'x',
    agent: false,
  } as const
  assert.equal((await fetchText(upload)).status, 200)
  // More requests than the breaker allows, and failures on which retries are asked for but not budgeted.
  await repeat(20, '/flaky/slow')
  await mesh.until(async () => {
    await repeat(6, '/flaky/fail')
    return (await value(/^heddle_upstream_retries_refused_total/)) > 0
  })
  await mesh.until(async () => {
    await repeat(4, '/flaky')
    return (await endpoints('ejected')) === 1
  })
  await repeat(1, '/flaky/die')
  await mesh.until(async () => (await value(/^heddle_workload_restarts_total.*flaky/)) > 0)
  writeFileSync(trigger, '')
  await mesh.until(async () => (await value(/^heddle_worker_restarts_total/)) === 1)
  const applied = await value(/^heddle_config_apply_seconds_count/)
  for (const round of [1, 2]) {
    mesh.write('extra.yaml', route([['a', 1]], 'extra', `/extra-${round}`))
    await mesh.until(async () => (await value(/^heddle_config_apply_seconds_count/)) === applied + round)
  }

  await breakHttp2(mesh.gatewayPort)
  const address = (await mesh.status()).services.find(({ key }) => key === 'shop/a:9080')?.address ?? ''
  assert.equal((await fetch(`http://${address}/`, { redirect: 'manual' })).status, 200)
  assert.equal((await fetchText({ host: '127.0.0.1', port: tcpPort, path: '/', agent: false })).status, 200)
  const datagrams = createSocket('udp4')
  t.after(() => datagrams.close())
  await mesh.until(async () => {
    datagrams.send('nobody takes it', udpPort, '127.0.0.1')
    return (await value(/^heddle_udp_dropped_total.*refused/)) > 0
  })
  await mesh.until(async () => (await value(/^heddle_stream_session_duration_seconds_count/)) > 0)

  const { body } = await mesh.ask('/metrics')
  const missing = Object.keys(metrics).filter(name => !new RegExp(`^${name}(_count)?[ {]`, 'm').test(body))
  assert.deepEqual(missing.toSorted(), Object.keys(elsewhere).toSorted())
  for (const [name, file] of Object.entries(elsewhere)) {
    assert.ok(readFileSync(new URL(file, import.meta.url), 'utf8').includes(name), `${file} has ${name}`)
  }
})
