import { spawn } from 'node:child_process'
import type { IncomingMessage } from 'node:http'
import { createServer } from 'node:net'
import { constants } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { MeshError, messageOf, systemClock } from '../core/index.ts'
import type { Clock, Timer } from '../core/index.ts'
import { commandInCgroup } from '../daemon/index.ts'
import type { RunAnswer, RunRequest } from '../daemon/index.ts'
import { usage } from './call.ts'
import type { AgentClient } from './agent-client.ts'
import { agentOf } from './context.ts'
import { withoutControls } from './paint.ts'
import { flagValue, socketFlag } from './verb.ts'
import type { Call, Verb } from './verb.ts'

export const run: Verb = {
  name: 'run',
  summary: 'run a program as a workload of the running agent',
  usage: '--service NAME -- PROGRAM [ARGUMENT …]',
  flags: [
    { name: 'service', short: 's', value: 'NAME', about: 'The Service that the program is an instance of.' },
    { name: 'port', short: 'p', value: 'PORT', about: 'Where the program listens; a free one in PORT when left out.' },
    { name: 'namespace', short: 'n', value: 'NAME', about: 'Namespace of the Service; default when left out.' },
    { name: 'name', value: 'NAME', about: 'Name of the workload; made from the service when left out.' },
    { name: 'version', value: 'VERSION', about: 'Short for --label version=VERSION.' },
    { name: 'label', short: 'l', value: 'NAME=VALUE', isRepeated: true, about: 'A label that Services may select.' },
    { name: 'health-path', value: 'PATH', about: 'Ask this path whether the program is healthy.' },
    socketFlag,
  ],
  examples: [
    'heddle run --service reviews --port 9080 -- node reviews.js',
    'heddle run -s reviews --version v2 -- ./reviews --verbose',
  ],
  exits: [
    'otherwise that of the program, or 128 and the number of the signal that ended it',
    '127 when there is no such program',
  ],
  async run(call, io) {
    const request = await runRequestOf(call)
    const [program = '', ...args] = call.rest ?? []
    const registration = new Registration(agentOf(call, io), request, {
      clock: systemClock,
      say: text => io.err(`heddle: ${text}\n`),
    })
    const answer = await registration.open()
    try {
      for (const problem of answer.problems) io.err(`heddle: ${withoutControls(problem)}\n`)
      if (answer.problems.length === 0 && answer.services.length === 0) {
        const wanted =
          request.service === undefined
            ? 'no Service selects these labels'
            : `there is no Service ${request.namespace}/${request.service}`
        io.err(`heddle: ${wanted} yet, so nothing is sent to the program until there is one\n`)
      }
      const env = { ...io.env, ...answer.env, PORT: String(request.port) }
      const [command, ...rest] =
        answer.cgroup === undefined ? [program, ...args] : commandInCgroup(answer.cgroup, [program, ...args])
      return await runProgram(command, rest, env, () => registration.close())
    } finally {
      registration.close()
    }
  },
}

/** @throws MeshError MESH_USAGE */
export async function runRequestOf(call: Call): Promise<RunRequest> {
  if (call.rest === undefined || call.rest.length === 0) {
    const [first] = call.positionals
    const program = first === undefined ? 'PROGRAM' : call.positionals.join(' ')
    throw usage(run, `put the program behind two dashes: heddle run --service NAME -- ${program}`)
  }
  if (call.positionals.length > 0)
    throw usage(run, `what is ${JSON.stringify(call.positionals[0])}? The program comes behind --`)
  const service = flagValue(call, 'service')
  const labels = labelsOf(call)
  if (service === undefined && Object.keys(labels).length === 0) {
    throw usage(run, 'run needs --service, or labels that a Service selects')
  }
  const given = flagValue(call, 'port')
  const port = given === undefined ? await freePort() : Number(given)
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw usage(run, '--port must be a number from 1 to 65535')
  const base =
    service ??
    path
      .basename(call.rest[0] ?? '')
      .toLowerCase()
      .replaceAll(/[^a-z0-9-]/g, '-')
  return {
    namespace: flagValue(call, 'namespace') ?? 'default',
    name: flagValue(call, 'name') ?? `${base.slice(0, 50)}-${process.pid}`,
    service,
    address: '127.0.0.1',
    port,
    labels,
    healthPath: flagValue(call, 'health-path'),
    // The program will be a child of this process.
    pid: process.pid,
  }
}

