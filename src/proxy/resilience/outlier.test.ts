import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Outcome } from '../../model/index.ts'
import type { OutlierDetection } from '../../model/index.ts'
import { judgeOutcome } from './outlier.ts'
import type { EjectionScope, OutlierRecord } from './outlier.ts'

const settings: OutlierDetection = {
  consecutiveFailures: 3,
  consecutiveGatewayFailures: 2,
  baseEjectionMs: 1_000,
  maxEjectionMs: 3_500,
  maxEjectionPercent: 50,
}
const roomy: EjectionScope = { endpoints: 10, ejected: 0 }

function makeRecord(): OutlierRecord {
  return {
    consecutiveFailures: 0,
    consecutiveGatewayFailures: 0,
    ejections: 0,
    ejectedUntilMs: 0,
    lastEjectionEndMs: -Infinity,
  }
}

const { success, failure5xx, gatewayFailure, connectFailure, timeout, reset } = Outcome

const sequences: readonly {
  name: string
  outcomes: readonly Outcome[]
  changes?: Partial<OutlierDetection>
  expected: string | undefined
}[] = [
  { name: 'successes', outcomes: [success, success, success, success], expected: undefined },
  { name: 'failures short of the row', outcomes: [failure5xx, reset], expected: undefined },
  { name: 'a row of any failures', outcomes: [failure5xx, timeout, reset], expected: 'consecutive-failures' },
  { name: 'a success breaks the row', outcomes: [reset, reset, success, reset, reset], expected: undefined },
  {
    name: 'a row of gateway failures',
    outcomes: [gatewayFailure, connectFailure],
    expected: 'consecutive-gateway-failures',
  },
  {
    name: 'another failure breaks the gateway row, not the other',
    outcomes: [gatewayFailure, timeout, gatewayFailure],
    expected: 'consecutive-failures',
  },
  {
    name: 'gateway failures count as failures',
    outcomes: [gatewayFailure, connectFailure, gatewayFailure],
    changes: { consecutiveGatewayFailures: 0 },
    expected: 'consecutive-failures',
  },
  {
    name: 'failures switched off',
    outcomes: [reset, reset, reset, reset],
    changes: { consecutiveFailures: 0 },
    expected: undefined,
  },
  {
    name: 'both switched off',
    outcomes: [connectFailure, connectFailure, connectFailure, connectFailure],
    changes: { consecutiveFailures: 0, consecutiveGatewayFailures: 0 },
    expected: undefined,
  },
]

test('judgeOutcome() ejects after a row of failures', () => {
  for (const { name, outcomes, changes, expected } of sequences) {
    const record = makeRecord()
    const verdicts = outcomes.map(outcome => judgeOutcome(record, outcome, { ...settings, ...changes }, roomy, 0))
    assert.equal(verdicts.at(-1), expected, name)
    assert.ok(
      verdicts.slice(0, -1).every(verdict => verdict === undefined),
      name,
    )
    assert.equal(record.ejectedUntilMs > 0, expected !== undefined, name)
  }
})

function failRow(record: OutlierRecord, nowMs: number, scope: EjectionScope = roomy): string | undefined {
  judgeOutcome(record, connectFailure, settings, scope, nowMs)
  return judgeOutcome(record, connectFailure, settings, scope, nowMs)
}

test('judgeOutcome() keeps within the percentage, but always lets one go', () => {
  const cases: readonly (readonly [endpoints: number, ejected: number, percent: number, ejects: boolean])[] = [
    [10, 4, 50, true],
    [10, 5, 50, false],
    [3, 0, 10, true],
    [3, 1, 10, false],
    [3, 0, 0, true],
    [1, 0, 0, true],
    [4, 3, 100, true],
    [15, 1, 10, false],
  ]
  for (const [endpoints, ejected, maxEjectionPercent, ejects] of cases) {
    const record = makeRecord()
    const limited = { ...settings, maxEjectionPercent }
    judgeOutcome(record, reset, limited, { endpoints, ejected }, 0)
    judgeOutcome(record, reset, limited, { endpoints, ejected }, 0)
    const reason = judgeOutcome(record, reset, limited, { endpoints, ejected }, 0)
    assert.equal(reason !== undefined, ejects, `${ejected} of ${endpoints} at ${maxEjectionPercent} %`)
  }
})

test('judgeOutcome() acts on a complete row with the next failure once there is room', () => {
  const record = makeRecord()
  assert.equal(failRow(record, 0, { endpoints: 10, ejected: 5 }), undefined)
  assert.equal(judgeOutcome(record, connectFailure, settings, roomy, 10), 'consecutive-gateway-failures')
})

test('ejections grow with each one up to the limit', () => {
  const record = makeRecord()
  let nowMs = 0
  for (const lengthMs of [1_000, 2_000, 3_000, 3_500, 3_500]) {
    assert.ok(failRow(record, nowMs) !== undefined)
    assert.equal(record.ejectedUntilMs - nowMs, lengthMs)
    nowMs = record.ejectedUntilMs
  }
})

test('one ejection is forgotten for every base time that the endpoint stayed in', () => {
  const record = makeRecord()
  failRow(record, 0)
  failRow(record, 1_000)
  failRow(record, 3_000)
  assert.equal(record.ejections, 3)
  failRow(record, record.ejectedUntilMs + 2_100)
  assert.equal(record.ejections, 2)
  failRow(record, record.ejectedUntilMs + 60_000)
  assert.equal(record.ejections, 1)
})

test('outcomes while ejected count for nothing, and afterwards a whole row is needed', () => {
  const record = makeRecord()
  failRow(record, 0)
  for (let i = 0; i < 10; i++) assert.equal(judgeOutcome(record, connectFailure, settings, roomy, 500), undefined)
  assert.equal(record.ejectedUntilMs, 1_000)
  assert.equal(judgeOutcome(record, connectFailure, settings, roomy, 1_000), undefined)
  assert.equal(judgeOutcome(record, connectFailure, settings, roomy, 1_000), 'consecutive-gateway-failures')
})
