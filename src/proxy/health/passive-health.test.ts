import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultBackendSettings, Outcome } from '../../model/index.ts'
import type { Backend } from '../../model/index.ts'
import { Balancer } from '../balancing/index.ts'
import type { PickContext } from '../balancing/index.ts'
import { judgeOutcome } from '../resilience/index.ts'

function makeBackend(count: number): Backend {
  return {
    key: 'shop/reviews:80',
    namespace: 'shop',
    service: 'reviews',
    port: 80,
    portName: '',
    protocol: 'http1',
    tls: undefined,
    endpoints: Array.from({ length: count }, (_, index) => ({
      id: `10.0.0.${index}:80`,
      address: `10.0.0.${index}`,
      port: 80,
      weight: 1,
      zone: '',
      workload: '',
      healthy: true,
      draining: false,
    })),
    settings: { ...defaultBackendSettings, loadBalancing: { kind: 'RoundRobin' } },
  }
}

/** One request per millisecond over two minutes; `isBroken` says who answers 503. */
function play(
  count: number,
  isBroken: (index: number, nowMs: number) => boolean,
): { failures: number; ejections: string[] } {
  const ejections: string[] = []
  const balancer = new Balancer(makeBackend(count), {
    zone: '',
    nowMs: 0,
    outlier: judgeOutcome,
    onEject: (endpoint, reason) => ejections.push(`${endpoint.id} ${reason}`),
  })
  const context: PickContext = { nowMs: 0, hash: -1, tried: undefined, random: () => 0.5 }
  let failures = 0
  for (; context.nowMs < 120_000; context.nowMs++) {
    const state = balancer.pick(context)
    assert.ok(state !== undefined)
    const fails = isBroken(balancer.states.indexOf(state), context.nowMs)
    if (fails) failures++
    balancer.onResult(state, fails ? Outcome.gatewayFailure : Outcome.success, 5, context.nowMs)
  }
  return { failures, ejections }
}

test('a broken endpoint costs a row of failures per ejection, each longer than the last', () => {
  const { failures, ejections } = play(10, index => index === 3)
  // Out for 30, 60 and 90 seconds: three ejections begin within two minutes.
  assert.deepEqual(ejections, Array(3).fill('10.0.0.3:80 consecutive-gateway-failures'))
  assert.equal(failures, 15)
})

test('an endpoint that is mended gets its share again', () => {
  const { failures, ejections } = play(10, (index, nowMs) => index === 3 && nowMs < 10_000)
  assert.equal(ejections.length, 1)
  assert.equal(failures, 5)
})

test('when everything fails only the allowed part is ejected and requests go on', () => {
  const { failures, ejections } = play(20, () => true)
  assert.equal(failures, 120_000)
  const first = new Set(ejections.slice(0, 2).map(ejection => ejection.split(' ')[0]))
  assert.equal(first.size, 2)
})

test('a single endpoint is never out of reach', () => {
  const { failures } = play(1, () => true)
  assert.equal(failures, 120_000)
})
