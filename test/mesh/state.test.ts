import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { hashText } from '../../src/sources/reconcile/virtual-addresses.ts'
import { TestMesh } from './agent-process.ts'
import { service } from './resources.ts'

/** Places in a network of 8 bits, without its first and last. */
const places = 254

/** Names of Services that hash to one place, in the order of the alphabet. */
function twins(): readonly [string, string] {
  const seen = new Map<number, string>()
  for (let at = 1000; ; at++) {
    const name = `s${at}`
    const place = hashText(`shop/${name}`) % places
    const other = seen.get(place)
    if (other !== undefined) return [other, name]
    seen.set(place, name)
  }
}

for (const [where, folder] of [
  ['beside the socket', undefined],
  ['in the state folder', 'state/of heddle'],
] as const) {
  test(`a Service keeps its address over a restart when another hashes to its place; that is kept ${where}`, async t => {
    const [first, second] = twins()
    const mesh = await TestMesh.create(t)
    const flags = folder === undefined ? [] : ['--state-dir', join(mesh.directory, folder)]
    const file = folder === undefined ? `${mesh.socketPath}.addresses` : join(mesh.directory, folder, 'addresses')
    const addresses = async (): Promise<Record<string, string>> => {
      const { services } = await mesh.status()
      return Object.fromEntries(services.map(({ key, address }) => [key.replace(/:.*/, ''), address ?? '']))
    }
    const restart = async (agent: Awaited<ReturnType<TestMesh['up']>>): ReturnType<TestMesh['up']> => {
      const ended = once(agent, 'exit')
      agent.kill('SIGKILL')
      await ended
      return await mesh.up({ flags })
    }
    mesh.write('second.yaml', service(second, 'tcp'))
    let agent = await mesh.up({ flags })
    const alone = await addresses()
    assert.equal(existsSync(file), false, 'there is nothing to remember')
    mesh.write('first.yaml', service(first, 'tcp'))
    await mesh.until(async () => Object.keys(await addresses()).length === 2)
    const both = await addresses()
    assert.equal(both[`shop/${second}`], alone[`shop/${second}`])
    agent = await restart(agent)
    assert.deepEqual(await addresses(), both)
    // Without it the order of the names decides.
    rmSync(file)
    agent = await restart(agent)
    assert.equal((await addresses())[`shop/${first}`], alone[`shop/${second}`])
    writeFileSync(file, '{')
    await restart(agent)
    assert.match(mesh.output, /virtual addresses of an earlier agent could not be read/)
  })
}
