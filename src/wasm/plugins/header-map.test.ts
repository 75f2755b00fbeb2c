import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HeaderMap } from '../../codec/index.ts'
import { readPairs } from './pairs.ts'

test('HeaderMap keeps the order, with pseudo-headers first and names in lower case', () => {
  const map = HeaderMap.of([
    ['Host', 'a'],
    [':path', '/'],
    ['B', '2'],
    [':method', 'GET'],
    ['b', '3'],
  ])
  assert.deepEqual(
    [...map],
    [
      [':path', '/'],
      [':method', 'GET'],
      ['host', 'a'],
      ['b', '2'],
      ['b', '3'],
    ],
  )
  assert.equal(map.get('B'), '2')
  assert.equal(map.joined('b'), '2,3')
  assert.equal(map.get('c'), undefined)
})

test('HeaderMap replaces all of a name by one, where the first was', () => {
  const map = HeaderMap.of([
    ['a', '1'],
    ['b', '2'],
    ['a', '3'],
    ['c', '4'],
  ])
  map.set('A', 'x')
  assert.deepEqual(
    [...map],
    [
      ['a', 'x'],
      ['b', '2'],
      ['c', '4'],
    ],
  )
  map.delete('b')
  assert.deepEqual(
    [...map],
    [
      ['a', 'x'],
      ['c', '4'],
    ],
  )
  map.set('d', '')
  assert.equal(map.get('d'), '')
})

test('HeaderMap keeps all it has while it grows and is edited', () => {
  const map = new HeaderMap(16)
  const expected = new Map<string, string>()
  for (let index = 0; index < 500; index++) {
    const name = `name-${index % 90}`
    const value = 'v'.repeat(index % 70) + index
    map.set(name, value)
    expected.set(name, value)
    if (index % 7 === 0) {
      map.delete(`name-${index % 13}`)
      expected.delete(`name-${index % 13}`)
    }
  }
  assert.deepEqual(new Map(map), expected)
  const size = [...expected].reduce((sum, [name, value]) => sum + name.length + value.length, 0)
  assert.equal(map.fieldBytes, size)
})

const bytesOf = (text: string): Uint8Array => Buffer.from(text, 'latin1')

const refused: readonly (readonly [name: string, value: string, result: string])[] = [
  ['', 'a', 'malformed'],
  ['a b', 'c', 'malformed'],
  ['a:b', 'c', 'malformed'],
  ['a\u00e4', 'c', 'malformed'],
  ['a', 'b\r\nc: d', 'malformed'],
  ['a', 'b\nc', 'malformed'],
  ['a', 'b\0', 'malformed'],
  ['a', 'x'.repeat(100), 'too-large'],
  [':a', '\u00e4 any byte else\t', 'added'],
]

for (const [name, value, result] of refused) {
  test(`HeaderMap.add() answers ${result} for ${JSON.stringify(name)}: ${JSON.stringify(value.slice(0, 20))}`, () => {
    const map = new HeaderMap()
    map.maxBytes = 90
    const [key, text] = [bytesOf(name), bytesOf(value)]
    assert.equal(map.add(key, 0, key.length, text, 0, text.length), result)
    assert.equal(map.count, result === 'added' ? 1 : 0)
  })
}

test('HeaderMap writes the pairs of the specification', () => {
  const map = HeaderMap.of([
    ['a', '1'],
    ['b', '22'],
  ])
  const hex = '02000000' + '0100000001000000' + '0100000002000000' + '61003100' + '6200323200'
  assert.equal(map.toPairs().toString('hex'), hex)
  assert.equal(map.pairsBytes, 29)
  assert.deepEqual([...(readPairs(map.toPairs()) ?? [])], [...map])
  assert.equal(new HeaderMap().toPairs().length, 0)
})

const malformed: Readonly<Record<string, string>> = {
  'a count beyond the data': 'ff000000',
  'a count without lengths': '01000000',
  'a length near 2^32': '01000000' + 'ffffffff' + '01000000' + '61003100',
  'no NUL behind the name': '01000000' + '0100000001000000' + '61613100',
  'no NUL behind the value': '01000000' + '0100000001000000' + '61003131',
  'a byte too many': '01000000' + '0100000001000000' + '6100310000',
  'a byte too few': '01000000' + '0100000001000000' + '610031',
  'a name that is none': '01000000' + '0100000001000000' + '20003100',
  'three bytes': '000000',
}

for (const [name, hex] of Object.entries(malformed)) {
  test(`readPairs() refuses ${name}`, () => assert.equal(readPairs(Buffer.from(hex, 'hex')), undefined))
}

for (const hex of ['', '00', '00000000']) {
  test(`readPairs() takes '${hex}' for the empty map`, () => assert.equal(readPairs(Buffer.from(hex, 'hex'))?.count, 0))
}

const deferred = (): HeaderMap =>
  HeaderMap.from({
    count: 3,
    writeTo(map) {
      map.append(':path', '/')
      map.append('a', '1')
      map.append('b', '2')
    },
  })

/** Each member of a map that sees its fields. */
const uses: Readonly<Record<string, (map: HeaderMap) => unknown>> = {
  count: map => map.count,
  fieldBytes: map => map.fieldBytes,
  append: map => map.append('c', '3'),
  appendBytes: map => map.appendBytes(bytesOf('c3'), 0, 1, 1, 2),
  get: map => map.get('b'),
  joined: map => map.joined('b'),
  set: map => map.set('b', '4'),
  delete: map => map.delete('a'),
  clear: map => map.clear(),
  [Symbol.iterator.toString()]: map => [...map],
  bytes: map => map.bytes.toString('latin1', 0, 5),
  nameStart: map => map.nameStart(2),
  nameLength: map => map.nameLength(0),
  valueStart: map => map.valueStart(2),
  valueLength: map => map.valueLength(1),
  find: map => map.find(bytesOf('B'), 0, 1),
  add: map => map.add(bytesOf('c'), 0, 1, bytesOf('3'), 0, 1),
  replace: map => map.replace(bytesOf('b'), 0, 1, bytesOf('4'), 0, 1),
  remove: map => map.remove(bytesOf('a'), 0, 1),
  pairsBytes: map => map.pairsBytes,
  writePairs(map) {
    const target = Buffer.alloc(64)
    map.writePairs(new DataView(target.buffer, target.byteOffset, target.length), target, 0)
    return target.toString('latin1')
  },
  toPairs: map => map.toPairs().toString('latin1'),
}

test('HeaderMap.from() writes fields when they are asked for, by whatever member', () => {
  const members = Reflect.ownKeys(HeaderMap.prototype).filter(key => key !== 'constructor')
  assert.deepEqual(new Set(Object.keys(uses)), new Set(members.map(String)))
  for (const [name, use] of Object.entries(uses)) {
    const late = deferred()
    const early = HeaderMap.of([...deferred()])
    assert.deepEqual(use(late), use(early), name)
    assert.deepEqual([...late], [...early], name)
  }
})

test('HeaderMap.from() does not take its late fields for changes', () => {
  const map = deferred()
  const { edits } = map
  assert.equal(map.get('a'), '1')
  assert.equal(map.edits, edits)
  map.set('a', '2')
  assert.notEqual(map.edits, edits)
})
