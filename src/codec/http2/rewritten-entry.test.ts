import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nameOf } from './header-entry.ts'
import { HeaderList } from './header-list.ts'
import { HpackDecoder } from './hpack-decoder.ts'
import { HpackEncoder } from './hpack-encoder.ts'
import { RewrittenEntry } from './rewritten-entry.ts'

const name = nameOf('x-request-id')

function write(entry: RewrittenEntry, value: string): void {
  Buffer.from(value, 'latin1').copy(entry.bytes)
  entry.rewritten()
}

for (const huffman of [false, true]) {
  test(`each message has the value of its moment${huffman ? ', in Huffman code' : ''}`, () => {
    const encoder = new HpackEncoder({ huffman })
    const decoder = new HpackDecoder()
    const entry = new RewrittenEntry(name, 4)
    for (const value of ['0001', '0002', '0003', 'ffff']) {
      write(entry, value)
      const list = new HeaderList()
      list.add(entry)
      const bytes = Buffer.alloc(encoder.bound(list))
      const read = new HeaderList()
      assert.equal(decoder.decode(bytes, 0, encoder.encode(list, bytes, 0), read), undefined)
      assert.deepEqual(
        read.entries.map(each => [each.name, each.value]),
        [['x-request-id', value]],
      )
      assert.equal(entry.value, value)
    }
    assert.equal(encoder.tableCount, 0, 'nothing of it is left in the table')
  })
}

test('what is kept of it stays as it was', () => {
  const entry = new RewrittenEntry(name, 4)
  assert.equal(entry.value, '0000')
  write(entry, '0001')
  const kept = entry.kept(name)
  write(entry, '0002')
  assert.deepEqual([kept.name, kept.value, kept.size, entry.value], ['x-request-id', '0001', entry.size, '0002'])
})

test('lengths that take more than a byte are refused', () => {
  assert.equal(new RewrittenEntry(name, 126).bytes.length, 126)
  assert.throws(() => new RewrittenEntry(name, 127), RangeError)
  assert.throws(() => new RewrittenEntry(nameOf('n'.repeat(127)), 1), RangeError)
})
