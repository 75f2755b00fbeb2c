import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { indexings } from './field-kinds.ts'
import { hex } from './frames-for-tests.ts'
import { createEntry, type HeaderEntry } from './header-entry.ts'
import { HeaderList } from './header-list.ts'
import { HpackDecoder } from './hpack-decoder.ts'
import { HpackEncoder, writeInteger } from './hpack-encoder.ts'
import { hpackVectors } from './hpack-vectors.ts'
import { decodeHuffman, encodedHuffmanBytes, encodeHuffman, maxDecodedBytes } from './huffman.ts'
import { staticTable } from './static-table.ts'

function texts(list: HeaderList): string[] {
  return list.entries.slice(0, list.length).map(entry => `${entry.name}: ${entry.value}`)
}

function decode(decoder: HpackDecoder, bytes: Buffer, list: HeaderList = new HeaderList()): HeaderList {
  assert.equal(decoder.decode(bytes, 0, bytes.length, list), undefined)
  return list
}

function encode(encoder: HpackEncoder, entries: readonly HeaderEntry[]): Buffer {
  const list = new HeaderList()
  for (const entry of entries) list.add(entry)
  const bytes = Buffer.alloc(encoder.bound(list) + 2)
  const end = encoder.encode(list, bytes, 1)
  assert.ok(end - 1 <= encoder.bound(list), 'bound() is not exceeded')
  return bytes.subarray(1, end)
}

/** What the examples with a table of 256 bytes take for granted. */
const sizeUpdate = hex('3fe101')

suite('RFC 7541 appendix C', () => {
  for (const { name, tableBytes, huffman, blocks } of hpackVectors) {
    const prefix = tableBytes === 256 ? sizeUpdate : Buffer.alloc(0)
    test(`HpackDecoder reads ${name}`, () => {
      const decoder = new HpackDecoder()
      decoder.allowTable(tableBytes)
      for (const [index, block] of blocks.entries()) {
        const list = decode(decoder, Buffer.concat(index === 0 ? [prefix, hex(block.bytes)] : [hex(block.bytes)]))
        assert.deepEqual(texts(list), block.fields)
        assert.equal(decoder.tableSize, block.tableSize)
      }
    })
    test(`HpackEncoder writes ${name}`, () => {
      const encoder = new HpackEncoder({ tableBytes, huffman })
      for (const [index, block] of blocks.entries()) {
        const entries = block.fields.map(field => {
          const [, fieldName = '', value = ''] = /^(:?[^:]+): (.*)$/.exec(field) ?? []
          const isNever = name.includes('never')
          const indexing = isNever
            ? indexings.never
            : name.includes('without i')
              ? indexings.without
              : indexings.allowed
          return createEntry(fieldName, value, { indexing })
        })
        const expected = Buffer.concat(index === 0 ? [prefix, hex(block.bytes)] : [hex(block.bytes)])
        assert.equal(encode(encoder, entries).toString('hex'), expected.toString('hex'))
        assert.equal(encoder.tableSize, block.tableSize)
      }
    })
  }
})

test('RFC 7541 C.1 integers', () => {
  const cases = [
    [10, 0x1f, '0a'],
    [1337, 0x1f, '1f9a0a'],
    [42, 0xff, '2a'],
    [31, 0x1f, '1f00'],
    [2 ** 28 - 1, 0x7f, '7f80ffff7f'],
  ] as const
  for (const [value, prefix, expected] of cases) {
    const bytes = Buffer.alloc(8)
    assert.equal(bytes.toString('hex', 0, writeInteger(bytes, 0, 0, prefix, value)), expected)
  }
})

test('Huffman code: every byte and every pair of bytes comes back', () => {
  const into = Buffer.alloc(16)
  for (let first = 0; first < 256; first++) {
    for (let second = 0; second < 256; second += 5) {
      const text = String.fromCharCode(first, second)
      const bytes = Buffer.alloc(10)
      const end = encodeHuffman(text, bytes, 0)
      assert.equal(end, encodedHuffmanBytes(text))
      assert.ok(maxDecodedBytes(end) >= 2)
      assert.equal(decodeHuffman(bytes, 0, end, into), 2)
      assert.equal(into.toString('latin1', 0, 2), text)
    }
  }
})

