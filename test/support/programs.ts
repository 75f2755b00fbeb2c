import { spawn } from 'node:child_process'
import { existsSync, globSync } from 'node:fs'
import { join } from 'node:path'

export interface Outcome {
  readonly code: number | null
  readonly out: string
  readonly errors: string
}

/** Runs a program to its end. */
export async function run(program: string, args: readonly string[], input?: string): Promise<Outcome> {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] })
  let [out, errors] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text))
  // It may end before it has read what it is told.
  child.stdin.on('error', () => {})
  child.stdin.end(input ?? '')
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', code => resolve({ code, out, errors }))
  })
}

/** Debian's PostgreSQL has its servers, one for each version, where no PATH leads. */
const folders = [...(process.env['PATH'] ?? '').split(':'), ...globSync('/usr/lib/postgresql/*/bin')]

/** Folder of a program; undefined where it is not installed. */
export function folderOf(program: string): string | undefined {
  return folders.find(folder => existsSync(join(folder, program)))
}

/**
 * For `{ skip }`: which of the programs are not installed; false when all are.
 * @throws when HEDDLE_TEST_REQUIRE names `clients` and one is not
 */
export function programsSkip(programs: readonly string[]): string | false {
  const missing = programs.filter(program => folderOf(program) === undefined)
  if (missing.length === 0) return false
  const reason = `needs ${missing.join(', ')}: sh scripts/install-test-packages.sh installs them`
  if ((process.env['HEDDLE_TEST_REQUIRE'] ?? '').includes('clients')) throw new Error(reason)
  return reason
}
