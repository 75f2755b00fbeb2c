import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { ByteQueue } from './byte-queue.ts'

suite('ByteQueue', () => {
  test('gives bytes in the order in which they came, whatever the pieces', () => {
    const queue = new ByteQueue()
    const source = Buffer.from(Array.from({ length: 200_000 }, (_, index) => index % 251))
    const taken: Buffer[] = []
    let put = 0
    // Pieces of many sizes in and out; prime numbers, so that they never fall together.
    for (let round = 0; put < source.length || queue.length > 0; round++) {
      const size = Math.min(source.length - put, (round * 7919) % 5003)
      queue.append(source, put, put + size)
      put += size
      const wanted = Math.min(queue.length, (round * 6007) % 4001)
      taken.push(Buffer.from(queue.bytes.subarray(queue.start, queue.start + wanted)))
      queue.take(wanted)
    }
    assert.deepEqual(Buffer.concat(taken), source)
  })

  test('copies what it takes, and holds no memory when it is empty', () => {
    const queue = new ByteQueue()
    const source = Buffer.from('abc')
    queue.append(source, 0, 3)
    source.fill('x')
    assert.equal(queue.bytes.toString('latin1', queue.start, queue.end), 'abc')
    queue.take(3)
    assert.equal(queue.length, 0)
    assert.equal(queue.bytes.length, 0)
  })
})
