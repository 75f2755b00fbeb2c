import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { commandInCgroup } from '../../src/datapath/index.ts'

const script = `
import json, os, socket, struct, sys
known = dict(globals())
for line in sys.stdin:
  try:
    code = json.loads(line)
    try: answer = str(eval(code, known))
    except SyntaxError:
      exec(code, known)
      answer = ""
    print(json.dumps(answer), flush=True)
  except OSError as error: print(json.dumps(type(error).__name__), flush=True)
  except Exception as error: print(json.dumps(f"{type(error).__name__}: {error}"), flush=True)
`

/** A program that does what it is told, one line of Python after the other, until `end`. */
export class Python {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #lines: AsyncIterator<string>

  /**
   * @param options.cgroup  folder that it is in from its first instruction on. @default that of the test
   * @param options.before  words before the command: `unshare --net`
   */
  constructor({ cgroup, before = [] }: { readonly cgroup?: string; readonly before?: readonly string[] } = {}) {
    const command = [...before, 'python3', '-c', script] as const
    const [program = '', ...args] = cgroup === undefined ? command : commandInCgroup(cgroup, command)
    this.#child = spawn(program, args, { stdio: 'pipe' })
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]()
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** @returns the value of an expression, or the name of the exception */
  async do(code: string): Promise<string> {
    this.#child.stdin.write(`${JSON.stringify(code)}\n`)
    const { value, done } = await this.#lines.next()
    assert.ok(done !== true, `the program goes on after ${code}`)
    return JSON.parse(String(value)) as string
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = once(this.#child, 'exit')
    this.#child.stdin.end()
    await ended
  }
}
