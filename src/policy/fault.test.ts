import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Fault } from '../model/index.ts'
import { FaultPlan } from './fault.ts'

const delay = { durationMs: 200, fraction: 0.1 }
const abort = { status: 503, grpcStatus: undefined, fraction: 0.5 }

function decide(fault: Partial<Fault>, randoms: readonly number[], headers: Record<string, string> = {}): unknown {
  const plan = new FaultPlan({ delay: undefined, abort: undefined, headers: [], ...fault })
  const left = [...randoms]
  const decision = plan.decide(
    name => headers[name],
    () => left.shift() ?? assert.fail('asked for too many random numbers'),
  )
  assert.equal(left.length, 0)
  return [decision.delayMs, decision.abortStatus]
}

describe('FaultPlan.decide()', () => {
  const cases: readonly (readonly [string, Partial<Fault>, number[], [number, number]])[] = [
    ['delays a request within the share', { delay }, [0.099], [200, 0]],
    ['leaves one at the end of the share alone', { delay }, [0.1], [0, 0]],
    ['aborts a request within the share', { abort }, [0.499], [0, 503]],
    ['may do both', { delay, abort }, [0, 0], [200, 503]],
    ['may do the second only', { delay, abort }, [0.9, 0], [0, 503]],
    ['never hits with a share of 0', { abort: { ...abort, fraction: 0 } }, [0], [0, 0]],
    ['always hits with a share of 1', { abort: { ...abort, fraction: 1 } }, [0.999999], [0, 503]],
  ]
  for (const [about, fault, randoms, expected] of cases) {
    test(about, () => assert.deepEqual(decide(fault, randoms), expected))
  }

  const headers = [
    { kind: 'exact', name: 'x-fault', value: 'on' },
    { kind: 'regex', name: 'x-user', value: 'anna|berta' },
  ] as const
  const matches: readonly (readonly [Record<string, string>, boolean])[] = [
    [{ 'x-fault': 'on', 'x-user': 'anna' }, true],
    [{ 'x-fault': 'on', 'x-user': 'annabelle' }, false],
    [{ 'x-fault': 'on' }, false],
    [{ 'x-fault': 'off', 'x-user': 'berta' }, false],
    [{}, false],
  ]
  for (const [given, isHit] of matches) {
    test(`${isHit ? 'hits' : 'spares'} a request with ${JSON.stringify(given)}`, () => {
      const fault = { abort: { ...abort, fraction: 1 }, headers }
      assert.deepEqual(decide(fault, isHit ? [0] : [], given), [0, isHit ? 503 : 0])
    })
  }

  test('hits the share that was asked for', () => {
    let hits = 0
    const plan = new FaultPlan({ delay: undefined, abort: { ...abort, fraction: 0.25 }, headers: [] })
    for (let i = 0; i < 1000; i++) {
      if (
        plan.decide(
          () => undefined,
          () => (i * 0.618034) % 1,
        ).abortStatus !== 0
      )
        hits++
    }
    assert.ok(Math.abs(hits - 250) <= 2, String(hits))
  })
})
