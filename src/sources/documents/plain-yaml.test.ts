import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseDocument } from 'yaml'
import { readPlainYaml } from './plain-yaml.ts'

function complete(text: string): { readonly value: unknown; readonly hasErrors: boolean } {
  const document = parseDocument(text, { merge: true, logLevel: 'silent', prettyErrors: false })
  return { value: document.errors.length > 0 ? undefined : document.toJS(), hasErrors: document.errors.length > 0 }
}

/** Read here, with the value that the complete parser finds too. */
const read: readonly string[] = [
  '',
  '# nothing\n',
  'a: 1\n',
  '---\na: 1\n',
  'a: 1\nb:\n  c: x\n  d:\n    - 1\n    - e: 2\n      f: 3\n    -\n      g: 4\n',
  'a:\n- 1\n- 2\nb: 3\n',
  'a:\n- b: 1\n  c:\n  - 2\n  - d: 3\n    e: 4\n- f: 5\n',
  '- a\n- - b\n  - c\n- d: 1\n',
  'a:\nb:\n  # only a comment\nc: ~\nd: null\n',
  'a: true\nb: false\nc: 0\nd: -12\ne: 123456789012345\n',
  'a: "x: y # z"\nb: \'it is\'\nc: "" # comment\n',
  'a: x # comment\nb: x#y\nc: http://h:80/p?q=1#f\n',
  'a: {}\nb: []\n',
  'a: 10.0.0.1\nb: 1.2.3\nc: 10s\nd: 2026-01-31T12:00:00Z\n',
  'app.kubernetes.io/name: x\nx-y_z: 1\n',
  'a: yes\nb: on\nc: y\nd: Yes\n',
  'a:   spaced   \nb:\n\n\n  c: 1\n',
  'a: -x\n'.replace('-x', 'x-'),
]

for (const text of read) {
  test(`readPlainYaml() reads ${JSON.stringify(text)} as the complete parser does`, () => {
    const plain = readPlainYaml(text)
    assert.equal(plain.kind, 'value')
    assert.deepEqual(plain.kind === 'value' && plain.value, complete(text).value)
  })
}

const left: readonly string[] = [
  'a: &x 1\nb: *x\n',
  'a: |\n  text\n',
  'a: >-\n  text\n',
  'a: [1, 2]\n',
  'a: {b: 1}\n',
  'a: "x\\ny"\n',
  "a: 'it''s'\n",
  'a: 1\na: 2\n',
  'a: 1\n b: 2\n',
  'a:\n  b: 1\n c: 2\n',
  'a:\n  - 1\n  b: 2\n',
  'a: x\n  y\n',
  '- a\n  b\n',
  'a: b: c\n',
  'a: "b" c\n',
  '? a\n: b\n',
  'a: !tag b\n',
  'a:\tb\n',
  'a: 1\r\n',
  'a: ä\n',
  'a: 0x10\nb: 1\n',
  'a: 1e3\n',
  'a: .5\n',
  'a: 1.5\n',
  'a: 007\n',
  'a: -0\n',
  'a: .inf\n',
  'a: True\n',
  'null: 1\n',
  '8080: 1\n',
  'text\n',
  '"a": 1\n',
  '__proto__: 1\n',
  '<<: 1\n',
  '%YAML 1.2\n---\na: 1\n',
  '--- a\n',
  'a: 1\n...\n',
  'a: @x\n',
  'a: - x\n',
  'a: 1234567890123456789\n',
  `${' '.repeat(0)}${Array.from({ length: 100 }, (_, depth) => `${' '.repeat(depth)}a:\n`).join('')}`,
]

for (const text of left) {
  test(`readPlainYaml() leaves ${JSON.stringify(text).slice(0, 60)} to the complete parser`, () => {
    assert.equal(readPlainYaml(text).kind, 'gave-up')
  })
}

test('readPlainYaml() never reads a text differently from the complete parser', () => {
  // Lines put together at random; the seed makes a failure repeatable.
  const lines = [
    'a: 1',
    'b: x',
    'c:',
    'd: "y"',
    '- 1',
    '- e: 2',
    '-',
    '- - 3',
    '# c',
    '',
    'f: x # c',
    'g: {}',
    'a: y',
    '- h:',
    '---',
    '- "q"',
    "i: 'r'",
    '~',
    'j: 1.2.3',
    'k: null',
    '- true',
    'a:b',
    'l: "x" # y',
    'm: -',
  ]
  let seed = 12_345
  const random = (limit: number): number => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((seed / 2 ** 32) * limit)
  }
  let values = 0
  for (let round = 0; round < 3000; round++) {
    let text = ''
    for (let count = 1 + random(5); count > 0; count--)
      text += `${'  '.repeat(random(3))}${lines[random(lines.length)]}\n`
    const plain = readPlainYaml(text)
    if (plain.kind === 'gave-up') continue
    values++
    const { value, hasErrors } = complete(text)
    assert.equal(hasErrors, false, JSON.stringify(text))
    assert.deepEqual(plain.value, value, JSON.stringify(text))
  }
  assert.ok(values > 300, `${values} texts were read`)
})
