import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { openCallers, tierPlaces } from '../../src/datapath/index.ts'
import type { CallerKey } from '../../src/datapath/index.ts'
import { Bpf, KeeperClient } from '../../src/kernel/index.ts'
import { isAlive } from '../mesh/agent-process.ts'
import type { MemberMesh } from './member-mesh.ts'
import { twoServices, urlOf } from './two-services.ts'
import { datapathSkip } from './world.ts'

const skip = datapathSkip()

function keeperState(each: MemberMesh): { pid: number; count: number } | undefined {
  using client = KeeperClient.connect(`${each.mesh.socketPath}.keeper`)
  return client?.state()
}

/**
 * Takes those who ask the agent for a connection out of the kernel's map, as a workload can that opens many at a time;
 * whom the kernel would give up for them depends on the cores that they came by.
 * @param begin  begins that many connections
 */
async function forgetCallers<T>(t: TestContext, { mesh }: MemberMesh, count: number, begin: () => T): Promise<T> {
  using bpf = new Bpf()
  const callers = openCallers(bpf, tierPlaces(mesh.socketPath).pins)
  assert.ok(callers !== undefined)
  using _ = callers.raw
  const entries = (): readonly (readonly [key: CallerKey, cgroup: bigint])[] => [...callers.entries()]
  const before = entries().length
  const begun = begin()
  await t.waitFor(() => assert.ok(entries().length >= before + count), { timeout: 10_000 })
  for (const [key] of entries()) callers.delete(key)
  return begun
}

/** Answers of that many requests that begin together. */
async function ask(each: MemberMesh, workload: string, url: string, count: number): Promise<readonly string[]> {
  const all = Array.from({ length: count }, () => each.run(workload, ['curl', '-sS', '-m', '60', url]))
  return (await Promise.all(all)).map(({ output }) => output)
}

test(
  'an agent that is killed under load loses no new connection: those by TCP succeed, those by HTTP wait for the next agent, and policies refuse',
  { skip, timeout: 240_000 },
  async t => {
    await using each = await twoServices(t)
    await each.up('--dns-address', 'off')
    const db = await urlOf(each, 'db')
    const web = await urlOf(each, 'web')
    assert.deepEqual(await ask(each, 'shop.client', web, 3), ['hello', 'hello', 'hello'])
    const before = keeperState(each)
    assert.ok(before !== undefined && before.count > 0)
    const gaps: number[] = []
    for (const signal of ['SIGKILL', 'SIGTERM', 'SIGKILL'] as const) {
      await each.kill(signal)
      const goneMs = performance.now()
      const waiting = ask(each, 'shop.client', web, 20)
      // The proxy refuses it, once there is one.
      const refused = ask(each, 'shop.closed', web, 1)
      assert.deepEqual(
        await ask(each, 'shop.client', db, 5),
        Array.from({ length: 5 }, () => 'endpoint'),
      )
      assert.doesNotMatch((await ask(each, 'shop.closed', db, 1)).join(), /endpoint/)
      await each.up('--dns-address', 'off')
      assert.deepEqual(
        await waiting,
        Array.from({ length: 20 }, () => 'hello'),
        `after ${signal}`,
      )
      assert.doesNotMatch((await refused).join(), /hello/)
      gaps.push(Math.round(performance.now() - goneMs))
      assert.deepEqual(keeperState(each)?.pid, before.pid)
      assert.equal(keeperState(each)?.count, before.count)
      assert.doesNotMatch((await ask(each, 'shop.closed', db, 1)).join(), /endpoint/)
    }
    // Nobody can tell any more who they are: one that may go there waits beside one that may not.
    await each.kill('SIGKILL')
    const waiting = await forgetCallers(t, each, 2, () =>
      ['shop.client', 'shop.closed'].map(who => ask(each, who, web, 1)),
    )
    await each.up('--dns-address', 'off')
    for (const answer of await Promise.all(waiting)) assert.match(answer.join(), /^policy-denied: .*nobody knows who/)
    assert.deepEqual(await ask(each, 'shop.client', web, 1), ['hello'])
    t.diagnostic(`all were served ${gaps.join(', ')} ms after the end of the agent`)
    assert.ok(readdirSync(`/proc/${before.pid}/fd`).length < before.count + 40)
  },
)

test('a keeper that ends is replaced; with SIGINT and with cleanup nothing waits any more', { skip }, async t => {
  let pid = 0
  let path = ''
  {
    await using each = await twoServices(t)
    path = `${each.mesh.socketPath}.keeper`
    await each.up('--dns-address', 'off')
    const web = await urlOf(each, 'web')
    const first = keeperState(each)
    assert.ok(first !== undefined)
    process.kill(first.pid, 'SIGKILL')
    await t.waitFor(() => assert.equal(keeperState(each)?.count, first.count), { timeout: 10_000 })
    assert.match(
      (await each.mesh.run('doctor')).stdout,
      /^ok +keeper of sockets +process \d+ at .* holds \d+ sockets$/m,
    )
    await each.kill('SIGINT')
    assert.equal(keeperState(each), undefined)
    assert.match((await ask(each, 'shop.client', web, 1)).join(), /refused|connect/i)
    await each.up('--dns-address', 'off')
    await each.kill('SIGKILL')
    pid = keeperState(each)?.pid ?? 0
    assert.ok(isAlive(pid))
  }
  await t.waitFor(() => assert.equal(isAlive(pid), false), { timeout: 5000 })
  assert.equal(existsSync(path), false)
})
