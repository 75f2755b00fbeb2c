import assert from 'node:assert/strict'
import { test } from 'node:test'
import { diffSnapshots, emptySnapshot } from '../model/index.ts'
import type { HttpRoute } from '../model/index.ts'
import { MetricRegistry } from '../observe/index.ts'
import { AgentMetrics } from './agent-metrics.ts'

const labels = { virtual_host: 'v', route: 'r', backend: 'b' }

function counted(requests: number) {
  const meter = new MetricRegistry()
  meter.counter('http_server_requests_total', { ...labels, status_class: '2xx' }).value = requests
  return meter.export()
}

function requestsOf(metrics: AgentMetrics): string | undefined {
  return /^http_server_requests_total\{.*\} (\d+)$/m.exec(metrics.render(new Map(), []))?.[1]
}

test('AgentMetrics adds up workers as they answer, those that are gone included', () => {
  const metrics = new AgentMetrics()
  metrics.collected(1, counted(3))
  assert.equal(requestsOf(metrics), '3')
  metrics.collected(2, counted(4))
  assert.equal(requestsOf(metrics), '7')
  metrics.retired(2)
  metrics.collected(1, counted(5))
  assert.equal(requestsOf(metrics), '9')
})

test('AgentMetrics forgets series of what a snapshot takes away', () => {
  const metrics = new AgentMetrics()
  metrics.collected(1, counted(3))
  assert.equal(requestsOf(metrics), '3')
  const route: HttpRoute = {
    key: 'r',
    kind: 'HTTPRoute',
    namespace: '',
    name: '',
    createdMs: 0,
    attachments: [],
    rules: [],
  }
  const before = { ...emptySnapshot, routes: new Map([['r', route]]) }
  metrics.published(before, diffSnapshots(before, { ...emptySnapshot, version: 7 }))
  assert.equal(requestsOf(metrics), undefined)
  assert.match(metrics.render(new Map(), []), /^heddle_config_version 7$/m)
})

test('AgentMetrics goes on with the rates when nothing new was collected', () => {
  const metrics = new AgentMetrics()
  metrics.collected(1, counted(0))
  metrics.sample(0)
  metrics.collected(1, counted(10))
  metrics.sample(1_000)
  assert.equal(metrics.rates.total().requestsPerSecond, 10)
  for (const nowMs of [2_000, 3_000, 4_000]) metrics.sample(nowMs)
  assert.deepEqual(metrics.rates.total().recent, [10, 0, 0, 0])
  assert.equal(metrics.rates.total().requestsPerSecond, 2.5)
})
