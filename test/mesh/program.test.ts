import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'

const program = path.join(import.meta.dirname, '../../bin/heddle')

/** A package whose Node prints what it is to run; what is built and what it is built from are of these seconds. */
function packageOf(t: TestContext, { built, source }: { built?: number; source?: number }): string {
  const home = mkdtempSync(path.join(tmpdir(), 'heddle-program-'))
  t.after(() => rmSync(home, { recursive: true }))
  for (const folder of ['bin', ...(['x64', 'arm64'] as const).map(nodeFolder)]) {
    mkdirSync(path.join(home, folder), { recursive: true })
  }
  cpSync(program, path.join(home, 'bin/heddle'))
  const node = '#!/bin/sh\nfor word; do case $word in --*) ;; *) echo "$word" ;; esac; done\n'
  for (const cpu of ['x64', 'arm64'] as const)
    writeFileSync(path.join(home, nodeFolder(cpu), 'node'), node, { mode: 0o755 })
  const file = (name: string, seconds: number | undefined): void => {
    if (seconds === undefined) return
    const at = path.join(home, name)
    mkdirSync(path.dirname(at), { recursive: true })
    writeFileSync(at, '')
    utimesSync(at, seconds, seconds)
  }
  file('dist/agent/main.js', built)
  file('src/core/deep/a.ts', source)
  return home
}

function nodeFolder(cpu: 'x64' | 'arm64'): string {
  return `node_modules/node-linux-${cpu}/bin`
}

const cases = [
  { name: 'what was built, from the package', built: 5, runs: 'dist/agent/main.js' },
  { name: 'what was built, where no source is newer', built: 5, source: 5, runs: 'dist/agent/main.js' },
  { name: 'the sources, where one is newer than what was built', built: 5, source: 6, runs: 'src/cli/main.ts' },
  { name: 'the sources, where nothing was built', source: 5, runs: 'src/cli/main.ts' },
]

for (const { name, runs, ...times } of cases) {
  test(`bin/heddle runs ${name}`, t => {
    const home = packageOf(t, times)
    const { stdout, stderr } = spawnSync(path.join(home, 'bin/heddle'), ['status', 'a b'], { encoding: 'utf8' })
    assert.equal(stdout, `${path.join(home, runs)}\nstatus\na b\n`, stderr)
  })
}
