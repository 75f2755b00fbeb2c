import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { compileRegex, maxTestedLength, testRegex, validateRegex } from './value-regex.ts'

describe('validateRegex()', () => {
  const good = [
    '',
    'a',
    'v[0-9]+',
    '/a/.*',
    '(a|b)c',
    '(?:a)',
    'a{2,3}',
    'a{1000}',
    '[\\]x]',
    '[^/]+',
    '\\.\\/\\-',
    '[(?=]',
    '\\\\{2}',
  ]
  for (const pattern of good)
    it(`takes ${pattern || 'the empty pattern'}`, () => assert.equal(validateRegex(pattern), undefined))

  const bad: readonly (readonly [pattern: string, reason: RegExp])[] = [
    ['a(', /not a regular expression/],
    ['*a', /not a regular expression/],
    ['a)(b', /not a regular expression/],
    ['[', /not a regular expression/],
    ['(?=a)', /look-around/],
    ['(?!a)', /look-around/],
    ['(?<=a)b', /look-around/],
    ['(?<n>a)', /named groups/],
    ['(?i)a', /flags/],
    ['(a)\\1', /back reference/],
    ['[[:alpha:]]', /POSIX/],
    ['\\pL', /escape \\p/],
    ['a\\z', /escape \\z/],
    ['a{1001}', /1000 times/],
    ['a{1,99999}', /1000 times/],
    ['a{', /write \\{/],
    ['[]a]', /write \\\]/],
    ['a'.repeat(5000), /longer than/],
  ]
  for (const [pattern, reason] of bad) {
    it(`refuses ${pattern.slice(0, 20)}`, () => assert.match(validateRegex(pattern) ?? '', reason))
  }
})

describe('compileRegex()', () => {
  const cases: readonly (readonly [pattern: string, value: string, fits: boolean])[] = [
    ['v[0-9]', 'v2', true],
    ['v[0-9]', 'v22', false],
    ['v[0-9]', 'xv2', false],
    ['a|b', 'b', true],
    ['a|b', 'ab', false],
    ['a|b', 'bx', false],
    ['.*', '', true],
    ['a', 'A', false],
    ['a', 'a\n', false],
    ['a(', 'a(', false],
    ['(?=a)a', 'a', false],
  ]
  for (const [pattern, value, fits] of cases) {
    it(`${pattern} ${fits ? 'matches' : 'does not match'} ${JSON.stringify(value)}`, () => {
      assert.equal(testRegex(compileRegex(pattern), value), fits)
    })
  }

  it('does not test values beyond the limit', () => {
    const any = compileRegex('a*')
    assert.equal(testRegex(any, 'a'.repeat(maxTestedLength)), true)
    assert.equal(testRegex(any, 'a'.repeat(maxTestedLength + 1)), false)
  })
})
