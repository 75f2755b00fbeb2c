import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import type { Clock, Logger, Timer } from '../core/index.ts'
import type { ServiceAddress, Workload, WorkloadProcess } from '../model/index.ts'
import { LineSplitter } from './line-splitter.ts'
import { ProcessGuard } from './process-guard.ts'
import { serviceEnvironment } from './service-environment.ts'

export interface SupervisorOptions {
  readonly clock: Clock
  readonly logger: Logger
  /** What the programs inherit; their Workload's own variables come last. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** Called with each line that a program writes. */
  readonly onOutput: (workload: string, stream: 'stdout' | 'stderr', line: string) => void
  /** Called when a program ended by itself. */
  readonly onEnd: (workload: string) => void
  readonly onRestart: (workload: string) => void
  /** Resolves when no new request goes to the programs that have just left the configuration. @default at once */
  readonly released?: () => Promise<void>
  /** Between SIGTERM and SIGKILL. @default 10_000 */
  readonly stopMs?: number
}

export type ProcessState =
  | { readonly kind: 'running'; readonly pid: number; readonly sinceMs: number; readonly restarts: number }
  | { readonly kind: 'waiting'; readonly lastExit: string; readonly restarts: number }
  | { readonly kind: 'stopping'; readonly pid: number; readonly restarts: number }

const maxBackoffMs = 60_000
/** A program that ran this long starts anew with the shortest pause. */
const settledMs = 60_000

/**
 * Starts the programs of Workloads and keeps them running.
 *
 * A program that ends, with whatever code, is started again after its pause,
 * which doubles up to a minute and is as at first once it has run for a minute.
 * A changed Workload restarts its program, a removed one stops it: SIGTERM to
 * the whole process group, SIGKILL after ten seconds. What a program leaves
 * behind in its group when it ends is killed, so that its port is free again.
 */
export class Supervisor {
  readonly #options: SupervisorOptions
  readonly #guard: ProcessGuard
  readonly #programs = new Map<string, Program>()
  /** Programs on their way out, with their end. */
  readonly #leaving = new Map<Program, Promise<void>>()
  #isStopped = false
  /** Ends every wait for traffic: nothing is sent any more. */
  readonly #stopping = Promise.withResolvers<void>()

  constructor(options: SupervisorOptions) {
    this.#options = options
    this.#guard = new ProcessGuard(options.logger)
  }

