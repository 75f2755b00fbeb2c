import assert from 'node:assert/strict'
import { test } from 'node:test'
import { IdTable } from './id-table.ts'

interface Entry {
  readonly id: number
}

const entryOf = (id: number): Entry => ({ id })

/** A small generator of numbers that are the same in every run. */
function numbers(seed: number): (below: number) => number {
  let state = seed
  return below => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

test('IdTable holds what a Map would, whatever comes and goes', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const next = numbers(seed)
    const table = new IdTable<Entry>()
    const model = new Map<number, Entry>()
    let id = 1
    for (let step = 0; step < 3000; step++) {
      // Phases that grow alternate with phases that shrink.
      if (next(10) < (step % 1000 < 500 ? 6 : 4)) {
        const entry = entryOf(id)
        id += 2 * (1 + next(3))
        table.add(entry)
        model.set(entry.id, entry)
      } else if (model.size > 0) {
        const gone = [...model.keys()][next(model.size)] as number
        table.delete(gone)
        model.delete(gone)
      }
      const asked = 1 + 2 * next(id)
      assert.equal(table.get(asked), model.get(asked))
      assert.equal(table.size, model.size)
    }
    assert.deepEqual(table.list(), [...model.values()])
    for (const [known, entry] of model) assert.equal(table.get(known), entry)
  }
})

test('IdTable finds ids that are chosen to fall into one place, and those behind them when one goes', () => {
  const table = new IdTable<Entry>()
  const place = (id: number): number => Math.imul(id, 0x9e3779b1) >>> 24
  const same = Array.from({ length: 400_000 }, (_, index) => 1 + 2 * index)
    .filter(id => place(id) === 255)
    .slice(0, 100)
  assert.equal(same.length, 100)
  for (const id of same) table.add(entryOf(id))
  for (const [index, id] of same.entries()) {
    table.delete(id)
    assert.equal(table.get(id), undefined)
    for (const other of same.slice(index + 1)) assert.equal(table.get(other)?.id, other)
  }
  assert.equal(table.size, 0)
})

test('IdTable lists from any place, round to it', () => {
  const table = new IdTable<Entry>()
  for (const id of [5, 1, 7, 3]) table.add(entryOf(id))
  for (const [after, expected] of [
    [0, [1, 3, 5, 7]],
    [1, [3, 5, 7, 1]],
    [4, [5, 7, 1, 3]],
    [7, [1, 3, 5, 7]],
    [2 ** 31 - 1, [1, 3, 5, 7]],
  ] as const) {
    assert.deepEqual(
      table.list(after).map(({ id }) => id),
      expected,
    )
  }
})

test('IdTable do nothing when what is deleted is not there', () => {
  const table = new IdTable<Entry>()
  table.delete(1)
  table.add(entryOf(3))
  table.delete(1)
  assert.equal(table.size, 1)
  assert.deepEqual(
    table.list().map(({ id }) => id),
    [3],
  )
})
