import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parsePath } from './locate.ts'
import { readDocument, ResourceOrigin, SourceDocument } from './source-document.ts'

const text = `---
# a comment
kind: X
spec:
  rules:
    - name: first
    - name: second
      backendRefs: [{ port: 80 }, { port: 81 }]
  labels:
    example.com/a: b
alias: &x { deep: { er: 1 } }
other: *x
`

const places: readonly (readonly [string, number, number])[] = [
  ['', 12, 1],
  ['kind', 12, 1],
  ['spec.rules', 14, 3],
  ['spec.rules[1]', 16, 7],
  ['spec.rules[1].backendRefs[1].port', 17, 37],
  ['spec.labels["example.com/a"]', 19, 5],
  ['other.deep.er', 20, 21],
  // The nearest parent of what is not there.
  ['spec.rules[1].backendRefs[7].port', 17, 7],
  ['spec.rules[0].matches[0]', 15, 7],
  ['nothing', 12, 1],
]

for (const [path, line, column] of places) {
  test(`locate() finds "${path}"`, () => {
    const origin = new ResourceOrigin(new SourceDocument('a.yaml', { text, line: 10 }), [])
    assert.deepEqual(origin.locate(path), { line, column })
  })
}

test('parsePath() reads what formatPath() writes', () => {
  assert.deepEqual(parsePath('a.b[2]["x.y/\\"z"].c'), ['a', 'b', 2, 'x.y/"z', 'c'])
  assert.deepEqual(parsePath(''), [])
})

test('an origin follows its document to another line', () => {
  const document = new SourceDocument('a.yaml', { text, line: 10 })
  const origin = new ResourceOrigin(document, [])
  assert.equal(origin.line, 12)
  document.moveTo({ text, line: 20 })
  assert.equal(origin.line, 22)
  assert.equal(origin.locate('spec').line, 23)
})

test('lists are unrolled, and their items know their place', () => {
  const reading = readDocument(
    new SourceDocument('a.yaml', {
      line: 1,
      text: `apiVersion: v1
kind: List
items:
  - apiVersion: v1
    kind: Namespace
    metadata: { name: a }
  - apiVersion: v1
    kind: Namespace
    metadata: { name: B }
`,
    }),
  )
  assert.ok(reading.kind === 'read')
  assert.deepEqual(
    reading.outcomes.map(({ outcome }) => outcome.kind),
    ['resource', 'invalid'],
  )
  assert.deepEqual(
    reading.outcomes.map(({ origin }) => origin.line),
    [4, 7],
  )
  assert.deepEqual(reading.outcomes[1]?.origin.locate('metadata.name'), { line: 9, column: 17 })
})

test('items of a typed list take its kind', () => {
  const reading = readDocument(
    new SourceDocument('a.json', {
      line: 1,
      text: '{"apiVersion":"v1","kind":"NamespaceList","items":[{"metadata":{"name":"a"}}]}',
    }),
  )
  assert.ok(reading.kind === 'read')
  const [first] = reading.outcomes
  assert.equal(first?.outcome.kind, 'resource')
  assert.equal(first?.outcome.id, 'Namespace a')
})
