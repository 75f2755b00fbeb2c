import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadObject } from './loaded-object.ts'
import type { LoadedObject } from './loaded-object.ts'
import { decodeRecords, RingBuffer } from './ring-buffer.ts'
import { kernelSkip, openTestBpf, readTestObject } from './testing.ts'

const skip = kernelSkip()

interface Event {
  readonly number: bigint
  readonly length: number
  readonly text: string
}

function send(object: LoadedObject, count: number): void {
  for (let each = 0; each < count; each++) object.program('send').test({ data: Buffer.alloc(64) })
}

test('records come on the event loop, decoded, in order', { skip }, async t => {
  const bpf = openTestBpf(t)
  using object = loadObject(bpf, readTestObject('events'))
  const events: Event[] = []
  const { promise, resolve } = Promise.withResolvers<void>()
  const onRecord = decodeRecords(object.codec<Event>('event'), event => {
    if (events.push(event) === 3) resolve()
  })
  // What came before is handed over too.
  send(object, 1)
  using ring = new RingBuffer(bpf, object.map('events').raw, { onRecord }).watch()
  send(object, 1)
  object.program('discard').test({ data: Buffer.alloc(64) })
  setImmediate(() => send(object, 1))
  await promise
  assert.deepEqual(
    events,
    [0n, 1n, 2n].map(number => ({ number, length: 64, text: 'sent' })),
  )
  assert.equal(ring.lostCount(), 0n)
})

test('records that find no room are counted', { skip }, t => {
  const bpf = openTestBpf(t)
  using object = loadObject(bpf, readTestObject('events'))
  let seen = 0
  const lost = object.map('events_lost').raw
  using ring = new RingBuffer(bpf, object.map('events').raw, { onRecord: () => seen++, lost })
  send(object, 300)
  const size = object.map('events').raw.shape.maxEntries
  // 24 bytes and a header each; the kernel never fills the last place.
  const room = size / 32 - 1
  assert.equal(ring.lostCount(), BigInt(300 - room))
  assert.equal(ring.consume(), room)
  assert.equal(seen, room)
  assert.equal(ring.consume(), 0)
})

test('a turn of the loop takes a bounded number of records, in a ring that is read round and round', { skip }, t => {
  const bpf = openTestBpf(t)
  using object = loadObject(bpf, readTestObject('events'), { maxEntries: { events: 4096 } })
  const numbers: bigint[] = []
  const onRecord = decodeRecords(object.codec<Event>('event'), ({ number }) => numbers.push(number))
  using ring = new RingBuffer(bpf, object.map('events').raw, { onRecord })
  for (let round = 0; round < 20; round++) {
    send(object, 100)
    assert.equal(ring.consume(60), 60)
    assert.equal(ring.consume(60), 40)
  }
  assert.deepEqual(
    numbers,
    Array.from({ length: 2_000 }, (_, index) => BigInt(index)),
  )
})

test('a handler that throws loses its own record only', { skip }, t => {
  const bpf = openTestBpf(t)
  using object = loadObject(bpf, readTestObject('events'))
  const numbers: bigint[] = []
  const onRecord = decodeRecords(object.codec<Event>('event'), ({ number }) => {
    if (number === 1n) throw new RangeError('of a test')
    numbers.push(number)
  })
  using ring = new RingBuffer(bpf, object.map('events').raw, { onRecord })
  send(object, 3)
  assert.throws(() => ring.consume(), RangeError)
  ring.consume()
  assert.deepEqual(numbers, [0n, 2n])
})

test('only a ring buffer is read as one, and no longer than it is open', { skip }, t => {
  const bpf = openTestBpf(t)
  using object = loadObject(bpf, readTestObject('events'))
  assert.throws(() => new RingBuffer(bpf, object.map('events_lost').raw, { onRecord: () => {} }), TypeError)
  const ring = new RingBuffer(bpf, object.map('events').raw, { onRecord: () => {} }).watch()
  ring[Symbol.dispose]()
  ring[Symbol.dispose]()
  assert.equal(ring.consume(), 0)
})
