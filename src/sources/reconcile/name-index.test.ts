import assert from 'node:assert/strict'
import { test } from 'node:test'
import { didYouMean, editDistance, NameIndex } from './name-index.ts'

test('nearest() finds a name with one letter wrong, missing, surplus or swapped', () => {
  const index = new NameIndex(['cart', 'checkout', 'reviews', 'ratings'])
  const rows: [string, string | undefined][] = [
    ['carts', 'cart'],
    ['car', 'cart'],
    ['catr', 'cart'],
    ['dart', 'cart'],
    ['chekcout', 'checkout'],
    ['review', 'reviews'],
    ['cart', undefined],
    ['payment', undefined],
    ['', undefined],
  ]
  for (const [name, expected] of rows) assert.equal(index.nearest(name), expected, name)
})

test('nearest() prefers the smaller distance, then the alphabet', () => {
  assert.equal(new NameIndex(['bart', 'aart']).nearest('cart'), 'aart')
  assert.equal(new NameIndex(['axrt', 'cartz']).nearest('cart'), 'cartz')
})

test('didYouMean() suggests only what is near', () => {
  assert.equal(didYouMean('htp', ['http', 'https']), ', did you mean http?')
  assert.equal(didYouMean('HTTP', ['http']), ', did you mean http?')
  assert.equal(didYouMean('metrics', ['http', 'https']), '')
})

test('editDistance() counts a swap once', () => {
  const rows: [string, string, number][] = [
    ['', '', 0],
    ['', 'abc', 3],
    ['abc', 'acb', 1],
    ['kitten', 'sitting', 3],
  ]
  for (const [a, b, expected] of rows) assert.equal(editDistance(a, b), expected, `${a} ${b}`)
})
