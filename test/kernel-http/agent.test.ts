import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import type { FlowRecord } from '../../src/daemon/index.ts'
import type { MemberMesh } from '../datapath/member-mesh.ts'
import { datapathSkip } from '../datapath/world.ts'
import { until } from '../support/until.ts'
import { addressOf, ask, begin, Client, limited, logOf, open, statusOf, untilCarried } from './carried.ts'

const skip = datapathSkip('python3')

test(
  'requests of a member to a plain Service are answered in the kernel; the switch keeps every one of them',
  { skip },
  async t => {
    await using each = await begin(t, {}, '--kernel-http', 'auto')
    await untilCarried(each)
    const host = await addressOf(each)
    await using client = new Client(each, host)
    assert.match(String(await client.say('/a')), /^200 web-0 /)
    assert.match(String(await client.say('/b')), /^200 web-0 /)
    const first = await statusOf(each)
    assert.equal(first.served, 2)
    await checkSeen(each, client)
    await using load = new Client(each, host)
    assert.equal(await load.say('load 4'), 'begun')
    await until(async () => (await statusOf(each)).served > 50)
    for (const word of ['off', 'on', 'off', 'on']) {
      const { code } = await each.mesh.run('kernel-http', word)
      assert.equal(code, 0)
    }
    assert.equal((await each.mesh.run('kernel-http', 'off')).code, 0)
    const { served } = await statusOf(each)
    assert.match(String(await client.say('/c')), /^200 web-0 /, 'the kept connection goes on in user space')
    const said = (await load.say('stop')) as { answers: number; wrong: readonly string[] }
    assert.deepEqual(said.wrong, [])
    assert.ok(said.answers > 50)
    assert.equal((await statusOf(each)).served, served, 'none is answered in the kernel after it is off')
  },
)

/** What passes in the kernel is seen as all other traffic is. */
async function checkSeen(each: MemberMesh, client: Client): Promise<void> {
  const metrics = await ask(each, '/metrics')
  const labels = 'virtual_host="Service shop/web:9080",route="Service shop/web:9080",backend="shop/web:9080"'
  assert.ok(metrics.includes(`http_server_requests_total{${labels},status_class="2xx"} 2\n`), metrics)
  assert.ok(metrics.includes(`http_server_request_duration_seconds_count{${labels}} 2\n`))
  assert.match(
    metrics,
    /heddle_upstream_requests_total\{backend="shop\/web:9080",endpoint="[^"]+",status_class="2xx"\} 2\n/,
  )
  const bytes = /http_server_response_bytes_total\{[^}]*shop\/web:9080[^}]*\} (\d+)/.exec(metrics)
  assert.ok(Number(bytes?.[1]) > 0)
  const routes = await each.mesh.run('routes', '--all')
  assert.match(routes.stdout, /ANSWERED IN[^]*kernel/)
  const explained = await each.mesh.run('explain', 'GET', 'http://web.shop:9080/a', '--from', 'shop/client')
  assert.match(explained.stdout, /answered in kernel/)
  await until(async () => {
    // Rates are of the last seconds.
    await client.say('/again')
    const { services } = await each.mesh.status()
    return services.some(({ key, rates }) => key === 'shop/web:9080' && rates.requestsPerSecond > 0)
  })
  await checkFlows(each, client)
  // Lines are written a moment after their request.
  const log = logOf(each)
  await until(() => readFileSync(log, 'utf8').split('\n').length >= 2)
  assert.match(readFileSync(log, 'utf8'), /GET .*\/a.* 200 .*shop\/web:9080/)
}

/** While somebody follows them, and as long as only then: others would find nothing but requests among those that are kept. */
async function checkFlows(each: MemberMesh, client: Client): Promise<void> {
  const followed = await open(each, '/flows?follow=1&verdict=request&service=shop/web&lines=0')
  const lines = createInterface(followed)[Symbol.asyncIterator]()
  const first = lines.next()
  let seen: FlowRecord | undefined
  void first.then(({ value }) => (seen = JSON.parse(String(value)) as FlowRecord))
  await until(async () => {
    await client.say('/followed')
    return seen !== undefined
  })
  followed.destroy()
  assert.ok(seen?.kind === 'request')
  const { source, method, target, destination, verdict } = seen
  assert.deepEqual(
    [source.workload, method, target, destination.service, destination.workload, verdict],
    ['shop/client', 'GET', '/followed', 'shop/web:9080', 'shop/web-0', '200'],
  )
  assert.ok(!(await ask(each, '/flows')).includes('"request"'))
}

