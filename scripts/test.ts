/**
 * `npm test [-- WHAT …]`: runs tests with Node's test runner.
 *
 * Without arguments everything that needs npm alone: src/, bench/ and test/, except
 * test/real (real clients and servers from Debian packages). `--all` adds
 * those, `--unit` is src/ and the house's own checks only, `--beyond-unit` all
 * but these; `--together` is only those files that share a process, `--apart` only
 * those that have one each; other arguments are parts of the paths to run. Suites of the proxy run twice, over sockets of our
 * own and over those of Node; HEDDLE_TEST_TRANSPORT=native or node picks one.
 *
 * Files run beside each other, and many of them fill the machine. A file that
 * fails is asked once more with nothing beside it: what fails then is broken,
 * what passes is named at the end, for a test that depends on its neighbours is
 * a defect as well.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import { keepCompiledCode } from './compile-cache.ts'
import { filesBelow, root } from './files.ts'

const { values, positionals } = parseArgs({
  options: {
    all: { type: 'boolean', default: false },
    unit: { type: 'boolean', default: false },
    'beyond-unit': { type: 'boolean', default: false },
    together: { type: 'boolean', default: false },
    apart: { type: 'boolean', default: false },
  },
  allowPositionals: true,
})

/** Across rooms, yet part of `npm run ok`. */
const houseTests = ['test/rooms.test.ts']
/** Their proxies take what `HEDDLE_TEST_TRANSPORT` says, native without it. */
const proxySuites = ['test/proxy/', 'test/gateway/']

const inRooms = [...(await filesBelow('src', '.test.ts')), ...(await filesBelow('bench', '.test.ts'))]
const across = values.unit ? houseTests : await filesBelow('test', '.test.ts')
const unit = new Set([...inRooms, ...houseTests])
/** Their unit tests leave nothing that another could meet, and share one process: starting one costs more than most tests. */
const sharingRooms = [
  'cli',
  'codec',
  'core',
  'daemon',
  'datapath',
  'kernel-http',
  'model',
  'names',
  'observe',
  'policy',
  'proxy',
  'sources',
  'wasm',
]
const sharesProcess = (path: string): boolean => sharingRooms.some(room => path.startsWith(`src/${room}/`))

const wanted = [...inRooms, ...across].filter(path => {
  if (sharesProcess(path) ? values.apart : values.together) return false
  if (values['beyond-unit'] && unit.has(path)) return false
  if (positionals.length > 0) return positionals.some(part => path.includes(part))
  return values.all || !path.startsWith('test/real/')
})
if (wanted.length === 0) {
  console.error(`no test file matches ${positionals.join(' ')}`)
  process.exit(1)
}

const args = ['--test', '--test-timeout=60000']
const together = ['--test-isolation=none']
const apart = [`--test-concurrency=${availableParallelism()}`]
const alone = ['--test-concurrency=1']

keepCompiledCode()
const unstable = new Set<string>()
const notes = mkdtempSync(join(tmpdir(), 'heddle-test-run-'))
process.on('exit', () => rmSync(notes, { recursive: true }))
let isInterrupted = false

interface Run {
  readonly paths: readonly string[]
  readonly env: NodeJS.ProcessEnv
}

/** @returns the files that failed; none where the runner failed without naming one, with the exit code set */
async function runOnce(how: readonly string[], { paths, env }: Run): Promise<readonly string[]> {
  const failed = join(notes, 'failed')
  const reporters = [
    '--test-reporter=spec',
    '--test-reporter-destination=stdout',
    `--test-reporter=${join(root, 'scripts/failed-files.ts')}`,
    `--test-reporter-destination=${failed}`,
  ]
  const runner = spawn(process.execPath, [...args, ...reporters, ...how, ...paths], {
    cwd: root,
    stdio: 'inherit',
    env,
  })
  const interrupt = (signal: NodeJS.Signals): void => {
    isInterrupted = true
    runner.kill(signal)
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, interrupt)
  const [code] = (await once(runner, 'close')) as [number | null]
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, interrupt)
  if (code === 0) return []
  const files = readFileSync(failed, 'utf8').split('\n')
  const known = paths.filter(path => files.some(file => relative(root, file) === path || file === path))
  if (known.length === 0 || isInterrupted) process.exitCode = code ?? 1
  return known
}

async function runTests(how: readonly string[], run: Run): Promise<void> {
  if (run.paths.length === 0 || isInterrupted) return
  const failed = await runOnce(how, run)
  if (failed.length === 0 || isInterrupted) return
  console.log(`\nOnce more, with nothing beside them: ${failed.join(', ')}`)
  const again = await runOnce(alone, { ...run, paths: failed })
  if (again.length > 0) process.exitCode = 1
  if (isInterrupted) return
  for (const path of failed) if (!again.includes(path)) unstable.add(path)
}

await runTests(together, { paths: wanted.filter(sharesProcess), env: process.env })
await runTests(apart, { paths: wanted.filter(path => !sharesProcess(path)), env: process.env })
if (process.env['HEDDLE_TEST_TRANSPORT'] === undefined) {
  const again = wanted.filter(path => proxySuites.some(suite => path.startsWith(suite)))
  if (again.length > 0) console.log('\nThe suites of the proxy once more, over sockets of Node:')
  await runTests(apart, { paths: again, env: { ...process.env, HEDDLE_TEST_TRANSPORT: 'node' } })
}
for (const path of unstable) console.log(`\nunstable: ${path} failed, and passed with nothing beside it; see above why`)
