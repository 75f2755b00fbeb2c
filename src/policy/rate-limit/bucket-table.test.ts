import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { BucketTable, createBucketMemory, type BucketLimit } from './bucket-table.ts'

const perClient = [{ kind: 'client-address' }] as const

function limit(changes: Partial<BucketLimit> = {}): BucketLimit {
  const { requests = 10 } = changes
  return { requests, periodMs: 1000, burst: requests, by: perClient, maxKeys: 1024, ...changes }
}

function table(changes: Partial<BucketLimit> = {}): BucketTable {
  return new BucketTable(limit(changes), createBucketMemory(limit(changes)))
}

/** How many of `count` requests at one moment pass. */
function passes(buckets: BucketTable, key: string, nowMs: number, count: number): number {
  let passed = 0
  for (let i = 0; i < count; i++) if (buckets.take(key, nowMs)) passed++
  return passed
}

describe('BucketTable.take()', () => {
  const cases: readonly (readonly [about: string, changes: Partial<BucketLimit>, atMs: number, expected: number])[] = [
    ['the burst at first', {}, 0, 10],
    ['one after a tenth of a second at ten a second', {}, 100, 1],
    ['none a moment before that', {}, 99, 0],
    ['half of them after half of the period', {}, 500, 5],
    ['no more than the burst after a day', {}, 86_400_000, 10],
    ['a burst of one', { burst: 1 }, 86_400_000, 1],
    ['a burst larger than the rate', { burst: 25 }, 2000, 20],
    ['a million a second', { requests: 1_000_000, burst: 100 }, 0.01, 10],
    ['one a day', { requests: 1, periodMs: 86_400_000 }, 86_400_000, 1],
    ['none a minute before the day is over', { requests: 1, periodMs: 86_400_000 }, 86_340_000, 0],
  ]
  for (const [about, changes, atMs, expected] of cases) {
    test(`lets through ${about}`, () => {
      const buckets = table(changes)
      const startMs = 1e9
      const { burst } = limit(changes)
      if (atMs > 0) assert.equal(passes(buckets, 'a', startMs, burst + 1), burst)
      assert.equal(passes(buckets, 'a', startMs + atMs, 100), expected)
    })
  }

  test('says what is left and when to come back', () => {
    const buckets = table({ requests: 2, periodMs: 10_000 })
    assert.equal(buckets.take('a', 0), true)
    assert.deepEqual([buckets.remaining, buckets.retryAfterMs, buckets.fullAfterMs], [1, 0, 5000])
    assert.equal(buckets.take('a', 0), true)
    assert.deepEqual([buckets.remaining, buckets.retryAfterMs, buckets.fullAfterMs], [0, 0, 10_000])
    assert.equal(buckets.take('a', 2000), false)
    assert.deepEqual([buckets.remaining, buckets.retryAfterMs, buckets.fullAfterMs], [0, 3000, 8000])
  })

  test('a refused request takes nothing', () => {
    const buckets = table({ requests: 1 })
    assert.equal(passes(buckets, 'a', 0, 1), 1)
    assert.equal(passes(buckets, 'a', 500, 1000), 0)
    assert.equal(passes(buckets, 'a', 1000, 1), 1)
  })

  test('keys have buckets of their own', () => {
    const buckets = table()
    for (let i = 0; i < 500; i++) assert.equal(passes(buckets, `10.0.0.${i}`, 0, 11), 10)
  })

  test('a table with more busy keys than places forgets, and never grows', () => {
    const memory = createBucketMemory({ by: perClient, maxKeys: 16 })
    assert.equal(memory.byteLength, 8 + 16 * 8)
    const buckets = new BucketTable(limit({ maxKeys: 16 }), memory)
    for (let i = 0; i < 1000; i++) assert.equal(passes(buckets, String(i), 0, 11), 10)
  })

  test('a new key takes the place of a bucket that is full again, not of a busy one', () => {
    const buckets = table({ maxKeys: 8 })
    for (let i = 0; i < 7; i++) buckets.take(`idle ${i}`, 0)
    assert.equal(passes(buckets, 'busy', 5000, 10), 10)
    for (let i = 0; i < 7; i++) buckets.take(`new ${i}`, 5000)
    assert.equal(buckets.take('busy', 5000), false)
  })

  test('a limit without attributes has room for one bucket and uses it for all', () => {
    const buckets = table({ by: [] })
    assert.equal(passes(buckets, '', 0, 100), 10)
    assert.equal(createBucketMemory({ by: [], maxKeys: 1_000_000 }).byteLength, 9 * 8)
  })

  test('a clock that wrapped finds old buckets full', () => {
    const buckets = table({ requests: 1, burst: 1, periodMs: 1000 })
    // 2^40 microseconds are 12.7 days.
    const circleMs = 2 ** 40 / 1000
    for (const days of [0.3, 0.5, 0.7, 0.99]) {
      const startMs = circleMs * 2.9
      buckets.take('a', startMs)
      assert.equal(buckets.take('a', startMs + circleMs * days), true, `${days} of a circle later`)
    }
  })

  test('a worker whose clock is behind takes nothing twice', () => {
    const memory = createBucketMemory(limit())
    const ahead = new BucketTable(limit(), memory)
    const behind = new BucketTable(limit(), memory)
    assert.equal(passes(ahead, 'a', 10_000, 10), 10)
    assert.equal(passes(behind, 'a', 9_000, 10), 0)
  })
})

