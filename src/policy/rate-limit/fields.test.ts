import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RateLimit } from '../../model/index.ts'
import { rateLimitFields, retryAfterSeconds } from './fields.ts'

const limit: RateLimit = {
  name: 'per-client',
  tableKey: '',
  requests: 100,
  periodMs: 60_000,
  burst: 100,
  by: [],
  maxKeys: 1,
  tellsClient: true,
}

test('rateLimitFields() tells the policy and what is left', () => {
  assert.equal(
    rateLimitFields(limit, { remaining: 42, retryAfterMs: 0, fullAfterMs: 34_100 }),
    'ratelimit-policy: "per-client";q=100;w=60\r\nratelimit: "per-client";r=42;t=35\r\n',
  )
})

for (const [ms, seconds] of [
  [0, 1],
  [1, 1],
  [1001, 2],
  [60_000, 60],
] as const) {
  test(`retryAfterSeconds() rounds ${ms} ms up`, () => assert.equal(retryAfterSeconds(ms), seconds))
}
