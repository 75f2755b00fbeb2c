import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { SharedMemory } from './shared-memory.ts'
import { ThreadSharedData } from './thread-shared-data.ts'

const textOf = (value: Uint8Array | undefined): string | undefined =>
  value === undefined ? undefined : Buffer.from(value).toString('latin1')

test('ThreadSharedData does what the data of one thread does', () => {
  const [shared, plain] = [new ThreadSharedData(), new SharedMemory()]
  const random = seeded(7)
  for (let step = 0; step < 20_000; step++) {
    const [vm, key] = [`vm${random(3)}`, `key${random(200)}`]
    if (random(2) === 0) {
      assert.equal(textOf(shared.get(vm, key)?.value), textOf(plain.get(vm, key)?.value))
      assert.equal(shared.get(vm, key)?.cas, plain.get(vm, key)?.cas)
      continue
    }
    const value = Buffer.alloc(random(60), `${step}`)
    const cas = random(4) === 0 ? (plain.get(vm, key)?.cas ?? 0) : random(4) === 0 ? step : 0
    assert.equal(shared.set(vm, key, value, cas), plain.set(vm, key, value, cas))
  }
})

test('ThreadSharedData leaves out what is replaced, and says when it is full', () => {
  const shared = new ThreadSharedData(64 * 1024)
  let stored = 0
  for (let size = 1; size < 4000; size++) if (shared.set('vm', 'growing', new Uint8Array(size), 0) === 'set') stored++
  assert.equal(stored, 3999)
  assert.equal(shared.set('vm', 'huge', new Uint8Array(64 * 1024), 0), 'full')
  for (let index = 0; index < 10_000; index++) shared.set('vm', `key${index}`, Buffer.from(`${index}`), 0)
  assert.equal(shared.set('vm', 'one more', new Uint8Array(1000), 0), 'full')
  // All that was stored is there still.
  assert.equal(shared.get('vm', 'growing')?.value.length, 3999)
  assert.equal(textOf(shared.get('vm', 'key100')?.value), '100')
  assert.equal(shared.set('vm', 'key100', Buffer.from('200'), 0), 'set')
  assert.equal(textOf(shared.get('vm', 'key100')?.value), '200')
})

const counter = `
import { workerData } from 'node:worker_threads'
const { ThreadSharedData } = await import(workerData.module)
const shared = new ThreadSharedData(workerData.buffer)
for (let left = workerData.times; left > 0;) {
  const { value, cas } = shared.get('vm', 'counter')
  const next = Buffer.from(String(Number(Buffer.from(value)) + 1))
  if (shared.set('vm', 'counter', next, cas) === 'set') left--
}
`

test('ThreadSharedData loses no change when threads compare and swap', { timeout: 60_000 }, async () => {
  const shared = new ThreadSharedData(128 * 1024)
  shared.set('vm', 'counter', Buffer.from('0'), 0)
  const module = new URL('thread-shared-data.ts', import.meta.url).href
  const url = new URL(`data:text/javascript,${encodeURIComponent(counter)}`)
  const workers = [1, 2, 3].map(() => new Worker(url, { workerData: { module, buffer: shared.buffer, times: 2000 } }))
  await Promise.all(workers.map(worker => once(worker, 'exit')))
  assert.equal(textOf(shared.get('vm', 'counter')?.value), '6000')
})

function seeded(seed: number): (below: number) => number {
  let state = seed
  return below => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return (state >>> 8) % below
  }
}
