import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ContentEncoding } from '../../model/index.ts'
import { chooseEncoding } from './accept-encoding.ts'

const all: readonly ContentEncoding[] = ['br', 'zstd', 'gzip']

const cases: readonly (readonly [
  accept: string | undefined,
  expected: ContentEncoding | undefined,
  offered?: readonly ContentEncoding[],
])[] = [
  [undefined, undefined],
  ['', undefined],
  ['gzip', 'gzip'],
  ['GZip', 'gzip'],
  ['x-gzip', 'gzip'],
  ['gzip, deflate, br, zstd', 'br'],
  ['gzip, deflate, br, zstd', 'gzip', ['gzip', 'br']],
  ['gzip, deflate', undefined, ['br']],
  ['deflate', undefined],
  ['gzip;q=1.0, br;q=0.9', 'gzip'],
  ['gzip ; q=0.5 , br ; Q=0.25', 'gzip'],
  ['gzip;q=0.001, br;q=0', 'gzip'],
  ['br;q=0, *', 'zstd'],
  ['*', 'br'],
  ['*;q=0', undefined],
  ['*;q=0, gzip', 'gzip'],
  ['identity', undefined],
  ['identity, gzip', 'gzip'],
  ['identity, gzip;q=0.9', undefined],
  ['identity;q=0.5, gzip;q=0.5', 'gzip'],
  ['identity;q=0, gzip;q=0.1', 'gzip'],
  ['identity;q=0', undefined],
  ['gzip;q=2', undefined],
  ['gzip;q=0.1234', undefined],
  ['gzip;level=3', undefined],
  ['gz ip, gzip', 'gzip'],
  [',, gzip ,', 'gzip'],
]
for (const [accept, expected, offered = all] of cases) {
  test(`chooseEncoding() of ${offered.join(' ')} gives ${expected ?? 'none'} for ${JSON.stringify(accept)}`, () => {
    assert.equal(chooseEncoding(accept, offered), expected)
  })
}