/** Of the access log, without what differs from one request to the next. */
function linesOf(each: MemberMesh): readonly unknown[] {
  const differs = /^(time|client\.port|.*duration|heddle\.request_id|trace_id|http\.response\.body\.size)$/
  const lines = readFileSync(logOf(each), 'utf8').split('\n').slice(0, -1)
  return lines.map(line => {
    const entries = Object.entries(JSON.parse(line) as Record<string, unknown>)
    return Object.fromEntries(entries.filter(([key]) => !differs.test(key)))
  })
}

test(
  'what the agent answers for an endpoint is in the log, the flows and the metrics as what the proxy answers',
  { skip, timeout: 180_000 },
  async t => {
    await using each = await begin(t, { more: limited }, '--kernel-http', 'auto', '--access-log-format', 'json')
    await untilCarried(each)
    const host = await addressOf(each)
    const followed = await open(each, '/flows?follow=1&verdict=request&service=shop/web&lines=0')
    const flows = createInterface(followed)[Symbol.asyncIterator]()
    const seen: readonly string[] = ['504', '502']
    const asked = ['/never', 'post /reset']
    for (const [at, words] of asked.entries()) {
      await using client = new Client(each, host)
      const flow = flows.next()
      assert.match(String(await client.say(words)), new RegExp(`^${seen[at]} `))
      const record = JSON.parse(String((await flow).value)) as FlowRecord
      assert.ok(record.kind === 'request')
      assert.deepEqual([record.verdict, record.source.workload], [seen[at], 'shop/client'])
    }
    followed.destroy()
    assert.equal((await statusOf(each, false)).isOn, false)
    for (const words of asked) {
      await using client = new Client(each, host)
      await client.say(words)
    }
    await until(() => linesOf(each).length === 4)
    const lines = linesOf(each)
    assert.deepEqual(lines.slice(0, 2), lines.slice(2))
    const metrics = await ask(each, '/metrics')
    const route = 'virtual_host="Service shop/web:9080",route="HTTPRoute shop/web",backend="shop/web:9080"'
    for (const [name, value] of [
      [`http_server_requests_total{${route},status_class="5xx"}`, 4],
      [`http_server_request_duration_seconds_count{${route}}`, 4],
      [`heddle_local_replies_total{virtual_host="Service shop/web:9080",reason="upstream-timeout"}`, 2],
      [`heddle_local_replies_total{virtual_host="Service shop/web:9080",reason="upstream-reset"}`, 2],
    ] as const) {
      assert.ok(metrics.includes(`${name} ${value}\n`), `${name} ${value}:\n${metrics}`)
    }
    assert.ok(!/heddle_upstream_requests_total\{[^}]*shop\/web/.test(metrics), 'no endpoint has answered')
  },
)

const closed = `
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed, namespace: shop}
spec:
  podSelector: {matchLabels: {app: stranger}}
  policyTypes: [Egress]
`

test(
  'a policy that changes holds for the next request of a connection on the path',
  { skip, timeout: 180_000 },
  async t => {
    await using each = await begin(t, {}, '--kernel-http', 'auto')
    await untilCarried(each)
    await using stranger = new Client(each, await addressOf(each), 'shop.stranger')
    assert.match(String(await stranger.say('/a')), /^200 web-0 /)
    assert.equal((await statusOf(each)).served, 1)
    each.mesh.write('closed.yaml', closed)
    await until(async () => !String(await stranger.say('/b')).startsWith('200 '))
  },
)

test('it is off unless it is set, and says so', { skip, timeout: 180_000 }, async t => {
  await using each = await begin(t, {})
  const { stdout } = await each.mesh.run('kernel-http')
  assert.match(stdout, /^HTTP in the kernel is off: not set/)
  assert.equal((await statusOf(each, true)).isOn, true)
  await untilCarried(each)
})
