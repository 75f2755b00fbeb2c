import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { normalizePath } from './normalize-path.ts'

/** Long paths are looked at in another way than short ones. */
const long = `/${'x'.repeat(80)}`

/** Undefined for refused. */
const cases: readonly (readonly [raw: string, normal: string | undefined, why?: string])[] = [
  ['/', '/'],
  ['/shop/cart', '/shop/cart'],
  ['*', '*'],
  ['/a/', '/a/'],
  ['//', '//'],
  ['/a//b', '/a//b'],
  ['/.well-known/x', '/.well-known/x'],
  ['/a/..b/...', '/a/..b/...'],
  ['/a.b/c..d', '/a.b/c..d'],
  ['/a%20b', '/a%20b'],
  // Unreserved characters have one spelling.
  ['/%61dmin', '/admin'],
  ['/%7Euser/%2D%5F%2e%41%7a%30', '/~user/-_.Az0'],
  ['/caf%c3%a9', '/caf%C3%A9'],
  ['/%2561', '/%2561', 'decoded once only'],
  // Dot segments.
  ['/admin/../public', '/public'],
  ['/admin/%2e%2e/public', '/public'],
  ['/admin/.%2E/public', '/public'],
  ['/a/./b', '/a/b'],
  ['/a/b/.', '/a/b/'],
  ['/a/b/..', '/a/'],
  ['/..', '/'],
  ['/../../etc', '/etc'],
  ['/a/../../..', '/'],
  ['/a//../b', '/a/b', 'an empty segment is a segment (RFC 3986 section 5.2.4)'],
  ['/.', '/'],
  ['/./x', '/x'],
  [`${long}/%61/..b`, `${long}/a/..b`],
  [`${long}/a/../b`, `${long}/b`],
  [`${long}/a/b.c/`, `${long}/a/b.c/`],
  [`${long}\\a`, undefined],
  // Escaped slashes stay.
  ['/a%2Fb', '/a%2Fb'],
  ['/a%2fb', '/a%2Fb'],
  ['/a%5Cb', '/a%5Cb'],
  // Refused.
  ['/a%00', undefined],
  ['/a%', undefined],
  ['/a%4', undefined],
  ['/a%zz', undefined],
  ['/a%4/x', undefined],
  ['/a\\b', undefined],
  ['/public/..%2fadmin', undefined],
  ['/public/%2e%2e%2Fadmin', undefined],
  ['/public/x%2F..', undefined],
  ['/public/..%5Cadmin', undefined],
  ['/a%2F.%2Fb', undefined],
  ['/a%2F..b', '/a%2F..b'],
]

describe('normalizePath()', () => {
  for (const [raw, normal, why] of cases) {
    it(`${raw} → ${normal ?? 'refused'}${why === undefined ? '' : ` (${why})`}`, () => {
      assert.deepEqual(normalizePath(raw), normal === undefined ? { kind: 'refuse' } : { kind: 'ok', path: normal })
    })
  }

  it('does nothing to what it has made', () => {
    for (const [, normal] of cases) {
      if (normal !== undefined) assert.deepEqual(normalizePath(normal), { kind: 'ok', path: normal })
    }
  })
})
