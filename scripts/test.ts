/**
 * `npm test [-- WHAT …]`: runs tests with Node's test runner.
 *
 * Without arguments everything that needs npm alone: src/, bench/ and test/, except
 * test/real (real clients and servers from Debian packages). `--all` adds
 * those, `--unit` is src/ and the house's own checks only; other arguments are
 * parts of the paths to run. Suites of the proxy run twice, over sockets of our
 * own and over those of Node; HEDDLE_TEST_TRANSPORT=native or node picks one.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { keepCompiledCode } from './compile-cache.ts'
import { filesBelow, root } from './files.ts'

const { values, positionals } = parseArgs({
  options: { all: { type: 'boolean', default: false }, unit: { type: 'boolean', default: false } },
  allowPositionals: true,
})

/** Across rooms, yet part of `npm run ok`. */
const houseTests = ['test/rooms.test.ts']
/** Their proxies take what `HEDDLE_TEST_TRANSPORT` says, native without it. */
const proxySuites = ['test/proxy/', 'test/gateway/']

const inRooms = [...(await filesBelow('src', '.test.ts')), ...(await filesBelow('bench', '.test.ts'))]
const across = values.unit ? houseTests : await filesBelow('test', '.test.ts')
const wanted = [...inRooms, ...across].filter(path => {
  if (positionals.length > 0) return positionals.some(part => path.includes(part))
  return values.all || !path.startsWith('test/real/')
})
if (wanted.length === 0) {
  console.error(`no test file matches ${positionals.join(' ')}`)
  process.exit(1)
}

/** Their unit tests open nothing that another could meet, and share one process: starting one costs more than most tests. */
const pureRooms = ['cli', 'codec', 'core', 'model', 'names', 'observe', 'policy', 'proxy', 'sources', 'wasm']

const args = ['--test', '--test-timeout=60000', '--test-reporter=spec']
const together = ['--test-isolation=none']
const apart = [`--test-concurrency=${availableParallelism()}`]

keepCompiledCode()
let isInterrupted = false
async function runTests(how: readonly string[], paths: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  if (paths.length === 0 || isInterrupted) return
  const runner = spawn(process.execPath, [...args, ...how, ...paths], { cwd: root, stdio: 'inherit', env })
  const interrupt = (signal: NodeJS.Signals): void => {
    isInterrupted = true
    runner.kill(signal)
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, interrupt)
  const [code] = (await once(runner, 'close')) as [number | null]
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, interrupt)
  if (code !== 0) process.exitCode = code ?? 1
}

const isPure = (path: string): boolean => pureRooms.some(room => path.startsWith(`src/${room}/`))
await runTests(together, wanted.filter(isPure), process.env)
await runTests(
  apart,
  wanted.filter(path => !isPure(path)),
  process.env,
)
if (process.env['HEDDLE_TEST_TRANSPORT'] === undefined) {
  const again = wanted.filter(path => proxySuites.some(suite => path.startsWith(suite)))
  if (again.length > 0) console.log('\nThe suites of the proxy once more, over sockets of Node:')
  await runTests(apart, again, { ...process.env, HEDDLE_TEST_TRANSPORT: 'node' })
}
