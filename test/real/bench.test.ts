/** A benchmark that is told to end leaves nothing behind. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { kernelSkip } from '../../src/kernel/ebpf/testing.ts'
import { enterCgroup, leaveCgroup } from '../kernel-http/world.ts'
import { programsSkip } from '../support/programs.ts'

const needed = ['nginx', 'haproxy', 'wrk']
const skip = programsSkip(needed) || kernelSkip()

const main = fileURLToPath(new URL('../../bench/main.ts', import.meta.url))
const flags = ['--experimental-ffi', '--disable-warning=ExperimentalWarning']

/** Command lines of all processes that have the text in them. */
function commandsWith(text: string): readonly string[] {
  const commands = readdirSync('/proc').flatMap(pid => {
    try {
      return /^\d+$/.test(pid) ? [readFileSync(`/proc/${pid}/cmdline`, 'latin1')] : []
    } catch {
      // It has ended in the meantime.
      return []
    }
  })
  return commands.filter(command => command.includes(text))
}

test('a benchmark that is told to end stops its servers and removes folders and cgroups', { skip }, async t => {
  const folder = await mkdtemp(join(tmpdir(), 'heddle-real-bench-'))
  t.after(() => rm(folder, { recursive: true }))
  const own = enterCgroup()
  const cgroups = dirname(own.folder)
  await leaveCgroup(own)
  const options = ['--case', '30 B, 1 route', '--seconds', '1', '--rounds', '1']
  const child = spawn(process.execPath, [...flags, main, 'kernel-http', ...options], {
    env: { ...process.env, TMPDIR: folder },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const exit = once(child, 'exit')
  const lines: string[] = []
  let servers = 0
  for await (const line of createInterface(child.stderr)) {
    lines.push(line)
    if (servers > 0 || !line.includes('round 1 of 1')) continue
    servers = commandsWith(folder).length
    child.kill('SIGTERM')
  }
  await exit
  assert.ok(servers > 0)
  assert.equal(child.exitCode, 1, lines.join('\n'))
  assert.equal(lines.at(-1), 'ended by SIGTERM')
  assert.deepEqual(commandsWith(folder), [])
  assert.deepEqual(readdirSync(folder), [])
  assert.deepEqual(
    readdirSync(cgroups).filter(name => name.startsWith(`heddle-http-${child.pid}-`)),
    [],
  )
})
