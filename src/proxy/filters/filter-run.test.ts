import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Filter } from '../../model/index.ts'
import { createBucketMemory } from '../../policy/index.ts'
import { RateLimitTables } from './rate-limit-tables.ts'
import { FakeExchange, fakeRequest } from './testing.ts'

const limit = {
  kind: 'rate-limit',
  name: 'per-client',
  tableKey: 'shop/per-client',
  requests: 2,
  periodMs: 10_000,
  burst: 2,
  by: [{ kind: 'client-address' }],
  maxKeys: 64,
  tellsClient: true,
} as const satisfies Filter

const maintenance: Filter = {
  kind: 'direct-response',
  status: 503,
  headers: [{ name: 'content-type', value: 'text/plain' }],
  body: 'back soon',
}
const delay: Filter = { kind: 'fault', delay: { durationMs: 500, fraction: 0.5 }, abort: undefined, headers: [] }
const abort: Filter = {
  kind: 'fault',
  delay: undefined,
  abort: { status: 503, grpcStatus: 14, fraction: 0.5 },
  headers: [],
}
const both: Filter = { ...delay, abort: { status: 500, grpcStatus: undefined, fraction: 0.5 } }
const bodyLimit: Filter = { kind: 'body-limit', maxBytes: 10 }

test('a rule without safeguards has no plan', () => {
  using exchange = new FakeExchange()
  assert.equal(exchange.plan([]), undefined)
  assert.equal(exchange.plan([{ kind: 'request-headers', set: [], add: [], remove: [] }]), undefined)
})

test('a rule that only compresses has a plan without steps', () => {
  using exchange = new FakeExchange()
  const plan = exchange.plan([{ kind: 'compression', encodings: ['gzip'], minBytes: 1, contentTypes: ['text/*'] }])
  assert.deepEqual(plan?.steps, [])
  assert.deepEqual(plan?.compression?.encodings, ['gzip'])
})

describe('a rate limit', () => {
  test('passes what it has and refuses the rest with 429, by client', () => {
    using exchange = new FakeExchange()
    const outcomes = ['10.0.0.1', '10.0.0.1', '10.0.0.1', '10.0.0.2'].map(clientAddress => {
      const run = exchange.run([limit], fakeRequest({ clientAddress }))
      return { outcome: run.begin(), lines: run.answerLines, reply: run.reply }
    })
    assert.deepEqual(
      outcomes.map(({ outcome }) => outcome),
      ['passed', 'passed', 'answered', 'passed'],
    )
    const policy = 'ratelimit-policy: "per-client";q=2;w=10\r\n'
    assert.deepEqual(
      outcomes.map(({ lines }) => lines),
      ['r=1;t=5', 'r=0;t=10', 'r=0;t=10', 'r=1;t=5'].map(state => `${policy}ratelimit: "per-client";${state}\r\n`),
    )
    const reply = outcomes[2]?.reply
    assert.equal(reply?.status, 429)
    assert.equal(reply.reason, 'rate-limited')
    assert.deepEqual(reply.headers, [{ name: 'retry-after', value: '5' }])
  })

  test('says nothing about itself where told so', () => {
    using exchange = new FakeExchange()
    const run = exchange.run([{ ...limit, tellsClient: false }])
    assert.equal(run.begin(), 'passed')
    assert.equal(run.answerLines, '')
  })

  test('counts in the memory of the main thread, together with other workers and rules', () => {
    const memory = createBucketMemory(limit)
    const workers = [1, 2].map(() => {
      const rateLimits = new RateLimitTables()
      rateLimits.share(limit.tableKey, memory)
      return new FakeExchange({ rateLimits })
    })
    const outcomes = [0, 1, 0, 1].map(worker => workers[worker]?.run([limit]).begin())
    assert.deepEqual(outcomes, ['passed', 'passed', 'answered', 'answered'])
    for (const worker of workers) worker[Symbol.dispose]()
  })
})

