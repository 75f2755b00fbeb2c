/** Builds and packs the npm package, installs it in an empty folder and runs it there. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root } from './files.ts'
import { run } from './run.ts'

const folder = await mkdtemp(join(tmpdir(), 'heddle-package-'))
try {
  await succeed(['npm', 'run', 'build'])
  await succeed(['npm', 'pack', '--pack-destination', folder])
  const [archive = ''] = (await readdir(folder)).filter(name => name.endsWith('.tgz'))
  await writeFile(join(folder, 'package.json'), '{ "private": true }')
  await succeed(['npm', 'install', '--prefix', folder, '--no-audit', '--no-fund', join(folder, archive)])
  const heddle = join(folder, 'node_modules/.bin/heddle')
  assert.match(await succeed([heddle, '--help']), /heddle up/)
  await cp(join(root, 'examples/hello'), join(folder, 'hello'), { recursive: true })
  await succeed([heddle, 'check', '-f', join(folder, 'hello')])
  await importLibraries()
  await serveHello(heddle)
  console.log(`${archive} installs and serves`)
} finally {
  await rm(folder, { recursive: true, force: true })
}

async function succeed(command: readonly string[]): Promise<string> {
  const { code, output } = await run(command)
  assert.equal(code, 0, `${command.join(' ')}\n${output}`)
  return output
}

/** The libraries for programs of others: they run, and have types. */
async function importLibraries(): Promise<void> {
  const script = join(folder, 'probe.mts')
  const text = `import { Bpf, findType } from 'heddle/ebpf'
import { HeaderMap } from 'heddle/proxy-wasm'
const value: string | undefined = HeaderMap.of([['a', 'b']]).get('a')
const none: number = findType({ types: [], offsets: [], text: () => '' }, 'struct', 'x')
console.log(typeof Bpf, none, value)
`
  await writeFile(script, text)
  assert.match(await succeed([process.execPath, script]), /^function 0 b$/m)
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  const options = ['--ignoreConfig', '--noEmit', '--strict', '--module', 'nodenext', '--types', 'node']
  await succeed([process.execPath, tsc, ...options, '--typeRoots', join(root, 'node_modules/@types'), script])
}

async function serveHello(heddle: string): Promise<void> {
  const socketPath = join(folder, 'agent.sock')
  const options = ['--admin-address', '127.0.0.1:0', '--socket-path', socketPath]
  const agent = spawn(heddle, ['up', '-f', join(folder, 'hello'), ...options], { stdio: 'inherit' })
  const ended = once(agent, 'exit')
  try {
    const endMs = performance.now() + 20_000
    for (;;) {
      const answer = await fetch('http://127.0.0.1:8080/').catch(() => undefined)
      if (answer?.status === 200 && (await answer.text()).startsWith('Hello!')) return
      assert.ok(performance.now() < endMs, 'hello answers within 20 s')
      assert.equal(agent.exitCode, null, 'the agent runs')
      await new Promise(resolve => setTimeout(resolve, 50))
    }
  } finally {
    agent.kill('SIGTERM')
    await ended
    // As root it has left programs and connections to the next agent.
    await succeed([heddle, 'cleanup', '--socket-path', socketPath])
  }
}
