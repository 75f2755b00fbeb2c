import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { EntryCache } from './entry-cache.ts'
import { indexings } from './field-kinds.ts'
import type { HeaderEntry } from './header-entry.ts'
import { HeaderList } from './header-list.ts'
import { HpackDecoder } from './hpack-decoder.ts'
import { writeInteger } from './hpack-encoder.ts'
import { encodedHuffmanBytes, encodeHuffman } from './huffman.ts'

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

  test('gives the same entry for a literal without indexing, and one of a secret never', () => {
    const cache = new EntryCache()
    const read = (block: string): HeaderEntry | undefined => {
      const list = new HeaderList()
      const bytes = Buffer.from(block, 'hex')
      assert.equal(new HpackDecoder(cache).decode(bytes, 0, bytes.length, list), undefined)
      return list.entries[0]
    }
    const path = read('04022f78')
    assert.equal(path?.indexing, indexings.without)
    assert.equal(path?.value, '/x')
    assert.equal(read('04022f78'), path)
    assert.notEqual(read('04022f79'), path)
    assert.equal(read('44022f78')?.indexing, indexings.allowed)
    assert.equal(read('14022f78')?.indexing, indexings.never)
    assert.notEqual(read('0f0803616263'), read('0f0803616263'))
    assert.equal(read('0001780179')?.name, 'x')
    assert.equal(read('00017a0179')?.name, 'z')
  })

  test('gives one entry to the tables of all connections for what clients say of themselves, and not for their cookies', () => {
    const cache = new EntryCache()
    const read = (name: string, value: string, pattern = '40'): HeaderEntry | undefined => {
      const list = new HeaderList()
      const bytes = Buffer.concat([Buffer.from(pattern, 'hex'), literal(name), literal(value)])
      assert.equal(new HpackDecoder(cache).decode(bytes, 0, bytes.length, list), undefined)
      return list.entries[0]
    }
    const agent = read('user-agent', 'curl/8.9.1')
    assert.equal(agent?.indexing, indexings.allowed)
    assert.equal(read('user-agent', 'curl/8.9.1'), agent)
    assert.notEqual(read('user-agent', 'curl/8.9.1', '00'), agent)
    assert.equal(read('user-agent', 'curl/8.9.1', '00')?.indexing, indexings.without)
    assert.equal(read('user-agent', 'curl/8.9.1', '10')?.indexing, indexings.never)
    assert.equal(read('user-agent', 'curl/8.9.1')?.indexing, indexings.allowed)
    const cookie = 'session=0123456789abcdef0123456789abcdef'
    assert.notEqual(read('cookie', cookie), read('cookie', cookie))
    assert.notEqual(read('authorization', 'Basic x'), read('authorization', 'Basic x'))
  })

  test('knows a literal in Huffman code by its code, and tells codes apart that fall into one place', () => {
    const cache = new EntryCache(1)
    const values = ['/a', '/b', 'www.example.com', '/a', '', '/service-00001/small', '/service-00002/small']
    for (let round = 0; round < 3; round++) {
      for (const name of [4, 6]) {
        for (const value of values) {
          const first = readCoded(cache, 0, name, value)
          assert.equal(first?.value, value)
          assert.equal(readCoded(cache, 0, name, value), first)
        }
      }
    }
    const other = new EntryCache()
    assert.equal(readCoded(other, 0, 4, '/x'), readCoded(other, 0, 4, '/x'))
    assert.notEqual(readCoded(other, 0x40, 4, '/x'), readCoded(other, 0, 4, '/x'))
    assert.notEqual(readCoded(other, 0, 4, `/${'y'.repeat(600)}`), readCoded(other, 0, 4, `/${'y'.repeat(600)}`))
  })

  test('finds all of many paths that differ in the middle only', () => {
    const cache = new EntryCache()
    const paths = Array.from({ length: 100 }, (_, index) => `/service-${String(index).padStart(5, '0')}/small`)
    const first = paths.map(path => readCoded(cache, 0, 4, path))
    const kept = paths.filter((path, index) => readCoded(cache, 0, 4, path) === first[index])
    assert.ok(kept.length > 90, `${kept.length} of 100`)
  })
})

/** A literal with an indexed name and a value in Huffman code. @param pattern  0 without indexing, 0x40 with it */
function readCoded(cache: EntryCache, pattern: number, name: number, value: string): HeaderEntry | undefined {
  const bytes = Buffer.alloc(1024)
  bytes[0] = pattern | name
  const length = encodedHuffmanBytes(value)
  const end = encodeHuffman(value, bytes, writeInteger(bytes, 1, 0x80, 0x7f, length))
  const list = new HeaderList()
  assert.equal(new HpackDecoder(cache).decode(bytes, 0, end, list), undefined)
  return list.entries[0]
}

function literal(text: string): Buffer {
  return Buffer.concat([Buffer.from([text.length]), Buffer.from(text, 'latin1')])
}
