import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compareSpecificity, covers, intersectHostnames, overlaps } from './hostname.ts'

test('covers() lets a wildcard stand for any number of labels but not for the bare domain', () => {
  const rows: [string, string, boolean][] = [
    ['*.example.com', 'a.example.com', true],
    ['*.example.com', 'a.b.example.com', true],
    ['*.example.com', '*.b.example.com', true],
    ['*.example.com', '*.example.com', true],
    ['*.example.com', 'example.com', false],
    ['*.example.com', 'aexample.com', false],
    ['*.example.com', '.example.com', false],
    ['example.com', 'example.com', true],
    ['example.com', 'www.example.com', false],
    ['www.example.com', '*.example.com', false],
  ]
  for (const [outer, inner, expected] of rows) assert.equal(covers(outer, inner), expected, `${outer} ${inner}`)
})

test('intersectHostnames() keeps the narrower side of every pair', () => {
  const rows: [string | undefined, string[], string[] | undefined][] = [
    [undefined, [], []],
    [undefined, ['a.com'], ['a.com']],
    ['a.com', [], ['a.com']],
    ['*.a.com', [], ['*.a.com']],
    ['a.com', ['a.com', 'b.com'], ['a.com']],
    ['very.specific.com', ['*.specific.com', 'non.matching.com'], ['very.specific.com']],
    ['*.wild.io', ['foo.wild.io', 'a.b.wild.io', 'wild.io'], ['foo.wild.io', 'a.b.wild.io']],
    ['*.wild.io', ['*.io', '*.deep.wild.io'], ['*.wild.io', '*.deep.wild.io']],
    ['*.wild.io', ['*.io', '*.wild.io'], ['*.wild.io']],
    ['a.com', ['b.com'], undefined],
    ['*.a.com', ['a.com'], undefined],
  ]
  for (const [listener, route, expected] of rows) {
    const got = intersectHostnames(listener, route)
    assert.deepEqual(got === undefined ? undefined : [...got], expected, `${listener} and ${route.join(' ')}`)
  }
})

test('overlaps() is true for listeners with a common host', () => {
  assert.ok(overlaps(undefined, 'a.com'))
  assert.ok(overlaps('*.a.com', 'x.a.com'))
  assert.ok(!overlaps('*.a.com', 'a.com'))
})

test('compareSpecificity() puts exact before more labels before none', () => {
  const sorted = [undefined, '*.a.com', '*.b.a.com', 'z.com', 'a.com'].toSorted(compareSpecificity)
  // toSorted() moves undefined to the end by itself, so pairs prove the order as well.
  assert.deepEqual(sorted, ['a.com', 'z.com', '*.b.a.com', '*.a.com', undefined])
  assert.ok(compareSpecificity(undefined, '*.a.com') > 0)
  assert.ok(compareSpecificity('a.com', '*.very.long.wild.a.com') < 0)
})
