import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Filter, HttpRoute } from '../model/index.ts'
import { RateLimitMemories } from './rate-limit-memories.ts'

function limit(tableKey: string): Filter {
  return {
    kind: 'rate-limit',
    name: tableKey,
    tableKey,
    requests: 1,
    periodMs: 1000,
    burst: 1,
    by: [],
    maxKeys: 8,
    tellsClient: true,
  }
}

/** A route with one rule for each list of limits. */
function route(key: string, ...rules: string[][]): readonly [string, HttpRoute] {
  const rule = {
    name: undefined,
    matches: [],
    backends: [],
    requestTimeoutMs: undefined,
    backendRequestTimeoutMs: 0,
    retry: undefined,
    session: undefined,
    failure: undefined,
  }
  return [
    key,
    {
      key,
      kind: 'HTTPRoute',
      namespace: 'shop',
      name: key,
      createdMs: 0,
      attachments: [],
      rules: rules.map((keys, index) => ({ ...rule, index, filters: keys.map(limit) })),
    },
  ]
}

test('RateLimitMemories makes one piece for each limit, whoever names it', () => {
  const memories = new RateLimitMemories()
  const first = memories.update({ set: [route('r', ['a'], ['a', 'b']), route('s', ['b'])], removed: [] })
  assert.deepEqual([...first.added.keys()], ['a', 'b'])
  assert.deepEqual(first.removed, [])
  const kept = memories.all.get('b')
  const second = memories.update({ set: [route('t', ['b'])], removed: [] })
  assert.equal(second.added.size, 0)
  assert.equal(memories.all.get('b'), kept)
})

test('RateLimitMemories keeps what a changed route still names, and frees the rest with the last user', () => {
  const memories = new RateLimitMemories()
  memories.update({ set: [route('r', ['a', 'b']), route('s', ['b'])], removed: [] })
  const kept = memories.all.get('a')
  const changed = memories.update({ set: [route('r', ['a', 'c'])], removed: [] })
  assert.deepEqual([[...changed.added.keys()], changed.removed], [['c'], []])
  assert.equal(memories.all.get('a'), kept)
  assert.deepEqual(memories.update({ set: [], removed: ['s'] }).removed, ['b'])
  assert.deepEqual(memories.update({ set: [route('r')], removed: [] }).removed, ['a', 'c'])
  assert.equal(memories.all.size, 0)
  assert.deepEqual(memories.update({ set: [], removed: ['r', 'unknown'] }).removed, [])
})

test('RateLimitMemories does not free what moves from one route to another', () => {
  const memories = new RateLimitMemories()
  memories.update({ set: [route('r', ['a'])], removed: [] })
  const kept = memories.all.get('a')
  const moved = memories.update({ set: [route('s', ['a'])], removed: ['r'] })
  assert.deepEqual([moved.added.size, moved.removed.length], [0, 0])
  assert.equal(memories.all.get('a'), kept)
})
