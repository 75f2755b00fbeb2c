import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { filesBelow, root } from '../scripts/files.ts'
import { checkRooms } from '../scripts/rooms.ts'
import type { Rooms } from '../scripts/rooms.ts'

const fixtureRooms: Rooms = {
  core: [],
  model: ['core'],
  kernel: ['core'],
  policy: ['core', 'model'],
  proxy: ['core', 'model'],
  'proxy/routing': ['core', 'model'],
  'proxy/balancing': ['core', 'model'],
}

const fixtureFiles: Readonly<Record<string, string>> = {
  'src/core/index.ts': `export { a } from './a.ts'`,
  'src/core/a.ts': 'export const a = 1',
  'src/core/testing.ts': 'export const fake = 1',
  'src/core/a.test.ts': '',
  'src/model/index.ts': '',
  'src/kernel/index.ts': '',
  'src/kernel/map.ts': '',
  'src/proxy/index.ts': '',
  'src/proxy/listener.ts': '',
  'src/proxy/routing/index.ts': '',
  'src/proxy/routing/trie.ts': '',
  'src/proxy/balancing/pick.ts': '',
}

/** Breaches of the fixture with one more file. */
function check(path: string, text: string, more: Readonly<Record<string, string>> = {}): readonly string[] {
  return checkRooms(fixtureRooms, new Map(Object.entries({ ...fixtureFiles, ...more, [path]: text })), ['yaml'])
}

const allowed: readonly (readonly [path: string, text: string])[] = [
  ['src/policy/x.ts', `import { a } from '../core/index.ts'\nimport 'node:fs'\nimport { parse } from 'yaml'`],
  ['src/proxy/x.ts', `import './listener.ts'\nexport * from './routing/trie.ts'\nimport './balancing/pick.ts'`],
  ['src/proxy/routing/x.ts', `import './trie.ts'\nimport type { B } from '../../model/index.ts'`],
  ['src/proxy/routing/x.test.ts', `import './index.ts'\nimport '../listener.ts'\nimport '../balancing/pick.ts'`],
  [
    'src/policy/x.test.ts',
    `import '../core/testing.ts'\nimport '../../test/support/echo.ts'\nimport { Client } from 'undici'`,
  ],
  ['src/proxy/x.ts', `new Worker(new URL('./x.ts', import.meta.url))`],
]

for (const [path, text] of allowed) {
  test(`checkRooms() allows ${path} ${JSON.stringify(text)}`, () => {
    assert.deepEqual(check(path, text), [])
  })
}

const refused: readonly (readonly [path: string, text: string, breach: string])[] = [
  [
    'src/policy/x.ts',
    `import '../kernel/map.ts'`,
    'src/policy/x.ts imports src/kernel/map.ts: policy may use core, model',
  ],
  [
    'src/policy/x.ts',
    `import type { M } from '../kernel/index.ts'`,
    'src/policy/x.ts imports src/kernel/index.ts: policy may use core, model',
  ],
  [
    'src/policy/x.ts',
    `export type { M } from '../kernel/index.ts'`,
    'src/policy/x.ts imports src/kernel/index.ts: policy may use core, model',
  ],
  [
    'src/policy/x.ts',
    `const m = await import('../kernel/index.ts')`,
    'src/policy/x.ts imports src/kernel/index.ts: policy may use core, model',
  ],
  [
    'src/policy/x.ts',
    `let m: import('../kernel/index.ts').M`,
    'src/policy/x.ts imports src/kernel/index.ts: policy may use core, model',
  ],
  [
    'src/policy/x.ts',
    `new URL('../kernel/map.ts', import.meta.url)`,
    'src/policy/x.ts imports src/kernel/map.ts: policy may use core, model',
  ],
  [
    'src/policy/x.ts',
    `import '../core/a.ts'`,
    'src/policy/x.ts imports src/core/a.ts: core is entered through src/core/index.ts',
  ],
  ['src/core/x.ts', `import '../model/index.ts'`, 'src/core/x.ts imports src/model/index.ts: core may use nothing'],
  [
    'src/core/x.ts',
    `import './index.ts'`,
    'src/core/x.ts imports src/core/index.ts: inside a room import the file itself, not the door',
  ],
  [
    'src/proxy/routing/x.ts',
    `import '../listener.ts'`,
    'src/proxy/routing/x.ts imports src/proxy/listener.ts: proxy/routing may use core, model',
  ],
  [
    'src/proxy/routing/x.ts',
    `import '../balancing/pick.ts'`,
    'src/proxy/routing/x.ts imports src/proxy/balancing/pick.ts: proxy/routing may use core, model',
  ],
  ['src/core/x.ts', `import './gone.ts'`, 'src/core/x.ts imports src/core/gone.ts: no such file'],
  ['src/core/x.ts', `import './a.test.ts'`, 'src/core/x.ts imports src/core/a.test.ts: that is for tests only'],
  ['src/core/x.ts', `import './testing.ts'`, 'src/core/x.ts imports src/core/testing.ts: that is for tests only'],
  [
    'src/policy/x.test.ts',
    `import '../kernel/index.ts'`,
    'src/policy/x.test.ts imports src/kernel/index.ts: policy may use core, model',
  ],
  [
    'src/core/x.ts',
    `import '../../scripts/ok.ts'`,
    'src/core/x.ts imports scripts/ok.ts: the product stays inside src/',
  ],
  ['src/core/x.ts', `import 'undici'`, 'src/core/x.ts imports undici: the product may use node:* and yaml'],
  [
    'src/attic/x.ts',
    '',
    'src/attic/x.ts lies in no room: src/rooms.json lists core, model, kernel, policy, proxy, proxy/routing, proxy/balancing',
  ],
]

for (const [path, text, breach] of refused) {
  test(`checkRooms() refuses ${path} ${JSON.stringify(text)}`, () => {
    assert.deepEqual(check(path, text), [breach])
  })
}

test('checkRooms() finds a circle inside a room, types and sub-rooms included', () => {
  const found = check('src/proxy/x.ts', `import type { Y } from './y.ts'`, {
    'src/proxy/y.ts': `export * from './z.ts'`,
    'src/proxy/z.ts': `import { x } from './x.ts'`,
  })
  assert.deepEqual(found, [
    'src/proxy/x.ts → src/proxy/y.ts → src/proxy/z.ts → src/proxy/x.ts: a circle; move what both need into a file that imports neither',
  ])
})

test('checkRooms() refuses a table with a circle or an unknown room', () => {
  assert.deepEqual(checkRooms({ a: ['b'], b: ['a'], c: ['d'] }, new Map(), []), [
    'src/rooms.json: a and b use each other',
    'src/rooms.json: b and a use each other',
    'src/rooms.json: c may use d, which is not a room',
  ])
})

test('every import in src/ follows src/rooms.json', async () => {
  const rooms = JSON.parse(await readFile(join(root, 'src/rooms.json'), 'utf8')) as Rooms
  const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { dependencies: object }
  const paths = await filesBelow('src', '.ts')
  const texts = await Promise.all(paths.map(path => readFile(join(root, path), 'utf8')))
  const files = new Map(paths.map((path, index) => [path, texts[index] ?? '']))
  assert.ok(files.has('src/core/index.ts'), 'the sources were found')
  const breaches = checkRooms(rooms, files, Object.keys(manifest.dependencies))
  assert.equal(breaches.length, 0, `\n${breaches.join('\n')}`)
})
