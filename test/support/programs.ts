import { spawn } from 'node:child_process'

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
