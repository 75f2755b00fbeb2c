import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { metrics } from '../../src/model/index.ts'
import { fetchText, freePort, TestMesh } from './agent-process.ts'
import { answering, gateway, route, service, workload } from './resources.ts'

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

/** What this mesh does not come to, with the test that has it. */
const elsewhere: readonly string[] = [
  // A listener with certificates: tls-agent.test.ts.
  'heddle_tls_handshakes_total',
  'heddle_certificate_not_after_seconds',
  // 50,000 series of one metric: metric-registry.test.ts.
  'heddle_metrics_overflow_total',
]

test('every metric of the table is measured by some path of an agent', async t => {
  const mesh = await TestMesh.create(t)
  mesh.write(
    'mesh.yaml',
    gateway(mesh.gatewayPort) +
      service('a') +
      service('flaky') +
      workload('a-1', 'a', await freePort()) +
      flaky(await freePort(), await freePort()) +
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

  const { body } = await mesh.ask('/metrics')
  const missing = Object.keys(metrics).filter(name => !new RegExp(`^${name}(_count)?[ {]`, 'm').test(body))
  assert.deepEqual(missing, elsewhere)
})
