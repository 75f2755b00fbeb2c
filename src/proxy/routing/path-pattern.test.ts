import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { seededRandom } from './fixtures.ts'
import { compilePathPattern, fitsPattern } from './path-pattern.ts'

const any = undefined

describe('compilePathPattern()', () => {
  const cases: readonly (readonly [pattern: string, elements: readonly (string | undefined)[]])[] = [
    ['/shop/v[0-9]+', ['shop']],
    ['/shop/v[0-9]+/cart', ['shop', any, 'cart']],
    ['/shop/(a|b)', ['shop']],
    ['/shop/(a|b)/x', ['shop']],
    ['/shop/((a|b)|c)', ['shop']],
    ['/shop/[a|b]/x', ['shop', any, 'x']],
    ['/shop/[^/]+/x', ['shop', any, 'x']],
    ['/shop/[^a]+/x', ['shop']],
    ['/shop/\\w+/x', ['shop', any, 'x']],
    ['/shop/\\W/x', ['shop']],
    ['/shop/\\x2f/x', ['shop']],
    ['/shop/\\x41/x', ['shop', any, 'x']],
    ['/shop\\.v1\\.Cart/[^/]+', ['shop.v1.Cart']],
    ['/shop.Cart/x', []],
    ['/shop\\.?/x', [any, 'x']],
    ['/shop\\d/x', [any, 'x']],
    ['/shop/a|/other', []],
    ['/shop/?.*', []],
    ['/shop/{0,1}x', []],
    ['/shop/a{2}/x', ['shop', any, 'x']],
    ['/shop/a+?/x', ['shop', any, 'x']],
    ['/shop', ['shop']],
    ['/shop/', ['shop', '']],
    ['//x', ['', 'x']],
    ['/', ['']],
    ['/shop.*/x', []],
    ['/sho?p/x', [any, 'x']],
    ['.*/shop/', []],
    ['', []],
    ['/shop/[[]/x', ['shop', any, 'x']],
    ['/shop/[/]/x', ['shop']],
    ['/shop/\\bx\\b/y', ['shop', any, 'y']],
    ['/shop/^x/y', ['shop']],
    ['/(', []],
  ]
  for (const [pattern, elements] of cases) {
    it(`${pattern || 'the empty pattern'} names ${elements.map(element => element ?? '*').join(' ') || 'nothing'}`, () => {
      assert.deepEqual(compilePathPattern(pattern).elements, elements)
    })
  }

  it('gives patterns that differ in named elements only the same shape', () => {
    const shapes = ['/api/v[0-9]+/tenant-1/.*', '/api/v[0-9]+/tenant-2/.*'].map(
      pattern => compilePathPattern(pattern).shape.source,
    )
    assert.equal(shapes[0], shapes[1])
  })
})

describe('fitsPattern()', () => {
  it('says what the expression as a whole says', () => {
    const random = seededRandom(3)
    const pick = <V>(values: readonly V[]): V => values[Math.floor(random() * values.length)] as V
    const pieces = [
      '/',
      '/',
      '/',
      'a',
      'b',
      'ab',
      '\\.',
      '.',
      '[ab]',
      '[^/]',
      '[^a]',
      '(a|/b)',
      '(?:/a)',
      '\\w',
      '\\b',
      '\\x2f',
      '$',
    ]
    const repetitions = ['', '', '', '', '', '+', '*', '?', '{2}', '{0,1}?']
    const characters = ['/', '/', 'a', 'b', '.']
    let fitting = 0
    for (let round = 0; round < 600; round++) {
      const length = 1 + Math.floor(random() * 6)
      const pattern = `/${Array.from({ length }, () => pick(pieces) + pick(repetitions)).join('')}${pick(['', '', '', '', '|/a'])}`
      let whole: RegExp
      try {
        whole = new RegExp(`^(?:${pattern})$`)
      } catch {
        // A repetition of nothing, such as \b+.
        continue
      }
      const compiled = compilePathPattern(pattern)
      for (let at = 0; at < 40; at++) {
        const path = `/${Array.from({ length: Math.floor(random() * 7) }, () => pick(characters)).join('')}`
        assert.equal(fitsPattern(compiled, path), whole.test(path), `${pattern} and ${path}`)
        if (whole.test(path)) fitting++
      }
    }
    assert.ok(fitting > 200, `${fitting} paths fitted`)
  })

  it('has no answer for a path that is too long, and none for a pattern that is refused', () => {
    assert.equal(fitsPattern(compilePathPattern('/.*'), `/${'a'.repeat(8191)}`), true)
    assert.equal(fitsPattern(compilePathPattern('/.*'), `/${'a'.repeat(8192)}`), false)
    assert.equal(fitsPattern(compilePathPattern('/(?=a)a'), '/a'), false)
  })
})
