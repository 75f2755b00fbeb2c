import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import { ProcessWatch } from './process-watch.ts'

/** A process whose parent has ended: it is nobody's child here. */
function orphan(): number {
  const { stdout } = spawnSync('/bin/sh', ['-c', 'sleep 1000 >/dev/null 2>&1 & echo $!'], { encoding: 'utf8' })
  return Number(stdout)
}

test('ProcessWatch tells the end of a process that is no child, once', async t => {
  using watch = new ProcessWatch()
  const pids = [orphan(), orphan()] as const
  t.after(() => {
    for (const pid of pids) spawnSync('kill', ['-9', String(pid)])
  })
  const fds = pids.map(pid => watch.open(pid))
  const { promise, resolve } = Promise.withResolvers<string>()
  let told = 0
  watch.watch(fds[0] ?? -1, () => {
    told++
    resolve('first')
  })
  watch.watch(fds[1] ?? -1, () => assert.fail('the other one lives'))
  assert.deepEqual(
    fds.map(fd => watch.hasEnded(fd)),
    [false, false],
  )
  process.kill(pids[0], 'SIGKILL')
  assert.equal(await promise, 'first')
  assert.deepEqual(
    fds.map(fd => watch.hasEnded(fd)),
    [true, false],
  )
  watch.unwatch(fds[1] ?? -1)
  process.kill(pids[1], 'SIGKILL')
  await t.waitFor(() => assert.equal(watch.hasEnded(fds[1] ?? -1), true), { timeout: 10_000 })
  assert.equal(told, 1)
  for (const fd of fds) watch.close(fd)
})

test('ProcessWatch.open() says that there is no such process, and leaves no descriptor', async () => {
  const child = spawn('true')
  await once(child, 'exit')
  using watch = new ProcessWatch()
  const before = readdirSync('/proc/self/fd').length
  assert.throws(() => watch.open(child.pid ?? 0), /pidfd_open: ESRCH \(process \d+\)/)
  assert.equal(readdirSync('/proc/self/fd').length, before)
})
