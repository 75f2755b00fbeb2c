import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseQuery, queryValue } from './query.ts'

const cases: readonly (readonly [query: string, name: string, value: string | undefined])[] = [
  ['', 'a', undefined],
  ['a=1', 'a', '1'],
  ['a=1', 'A', undefined],
  ['a=1&a=2', 'a', '1'],
  ['b=2&a=1', 'a', '1'],
  ['ab=2', 'a', undefined],
  ['a', 'a', ''],
  ['a=', 'a', ''],
  ['b&a=1', 'b', ''],
  ['a=b=c', 'a', 'b=c'],
  ['&&a=1&', 'a', '1'],
  ['=1', 'a', undefined],
  ['a=x%20y', 'a', 'x y'],
  ['a=x+y', 'a', 'x y'],
  ['a=x%2By', 'a', 'x+y'],
  ['%61=1', 'a', '1'],
  ['my+name=1', 'my name', '1'],
  ['a%2Bb=1', 'a+b', '1'],
  ['a+b=1', 'a+b', undefined],
  ['%2541=1', '%41', '1'],
  ['a=caf%C3%A9', 'a', 'café'],
  ['a=%zz%', 'a', '%zz%'],
  ['a=%%41%%%42x', 'a', '%A%%Bx'],
  ['a=%4%C3%A9%+', 'a', '%4é% '],
  ['a=%4', 'a', '%4'],
  ['a=%ff', 'a', '\ufffd'],
  ['b=a=1', 'a', undefined],
]

describe('queryValue()', () => {
  for (const [query, name, value] of cases) {
    it(`?${query} ${name} → ${JSON.stringify(value)}`, () => assert.equal(queryValue(query, name), value))
  }

  it('agrees with URLSearchParams', () => {
    for (const [query, name] of cases) {
      assert.equal(queryValue(query, name), new URLSearchParams(query).get(name) ?? undefined, query)
    }
  })
})

describe('parseQuery()', () => {
  it('lists all parameters in order', () => {
    assert.deepEqual(parseQuery('b=1&a=x+y&&c&b=2'), [
      { name: 'b', value: '1' },
      { name: 'a', value: 'x y' },
      { name: 'c', value: '' },
      { name: 'b', value: '2' },
    ])
  })
})
