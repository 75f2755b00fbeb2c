/**
 * `npm test [-- WHAT …]`: runs tests with Node's test runner.
 *
 * Without arguments everything that needs npm alone: src/, bench/ and test/, except
 * test/real (real clients and servers from Debian packages). `--all` adds
 * those, `--unit` is src/ and the house's own checks only; other arguments are
 * parts of the paths to run.
 */
import { spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { filesBelow, root } from './files.ts'

const { values, positionals } = parseArgs({
  options: { all: { type: 'boolean', default: false }, unit: { type: 'boolean', default: false } },
  allowPositionals: true,
})

/** Across rooms, yet part of `npm run ok`. */
const houseTests = ['test/rooms.test.ts']

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

const args = [
  // Sockets of our own; the tests of a process without them start one.
  '--experimental-ffi',
  '--disable-warning=ExperimentalWarning',
  '--test',
  `--test-concurrency=${availableParallelism()}`,
  '--test-timeout=60000',
  '--test-reporter=spec',
  ...wanted,
]
const runner = spawn(process.execPath, args, { cwd: root, stdio: 'inherit' })
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => runner.kill(signal))
runner.once('close', code => (process.exitCode = code ?? 1))
