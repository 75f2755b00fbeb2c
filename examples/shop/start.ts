/**
 * `npm start`: the agent with the shop's configuration, what to try, and, in a
 * terminal, the live view. The shop itself is only YAML and the programs in
 * services/; `npx heddle up -f examples/shop` starts it all the same.
 */
import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { whatToTry } from './try.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const adminAddress = process.env['HEDDLE_ADMIN_ADDRESS'] ?? '127.0.0.1:15000'
// The programs of the shop run as `node`: the one that came with npm, which reads TypeScript.
const path = `${dirname(process.execPath)}:${process.env['PATH']}`
// As root, where the kernel has what it takes, its services call each other by their plain names.
const hasKernelTier = spawnSync('bin/heddle', ['doctor'], { cwd: root, stdio: 'ignore' }).status === 0
const tier = hasKernelTier ? 'kernel' : 'user'
const env = { ...process.env, PATH: path, SHOP_CALLS_BY: hasKernelTier ? 'name' : 'address' }

const agent = spawn('bin/heddle', ['up', '-f', 'examples/shop', '--drain-seconds', '3', '--tier', tier], {
  cwd: root,
  env,
  // A group of its own: Ctrl-C reaches this script alone, which stops things in order.
  detached: true,
  stdio: ['ignore', 'inherit', process.stdout.isTTY ? 'pipe' : 'inherit'],
})
let told = ''
agent.stderr?.setEncoding('utf8').on('data', (text: string) => (told = (told + text).slice(-10_000)))
const ended = once(agent, 'exit').then(([code]: unknown[]) => ({ code: typeof code === 'number' ? code : 1 }))

let isStopping = false
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    // npm passes Ctrl-C on a second time, which the agent would take as the wish not to wait for requests under way.
    if (isStopping) return
    isStopping = true
    console.log('Stopping the shop …')
    agent.kill('SIGTERM')
  })
}

const isReady = await Promise.race([waitUntilReady(), ended.then(() => false)])
if (isReady && !isStopping) {
  console.log(whatToTry(`http://${adminAddress}/`, tier))
  if (process.stdout.isTTY && process.stdin.isTTY) useTerminal()
}
const { code } = await ended
// It would go on without an agent, which a demo should not.
if (hasKernelTier) spawnSync('bin/heddle', ['cleanup'], { cwd: root, env, stdio: 'ignore' })
if (!isStopping) {
  console.error(told)
  console.error('The agent ended by itself.')
}
process.exitCode = isStopping ? 0 : Math.max(1, code)

async function waitUntilReady(): Promise<boolean> {
  // The agent is ready when it serves the configuration; the programs take a moment longer.
  for (const url of [`http://${adminAddress}/readyz`, 'http://127.0.0.1:8080/products/1']) {
    while (!(await fetch(url).catch(() => undefined))?.ok) await sleep(100)
  }
  return true
}

/** The live view comes by itself, after a time to read; the keyboard stays here. */
function useTerminal(): void {
  let view: ChildProcess | undefined
  const open = (): void => {
    clearTimeout(timer)
    if (isStopping) return
    view = spawn('bin/heddle', ['top'], { cwd: root, env, stdio: ['ignore', 'inherit', 'inherit'] })
    view.once('exit', () => {
      view = undefined
      if (!isStopping) console.log('Enter opens the live view again.')
    })
  }
  const timer = setTimeout(open, 10_000)
  console.log('The live view opens in ten seconds, or with Enter; q closes it.')
  process.stdin.setRawMode(true).on('data', (bytes: Buffer) => {
    const key = bytes.toString()
    if (key === '\u0003') process.kill(process.pid, 'SIGINT')
    else if (view !== undefined && key === 'q') view.kill('SIGTERM')
    else if (view === undefined && key === '\r') open()
  })
  void ended.then(() => {
    clearTimeout(timer)
    view?.kill('SIGTERM')
    process.stdin.setRawMode(false).pause()
  })
}
