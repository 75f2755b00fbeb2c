import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { root } from '../../scripts/files.ts'

const example = 'examples/plugins/signed-requests.test.ts'

test('the test of a plugin in the guide is the one of the example, and passes in plain Node', () => {
  const guide = readFileSync(join(root, 'docs/guide/plugin-tests.md'), 'utf8')
  const [, snippet] = /^```ts\n(.*?)^```/ms.exec(guide) ?? []
  assert.equal(snippet, readFileSync(join(root, example), 'utf8'))
  // Whoever has the package needs no condition: theirs is built.
  const args = ['--conditions=heddle-source', '--test', '--test-reporter=tap', join(root, example)]
  // A runner of tests that finds itself in another one tells its results there.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', env })
  assert.equal(status, 0, `${stdout}${stderr}`)
  assert.match(stdout, /^# pass 2$/m)
})
