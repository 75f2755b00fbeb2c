import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  array,
  boolean,
  byDefault,
  enumeration,
  exactlyOne,
  formatPath,
  integer,
  map,
  object,
  optional,
  Reading,
  required,
  string,
  tagged,
} from './shape.ts'
import type { Shape } from './shape.ts'

interface Item {
  readonly name: string
  readonly size: number
  readonly colour?: 'red' | 'blue'
}

const item = object<Item>({
  name: required(string({ min: 1, max: 5, pattern: /^[a-z]*$/, about: 'a word' })),
  size: byDefault(integer(1, 10), 3),
  colour: optional(enumeration('red', 'blue')),
})

function problems(shape: Shape<unknown>, value: unknown): string[] {
  const reading = new Reading()
  const result = shape.read(value, reading)
  assert.equal(result === undefined, reading.findings.length > 0, 'a value exactly if nothing is wrong')
  return reading.findings.map(({ path, message }) => `${path}: ${message}`)
}

const cases: readonly { readonly name: string; readonly value: unknown; readonly expected: readonly string[] }[] = [
  { name: 'a complete object', value: { name: 'a', size: 1, colour: 'red' }, expected: [] },
  { name: 'a missing field', value: {}, expected: ['name: is required: expected a word'] },
  {
    name: 'an unknown field',
    value: { name: 'a', color: 'red' },
    expected: ['color: unknown field "color", did you mean colour?'],
  },
  { name: 'an unknown field like no other', value: { name: 'a', zzz: 1 }, expected: ['zzz: unknown field "zzz"'] },
  { name: 'a list', value: [], expected: [': expected an object, found a list'] },
  {
    name: 'null in a field',
    value: { name: 'a', size: null },
    expected: ['size: is null: expected a whole number from 1 to 10, or leave the field out'],
  },
  {
    name: 'everything at once',
    value: { name: 5, size: '7', colour: 'Red', x: 1 },
    expected: [
      'x: unknown field "x"',
      'name: expected a word, found number 5; put it in quotes',
      'size: expected a whole number from 1 to 10, found text "7"; leave the quotes out',
      'colour: expected one of red, blue, found "Red", did you mean red?',
    ],
  },
  { name: 'text too long', value: { name: 'abcdef' }, expected: ['name: has 6 characters, at most 5 are allowed'] },
  { name: 'empty text', value: { name: '' }, expected: ['name: must not be empty'] },
  { name: 'text of another form', value: { name: 'A' }, expected: ['name: expected a word, found "A"'] },
  {
    name: 'a number out of range',
    value: { name: 'a', size: 11 },
    expected: ['size: expected a whole number from 1 to 10, found number 11'],
  },
  {
    name: 'a fraction',
    value: { name: 'a', size: 1.5 },
    expected: ['size: expected a whole number from 1 to 10, found number 1.5'],
  },
]

for (const { name, value, expected } of cases) {
  test(`object() tells of ${name}`, () => {
    assert.deepEqual(problems(item, value), expected)
  })
}

test('object() fills in defaults and leaves the given value alone', () => {
  const given = Object.freeze({ name: 'a' })
  assert.deepEqual(item.read(given, new Reading()), { name: 'a', size: 3 })
})

test('object() does not take inherited members for fields', () => {
  assert.deepEqual(problems(item, Object.create({ name: 'a' })), ['name: is required: expected a word'])
})

test('object() takes null for absent only where asked to', () => {
  const shape = object<{ on: boolean }>({ on: byDefault(boolean, true) }, { nulls: 'absent' })
  assert.deepEqual(shape.read({ on: null }, new Reading()), { on: true })
})

test('object() runs a rule although other fields are wrong, and not if its own are', () => {
  const shape = object<{ a?: number; b?: number; c?: number }>(
    { a: optional(integer(0)), b: optional(integer(0)), c: optional(integer(0)) },
    { rules: [exactlyOne('a', 'b')] },
  )
  assert.deepEqual(problems(shape, { a: 1, b: 1, c: -1 }), [
    'c: expected a whole number from 0 to 2147483647, found number -1',
    ': may have only one of a, b',
  ])
  assert.equal(problems(shape, { a: -1, b: 1 }).length, 1)
  assert.deepEqual(problems(shape, {}), [': needs one of a, b'])
})

test('array() tells of items, counts and repeats with their index', () => {
  const shape = array(item, { min: 1, max: 3, unique: { by: each => each.name, what: 'name' } })
  assert.deepEqual(problems(shape, []), [': needs at least one item'])
  assert.deepEqual(problems(shape, {}), [': expected a list, found an object'])
  assert.deepEqual(problems(shape, [{ name: 'a' }, null, { name: 'a' }]), [
    '[1]: is null: expected an object, or leave the field out',
    '[2]: repeats the name of item [0]',
  ])
  assert.deepEqual(problems(shape, Array.from({ length: 1000 })), [': has 1000 items, at most 3 are allowed'])
})

test('map() checks keys and values and refuses __proto__', () => {
  const shape = map(integer(0), { max: 2, keys: string({ pattern: /^[a-z_]+$/, about: 'a word' }) })
  assert.deepEqual(shape.read({ a: 1 }, new Reading()), { a: 1 })
  assert.deepEqual(problems(shape, { A: 1, b: 'x' }), [
    'A: expected a word, found "A"',
    'b: expected a whole number from 0 to 2147483647, found text "x"',
  ])
  assert.deepEqual(problems(shape, JSON.parse('{"__proto__": 1}')), ['__proto__: is no usable key'])
  assert.deepEqual(problems(shape, { a: 1, b: 1, c: 1 }), [': has 3 entries, at most 2 are allowed'])
})

test('tagged() wants exactly the field of the tag', () => {
  const shape = tagged('type', {
    Word: { field: 'word', shape: string() },
    Number: { field: 'number', shape: integer(0) },
  })
  assert.deepEqual(shape.read({ type: 'Word', word: 'a' }, new Reading()), { type: 'Word', word: 'a' })
  assert.deepEqual(problems(shape, { type: 'Word' }), ['word: is required for type "Word"'])
  assert.deepEqual(problems(shape, { type: 'Word', word: 'a', number: 1 }), [
    'number: only goes with type "Number", not "Word"',
  ])
  assert.deepEqual(problems(shape, { type: 'Wort', word: 'a' }), [
    'type: expected one of Word, Number, found "Wort", did you mean Word?',
  ])
})

test('formatPath() quotes keys that are no plain words', () => {
  assert.equal(formatPath(['spec', 'rules', 2, 'backendRefs', 0]), 'spec.rules[2].backendRefs[0]')
  assert.equal(formatPath(['metadata', 'labels', 'example.com/a"b']), 'metadata.labels["example.com/a\\"b"]')
  assert.equal(formatPath([]), '')
})

test('a hostile key does not cost seconds', () => {
  const key = 'x'.repeat(1_000_000)
  const [problem = ''] = problems(item, { name: 'a', [key]: 1 })
  assert.ok(problem.startsWith(`["${'x'.repeat(9)}`) || problem.startsWith('xxx'))
})