describe('a fault', () => {
  const cases: readonly (readonly [
    about: string,
    filter: Filter,
    random: number,
    expected: string,
    status?: number,
  ])[] = [
    ['spares', both, 0.5, 'passed'],
    ['aborts', abort, 0.49, 'answered', 503],
    ['delays', delay, 0.49, 'suspended'],
    ['delays before it aborts', both, 0.49, 'suspended'],
  ]
  for (const [about, filter, random, expected, status] of cases) {
    test(`${about} a request`, () => {
      using exchange = new FakeExchange()
      exchange.random = random
      const run = exchange.run([filter])
      assert.equal(run.begin(), expected)
      assert.equal(run.reply?.status, status)
      run.cancel()
    })
  }

  test('lets a delayed request go on, or answers it, when the time is over', () => {
    for (const [filter, outcome] of [
      [delay, 'passed'],
      [both, 'answered'],
    ] as const) {
      using exchange = new FakeExchange()
      const run = exchange.run([filter])
      run.begin()
      exchange.clock.advance(450)
      assert.deepEqual(exchange.events, [])
      exchange.clock.advance(200)
      assert.deepEqual(exchange.events, [outcome])
      assert.equal(run.flags, 'DI')
      assert.equal(exchange.timers.size, 0)
    }
  })

  test('names its own gRPC status', () => {
    using exchange = new FakeExchange()
    const run = exchange.run([abort])
    run.begin()
    assert.equal(run.reply?.grpcStatus, 14)
  })
})

test('a direct response answers with its own body', () => {
  using exchange = new FakeExchange()
  const run = exchange.run([maintenance])
  assert.equal(run.begin(), 'answered')
  assert.equal(run.reply?.status, 503)
  assert.equal(Buffer.from(run.reply.body ?? []).toString(), 'back soon')
})

describe('a body limit', () => {
  for (const [contentLength, expected] of [
    [0, 'passed'],
    [10, 'passed'],
    [11, 'answered'],
    [-1, 'passed'],
  ] as const) {
    test(`${expected === 'passed' ? 'lets through' : 'refuses'} a body of ${contentLength} bytes`, () => {
      using exchange = new FakeExchange()
      const run = exchange.run([bodyLimit], fakeRequest({ contentLength }))
      assert.equal(run.begin(), expected)
      assert.equal(run.maxBodyBytes, 10)
      assert.equal(run.reply?.status, expected === 'passed' ? undefined : 413)
    })
  }

  test('holds while the request waits for something else', () => {
    using exchange = new FakeExchange()
    const run = exchange.run([bodyLimit, delay], fakeRequest({ contentLength: -1 }))
    assert.equal(run.begin(), 'suspended')
    run.body(Buffer.alloc(10), 0, 10)
    assert.deepEqual(exchange.events, [])
    run.body(Buffer.alloc(1), 0, 1)
    assert.deepEqual(exchange.events, ['answered'])
    assert.equal(exchange.reply?.status, 413)
  })
})

describe('the steps of a rule', () => {
  test('follow each other in the order of the rule', () => {
    for (const [filters, reason] of [
      [[maintenance, abort], 'direct-response'],
      [[abort, maintenance], 'injected-fault'],
    ] as const) {
      using exchange = new FakeExchange()
      const run = exchange.run(filters)
      run.begin()
      assert.equal(run.reply?.reason, reason)
    }
  })

  test('go on after one of them has waited', () => {
    using exchange = new FakeExchange()
    const run = exchange.run([delay, delay, maintenance])
    assert.equal(run.begin(), 'suspended')
    exchange.clock.advance(600)
    assert.deepEqual(exchange.events, [])
    exchange.clock.advance(600)
    assert.deepEqual(exchange.events, ['answered'])
    assert.equal(exchange.reply?.reason, 'direct-response')
  })
})

describe('a suspended run', () => {
  test('takes the body as it comes, and stops the client when there is too much', () => {
    using exchange = new FakeExchange({ heldLimitBytes: 8 })
    const run = exchange.run([delay], fakeRequest({ contentLength: -1 }))
    run.begin()
    run.body(Buffer.from('..abcd..'), 2, 6)
    assert.equal(run.isBlocked, false)
    run.body(Buffer.from('efgh'), 0, 4)
    assert.equal(run.isBlocked, true)
    run.bodyEnd()
    exchange.clock.advance(600)
    assert.deepEqual(exchange.events, ['passed'])
    assert.equal(run.isBlocked, false)
  })

  test('comes to nothing once it is cancelled, and leaves no timer', () => {
    using exchange = new FakeExchange()
    const run = exchange.run([delay])
    run.begin()
    assert.equal(exchange.timers.size, 1)
    run.cancel()
    assert.equal(exchange.timers.size, 0)
    exchange.clock.advance(1000)
    assert.deepEqual(exchange.events, [])
  })
})
