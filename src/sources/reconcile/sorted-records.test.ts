import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SortedRecords } from './sorted-records.ts'

test('list() is sorted by key after additions, replacements and removals', () => {
  const records = new SortedRecords<string>()
  for (const key of ['c', 'a', 'b']) records.set(key, key.toUpperCase())
  assert.deepEqual(records.list(), ['A', 'B', 'C'])
  records.set('b', 'bee')
  records.set('aa', 'AA')
  records.set('c', undefined)
  assert.deepEqual(records.list(), ['A', 'AA', 'bee'])
  records.set('aa', undefined)
  records.set('aa', 'again')
  records.set('d', 'D')
  records.set('d', undefined)
  assert.deepEqual(records.list(), ['A', 'again', 'bee'])
})

test('list() stays the same array while nothing changes', () => {
  const records = new SortedRecords<string>()
  records.set('a', 'A')
  const list = records.list()
  records.set('a', 'A')
  records.set('z', undefined)
  assert.equal(records.list(), list)
})
