/**
 * `npm run ok`: all that a change must pass, in under a minute. Two checks run
 * at a time; each reports in one line, and a failing one with all it printed.
 */
import { availableParallelism } from 'node:os'
import { keepCompiledCode } from './compile-cache.ts'
import { run } from './run.ts'
import type { RunResult } from './run.ts'

const node = process.execPath
/** What the types of each file came to, so that the next run looks at what has changed alone. */
const checkedTypes = 'node_modules/.cache/types.tsbuildinfo'
const oneFile = 'npm test -- PART-OF-A-PATH runs one file'

/** The slow ones first, so that the short ones fill the gaps. */
const checks: readonly (readonly [name: string, command: readonly string[], remedy: string])[] = [
  ['unit tests', [node, 'scripts/test.ts', '--unit', '--together'], oneFile],
  ['unit tests with a process for each file', [node, 'scripts/test.ts', '--unit', '--apart'], oneFile],
  ['lint', [node, 'node_modules/oxlint/bin/oxlint', '--type-aware', '--deny-warnings'], ''],
  [
    'types',
    [node, 'node_modules/typescript/bin/tsc', '-p', '.', '--incremental', '--tsBuildInfoFile', checkedTypes],
    '',
  ],
  [
    'format',
    [node, 'node_modules/oxfmt/bin/oxfmt', '--check', 'src', 'test', 'scripts', 'examples', 'bench'],
    'npm run format',
  ],
  ['generated files', [node, 'scripts/generate.ts', '--check'], 'node scripts/generate.ts'],
  ['documents', [node, 'scripts/check-docs.ts'], ''],
  ['lock file', [node, 'scripts/check-lock.ts'], ''],
]

function report(name: string, remedy: string, result: RunResult): void {
  const time = `${result.seconds.toFixed(1)} s`
  if (result.code === 0) {
    console.log(`  ok    ${name} (${time})`)
    return
  }
  console.log(`  FAIL  ${name} (${time})${remedy === '' ? '' : `: ${remedy}`}`)
  console.log(result.output.trimEnd().replace(/^/gm, '        '))
}

keepCompiledCode()
const startMs = performance.now()
const waiting = [...checks]
const failed: string[] = []
const worker = async (): Promise<void> => {
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const [name, command, remedy] = next
    const result = await run(command)
    if (result.code !== 0) failed.push(name)
    report(name, remedy, result)
  }
}
await Promise.all(Array.from({ length: Math.max(2, availableParallelism()) }, worker))

const seconds = ((performance.now() - startMs) / 1000).toFixed(1)
console.log(failed.length === 0 ? `all well in ${seconds} s` : `not well after ${seconds} s: ${failed.join(', ')}`)
if (failed.length > 0) process.exitCode = 1
