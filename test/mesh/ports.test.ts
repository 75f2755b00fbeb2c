import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { TestMesh } from './agent-process.ts'
import { answering, gateway, route, service, workload } from './resources.ts'
import { freePort } from '../support/ports.ts'

async function meshOf(mesh: TestMesh, name: string): Promise<void> {
  const port = await freePort()
  mesh.write('mesh.yaml', gateway(mesh.gatewayPort) + service('a') + workload(name, 'a', port) + route([['a', 1]]))
}

test('of two agents with one Gateway the second says so and the first keeps all traffic, until it stops', async t => {
  const first = await TestMesh.create(t)
  await meshOf(first, 'first')
  const agent = await first.up({ flags: ['--drain-seconds', '1'] })
  await answering(first, '/', /^first/)

  const second = await TestMesh.create(t, first.gatewayPort)
  await meshOf(second, 'second')
  await second.up()
  const status = await second.run('status')
  assert.match(status.stdout, /not Programmed: PortUnavailable/)
  const place = `127.0.0.1:${first.gatewayPort}`
  const told = `Gateway shop/web: cannot listen on ${place}: another program or another agent listens there already`
  assert.match(status.stdout, new RegExp(`Problems\nerror ${told}`))
  assert.equal(status.code, 1)
  const answers = new Set<string | undefined>()
  for (let at = 0; at < 60; at++) answers.add((await first.get('/')).body.split(' ')[0])
  assert.deepEqual([...answers], ['first'])

  agent.kill('SIGTERM')
  await once(agent, 'exit')
  await answering(second, '/', /^second/)
  await second.until(async () => (await second.status()).problems.length === 0)
})

test('a listener that is taken away and comes back at once is open again', async t => {
  const mesh = await TestMesh.create(t)
  await meshOf(mesh, 'a-1')
  const other = gateway(await freePort()).replaceAll(/name: (web|http)/g, 'name: $1-2')
  await mesh.up()
  await answering(mesh, '/', /^a-1/)
  // Each is waited for: of two edits in a row the agent may see the second only, and find nothing new in it.
  const taken = async (edit: () => void | Promise<void>): Promise<void> => {
    const { configVersion } = (await mesh.status()).agent
    await edit()
    await mesh.until(async () => (await mesh.status()).agent.configVersion > configVersion)
  }
  for (let round = 0; round < 3; round++) {
    await taken(() => mesh.write('mesh.yaml', other))
    await taken(() => meshOf(mesh, 'a-1'))
    await answering(mesh, '/', /^a-1/)
  }
  assert.deepEqual((await mesh.status()).problems, [])
})
