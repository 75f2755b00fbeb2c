import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { ThreadSharedData } from './thread-shared-data.ts'
import { ThreadSharedQueues } from './thread-shared-queues.ts'

let channels = 0
const channel = (): string => `queues of test ${process.pid} ${++channels}`
const textOf = (item: Uint8Array | string): string => (typeof item === 'string' ? item : Buffer.from(item).toString())

test('ThreadSharedQueues keeps order, and tells of each item later', async () => {
  using queues = new ThreadSharedQueues(new ThreadSharedData(64 * 1024), channel())
  let told = 0
  const id = queues.register('vm', 'jobs', () => told++)
  assert.equal(
    queues.register('vm', 'others', () => {}),
    id + 1,
  )
  assert.equal(queues.resolve('vm', 'jobs'), id)
  assert.equal(queues.resolve('other vm', 'jobs'), undefined)
  assert.deepEqual(
    [queues.enqueue(99, Buffer.of(1)), queues.dequeue(99), queues.dequeue(id)],
    ['unknown', 'unknown', 'empty'],
  )
  assert.deepEqual([queues.enqueue(id, Buffer.from('one')), queues.enqueue(id, Buffer.alloc(0))], ['queued', 'queued'])
  assert.equal(told, 0)
  await new Promise(resolve => setImmediate(resolve))
  assert.equal(told, 2)
  assert.deepEqual([textOf(queues.dequeue(id)), textOf(queues.dequeue(id)), queues.dequeue(id)], ['one', '', 'empty'])
})

test('ThreadSharedQueues is full at some time, and has room again when items are taken', () => {
  using queues = new ThreadSharedQueues(new ThreadSharedData(64 * 1024), channel())
  const id = queues.register('vm', 'jobs', () => {})
  let put = 0
  while (queues.enqueue(id, Buffer.alloc(1000, String(put % 10))) === 'queued') put++
  assert.ok(put > 30 && put < 70, String(put))
  for (let index = 0; index < put; index++) assert.equal(textOf(queues.dequeue(id))[0], String(index % 10))
  for (let index = 0; index < 1000; index++) {
    assert.equal(queues.enqueue(id, Buffer.alloc(1000)), 'queued')
    assert.equal(queues.dequeue(id).length, 1000)
  }
})

const consumer = `
import { parentPort, workerData } from 'node:worker_threads'
const { ThreadSharedData } = await import(workerData.data)
const { ThreadSharedQueues } = await import(workerData.queues)
const queues = new ThreadSharedQueues(new ThreadSharedData(workerData.buffer), workerData.channel)
const id = queues.register('vm', 'jobs', () => {
  for (;;) {
    const item = queues.dequeue(id)
    if (typeof item === 'string') return
    parentPort.postMessage(Buffer.from(item).toString())
  }
})
parentPort.on('message', () => { queues[Symbol.dispose](); parentPort.close() })
parentPort.postMessage('ready')
`

test(
  'ThreadSharedQueues gives each item to one thread, and wakes a thread that registered',
  { timeout: 60_000 },
  async () => {
    const data = new ThreadSharedData(256 * 1024)
    const name = channel()
    using queues = new ThreadSharedQueues(data, name)
    const url = new URL(`data:text/javascript,${encodeURIComponent(consumer)}`)
    const modules = {
      data: new URL('thread-shared-data.ts', import.meta.url).href,
      queues: new URL('thread-shared-queues.ts', import.meta.url).href,
    }
    const workers = [1, 2].map(
      () => new Worker(url, { workerData: { ...modules, buffer: data.buffer, channel: name } }),
    )
    const taken: string[] = []
    const { promise, resolve } = Promise.withResolvers<void>()
    let ready = 0
    for (const worker of workers) {
      worker.on('message', (text: string) => {
        if (text === 'ready') ready++
        else if (taken.push(text) === 500) resolve()
      })
    }
    while (ready < 2) await new Promise(done => setTimeout(done, 5))
    const id = queues.resolve('vm', 'jobs') ?? 0
    for (let index = 0; index < 500; index++) assert.equal(queues.enqueue(id, Buffer.from(`job ${index}`)), 'queued')
    await promise
    assert.deepEqual(taken.toSorted(), Array.from({ length: 500 }, (_, index) => `job ${index}`).toSorted())
    assert.equal(queues.dequeue(id), 'empty')
    for (const worker of workers) worker.postMessage('end')
    await Promise.all(workers.map(worker => once(worker, 'exit')))
  },
)