export function labelsOf(call: Call): Record<string, string> {
  const labels: Record<string, string> = {}
  for (const label of call.flags.get('label') ?? []) {
    const equals = label.indexOf('=')
    if (equals < 1) throw usage(run, `--label is NAME=VALUE, not ${JSON.stringify(label)}`)
    labels[label.slice(0, equals)] = label.slice(equals + 1)
  }
  const version = flagValue(call, 'version')
  if (version !== undefined) labels['version'] = version
  return labels
}

interface RegistrationOptions {
  readonly clock: Clock
  readonly say: (text: string) => void
}

const firstRetryMs = 100
const maxRetryMs = 2_000

/**
 * Keeps a workload registered: as long as this holds its connection, the agent
 * has the workload. An agent that goes away is asked again until it is back.
 */
export class Registration {
  readonly #agent: AgentClient
  readonly #request: RunRequest
  readonly #options: RegistrationOptions
  #response: IncomingMessage | undefined
  #timer: Timer | undefined
  #retryMs = firstRetryMs
  #isClosed = false

  constructor(agent: AgentClient, request: RunRequest, options: RegistrationOptions) {
    this.#agent = agent
    this.#request = request
    this.#options = options
  }

  /** @throws MeshError MESH_AGENT_ABSENT, or what the agent refuses */
  async open(): Promise<RunAnswer> {
    const response = await this.#agent.open('POST', '/workloads', this.#request)
    this.#response = response
    const lines = createInterface({ input: response, crlfDelay: Infinity })
    const { promise, resolve, reject } = Promise.withResolvers<RunAnswer>()
    lines.once('line', line => resolve(JSON.parse(line) as RunAnswer))
    response.once('close', () => {
      reject(
        new MeshError('MESH_AGENT_ANSWER', 'the agent went away while it took the workload', { source: 'internal' }),
      )
      if (this.#response === response) this.#lost()
    })
    // A connection that is reset ends here, too; `close` follows.
    response.on('error', () => {})
    lines.on('error', () => {})
    const answer = await promise
    if (this.#isClosed) response.destroy()
    this.#retryMs = firstRetryMs
    return answer
  }

  /** Deregisters. */
  close(): void {
    this.#isClosed = true
    this.#timer?.[Symbol.dispose]()
    this.#response?.destroy()
    this.#response = undefined
  }

  #lost(): void {
    this.#response = undefined
    if (this.#isClosed) return
    this.#options.say('the agent went away; the program goes on and is registered again when there is one')
    this.#retry()
  }

  #retry(): void {
    this.#timer = this.#options.clock.after(this.#retryMs, () => {
      this.#retryMs = Math.min(maxRetryMs, this.#retryMs * 2)
      this.open().then(
        () => this.#options.say('registered again'),
        () => {
          if (!this.#isClosed && this.#response === undefined) this.#retry()
        },
      )
    })
  }
}

/** @returns the exit code that a shell would give */
async function runProgram(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  onStop: () => void,
): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const child = spawn(program, args, { stdio: 'inherit', env })
  const forward = (signal: NodeJS.Signals): void => {
    // Out of the mesh first, so that nothing is sent to a program that ends.
    onStop()
    // A terminal sends Ctrl-C to the program by itself; twice might mean "at once" to it.
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal)
  }
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const
  for (const signal of signals) process.on(signal, forward)
  child.once('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') resolve(notFoundExit)
    else reject(new MeshError('MESH_RUN_PROGRAM', messageOf(error), { source: 'config', cause: error }))
  })
  child.once('exit', (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])))
  try {
    const code = await promise
    if (code === notFoundExit && child.pid === undefined)
      process.stderr.write(`heddle: there is no program ${program}\n`)
    return code
  } finally {
    for (const signal of signals) process.off(signal, forward)
  }
}

const notFoundExit = 127

function freePort(): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const server = createServer()
  server.once('error', reject)
  server.listen(0, '127.0.0.1', () => {
    const address = server.address()
    server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
  })
  return promise
}
