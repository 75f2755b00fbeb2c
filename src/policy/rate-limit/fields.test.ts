import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RateLimit } from '../../model/index.ts'
import { rateLimitFields, retryAfterField } from './fields.ts'

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

for (const [ms, line] of [
  [0, 'retry-after: 1\r\n'],
  [1, 'retry-after: 1\r\n'],
  [1001, 'retry-after: 2\r\n'],
  [60_000, 'retry-after: 60\r\n'],
] as const) {
  test(`retryAfterField() rounds ${ms} ms up`, () => assert.equal(retryAfterField(ms), line))
}
