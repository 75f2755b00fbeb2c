/**
 * `npm start`: the agent with the shop's configuration, what to try, and, in a
 * terminal, the live view. The shop itself is only YAML and the programs in
 * services/; `npx heddle up -f examples/shop` starts it all the same.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { whatToTry } from './try.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const adminAddress = process.env['HEDDLE_ADMIN_ADDRESS'] ?? '127.0.0.1:15000'
// The programs of the shop run as `node`: the one that came with npm, which reads TypeScript.
const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env['PATH']}` }

const agent = spawn('bin/heddle', ['up', '-f', 'examples/shop'], {
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
    // The second time the agent does not wait for requests under way.
    if (!isStopping || signal === 'SIGINT') agent.kill('SIGTERM')
    isStopping = true
  })
}

const isReady = await Promise.race([waitUntilReady(), ended.then(() => false)])
if (isReady && !isStopping) {
  console.log(whatToTry(`http://${adminAddress}/`))
  if (process.stdout.isTTY && process.stdin.isTTY) {
    await showLiveView()
    if (!isStopping) agent.kill('SIGTERM')
    isStopping = true
    console.log('Stopping the shop …')
  }
}
const { code } = await ended
if (!isStopping) {
  console.error(told)
  console.error('The agent ended by itself.')
}
process.exitCode = isStopping ? 0 : Math.max(1, code)

async function waitUntilReady(): Promise<boolean> {
  for (;;) {
    const answer = await fetch(`http://${adminAddress}/readyz`).catch(() => undefined)
    if (answer?.ok) return true
    await sleep(100)
  }
}

/** Until the user leaves it, with q or Ctrl-C. */
async function showLiveView(): Promise<void> {
  console.log('The live view opens when you press Enter (and Ctrl-C there stops the shop).')
  const isWanted = await Promise.race([
    once(process.stdin, 'data').then(() => true),
    ended.then(() => false),
    once(process, 'SIGINT').then(() => false),
  ])
  process.stdin.pause()
  if (!isWanted || isStopping) return
  const view = spawn('bin/heddle', ['top'], { cwd: root, env, stdio: 'inherit' })
  await once(view, 'exit')
}
