import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseText } from './parse-document.ts'

const values: readonly (readonly [string, unknown])[] = [
  ['a: 1', { a: 1 }],
  ['{"a": [1, {"b": null}]}', { a: [1, { b: null }] }],
  ['{"a": {"x": 1}, "b": {"x": 1}}', { a: { x: 1 }, b: { x: 1 } }],
  ['{a: 1}', { a: 1 }],
  ['a: &x {b: 1}\nc: *x', { a: { b: 1 }, c: { b: 1 } }],
  ['a: &x {b: 1}\nc:\n  <<: *x\n  d: 2', { a: { b: 1 }, c: { b: 1, d: 2 } }],
  ['a: |\n  x\n  y\n', { a: 'x\ny\n' }],
  ['a: yes', { a: 'yes' }],
]

for (const [text, value] of values) {
  test(`parseText() reads ${JSON.stringify(text)}`, () => {
    assert.deepEqual(parseText(text), { kind: 'value', value })
  })
}

const mistakes: readonly (readonly [string, number, number, RegExp])[] = [
  ['a: 1\nb: "x\n', 2, 4, /^YAML: a quote stays open$/],
  ['a: 1\nb: 2\na: 3\n', 3, 1, /^YAML: the key a stands twice in one object$/],
  ['{"a": 1,\n "a": 2}', 2, 2, /stands twice/],
  ['{"a": {"b": 1, "\\u0062": 2}}', 1, 16, /stands twice/],
  ['a: 1\n  b: 2\n', 1, 4, /^YAML: /],
  ['{"a": 1', 1, 8, /^YAML: /],
  ['a: *x\n', 1, 1, /^YAML: /],
  ['a:\n\t- b\n', 2, 1, /^YAML: /],
]

for (const [text, line, column, message] of mistakes) {
  test(`parseText() tells where ${JSON.stringify(text)} is wrong`, () => {
    const result = parseText(text)
    assert.ok(result.kind === 'broken')
    const [first] = result.problems
    assert.match(first?.message ?? '', message)
    assert.deepEqual([first?.line, first?.column], [line, column])
  })
}

test('parseText() stops at a bomb of aliases', () => {
  let text = 'a0: &a0 [x]\n'
  for (let i = 1; i < 10; i++) text += `a${i}: &a${i} [${Array.from({ length: 10 }, () => `*a${i - 1}`).join(', ')}]\n`
  const result = parseText(text)
  assert.ok(result.kind === 'broken')
  assert.match(result.problems[0]?.message ?? '', /aliases/)
})

test('parseText() survives nesting without end', () => {
  for (const text of ['['.repeat(5_000), '{"a":'.repeat(5_000), `a: ${'['.repeat(5_000)}${']'.repeat(5_000)}`]) {
    assert.equal(parseText(text).kind, 'broken')
  }
})
