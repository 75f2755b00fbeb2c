import assert from 'node:assert/strict'
import { test } from 'node:test'
import { actionCode, allMethods, methodBits, pathKeyBytes } from './table.ts'
import type { KernelPath } from './table.ts'

const keys: readonly (readonly [kind: KernelPath['kind'], value: string, bytes: string])[] = [
  ['prefix', '', '/'],
  ['prefix', '/a', '/a/'],
  ['exact', '/', '/\u0002'],
  ['exact', '/a', '/a/\u0001'],
  ['exact', '/a/', '/a/\u0002'],
]

for (const [kind, value, bytes] of keys) {
  test(`pathKeyBytes() of ${kind} ${value || '(empty)'} is ${JSON.stringify(bytes)}`, () => {
    assert.equal(pathKeyBytes({ kind, value }).toString('latin1'), bytes)
  })
}

test('an exact path with a slash at its end is no prefix of the one without', () => {
  const [without, withSlash] = [
    pathKeyBytes({ kind: 'exact', value: '/a' }),
    pathKeyBytes({ kind: 'exact', value: '/a/' }),
  ]
  assert.notDeepEqual(without, withSlash)
  assert.ok(withSlash.toString('latin1').startsWith(pathKeyBytes({ kind: 'prefix', value: '/a' }).toString('latin1')))
})

test('methodBits() of no method is all of them', () => {
  assert.equal(methodBits(undefined), allMethods)
  assert.equal(methodBits(['GET', 'POST']), 1 | 4)
  assert.equal(methodBits([]), 0)
})

test('each action has a code of its own', () => {
  const codes = [
    actionCode({ kind: 'pools', targets: [] }),
    actionCode({ kind: 'user-space' }),
    actionCode({ kind: 'user-space-with-query' }),
  ]
  assert.equal(new Set(codes).size, 3)
})
