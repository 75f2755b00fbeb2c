import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Outcome } from '../../model/index.ts'
import { decideRetry, isIdempotent, pauseMs } from './retry.ts'
import type { RetryInput, StopReason } from './retry.ts'

/** A GET that got no connection under a policy of two retries. */
const base: RetryInput = {
  policy: { attempts: 2, codes: [500, 503], grpcCodes: [], backoffMs: 100 },
  triesSoFar: 1,
  outcome: Outcome.connectFailure,
  status: 0,
  method: 'GET',
  safety: 'safe',
  bodyReplayable: true,
  responseStarted: false,
  retryBudgetLeft: true,
  remainingMs: Infinity,
  random: () => 0.5,
}

/** A GET whose answer has a status. */
function answered(status: number): Partial<RetryInput> {
  const isGateway = status >= 502 && status <= 504
  const outcome = status < 500 ? Outcome.success : isGateway ? Outcome.gatewayFailure : Outcome.failure5xx
  return { outcome, status, safety: 'never' }
}

/** A gRPC call that the endpoint answered with trailers alone. */
function answeredGrpc(grpcStatus: number): Partial<RetryInput> {
  const policy = { attempts: 2, codes: [503], grpcCodes: [8, 14], backoffMs: 100 }
  return { policy, outcome: Outcome.success, status: 200, grpcStatus, method: 'POST', safety: 'never' }
}

const cases: readonly (readonly [string, Partial<RetryInput>, number | StopReason])[] = [
  ['a refused connection', {}, 150],
  ['a refused connection of a POST', { method: 'POST' }, 150],
  ['a timeout of an idempotent try', { outcome: Outcome.timeout, safety: 'never' }, 150],
  ['a timeout of a POST', { outcome: Outcome.timeout, safety: 'never', method: 'POST' }, 'may-have-acted'],
  ['a reset of a PUT', { outcome: Outcome.reset, safety: 'never', method: 'PUT' }, 150],
  ['a reset of a PATCH', { outcome: Outcome.reset, safety: 'never', method: 'PATCH' }, 'may-have-acted'],
  ['a reused connection lost under a GET', { outcome: Outcome.reset, safety: 'if-reused' }, 150],
  [
    'a reused connection lost under a POST',
    { outcome: Outcome.reset, safety: 'if-reused', method: 'POST' },
    'may-have-acted',
  ],
  ['a listed status', answered(503), 150],
  ['a listed status of a POST', { ...answered(503), method: 'POST' }, 'may-have-acted'],
  ['a status that is not listed', answered(502), 'not-a-failure'],
  ['a good answer', answered(200), 'not-a-failure'],
  [
    'a listed status below 500',
    { ...answered(429), policy: { attempts: 1, codes: [429], grpcCodes: [], backoffMs: 0 } },
    0,
  ],
  ['a listed gRPC status, though every call is a POST', answeredGrpc(14), 150],
  ['a gRPC status that is not listed', answeredGrpc(13), 'not-a-failure'],
  ['a gRPC call that went well', answeredGrpc(0), 'not-a-failure'],
  ['a listed gRPC status after messages', { ...answeredGrpc(14), responseStarted: true }, 'response-started'],
  [
    'a listed gRPC status of a call whose messages are gone',
    { ...answeredGrpc(14), bodyReplayable: false },
    'body-gone',
  ],
  [
    'a gRPC call that was reset under way',
    { ...answeredGrpc(14), grpcStatus: undefined, outcome: Outcome.reset },
    'may-have-acted',
  ],
  ['an answer that the client has seen', { ...answered(503), responseStarted: true }, 'response-started'],
  ['a body that is gone', { bodyReplayable: false }, 'body-gone'],
  ['the last attempt', { triesSoFar: 2 }, 250],
  ['no attempt left', { triesSoFar: 3 }, 'attempts-used-up'],
  [
    'a policy without attempts',
    { policy: { attempts: 0, codes: [], grpcCodes: [], backoffMs: 0 } },
    'attempts-used-up',
  ],
  ['no budget', { retryBudgetLeft: false }, 'budget-used-up'],
  ['the pause fits into the time left', { remainingMs: 151 }, 150],
  ['the pause takes all the time left', { remainingMs: 150 }, 'no-time-left'],
  ['no time left', { remainingMs: -5, policy: undefined }, 'no-time-left'],
  ['without a policy, a refused connection', { policy: undefined, method: 'POST' }, 0],
  ['without a policy, a second one', { policy: undefined, triesSoFar: 2 }, 0],
  ['without a policy, a third one', { policy: undefined, triesSoFar: 3 }, 'attempts-used-up'],
  [
    'without a policy, a reused connection lost under a GET',
    { policy: undefined, outcome: Outcome.reset, safety: 'if-reused' },
    0,
  ],
  [
    'without a policy, a reused connection lost under a POST',
    { policy: undefined, outcome: Outcome.reset, safety: 'if-reused', method: 'POST' },
    'no-policy',
  ],
  ['without a policy, a timeout', { policy: undefined, outcome: Outcome.timeout, safety: 'never' }, 'no-policy'],
  ['without a policy, a 503', { ...answered(503), policy: undefined }, 'not-a-failure'],
]

for (const [name, changes, expected] of cases) {
  test(`decideRetry(): ${name}`, () => {
    const decision = decideRetry({ ...base, ...changes })
    assert.deepEqual(
      decision,
      typeof expected === 'number' ? { kind: 'retry', afterMs: expected } : { kind: 'stop', reason: expected },
    )
  })
}

test('pauseMs() doubles its range, never goes below the least pause and stops growing', () => {
  for (const [tries, most] of [
    [1, 200],
    [2, 400],
    [3, 800],
    [6, 6_400],
    [50, 6_400],
  ] as const) {
    assert.equal(pauseMs(100, tries, 0), 100)
    assert.equal(pauseMs(100, tries, 0.999_999_999), most - Number(((most - 100) * 1e-9).toFixed(12)))
  }
})

test('isIdempotent() is exact about case', () => {
  for (const method of ['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']) assert.ok(isIdempotent(method))
  for (const method of ['POST', 'PATCH', 'CONNECT', 'get', 'PROPFIND', '']) assert.ok(!isIdempotent(method))
})
