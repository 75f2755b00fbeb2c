/**
 * Starts the demo as a newcomer does, runs every command that it prints, edits
 * a weight and stops it: `node scripts/smoke.ts`.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { root } from './files.ts'
import { run } from './run.ts'

const shop = 'http://127.0.0.1:8080'
const routeFile = join(root, 'examples/shop/3-reviews.yaml')

const demo = spawn('npm', ['start'], { cwd: root, stdio: ['ignore', 'pipe', 'inherit'], detached: true })
const ended = once(demo, 'exit')
const routeText = await readFile(routeFile, 'utf8')
let printed = ''
demo.stdout.setEncoding('utf8').on('data', (text: string) => {
  process.stdout.write(text)
  printed += text
})
try {
  await until('the demo is ready', () => printed.includes('Stop with Ctrl-C'), 30_000)
  const commands = [...printed.matchAll(/^ {4}(\S.*)$/gm)].map(match => match[1] ?? '')
  assert.ok(commands.length >= 8, 'the demo prints commands')
  for (const command of commands) await tryOut(command)
  await editWeight()
} finally {
  await writeFile(routeFile, routeText)
  // What Ctrl-C does: the signal goes to the whole foreground group.
  if (demo.pid !== undefined) process.kill(-demo.pid, 'SIGINT')
}
const stopped = await Promise.race([ended, new Promise(resolve => setTimeout(resolve, 20_000).unref())])
assert.ok(stopped !== undefined, 'the demo stops within 20 s')
await assert.rejects(fetch(shop), 'nothing listens any more')
await assert.rejects(fetch('http://127.0.0.1:9101'), 'no service is left')
console.log('\nthe demo works')

async function tryOut(command: string): Promise<void> {
  const { code, output } = await run(['sh', '-c', command])
  console.log(`$ ${command}\n${output.trimEnd()}`)
  assert.equal(code, 0, `exit code of ${command}`)
  assert.match(output, /\S/, `output of ${command}`)
  assert.doesNotMatch(output, /^HTTP\/1\.1 50[^4]/m, command)
}

/** Requests never stop while the weights change, and none is lost. */
async function editWeight(): Promise<void> {
  const edited = routeText.replace('weight: 90', 'weight: 0').replace('weight: 10\n', 'weight: 100\n')
  assert.notEqual(edited, routeText)
  await writeFile(routeFile, edited)
  let inARow = 0
  await until(
    'all traffic goes to v2',
    async () => {
      const answer = await fetch(`${shop}/reviews/1`)
      assert.equal(answer.status, 200)
      const { version } = (await answer.json()) as { version: string }
      inARow = version === 'v2' ? inARow + 1 : 0
      return inARow === 50
    },
    15_000,
  )
  console.log('\nafter the edit 50 of 50 requests go to v2')
}

async function until(what: string, holds: () => boolean | Promise<boolean>, timeoutMs: number): Promise<void> {
  const endMs = performance.now() + timeoutMs
  while (!(await holds())) {
    assert.ok(performance.now() < endMs, `${what} within ${timeoutMs} ms`)
    assert.equal(demo.exitCode, null, 'the demo runs')
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}
