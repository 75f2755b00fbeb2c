import { spawn } from 'node:child_process'
import { root } from './files.ts'

export interface RunResult {
  readonly code: number
  /** Standard output and error as they came. */
  readonly output: string
  readonly seconds: number
}

/** A check that hangs would hang whoever waits for it. */
const timeoutMs = 900_000

/** Runs a command in the repository and keeps what it printed. */
export async function run(command: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<RunResult> {
  const [program = '', ...args] = command
  const startMs = performance.now()
  const child = spawn(program, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'], timeout: timeoutMs })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text))
  const code = await new Promise<number>(resolve => {
    child.once('error', error => {
      output += `${program}: ${error.message}\n`
      resolve(127)
    })
    child.once('close', (exitCode, signal) => {
      if (signal !== null)
        output += `${program}: ended by ${signal} after ${Math.round(performance.now() - startMs)} ms\n`
      resolve(exitCode ?? 1)
    })
  })
  return { code, output, seconds: (performance.now() - startMs) / 1000 }
}
