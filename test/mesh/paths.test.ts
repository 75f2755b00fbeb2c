import assert from 'node:assert/strict'
import { mkdirSync, renameSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { TestMesh } from './agent-process.ts'
import { answering, gateway, route, service, workload } from './resources.ts'
import { freePort } from '../support/ports.ts'

test('up and check end with a message for a path that is not there or holds no resource', async t => {
  const mesh = await TestMesh.create(t)
  const config = path.join(mesh.directory, 'mesh')
  const missing = path.join(mesh.directory, 'mehs')
  mkdirSync(path.join(mesh.directory, 'empty'))
  mesh.write('mesh.yaml', gateway(mesh.gatewayPort))
  mesh.write('comment.yaml', '# nothing yet\n')
  const cases = [
    [missing, /mehs: does not exist/],
    [path.join(mesh.directory, 'empty'), /empty: holds no resource/],
    [path.join(config, 'comment.yaml'), /comment\.yaml: holds no resource/],
  ] as const
  for (const [wrong, expected] of cases) {
    const up = await mesh.run('up', '-f', config, '-f', wrong, '--admin-address', '127.0.0.1:0')
    assert.deepEqual([up.code, expected.test(up.stderr)], [1, true], up.stderr)
    const check = await mesh.run('check', '-f', config, '-f', wrong)
    assert.deepEqual([check.code, expected.test(check.stdout)], [1, true], check.stdout)
  }
})

test('a path that vanishes later keeps the last good configuration in force', async t => {
  const mesh = await TestMesh.create(t)
  mesh.write(
    'mesh.yaml',
    gateway(mesh.gatewayPort) + service('a') + workload('a-1', 'a', await freePort()) + route([['a', 1]]),
  )
  await mesh.up()
  await answering(mesh, '/', /^a-1/)
  const config = path.join(mesh.directory, 'mesh')
  renameSync(config, `${config}-gone`)
  await mesh.until(async () => (await mesh.status()).problems.some(({ message }) => message.includes('does not exist')))
  assert.match((await mesh.get('/')).body, /^a-1/)
  renameSync(`${config}-gone`, config)
  await mesh.until(async () => (await mesh.status()).problems.length === 0)
  assert.match((await mesh.get('/')).body, /^a-1/)
})
