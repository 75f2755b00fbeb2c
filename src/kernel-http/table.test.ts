import assert from 'node:assert/strict'
import { test } from 'node:test'
import { actionCode, allMethods, methodBits, pathHash } from './table.ts'
import type { KernelPath } from './table.ts'

const keys: readonly (readonly [kind: KernelPath['kind'], value: string, depth: number, hash: bigint])[] = [
  // The first two are test vectors of FNV-1a.
  ['prefix', '', 0, 0xcbf29ce484222325n],
  ['prefix', 'a', 0, 0xaf63dc4c8601ec8cn],
  ['prefix', '/a', 1, 0x7d66707b49cd92dn],
  ['prefix', '/a/b', 2, 0x363e289cb38ee0ccn],
  ['exact', '/a', 31, 0xee2a3e17e68505c4n],
]

for (const [kind, value, depth, hash] of keys) {
  test(`pathHash() of ${kind} ${value || '(empty)'} has ${depth} for its segments`, () => {
    assert.deepEqual(pathHash({ kind, value }), { depth, hash })
  })
}

test('an exact path has another hash than a prefix, and another one with a slash at its end', () => {
  const paths = [
    { kind: 'prefix', value: '/a' },
    { kind: 'exact', value: '/a' },
    { kind: 'exact', value: '/a/' },
  ] as const
  assert.equal(new Set(paths.map(path => pathHash(path).hash)).size, paths.length)
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
