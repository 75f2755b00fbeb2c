import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Blocks } from './blocks.ts'

test('take() goes on behind the last run, and comes back to what was given', () => {
  const blocks = new Blocks(10)
  assert.equal(blocks.take(4), 0)
  assert.equal(blocks.take(4), 4)
  blocks.give(0)
  assert.equal(blocks.take(2), 8)
  assert.equal(blocks.take(3), 0)
  assert.equal(blocks.take(2), undefined)
  assert.equal(blocks.take(1), 3)
})

test('take() gives an empty run a place, so that it can be given back', () => {
  const blocks = new Blocks(2)
  assert.equal(blocks.take(0), 0)
  assert.equal(blocks.take(0), 1)
  assert.equal(blocks.take(0), undefined)
  blocks.give(1)
  assert.equal(blocks.take(1), 1)
})
