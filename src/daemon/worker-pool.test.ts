import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { ManualClock, silentLogger } from '../core/index.ts'
import type { Logger } from '../core/index.ts'
import { emptySnapshot } from '../model/index.ts'
import type { Listener, MeshSnapshot } from '../model/index.ts'
import { backoffMs, WorkerPool } from './worker-pool.ts'
import { WorkerThreads } from './worker-threads.ts'

function snapshotOf(version: number, ids: readonly string[]): MeshSnapshot {
  const listener = (id: string): Listener => ({
    id,
    address: '127.0.0.1',
    port: 0,
    kind: 'gateway',
    protocol: 'HTTP',
    virtualHosts: [],
  })
  return { ...emptySnapshot, version, listeners: new Map(ids.map(id => [id, listener(id)])) }
}

class Observer {
  readonly metrics = new Map<number, unknown>()
  readonly retiredIds: number[] = []
  restarts = 0
  readonly tapped: string[] = []
  failures: ReadonlyMap<string, string> = new Map()
  #wake: (() => void)[] = []

  collected(worker: number, metrics: unknown): void {
    this.metrics.set(worker, metrics)
  }
  retired(worker: number): void {
    this.retiredIds.push(worker)
    this.#notify()
  }
  restarted(): void {
    this.restarts++
    this.#notify()
  }
  lines(lines: readonly string[]): void {
    this.tapped.push(...lines)
    this.#notify()
  }
  listenFailures(failures: ReadonlyMap<string, string>): void {
    this.failures = failures
    this.#notify()
  }
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>(resolve => this.#wake.push(resolve))
  }
  #notify(): void {
    for (const wake of this.#wake.splice(0)) wake()
  }
}

function open(t: TestContext, options: { count?: number; snapshot?: MeshSnapshot; logger?: Logger } = {}) {
  const clock = new ManualClock()
  const observer = new Observer()
  const threads = new WorkerThreads(new URL('./fake-worker.ts', import.meta.url), 1)
  const pool = new WorkerPool(options.snapshot ?? snapshotOf(1, ['a']), {
    callers: {
      ask: (questions, reply) => {
        reply(
          questions.map(({ id }) => ({
            id,
            caller: { namespace: 'shop', service: `shop/of-${id}`, workload: 'shop/w' },
          })),
        )
      },
    },
    clock,
    logger: options.logger ?? silentLogger,
    threads,
    ticketKeys: new Uint8Array(48),
    count: options.count ?? 2,
    transport: 'node',
    worker: { zone: 'west', accessLog: 'off', accessLogFormat: 'text', logLevel: 'info', areInspected: false },
    observer,
  })
  t.after(() => pool.close())
  return { clock, observer, pool }
}

test('WorkerPool hands every worker the whole snapshot and then deltas', async t => {
  const { pool, observer } = open(t)
  await pool.applied(1)
  assert.equal(pool.running, 2)
  pool.apply(snapshotOf(2, ['a', 'b']))
  pool.apply(snapshotOf(3, ['b', 'c']))
  await pool.applied(3)
  assert.equal(pool.version, 3)
  await pool.collect({ wantsEndpoints: true })
  assert.deepEqual([...observer.metrics.values()], [{ listeners: ['b', 'c'] }, { listeners: ['b', 'c'] }])
  assert.equal(pool.endpoints().length, 2)
})

test('WorkerPool answers each worker who calls', async t => {
  const { pool, observer } = open(t)
  pool.apply(snapshotOf(2, ['asks']))
  await observer.until(() => observer.tapped.length === 2)
  assert.deepEqual(observer.tapped, ['caller 7 shop/of-7', 'caller 7 shop/of-7'])
})

test('WorkerPool reports listeners that cannot be opened, and that they can again', async t => {
  const { pool, observer } = open(t)
  pool.apply(snapshotOf(2, ['busy']))
  await observer.until(() => observer.failures.size === 1)
  assert.deepEqual([...observer.failures], [['busy', 'the address is in use']])
  pool.apply(snapshotOf(3, []))
  await observer.until(() => observer.failures.size === 0)
  await pool.applied(3)
})

test('WorkerPool replaces a crashed worker, the others go on and the replacement has the newest snapshot', async t => {
  const errors: string[] = []
  const logger: Logger = {
    ...silentLogger,
    error: (message, fields) => errors.push(`${message}: ${fields?.['cause']}`),
  }
  const { pool, observer } = open(t, { count: 1, logger })
  await pool.applied(1)
  pool.apply(snapshotOf(2, ['throws']))
  pool.apply(snapshotOf(3, ['b']))
  await observer.until(() => observer.restarts === 1)
  await pool.applied(3)
  await pool.collect()
  assert.deepEqual(observer.retiredIds, [1])
  assert.deepEqual([...observer.metrics], [[2, { listeners: ['b'] }]])
  assert.deepEqual(errors, ['a worker ended and is replaced: a defect'])
})

