import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RingRecords } from './ring-records.ts'

const size = 4096

/** A ring in memory of our own, filled as the kernel does. */
class FakeRing {
  readonly memory = {
    consumer: new BigUint64Array(1),
    producer: new Uint32Array(2),
    records: Buffer.alloc(2 * size),
    headers: new Uint32Array(0),
    size,
  }
  #position: number

  constructor(start = 0) {
    this.#position = start
    this.memory.consumer[0] = BigInt(start)
    this.memory.headers = new Uint32Array(this.memory.records.buffer, this.memory.records.byteOffset, size / 4)
    this.#publish()
  }

  #publish(): void {
    this.memory.producer[0] = this.#position >>> 0
  }

  /** @param flags  bit 31 busy, bit 30 discarded */
  write(text: string, flags = 0): number {
    const at = this.#position % size
    this.memory.records.writeUInt32LE((text.length | flags) >>> 0, at)
    // The memory lies twice in a row.
    for (const [index, byte] of Buffer.from(text).entries()) {
      const place = (at + 8 + index) % size
      this.memory.records[place] = byte
      this.memory.records[place + size] = byte
    }
    this.#position += (8 + text.length + 7) & ~7
    this.#publish()
    return at
  }
}

function take(records: RingRecords, most = 100): string[] {
  const texts: string[] = []
  records.take(record => texts.push(record.toString('latin1')), most)
  return texts
}

test('records are taken in order, discarded ones are passed over', () => {
  const ring = new FakeRing()
  const records = new RingRecords(ring.memory)
  ring.write('one')
  ring.write('gone', 0x4000_0000)
  ring.write('three')
  assert.deepEqual(take(records), ['one', 'three'])
  assert.equal(ring.memory.consumer[0], 48n)
  assert.deepEqual(take(records), [])
})

test('a record that is being written stops the reader until it is submitted', () => {
  const ring = new FakeRing()
  const records = new RingRecords(ring.memory)
  ring.write('one')
  const at = ring.write('two', 0x8000_0000)
  ring.write('three')
  assert.deepEqual(take(records), ['one'])
  ring.memory.records.writeUInt32LE(3, at)
  assert.deepEqual(take(records), ['two', 'three'])
})

test('records run over the end of the ring, and positions over 32 bits', () => {
  const start = 2 ** 32 - 24
  const ring = new FakeRing(start)
  const records = new RingRecords(ring.memory)
  for (let round = 0; round < 1_000; round++) {
    const text = `${round}`.repeat(1 + (round % 40))
    ring.write(text)
    assert.deepEqual(take(records), [text])
  }
  assert.ok((ring.memory.consumer[0] ?? 0n) > 2n ** 32n)
})

test('no more are taken than asked for', () => {
  const ring = new FakeRing()
  const records = new RingRecords(ring.memory)
  for (const text of ['a', 'b', 'c']) ring.write(text)
  assert.deepEqual(take(records, 2), ['a', 'b'])
  assert.equal(ring.memory.consumer[0], 32n)
  assert.deepEqual(take(records, 2), ['c'])
})
