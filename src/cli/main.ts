/**
 * The command line: one file per verb, each a value that says what it takes and
 * does it. It draws tables and talks to the agent over its Unix socket; only
 * `up` runs the agent itself. Read `verb.ts` first.
 */
import { MeshError, messageOf } from '../core/index.ts'
import { parseCall } from './call.ts'
import { check } from './check.ts'
import { cleanup } from './cleanup.ts'
import { completionVerb } from './completion.ts'
import { doctor } from './doctor.ts'
import { explain } from './explain.ts'
import { join } from './join.ts'
import { kernelHttp } from './kernel-http.ts'
import { leave } from './leave.ts'
import { findVerb, helpVerb, renderHelp, renderOverview } from './help.ts'
import { flows } from './flows.ts'
import { logs } from './logs.ts'
import { choosePaint } from './paint.ts'
import { plugins } from './plugins.ts'
import { policy } from './policy.ts'
import { routes } from './routes.ts'
import { run } from './run.ts'
import { status } from './status.ts'
import { top } from './top.ts'
import { up } from './up.ts'
import type { CliIo, Verb } from './verb.ts'
import { version } from './version.ts'

export const exitCodes = { ok: 0, failure: 1, usage: 2 } as const

/** In the order of the help. */
export const verbs: readonly Verb[] = [
  up,
  run,
  join,
  leave,
  check,
  status,
  routes,
  explain,
  policy,
  plugins,
  top,
  logs,
  flows,
  kernelHttp,
  doctor,
  cleanup,
  completionVerb(() => verbs),
  helpVerb(() => verbs),
  version,
]

/** Runs one command; never throws, and never shows a stack. */
export async function main(words: readonly string[], io: CliIo): Promise<number> {
  const [first, ...rest] = words
  const paint = choosePaint(undefined, io)
  try {
    if (first === undefined) {
      io.err(`${renderOverview(verbs, paint)}\n`)
      return exitCodes.usage
    }
    if (first === '--help' || first === '-h') {
      io.out(`${renderOverview(verbs, paint)}\n`)
      return exitCodes.ok
    }
    const verb = first === '--version' || first === '-v' ? version : findVerb(verbs, first)
    const call = parseCall(verb, rest)
    if (call.flags.has('help')) {
      io.out(`${renderHelp(verb, paint)}\n`)
      return exitCodes.ok
    }
    return await verb.run(call, io)
  } catch (error) {
    const hint = error instanceof MeshError && error.hint !== undefined ? `  ${error.hint}\n` : ''
    io.err(`heddle: ${messageOf(error)}\n${hint}`)
    return error instanceof MeshError && error.code === 'MESH_USAGE' ? exitCodes.usage : exitCodes.failure
  }
}

if (import.meta.main) {
  // A reader that has seen enough (`heddle routes | head`) is no error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))
  process.exitCode = await main(process.argv.slice(2), {
    env: process.env,
    isTerminal: process.stdout.isTTY,
    columns: process.stdout.isTTY ? process.stdout.columns : undefined,
    out: text => void process.stdout.write(text),
    err: text => void process.stderr.write(text),
  })
}