  /** Takes the Workloads of the newest configuration; those without a process are not ours. */
  update(workloads: readonly Workload[], addresses: readonly ServiceAddress[]): void {
    if (this.#isStopped) return
    const wanted = new Map<string, Workload & { process: WorkloadProcess }>()
    for (const workload of workloads) {
      if (workload.process !== undefined) wanted.set(workload.key, { ...workload, process: workload.process })
    }
    for (const [key, program] of this.#programs) {
      const next = wanted.get(key)
      if (next !== undefined && fingerprint(next) === program.fingerprint) continue
      this.#programs.delete(key)
      this.#leave(program, next === undefined ? this.#options.released?.() : undefined)
    }
    for (const [key, workload] of wanted) {
      if (this.#programs.has(key)) continue
      const program = new Program(
        workload,
        serviceEnvironment(workload.namespace, addresses),
        this.#options,
        this.#guard,
      )
      this.#programs.set(key, program)
      // A changed program waits for its predecessor, which may hold its port.
      void Promise.all(this.#leaving.values()).then(() => {
        if (this.#programs.get(key) === program) program.start()
      })
    }
  }

  /** A file that is to go with an agent that is killed while it has programs; its socket. */
  guardFile(path: string): void {
    this.#guard.addFile(path)
  }

  /** By workload. */
  states(): ReadonlyMap<string, ProcessState> {
    return new Map([...this.#programs].map(([key, program]) => [key, program.state]))
  }

  /** Process id of the guard, once there is a program. */
  get guardPid(): number | undefined {
    return this.#guard.pid
  }

  /** Stops all programs; resolves when none is left. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#stopping.resolve()
    for (const program of this.#programs.values()) this.#leave(program, undefined)
    this.#programs.clear()
    await Promise.all(this.#leaving.values())
    this.#guard[Symbol.dispose]()
  }

  /** Kills what still runs; for the second signal. */
  kill(): void {
    this.#isStopped = true
    this.#stopping.resolve()
    for (const program of [...this.#programs.values(), ...this.#leaving.keys()]) program.kill()
    this.#guard[Symbol.dispose]()
  }

  /** @param released  resolves when no new request goes to the program; undefined to end it at once */
  #leave(program: Program, released: Promise<void> | undefined): void {
    const stopped =
      released === undefined
        ? program.stop()
        : Promise.race([released, this.#stopping.promise]).then(() => program.stop())
    this.#leaving.set(program, stopped)
    void stopped.then(() => this.#leaving.delete(program))
  }
}

class Program {
  readonly fingerprint: string
  readonly #workload: Workload & { process: WorkloadProcess }
  readonly #serviceEnv: Readonly<Record<string, string>>
  readonly #options: SupervisorOptions
  readonly #guard: ProcessGuard
  #child: ChildProcess | undefined
  #startedMs = 0
  #startedWallMs = 0
  #restarts = 0
  #backoffMs: number
  #lastExit = 'not started yet'
  #timer: Timer | undefined
  #onGone: (() => void) | undefined
  #isStopping = false

  constructor(
    workload: Workload & { process: WorkloadProcess },
    serviceEnv: Readonly<Record<string, string>>,
    options: SupervisorOptions,
    guard: ProcessGuard,
  ) {
    this.#workload = workload
    this.#serviceEnv = serviceEnv
    this.#options = options
    this.#guard = guard
    this.#backoffMs = workload.process.restartBackoffMs
    this.fingerprint = fingerprint(workload)
  }

  get state(): ProcessState {
    const pid = this.#child?.pid
    const restarts = this.#restarts
    if (pid === undefined) return { kind: 'waiting', lastExit: this.#lastExit, restarts }
    return this.#isStopping
      ? { kind: 'stopping', pid, restarts }
      : { kind: 'running', pid, sinceMs: this.#startedWallMs, restarts }
  }

  start(): void {
    const { process: spec, key, port } = this.#workload
    const { clock, logger, onOutput } = this.#options
    const [command = '', ...args] = spec.command
    const child = spawn(command, args, {
      cwd: spec.workingDirectory,
      env: { ...inherited(this.#options.env), ...this.#serviceEnv, PORT: String(port), ...spec.env },
      // A group of its own, so that all of it can be ended together.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#startedMs = clock.nowMs()
    this.#startedWallMs = clock.wallMs()
    this.#child = child
    if (child.pid !== undefined) this.#guard.add(child.pid)
    for (const stream of ['stdout', 'stderr'] as const) {
      const lines = new LineSplitter(line => onOutput(key, stream, line))
      child[stream].on('data', (bytes: Buffer) => lines.write(bytes))
      child[stream].on('end', () => lines.end())
    }
    child.once('error', (error: NodeJS.ErrnoException) => {
      if (child.pid === undefined) this.#ended(child, spawnFailure(error, command, spec.workingDirectory))
    })
    child.once('exit', (code, signal) => this.#ended(child, signal ?? `exit code ${code}`))
    if (child.pid !== undefined) logger.debug('workload started', { workload: key, pid: child.pid })
  }

  /** Resolves when the process group is gone. */
  stop(): Promise<void> {
    this.#isStopping = true
    this.#timer?.[Symbol.dispose]()
    const pid = this.#child?.pid
    if (pid === undefined) return Promise.resolve()
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#onGone = resolve
    signalGroup(pid, 'SIGTERM')
    this.#timer = this.#options.clock.after(this.#options.stopMs ?? 10_000, () => {
      this.#options.logger.warn('workload did not stop in time and is killed', { workload: this.#workload.key, pid })
      signalGroup(pid, 'SIGKILL')
    })
    return promise
  }

  kill(): void {
    this.#isStopping = true
    this.#timer?.[Symbol.dispose]()
    if (this.#child?.pid !== undefined) signalGroup(this.#child.pid, 'SIGKILL')
  }

  #ended(child: ChildProcess, how: string): void {
    if (this.#child !== child) return
    this.#child = undefined
    this.#lastExit = how
    if (child.pid !== undefined) {
      signalGroup(child.pid, 'SIGKILL')
      this.#guard.drop(child.pid)
    }
    if (this.#isStopping) {
      this.#timer?.[Symbol.dispose]()
      this.#onGone?.()
      return
    }
    const { clock, logger, onEnd, onRestart } = this.#options
    const { key, process: spec } = this.#workload
    if (clock.nowMs() - this.#startedMs >= settledMs) this.#backoffMs = spec.restartBackoffMs
    const pauseMs = this.#backoffMs
    this.#backoffMs = Math.min(maxBackoffMs, Math.max(1, pauseMs) * 2)
    onEnd(key)
    logger.warn('workload ended and is started again', { workload: key, how, pauseMs })
    this.#timer = clock.after(pauseMs, () => {
      this.#restarts++
      onRestart(key)
      this.start()
    })
  }
}

/** A Workload's program starts again when one of these changed. */
function fingerprint(workload: Workload): string {
  return JSON.stringify([workload.process, workload.address, workload.port])
}

/** The agent's own settings are nobody else's: a program may well be another `heddle`. */
function inherited(env: Readonly<Record<string, string | undefined>>): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('HEDDLE_')))
}

function spawnFailure(error: NodeJS.ErrnoException, command: string, directory: string): string {
  if (error.code === 'ENOENT') {
    return `there is no program ${command}, or no directory ${directory}`
  }
  return error.code === 'EACCES' ? `${command} may not be run` : error.message
}

function signalGroup(group: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-group, signal)
  } catch {
    // Nobody is left in the group.
  }
}
