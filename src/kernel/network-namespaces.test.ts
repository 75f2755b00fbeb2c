import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readlinkSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { kernelSkip } from './ebpf/testing.ts'
import { netnsCookie } from './netns-cookie.ts'
import { NetworkNamespaces } from './network-namespaces.ts'

const here = (): string => readlinkSync('/proc/thread-self/ns/net')

/** A process that says when it runs, and ends when its input does. */
async function runs(t: TestContext, before: readonly string[]): Promise<ChildProcess> {
  const [program, ...args] = [...before, 'sh', '-c', 'echo ready; read line']
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  t.after(() => child.stdin.end())
  await once(createInterface({ input: child.stdout }), 'line')
  return child
}

test(
  'NetworkNamespaces.some() goes to each namespace but ours once, and comes back',
  { skip: kernelSkip() },
  async t => {
    const near = await runs(t, [])
    const [first, second] = [await runs(t, ['unshare', '--net']), await runs(t, ['unshare', '--net'])]
    const beside = await runs(t, ['nsenter', `--net=/proc/${first.pid}/ns/net`])
    const pids = [near, first, beside, second].map(({ pid }) => pid ?? 0)
    const [home, names] = [here(), pids.map(pid => readlinkSync(`/proc/${pid}/ns/net`))]
    using namespaces = new NetworkNamespaces()
    const before = readdirSync('/proc/self/fd').length
    const visited: string[] = []
    const visit = (isFound: boolean) => (): boolean => visited.push(here()) > 0 && isFound
    assert.equal(namespaces.some(pids, visit(false)), false)
    assert.deepEqual(visited, [names[1], names[3]])
    assert.equal(namespaces.some(pids, visit(true)), true)
    assert.deepEqual(visited.slice(2), [names[1]])
    assert.throws(() =>
      namespaces.some(pids, () => {
        throw new Error('no')
      }),
    )
    assert.equal(here(), home)
    assert.equal(readdirSync('/proc/self/fd').length, before)
    const ended = once(first, 'exit')
    first.stdin?.end()
    await ended
    assert.equal(namespaces.some([first.pid ?? 0], visit(true)), false)
  },
)

test('within() another namespace sockets are its own, and ours has a number there', { skip: kernelSkip() }, async t => {
  const { pid = 0 } = await runs(t, ['unshare', '--net'])
  using namespaces = new NetworkNamespaces()
  const home = netnsCookie()
  const there = namespaces.within(
    pid,
    () => [netnsCookie(), namespaces.numberOfOwn(), namespaces.numberOfOwn()] as const,
  )
  assert.ok(there !== undefined)
  assert.notEqual(there[0], home)
  // It had none, and keeps what it was given.
  assert.ok(there[1] >= 0)
  assert.equal(there[2], there[1])
  assert.equal(netnsCookie(), home)
  assert.notEqual(namespaces.nameOf(pid), namespaces.own)
})