const program = `
  const { parentPort, workerData } = require('node:worker_threads')
  import(workerData.module).then(({ BucketTable }) => {
    const table = new BucketTable(workerData.limit, workerData.memory)
    const gate = new Int32Array(workerData.gate)
    parentPort.postMessage('ready')
    Atomics.wait(gate, 0, 0)
    let passed = 0
    for (let i = 0; i < workerData.tries; i++) {
      // The same keys in another order on each worker, at a clock that moves on.
      const key = 'client ' + ((i * workerData.step) % workerData.keys)
      if (table.take(key, Math.floor(i / workerData.triesPerMs))) passed++
    }
    parentPort.postMessage(passed)
  })
`

describe('BucketTable of several workers', () => {
  const cases = [
    { about: 'one key at one moment', keys: 1, tries: 60_000, triesPerMs: 1e9, elapsedMs: 0 },
    { about: 'a hundred keys at one moment', keys: 101, tries: 60_000, triesPerMs: 1e9, elapsedMs: 0 },
    { about: 'one key over two seconds', keys: 1, tries: 60_000, triesPerMs: 30, elapsedMs: 1999 },
    { about: 'a hundred keys over two seconds', keys: 101, tries: 202_000, triesPerMs: 101, elapsedMs: 1999 },
  ]
  for (const { about, keys, tries, triesPerMs, elapsedMs } of cases) {
    test(`lets through exactly the limit: ${about}`, async () => {
      const shared = limit({ requests: 100, burst: 50 })
      const memory = createBucketMemory(shared)
      const gate = new SharedArrayBuffer(4)
      const workers = [1, 7, 13].map(
        step =>
          new Worker(program, {
            eval: true,
            workerData: {
              module: new URL('./bucket-table.ts', import.meta.url).href,
              limit: shared,
              memory,
              gate,
              keys,
              tries,
              triesPerMs,
              step,
            },
          }),
      )
      try {
        await Promise.all(workers.map(worker => once(worker, 'message')))
        const results = Promise.all(workers.map(worker => once(worker, 'message')))
        Atomics.store(new Int32Array(gate), 0, 1)
        Atomics.notify(new Int32Array(gate), 0)
        const passed = (await results).reduce((sum, [count]) => sum + Number(count), 0)
        // Ten milliseconds apart: the burst, and one for each ten milliseconds that are over.
        assert.equal(passed, keys * (50 + Math.floor(elapsedMs / 10)))
      } finally {
        await Promise.all(workers.map(worker => worker.terminate()))
      }
    })
  }
})
