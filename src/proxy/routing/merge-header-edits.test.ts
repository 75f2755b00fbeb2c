import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Filter, HeaderEdits } from '../../model/index.ts'
import { headerEditsInOrder, mergeHeaderEdits } from './merge-header-edits.ts'

const edits = (parts: Partial<HeaderEdits>): HeaderEdits => ({ set: [], add: [], remove: [], ...parts })
const field = (name: string, value: string) => ({ name, value })

describe('headerEditsInOrder()', () => {
  it('gives the edits of one kind, those of the rule first', () => {
    const filterOf = (kind: 'request-headers' | 'response-headers', name: string): Filter => ({
      kind,
      ...edits({ remove: [name] }),
    })
    const rule: readonly Filter[] = [filterOf('request-headers', 'a'), filterOf('response-headers', 'b')]
    const backend: readonly Filter[] = [filterOf('request-headers', 'c')]
    assert.deepEqual(
      headerEditsInOrder('request-headers', rule, backend).map(edit => edit.remove),
      [['a'], ['c']],
    )
  })
})

describe('mergeHeaderEdits()', () => {
  const cases: readonly {
    name: string
    first: Partial<HeaderEdits>
    second: Partial<HeaderEdits>
    merged: Partial<HeaderEdits>
  }[] = [
    {
      name: 'different names stay side by side',
      first: { set: [field('a', '1')], remove: ['x'] },
      second: { add: [field('b', '2')], remove: ['y'] },
      merged: { set: [field('a', '1')], add: [field('b', '2')], remove: ['x', 'y'] },
    },
    {
      name: 'a later set wins over set, add and remove',
      first: { set: [field('A', '1')], add: [field('b', '1')], remove: ['c'] },
      second: { set: [field('a', '2'), field('B', '2'), field('C', '2')] },
      merged: { set: [field('a', '2'), field('B', '2'), field('C', '2')] },
    },
    {
      name: 'a later remove wins over set and add',
      first: { set: [field('A', '1')], add: [field('B', '1')] },
      second: { remove: ['a', 'b'] },
      merged: { remove: ['a', 'b'] },
    },
    {
      name: 'a later add joins an earlier set',
      first: { set: [field('A', '1')] },
      second: { add: [field('a', '2')] },
      merged: { set: [field('A', '1,2')] },
    },
    {
      name: 'a later add follows an earlier add',
      first: { add: [field('a', '1')] },
      second: { add: [field('a', '2')] },
      merged: { add: [field('a', '1'), field('a', '2')] },
    },
    {
      name: 'removed and then added is set',
      first: { remove: ['a'] },
      second: { add: [field('A', '2')] },
      merged: { set: [field('A', '2')] },
    },
  ]
  for (const { name, first, second, merged } of cases) {
    it(name, () => assert.deepEqual(mergeHeaderEdits(edits(first), edits(second)), edits(merged)))
  }
})
