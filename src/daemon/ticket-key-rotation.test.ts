import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '../core/index.ts'
import { TicketKeyRotation } from './ticket-key-rotation.ts'

test('TicketKeyRotation makes another key every eight hours and stops when disposed', () => {
  const clock = new ManualClock()
  const told: Uint8Array[] = []
  const rotation = new TicketKeyRotation(clock, key => void told.push(key))
  const first = rotation.current
  assert.equal(first.length, 48)
  clock.advance(8 * 3_600_000)
  assert.equal(told.length, 1)
  assert.equal(told[0], rotation.current)
  assert.notDeepEqual(rotation.current, first)
  rotation[Symbol.dispose]()
  assert.equal(clock.pending, 0)
})
