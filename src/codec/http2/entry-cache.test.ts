import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { EntryCache } from './entry-cache.ts'
import { indexings } from './field-kinds.ts'
import type { HeaderEntry } from './header-entry.ts'

function take(cache: EntryCache, name: string, value: string, margin: string = ''): HeaderEntry {
  const bytes = Buffer.from(`${margin}${name}: ${value}\r\n`, 'latin1')
  const from = margin.length
  const valueFrom = from + name.length + 2
  return cache.entry(bytes, from, from + name.length, valueFrom, valueFrom + value.length)
}

suite('EntryCache', () => {
  test('gives the same entry for the same field, wherever its bytes are and in any case of its name', () => {
    const cache = new EntryCache()
    const first = take(cache, 'Content-Type', 'text/plain')
    assert.equal(first.name, 'content-type')
    assert.equal(first.value, 'text/plain')
    assert.equal(take(cache, 'content-TYPE', 'text/plain', 'xyz'), first)
    assert.notEqual(take(cache, 'Content-Type', 'Text/plain'), first)
  })

  test('tells fields apart that fall into one place', () => {
    const cache = new EntryCache(1)
    for (let round = 0; round < 3; round++) {
      for (const [name, value] of [
        ['a', 'b'],
        ['a', 'c'],
        ['b', 'b'],
        ['a', ''],
        ['[', 'b'],
        ['{', 'b'],
      ] as const) {
        const entry = take(cache, name, value)
        assert.deepEqual([entry.name, entry.value], [name, value])
      }
    }
  })

  test('does not keep secrets and long values', () => {
    const cache = new EntryCache()
    assert.equal(take(cache, 'Authorization', 'Basic x').indexing, indexings.never)
    for (const [name, value] of [
      ['Authorization', 'Basic x'],
      ['Set-Cookie', 'a=1'],
      ['X', 'y'.repeat(257)],
    ] as const) {
      assert.notEqual(take(cache, name, value), take(cache, name, value), name)
    }
  })

  test('knows fields of the static table and those that have no place in HTTP/2', () => {
    const cache = new EntryCache()
    assert.equal(take(cache, 'Accept-Encoding', 'gzip, deflate').staticIndex, 16)
    assert.equal(take(cache, 'Connection', 'close').problem, 'connection-specific-field')
    assert.equal(take(cache, 'TE', 'gzip').problem, 'invalid-te')
  })
})