test('the static table has the entries of RFC 7541 appendix A at their places', () => {
  assert.equal(staticTable.length, 62)
  const places = [
    [1, ':authority', ''],
    [8, ':status', '200'],
    [16, 'accept-encoding', 'gzip, deflate'],
    [31, 'content-type', ''],
    [61, 'www-authenticate', ''],
  ] as const
  for (const [index, name, value] of places) {
    assert.equal(staticTable[index]?.name, name)
    assert.equal(staticTable[index]?.value, value)
    assert.equal(staticTable[index]?.staticIndex, index)
  }
})

suite('HpackDecoder', () => {
  test('gives the same entry for the same index, so nothing is made', () => {
    const decoder = new HpackDecoder()
    const first = decode(decoder, hex('4001610162')).entries[0]
    const list = decode(decoder, hex('be be 82'))
    assert.equal(list.entries[0], first)
    assert.equal(list.entries[1], first)
    assert.equal(list.entries[2], staticTable[2])
  })

  test('goes on in step when the list is full', () => {
    const decoder = new HpackDecoder()
    const list = new HeaderList(100, 10)
    decode(decoder, hex('40016101624001630164be'), list)
    assert.equal(list.tooLarge, true)
    assert.equal(list.length, 2)
    assert.equal(list.size, 3 * 34)
    assert.deepEqual(texts(decode(decoder, hex('bfbe'))), ['a: b', 'c: d'])
  })

  test('evicts the oldest and keeps more than its first room of entries', () => {
    const decoder = new HpackDecoder()
    for (let index = 0; index < 300; index++) decode(decoder, Buffer.from([0x40, 1, 97, 1, index & 0x7f]))
    assert.equal(decoder.tableCount, 120)
    assert.equal(decoder.tableSize, 120 * 34)
    const list = decode(decoder, hex('be ff 36'))
    assert.deepEqual(
      list.entries.slice(0, 2).map(entry => entry.value.charCodeAt(0)),
      [299 & 0x7f, 180 & 0x7f],
    )
  })

  test('reads Huffman code that is longer than its scratch space', () => {
    const text = 'x'.repeat(3_000)
    const encoder = new HpackEncoder({ huffman: true })
    const block = encode(encoder, [createEntry('long', text)])
    assert.ok(block.length < 2_800)
    assert.equal(decode(new HpackDecoder(), block).value('long'), text)
  })
})

