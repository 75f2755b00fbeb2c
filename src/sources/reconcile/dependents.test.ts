import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Dependents } from './dependents.ts'

test('of() names the readers of a fact as they last read', () => {
  const dependents = new Dependents()
  dependents.set('a', new Set(['x', 'y']))
  dependents.set('b', new Set(['y']))
  assert.deepEqual([...dependents.of('y')].toSorted(), ['a', 'b'])
  dependents.set('a', new Set(['x']))
  assert.deepEqual([...dependents.of('y')], ['b'])
  dependents.set('b', new Set())
  assert.deepEqual([...dependents.of('y')], [])
  assert.deepEqual([...dependents.of('x')], ['a'])
})