test('WorkerPool waits longer after each crash and starts anew after a minute', async t => {
  const { pool, observer, clock } = open(t, { count: 1, snapshot: snapshotOf(1, ['exits']) })
  await observer.until(() => observer.restarts === 2)
  assert.equal(clock.pending, 1)
  clock.advance(99)
  assert.equal(clock.pending, 1)
  clock.advance(1)
  await observer.until(() => observer.restarts === 3)
  pool.apply(snapshotOf(2, []))
  clock.advance(200)
  await pool.applied(2)
  clock.advance(60_000)
  pool.apply(snapshotOf(3, ['exits']))
  await observer.until(() => observer.restarts === 4)
  assert.equal(clock.pending, 0, 'the first crash after a quiet minute has no pause')
  await observer.until(() => observer.restarts === 5)
  pool.apply(snapshotOf(4, []))
  clock.advance(100)
  await pool.applied(4)
})

test('WorkerPool asks for endpoints only when wanted, and passes on only what changed', async t => {
  const { pool, observer } = open(t, { count: 1 })
  await pool.applied(1)
  await pool.collect()
  assert.deepEqual([pool.endpoints().length, observer.metrics.size], [0, 1])
  await Promise.all([pool.collect(), pool.collect({ wantsEndpoints: true })])
  assert.equal(pool.endpoints().length, 1)
  observer.metrics.clear()
  pool.apply(snapshotOf(2, ['idle']))
  await pool.collect()
  assert.deepEqual([pool.endpoints().length, observer.metrics.size], [1, 0])
})

test('WorkerPool collects without a worker that does not answer', async t => {
  const { pool, observer, clock } = open(t, { snapshot: snapshotOf(1, ['silent']) })
  await pool.applied(1)
  const collected = pool.collect()
  clock.advance(500)
  await collected
  assert.equal(observer.metrics.size, 0)
})

test('WorkerPool taps workers, those that come later too, and passes their log on', async t => {
  const messages: unknown[] = []
  const logger: Logger = { ...silentLogger, info: (message, fields) => messages.push([message, fields]) }
  const { pool, observer } = open(t, { count: 1, logger })
  await pool.applied(1)
  pool.tap(true)
  pool.reopenLogs()
  await observer.until(() => observer.tapped.length === 1)
  pool.apply(snapshotOf(2, ['exits']))
  pool.apply(snapshotOf(3, []))
  await observer.until(() => observer.tapped.length >= 2)
  assert.deepEqual(observer.tapped.slice(0, 2), ['tapped true', 'tapped from the start'])
  assert.deepEqual(messages, [['reopened', { zone: 'west', worker: 1 }]])
})

test('WorkerPool.drain() sums up what the workers finished and ends them', async t => {
  const { pool, observer } = open(t)
  await pool.applied(1)
  assert.deepEqual(await pool.drain(1000), { finished: 4, cut: 2 })
  assert.deepEqual([pool.running, observer.restarts], [0, 0])
})

test('WorkerPool.drain() does not wait for ever', async t => {
  const { pool, clock } = open(t, { snapshot: snapshotOf(1, ['silent']) })
  await pool.applied(1)
  const drained = pool.drain(1000)
  clock.advance(2000)
  assert.deepEqual(await drained, { finished: 0, cut: 0 })
  assert.equal(clock.pending, 0)
})

test('backoffMs() doubles from 100 ms to 10 s, the first replacement is at once', () => {
  assert.deepEqual([1, 2, 3, 4, 5, 9, 20].map(backoffMs), [0, 100, 200, 400, 800, 10_000, 10_000])
})

test('WorkerPool gives every worker the same ticket keys, and replacements the newest', async t => {
  const { pool, observer } = open(t, { snapshot: snapshotOf(1, ['a']) })
  await pool.applied(1)
  pool.tap(true)
  pool.setTicketKeys(new Uint8Array(48).fill(7))
  await observer.until(() => observer.tapped.filter(line => line === 'ticket key 7').length === 2)
  pool.apply(snapshotOf(2, ['a', 'throws']))
  await observer.until(() => observer.tapped.includes('started with ticket key 7'))
})
