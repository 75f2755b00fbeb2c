import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { rewritePath } from './rewrite-path.ts'

/** `/` as a prefix is the empty string here. */
const cases: readonly (readonly [path: string, prefix: string, replacement: string, result: string])[] = [
  ['/foo/bar', '/foo', '/xyz', '/xyz/bar'],
  ['/foo/bar', '/foo', '/xyz/', '/xyz/bar'],
  ['/foo', '/foo', '/xyz', '/xyz'],
  ['/foo', '/foo', '/xyz/', '/xyz'],
  ['/foo/', '/foo', '/xyz', '/xyz/'],
  ['/foo/bar', '/foo', '', '/bar'],
  ['/foo/bar', '/foo', '/', '/bar'],
  ['/foo', '/foo', '', '/'],
  ['/foo', '/foo', '/', '/'],
  ['/foo/', '/foo', '', '/'],
  ['/foo/', '/foo', '/', '/'],
  ['/bar', '', '/xyz', '/xyz/bar'],
  ['/', '', '/xyz', '/xyz/'],
  ['/', '', '/', '/'],
  ['/foo//x', '/foo', '/', '//x'],
  ['/foo/bar', '/foo', 'xyz', '/xyz/bar'],
]

describe('rewritePath()', () => {
  for (const [path, prefix, value, result] of cases) {
    it(`${path}: ${prefix || '/'} by ${JSON.stringify(value)} → ${result}`, () => {
      assert.equal(rewritePath(path, prefix, { kind: 'prefix', value }), result)
    })
  }

  it('replaces the whole path', () => {
    assert.equal(rewritePath('/foo/bar', '/foo', { kind: 'full', value: '/one/' }), '/one/')
    assert.equal(rewritePath('/foo/bar', '/foo', { kind: 'full', value: '' }), '/')
  })
})
