import assert from 'node:assert/strict'
import { test } from 'node:test'
import { regexProblem } from './regex.ts'

test('regexProblem() admits what RE2 and ECMAScript read alike', () => {
  for (const pattern of [
    '',
    '/items/[0-9]+',
    'a|b',
    '(?:a|b)c{2,3}',
    '\\d+\\.\\w*',
    '[^/]+',
    'x{1000}',
    '\\[',
    '[\\]]',
  ]) {
    assert.equal(regexProblem(pattern), undefined, pattern)
  }
})

test('regexProblem() tells what is wrong with all others', () => {
  const rows: [string, RegExp][] = [
    ['a(', /^is not a regular expression \(Unterminated group\)$/],
    ['a)(b', /^is not a regular expression/],
    ['*', /^is not a regular expression/],
    ['(?=a)', /look-around/],
    ['(?i)a', /flags/],
    ['(?<name>a)', /named groups/],
    ['(a)\\1', /back reference \\1/],
    ['\\pL', /the escape \\p/],
    ['\\A', /the escape \\A/],
    ['[[:alpha:]]', /POSIX class/],
    ['[]a]', /starts with \]/],
    ['a{', /starts no repetition/],
    ['a{1001}', /more than 1000 times/],
    ['x'.repeat(4097), /longer than 4096/],
  ]
  for (const [pattern, expected] of rows) assert.match(regexProblem(pattern) ?? '', expected, pattern)
})
