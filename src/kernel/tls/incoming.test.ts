import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TestTls } from './testing.ts'

test('what was fed is read by whoever reads next, and the rest can be taken out', t => {
  const { thread } = new TestTls(t)
  const { incoming, calls } = thread
  const got = Buffer.allocUnsafeSlow(4)
  const read = (): number => calls.call.BIO_read(incoming.bio, calls.pointerTo(got), 4)
  assert.deepEqual([incoming.left, incoming.take(), read()], [0, undefined, -1])
  const first = Buffer.from('first')
  incoming.feed(first, 3)
  assert.deepEqual([incoming.left, read(), got.toString('latin1', 0, 3), incoming.left], [3, 3, 'fir', 0])
  // The same memory with other bytes, as the read buffer is.
  first.write('FIRST')
  incoming.feed(first, 5)
  assert.deepEqual([read(), got.toString(), incoming.left], [4, 'FIRS', 1])
  assert.deepEqual([incoming.take()?.toString(), incoming.take(), incoming.left], ['T', undefined, 0])
  incoming.feed(Buffer.from('other'), 5)
  assert.deepEqual([calls.call.BIO_ctrl_pending(incoming.bio), read(), got.toString()], [5, 4, 'othe'])
  incoming.feed(first, 2)
  assert.deepEqual([read(), got.toString('latin1', 0, 2), read()], [2, 'FI', -1])
})

test('what was taken out stays as it was when the memory is written to again', t => {
  const { incoming } = new TestTls(t).thread
  const bytes = Buffer.from('record')
  incoming.feed(bytes, 6)
  const taken = incoming.take()
  bytes.fill('x')
  assert.equal(taken?.toString(), 'record')
})
