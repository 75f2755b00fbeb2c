import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { patienceMs } from './patience.ts'
import type { Silence } from './patience.ts'

const stall = 300_000
const asked: Silence = {
  isHeldUp: false,
  isAnswerBegun: false,
  isRequestDone: true,
  isGrpc: false,
  hasTimeLimit: false,
  streamIdleTimeoutMs: undefined,
}

const cases: readonly (readonly [name: string, silence: Partial<Silence>, expected: number])[] = [
  ['an answer does not come', {}, stall],
  ['an answer does not come that the rule has a time limit for', { hasTimeLimit: true }, Infinity],
  ['the rest of a request does not come', { isRequestDone: false }, stall],
  ['the rest of a request with a time limit does not come', { isRequestDone: false, hasTimeLimit: true }, stall],
  ['an answer goes on later', { isAnswerBegun: true }, Infinity],
  ['the rest of a request does not come after the answer began', { isAnswerBegun: true, isRequestDone: false }, stall],
  [
    'the rest of a request does not come for which a policy has more time',
    { isAnswerBegun: true, isRequestDone: false, streamIdleTimeoutMs: 900_000 },
    900_000,
  ],
  ['both sides of a call of gRPC go on later', { isGrpc: true, isAnswerBegun: true, isRequestDone: false }, Infinity],
  ['a client does not read its answer', { isAnswerBegun: true, isHeldUp: true }, stall],
  ['a call of gRPC has no head yet', { isGrpc: true }, Infinity],
  ['a call of gRPC has no head yet, and goes on', { isGrpc: true, isRequestDone: false }, Infinity],
  ['an endpoint does not read a call of gRPC', { isGrpc: true, isRequestDone: false, isHeldUp: true }, stall],
  ['a policy bounds what is silent', { isAnswerBegun: true, streamIdleTimeoutMs: 10_000 }, 10_000],
  ['a policy bounds a silent call of gRPC', { isGrpc: true, streamIdleTimeoutMs: 900_000 }, 900_000],
  ['a policy changes nothing of what is held up', { isHeldUp: true, streamIdleTimeoutMs: 900_000 }, stall],
]

suite('patienceMs() when', () => {
  for (const [name, silence, expected] of cases) {
    test(name, () => assert.equal(patienceMs({ ...asked, ...silence }, stall), expected))
  }
})
