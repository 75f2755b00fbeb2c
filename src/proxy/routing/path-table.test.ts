import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { seededRandom } from './fixtures.ts'
import { nextHash, PathTable } from './path-table.ts'

interface Entry {
  readonly key: string
  readonly value: number
}

/** Values of the beginnings of the path that are keys, the shortest first. */
function beginnings(table: PathTable<Entry>, path: string): readonly number[] {
  const found: number[] = []
  let hash = table.seed
  for (let end = 0; end <= path.length; end++) {
    const entry = table.find(path, end, hash)
    if (entry !== undefined) found.push(entry.value)
    hash = nextHash(hash, path.charCodeAt(end))
  }
  return found
}

describe('PathTable', () => {
  it('finds the beginnings of a path that it has, and no others', () => {
    const table = new PathTable<Entry>()
    ;['/a', '/a/b', '/a/b/c', '/ab', '', '/A', '/ä/€'].forEach((key, value) => table.set({ key, value }))
    assert.deepEqual(beginnings(table, '/a/b/cd'), [4, 0, 1, 2])
    assert.deepEqual(beginnings(table, '/ä/€'), [4, 6])
    assert.deepEqual(beginnings(table, '/x'), [4])
    assert.equal(table.size, 7)
  })

  it('has one entry of a key, the last', () => {
    const table = new PathTable<Entry>()
    table.set({ key: '/a', value: 1 })
    table.set({ key: '/a', value: 2 })
    assert.equal(table.get('/a')?.value, 2)
    assert.deepEqual([...table.entries()], [{ key: '/a', value: 2 }])
  })

  it('tells keys of one hash from each other', () => {
    const seed = 1
    const byHash = new Map<number, string>()
    const random = seededRandom(1)
    const table = new PathTable<Entry>(seed)
    let collisions = 0
    for (let at = 0; at < 400_000 && collisions < 5; at++) {
      const key = `/${Math.floor(random() * 1e9).toString(36)}`
      let hash = seed
      for (let i = 0; i < key.length; i++) hash = nextHash(hash, key.charCodeAt(i))
      const other = byHash.get(hash)
      byHash.set(hash, key)
      if (other === undefined || other === key) continue
      collisions++
      table.set({ key, value: 1 })
      assert.equal(table.get(other), undefined)
      table.set({ key: other, value: 2 })
      assert.equal(table.get(key)?.value, 1)
      assert.equal(table.get(other)?.value, 2)
    }
    assert.equal(collisions, 5)
  })

  it('is what a Map would be, through changes and copies', () => {
    const random = seededRandom(2)
    let table = new PathTable<Entry>()
    let model = new Map<string, number>()
    for (let step = 0; step < 6_000; step++) {
      const key = `/${Math.floor(random() * 700)}`
      if (random() < 0.45) {
        table.delete(key)
        model.delete(key)
      } else {
        table.set({ key, value: step })
        model.set(key, step)
      }
      if (step % 1000 !== 0) continue
      const [before, beforeModel] = [table, model]
      table = table.copy()
      model = new Map(model)
      table.set({ key: '/copied', value: step })
      model.set('/copied', step)
      for (const [each, expected] of [
        [before, beforeModel],
        [table, model],
      ] as const) {
        assert.equal(each.size, expected.size)
        for (let at = 0; at < 700; at++) assert.equal(each.get(`/${at}`)?.value, expected.get(`/${at}`))
        assert.deepEqual(new Map([...each.entries()].map(entry => [entry.key, entry.value])), expected)
      }
    }
  })
})
