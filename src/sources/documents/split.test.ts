import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseAllDocuments } from 'yaml'
import { splitDocuments } from './split.ts'

const cases: readonly (readonly [string, string, readonly (readonly [number, string])[]])[] = [
  ['nothing', '', []],
  ['comments alone', '# a\n\n# b\n', []],
  ['markers alone', '---\n---\n...\n', []],
  ['one document', 'a: 1\n', [[1, 'a: 1\n']]],
  [
    'two documents',
    'a: 1\n---\nb: 2\n',
    [
      [1, 'a: 1\n'],
      [2, '---\nb: 2\n'],
    ],
  ],
  ['a comment before the first marker', '# x\n---\na: 1\n', [[2, '---\na: 1\n']]],
  [
    'an empty document between',
    'a: 1\n---\n# x\n---\nb: 2',
    [
      [1, 'a: 1\n'],
      [4, '---\nb: 2'],
    ],
  ],
  [
    'an end marker',
    'a: 1\n...\nb: 2\n',
    [
      [1, 'a: 1\n...\n'],
      [3, 'b: 2\n'],
    ],
  ],
  [
    'content on the marker',
    '--- a\n--- b\n',
    [
      [1, '--- a\n'],
      [2, '--- b\n'],
    ],
  ],
  ['a marker inside a block scalar', 'a: |\n  ---\n  b\n', [[1, 'a: |\n  ---\n  b\n']]],
  ['a word that begins like a marker', 'a: 1\n---b: 2\n', [[1, 'a: 1\n---b: 2\n']]],
  ['directives', '%YAML 1.2\n---\na: 1\n', [[1, '%YAML 1.2\n---\na: 1\n']]],
  [
    'directives of a later document',
    'a: 1\n...\n%YAML 1.2\n---\nb: 2\n',
    [
      [1, 'a: 1\n...\n'],
      [3, '%YAML 1.2\n---\nb: 2\n'],
    ],
  ],
  ['a byte order mark', '\ufeffa: 1\n', [[1, 'a: 1\n']]],
  [
    'carriage returns',
    'a: 1\r\n---\r\nb: 2\r\n',
    [
      [1, 'a: 1\r\n'],
      [2, '---\r\nb: 2\r\n'],
    ],
  ],
  [
    'an open quote',
    'a: "b\n---\nc: 1\n',
    [
      [1, 'a: "b\n'],
      [2, '---\nc: 1\n'],
    ],
  ],
]

for (const [name, text, expected] of cases) {
  test(`splitDocuments() cuts ${name}`, () => {
    assert.deepEqual(
      splitDocuments(text).map(({ line, text: part }) => [line, part]),
      expected,
    )
  })
}

test('splitDocuments() leaves the same values as the parser finds in one stream', () => {
  for (const [name, text] of cases) {
    if (name === 'an open quote') continue
    const values = (source: string): unknown[] => {
      const documents = parseAllDocuments(source)
      return 'empty' in documents ? [] : documents.map((each): unknown => each.toJS()).filter(value => value !== null)
    }
    assert.deepEqual(
      splitDocuments(text).flatMap(part => values(part.text)),
      values(text),
      name,
    )
  }
})