suite('HpackEncoder', () => {
  test('writes a repeated entry as one byte, and an equal one of another connection too', () => {
    const encoder = new HpackEncoder()
    const other = new HpackEncoder()
    const entry = createEntry('x-shop', 'front')
    encode(encoder, [entry])
    assert.equal(encode(encoder, [entry]).toString('hex'), 'be')
    assert.equal(encode(encoder, [createEntry('x-shop', 'front')]).toString('hex'), 'be')
    encode(other, [entry])
    assert.equal(encode(encoder, [entry]).toString('hex'), 'be')
    assert.equal(encode(other, [entry]).toString('hex'), 'be')
  })

  test('forgets what was evicted, and names as well', () => {
    const encoder = new HpackEncoder({ tableBytes: 100 })
    const decoder = new HpackDecoder()
    decoder.allowTable(100)
    const entries = ['a', 'b', 'c', 'd'].map(value => createEntry('x-name', value))
    for (let round = 0; round < 3; round++) {
      for (const entry of entries) {
        assert.deepEqual(texts(decode(decoder, encode(encoder, [entry]))), [`x-name: ${entry.value}`])
        assert.equal(encoder.tableSize, decoder.tableSize)
      }
    }
  })

  test('finds a name by its newest entry when the older ones are gone', () => {
    const encoder = new HpackEncoder({ tableBytes: 100 })
    for (const value of ['a', 'b', 'c']) encode(encoder, [createEntry('x-name', value)])
    assert.equal(encoder.tableCount, 2)
    assert.equal(encode(encoder, [createEntry('x-name', 'd')]).toString('hex'), '7e0164')
  })

  test('tells the smallest and the last table size before the next block', () => {
    const encoder = new HpackEncoder()
    const entry = createEntry('x', 'y')
    encode(encoder, [entry])
    encoder.allowTable(0)
    assert.equal(encoder.tableCount, 0)
    encoder.allowTable(1_000)
    encoder.allowTable(100)
    assert.equal(encode(encoder, []).toString('hex'), '203f45')
    assert.equal(encode(encoder, []).length, 0)
  })

  test('uses no more than its own limit of a large table', () => {
    const encoder = new HpackEncoder()
    encoder.allowTable(65_536)
    assert.equal(encode(encoder, []).length, 0)
  })

  test('leaves out of its table what fills more than half of it', () => {
    const encoder = new HpackEncoder()
    encode(encoder, [createEntry('x', 'y'.repeat(3_000))])
    assert.equal(encoder.tableCount, 0)
  })

  const passing = [
    ['a field with indexing', '40016101 62', 'be'],
    ['a field without indexing', '00016101 62', '0001610162'],
    ['a field never indexed', '10016101 62', '1001610162'],
    ['authorization, which is never indexed onward', '5703616263', '1f0803616263'],
    ['set-cookie, which is never indexed onward', '7703613d62', '1f2803613d62'],
    ['a short cookie, which is never indexed onward', '6003613d62', '1f1103613d62'],
    ['a static field', '82', '82'],
    ['a literal that is a static field', '0007 3a6d6574686f64 03474554', '02 03 474554'],
  ] as const
  for (const [name, received, sent] of passing) {
    test(`passes on ${name}`, () => {
      const list = decode(new HpackDecoder(), hex(received))
      const encoder = new HpackEncoder()
      const entries = list.entries.slice(0, list.length)
      encode(encoder, entries)
      for (let round = 0; round < 3; round++) {
        assert.equal(encode(encoder, entries).toString('hex'), sent.replaceAll(' ', ''))
      }
    })
  }

  test('what is kept of a literal that stays out of tables means the same to every peer', () => {
    const named = createEntry('x-a', 'other')
    const literal = createEntry('x-a', 'value', { indexing: indexings.without })
    // Here the name is in the table, there it is not.
    const [here, there] = [new HpackEncoder(), new HpackEncoder()]
    encode(here, [named])
    for (let round = 0; round < 4; round++) {
      assert.equal(encode(here, [literal]).toString('hex'), `0f2f${text('value')}`)
    }
    for (let round = 0; round < 4; round++) {
      assert.equal(encode(there, [literal]).toString('hex'), `00${text('x-a')}${text('value')}`)
    }
    const coded = new HpackEncoder({ huffman: true })
    assert.notEqual(encode(coded, [literal]).toString('hex'), `00${text('x-a')}${text('value')}`)
  })
})

suite('createEntry()', () => {
  test('refuses what would break a message', () => {
    const broken = [
      ['x', 'a\r\nb'],
      ['X', 'a'],
      ['x', ' a'],
      ['connection', 'close'],
      [':path', ''],
      ['x', 'a\u010ab'],
    ] as const
    for (const [name, value] of broken)
      assert.throws(() => createEntry(name, value), { code: 'MESH_HTTP2_INVALID_FIELD' })
  })

  test('keeps secrets and values that rarely repeat out of tables', () => {
    const cases = [
      ['authorization', 'Bearer x', indexings.never],
      ['proxy-authorization', 'Basic x', indexings.never],
      ['set-cookie', 'a=1', indexings.never],
      ['cookie', 'a=1', indexings.never],
      ['cookie', 'session=0123456789abcdef', indexings.allowed],
      [':path', '/orders/17', indexings.without],
      ['content-length', '17', indexings.without],
      ['user-agent', 'curl', indexings.allowed],
    ] as const
    for (const [name, value, indexing] of cases) assert.equal(createEntry(name, value).indexing, indexing, name)
  })
})

/** A string literal without Huffman code. */
function text(value: string): string {
  return Buffer.from([value.length, ...Buffer.from(value, 'latin1')]).toString('hex')
}
