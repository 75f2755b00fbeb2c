import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { MeshCgroup } from '../../src/datapath/index.ts'
import type { KernelPath } from '../../src/kernel-http/index.ts'
import { attachToKernelFunction, loadObject, readObject } from '../../src/kernel/index.ts'
import { openTestBpf } from '../../src/kernel/ebpf/testing.ts'
import { parseAnswer, RawClient } from '../support/raw.ts'
import { until } from '../support/until.ts'
import { inCgroup } from './in-cgroup.ts'
import { World } from './world.ts'

const holdFile = new URL('../../bpf/tests/kernel-http/hold.bpf.o', import.meta.url)

let cgroup: MeshCgroup

const skip = inCgroup(own => {
  cgroup = own
})

async function startBackend(t: TestContext): Promise<{ readonly port: number; readonly pid: number }> {
  const child = fork(fileURLToPath(new URL('backend-process.ts', import.meta.url)))
  t.after(async () => {
    child.disconnect()
    await once(child, 'exit')
  })
  const [port] = (await once(child, 'message')) as [number]
  return { port, pid: child.pid ?? 0 }
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: shop\r\n\r\n`

test('two answers to a client that pipelines stay in order when the thread of the first is held', { skip }, async t => {
  const first = await startBackend(t)
  const second = await startBackend(t)
  const path = (value: string, pool: number, number: number): KernelPath => ({
    kind: 'prefix',
    value,
    rules: [{ fields: [], action: { kind: 'pools', targets: [{ pool, weight: 1, count: number }] }, number }],
  })
  await using world = await World.open(cgroup, {
    backendPort: first.port,
    table: () => ({ paths: [path('/first', 1, 7), path('/second', 2, 8)] }),
  })
  using pool = world.agent.openPool({ number: 2, address: '127.0.0.1', port: second.port, size: 2 })
  await until(() => pool.size === 2)
  const bpf = openTestBpf(t)
  using object = loadObject(bpf, readObject(readFileSync(holdFile), { name: 'hold' }), {
    maps: new Map([['kh_clients', world.kernel.map('kh_clients').raw]]),
  })
  using _link = attachToKernelFunction(bpf, object.program('hold'))
  const held = object.global<bigint>('held')
  const isHolding = object.global<number>('is_holding')
  await using client = await RawClient.open(world.port)
  await until(() => [...world.kernel.map('kh_clients').entries()].length === 1)
  const cookie = [...world.kernel.map('kh_clients').entries()][0]?.[0] ?? 0n
  object.global<number>('process').set(first.pid)
  held.set(cookie)
  client.write(get('/first'))
  // Counted to its end, and not in the queue.
  await until(() => isHolding.get() === 1 && world.kernel.map('kh_clients').get(cookie)?.backend === 0n, {
    intervalMs: 1,
  })
  client.write(get('/second'))
  await until(() => client.received !== '' || world.kernel.map('kh_clients').get(cookie)?.reason !== 0, {
    intervalMs: 1,
  })
  held.set(0n)
  const bodies: string[] = []
  await until(() => {
    const answer = parseAnswer(client.received)
    if (answer !== undefined) {
      client.received = answer.rest
      bodies.push(answer.body)
    }
    return bodies.length === 2
  })
  assert.deepEqual(bodies, ['GET /first - ', 'GET /second - '])
})
