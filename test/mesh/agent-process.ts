import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import type { Agent as HttpAgent } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { TestContext } from 'node:test'
import type { StatusDocument } from '../../src/daemon/index.ts'
import { commandInCgroup } from '../../src/datapath/index.ts'
import { until } from '../support/until.ts'
import { freePort } from '../support/ports.ts'

const heddle = new URL('../../bin/heddle', import.meta.url).pathname

/** A directory of resources and whatever processes of Heddle run on it; all gone at the end of the test. */
export class TestMesh {
  readonly directory: string
  readonly gatewayPort: number
  readonly socketPath: string
  readonly #network: string
  /** Where processes of Heddle are started, when whoever starts them is in a cgroup of the mesh. */
  cgroup: string | undefined
  readonly #t: Pick<TestContext, 'after'>
  #output = ''

  private constructor(t: Pick<TestContext, 'after'>, directory: string, gatewayPort: number, ownPort: number) {
    this.#t = t
    this.directory = directory
    this.gatewayPort = gatewayPort
    this.socketPath = path.join(directory, 'run', 'agent.sock')
    // Agents of other tests have other virtual addresses: each listens on its own.
    this.#network = `127.${100 + (ownPort % 100)}.${Math.floor(ownPort / 256)}.0/24`
  }

  /** @param gatewayPort  for a Gateway that another agent has, too; a free one when left out */
  static async create(t: Pick<TestContext, 'after'>, gatewayPort?: number): Promise<TestMesh> {
    const directory = mkdtempSync(path.join(tmpdir(), 'heddle-mesh-'))
    t.after(() => rmSync(directory, { recursive: true, force: true }))
    mkdirSync(path.join(directory, 'mesh'))
    const ownPort = await freePort()
    return new TestMesh(t, directory, gatewayPort ?? ownPort, ownPort)
  }

  /** Replaces a file of the configuration in one step, as editors do. */
  write(name: string, text: string): void {
    const target = path.join(this.directory, 'mesh', name)
    writeFileSync(`${target}~`, text)
    renameSync(`${target}~`, target)
  }

  /** Starts `heddle up`; resolves when it is ready, and has said where it listens and what is wrong. */
  async up(options: { flags?: readonly string[]; env?: Readonly<Record<string, string>> } = {}): Promise<ChildProcess> {
    const flags = ['--admin-address', '127.0.0.1:0', '--workers', '2', '--service-cidr', this.#network]
    const child = this.heddle(
      ['up', '-f', path.join(this.directory, 'mesh'), ...flags, ...(options.flags ?? [])],
      options.env,
    )
    let said = ''
    child.stderr?.on('data', (text: string) => (said += text))
    await Promise.race([
      this.until(async () => (await this.isReady()) && /^\d+ service ports, /m.test(said)),
      once(child, 'exit').then(() => Promise.reject(new Error(`the agent ended:\n${this.#output}`))),
    ])
    return child
  }

  /** Starts any command; its output is kept in `output`. */
  heddle(words: readonly string[], env: Readonly<Record<string, string>> = {}): ChildProcess {
    const command: readonly [string, ...string[]] = [heddle, ...words]
    const [program, ...args] = this.cgroup === undefined ? command : commandInCgroup(this.cgroup, command)
    const child = spawn(program, args, {
      // With the cache of compiled code that the tests have.
      // In user space unless a test says more: most are about what is the same in both.
      env: {
        PATH: process.env['PATH'],
        HEDDLE_TIER: 'user',
        ...compileCache(),
        ...env,
        HEDDLE_SOCKET_PATH: this.socketPath,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      // With whatever it starts in its own group, so that a test that fails leaves nothing.
      detached: true,
    })
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#output += text
      })
    }
    this.#t.after(async () => {
      const isOver = child.exitCode !== null || child.signalCode !== null
      const ended = isOver ? undefined : once(child, 'exit')
      if (child.pid !== undefined) killGroup(child.pid)
      await ended
    })
    return child
  }

  /** Runs a command to its end. */
  async run(...words: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
    const child = this.heddle(words)
    let stdout = ''
    let stderr = ''
    child.stdout?.on('data', (text: string) => (stdout += text))
    child.stderr?.on('data', (text: string) => (stderr += text))
    const [code] = (await once(child, 'close')) as [number]
    return { code, stdout, stderr }
  }

  get output(): string {
    return this.#output
  }

  /** Waits for something that the mesh comes to by itself. */
  until(condition: () => Promise<boolean>): Promise<void> {
    return until(condition, { intervalMs: 20, explain: () => `the output so far:\n${this.#output}` })
  }

  async isReady(): Promise<boolean> {
    const answer = await this.ask('/readyz').catch(() => undefined)
    return answer?.status === 200
  }

  /** Asks the agent over its socket. */
  ask(target: string): Promise<Answer> {
    return fetchText({ socketPath: this.socketPath, path: target, agent: false })
  }

  async status(): Promise<StatusDocument> {
    return JSON.parse((await this.ask('/status.json')).body) as StatusDocument
  }

  /** Sends a request through the Gateway. */
  get(
    target: string,
    agent: HttpAgent | false = false,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer> {
    return fetchText({ host: '127.0.0.1', port: this.gatewayPort, path: target, agent, headers })
  }
}

export interface Answer {
  readonly status: number
  readonly body: string
  readonly reason: string | undefined
}

export function fetchText(options: {
  readonly host?: string
  readonly port?: number
  readonly socketPath?: string
  readonly path: string
  readonly agent: HttpAgent | false
  readonly headers?: Readonly<Record<string, string>>
  readonly method?: string
  readonly body?: string
}): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>()
  const request = httpRequest(options, response => {
    let body = ''
    response.setEncoding('utf8')
    response.on('data', (text: string) => (body += text))
    response.on('end', () => {
      const reason = response.headers['x-heddle-reason']
      resolve({ status: response.statusCode ?? 0, body, reason: typeof reason === 'string' ? reason : undefined })
    })
    response.on('error', reject)
  })
  request.on('error', reject)
  request.end(options.body)
  return promise
}

function compileCache(): Readonly<Record<string, string>> {
  const folder = process.env['NODE_COMPILE_CACHE']
  return folder === undefined ? {} : { NODE_COMPILE_CACHE: folder }
}

function killGroup(group: number): void {
  try {
    process.kill(-group, 'SIGKILL')
  } catch {
    // Nobody is left in it.
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
