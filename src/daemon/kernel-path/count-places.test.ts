import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CountPlaces } from './count-places.ts'
import type { CountedTarget } from './count-places.ts'

const target = (endpoint: string, requestMs = 5): CountedTarget => ({
  virtualHost: 'Service shop/web:80',
  route: 'HTTPRoute shop/web',
  rule: '0',
  backend: 'shop/web:80',
  endpoint,
  limits: { requestMs, beginMs: 5 },
})

test('CountPlaces gives a target its place for as long as it is kept, and then to the one that waits longest', () => {
  const places = new CountPlaces()
  const first = places.of(target('a'))
  const second = places.of(target('b'))
  assert.notEqual(first, second)
  assert.equal(places.of(target('a', 9)), first, 'its limits do not make it another')
  assert.equal(places.at(first ?? 0)?.limits.requestMs, 9)
  places.keep(new Set([second ?? 0]))
  assert.equal(places.at(first ?? 0), undefined)
  assert.notEqual(places.of(target('a')), first, 'what is under way is counted there')
})

test('CountPlaces has room for 4,095, and for others once some are free', () => {
  const places = new CountPlaces()
  const numbers = Array.from({ length: 4095 }, (_, at) => places.of(target(String(at))) ?? 0)
  assert.equal(new Set(numbers).size, 4095)
  assert.ok(numbers.every(number => number > 0))
  assert.equal(places.of(target('more')), undefined)
  places.keep(new Set(numbers.slice(1)))
  assert.equal(places.of(target('more')), numbers[0])
})
