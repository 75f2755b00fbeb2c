import { createHash } from 'node:crypto'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import type { Clock, Logger, Timer } from '../../core/index.ts'
import type { Workload, WorkloadProcess } from '../../model/index.ts'
import type { KeptProgram } from './kept-program.ts'
import type { KeptPrograms } from './kept-programs.ts'
import { LineSplitter } from './line-splitter.ts'
import type { ProcessGuard } from './process-guard.ts'
import { outputStreams } from './program-record.ts'
import type { OutputStream } from './program-record.ts'

export interface SupervisorOptions {
  readonly clock: Clock
  readonly logger: Logger
  /** What the programs inherit; their Workload's own variables come last. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** Called with each line that a program writes. */
  readonly onOutput: (workload: string, stream: 'stdout' | 'stderr', line: string) => void
  /** Called when `stateOf` of a Workload may have changed. */
  readonly onChange: () => void
  readonly onRestart: (workload: string) => void
  /** Resolves when no new request goes to the programs that have just left the configuration. @default at once */
  readonly released?: () => Promise<void>
  /** What to run for a workload's command. @default the command */
  readonly enter?: (workload: string, command: readonly string[]) => readonly string[]
  /** Processes in the place of a workload's program, when it has none. @default none is known */
  readonly strays?: (workload: string) => readonly number[]
  /** Between SIGTERM and SIGKILL. @default 10_000 */
  readonly stopMs?: number
}

export type ProcessState =
  | { readonly kind: 'running'; readonly pid: number; readonly sinceMs: number; readonly restarts: number }
  | { readonly kind: 'waiting'; readonly lastExit: string; readonly restarts: number }
  | { readonly kind: 'stopping'; readonly pid: number; readonly restarts: number }

/** A program that has not been started yet can't be asked how it is: its predecessor may still hold its port. */
export type ProgramState = 'not started' | 'running' | 'ended'

/** A Workload with a program. */
export type ProgramWorkload = Workload & { readonly process: WorkloadProcess }

export interface ProgramOptions extends SupervisorOptions {
  readonly guard: ProcessGuard
  /** Where programs are held beyond the agent; undefined where they end with it. */
  readonly kept: KeptPrograms | undefined
}

/** A process: a child, or one that an earlier agent has started. */
type Run = { readonly pid?: number | undefined } & Partial<Pick<ChildProcess, 'unref'>>

const maxBackoffMs = 60_000
/** A program that ran this long starts anew with the shortest pause. */
const settledMs = 60_000

/** The program of one Workload: runs, ends and is started again. */
export class Program {
  /** Of its Workload. */
  readonly key: string
  readonly fingerprint: string
  readonly #workload: ProgramWorkload | undefined
  readonly #serviceEnv: Readonly<Record<string, string>>
  readonly #options: ProgramOptions
  /** Of the process that runs. */
  #run: Run | undefined
  #held: KeptProgram | undefined
  #startedMs = -1
  #startedWallMs = 0
  #restarts = 0
  #backoffMs: number
  #lastExit = 'not started yet'
  #timer: Timer | undefined
  #onGone: (() => void) | undefined
  #isStopping = false
  #isAdopted = false

  /** @param workload  undefined for one whose Workload is gone, and which is not started again */
  constructor(
    key: string,
    workload: ProgramWorkload | undefined,
    serviceEnv: Readonly<Record<string, string>>,
    options: ProgramOptions,
  ) {
    this.key = key
    this.#workload = workload
    this.#serviceEnv = serviceEnv
    this.#options = options
    this.#backoffMs = workload?.process.restartBackoffMs ?? 0
    this.fingerprint = workload === undefined ? '' : fingerprintOf(workload)
  }

  get state(): ProcessState {
    const pid = this.#run?.pid
    const restarts = this.#restarts
    if (pid === undefined) return { kind: 'waiting', lastExit: this.#lastExit, restarts }
    return this.#isStopping
      ? { kind: 'stopping', pid, restarts }
      : { kind: 'running', pid, sinceMs: this.#startedWallMs, restarts }
  }

  get pid(): number | undefined {
    return this.#run?.pid
  }

  /** Whether an earlier agent has started the process that runs. */
  get isAdopted(): boolean {
    return this.#isAdopted && this.#run !== undefined
  }

  get programState(): ProgramState {
    if (this.#run !== undefined) return 'running'
    return this.#startedMs < 0 ? 'not started' : 'ended'
  }

  start(): void {
    if (this.#workload === undefined) return
    const { process: spec, key, port } = this.#workload
    const { clock, logger, onChange, kept } = this.#options
    const [command = '', ...args] = this.#options.enter?.(key, spec.command) ?? spec.command
    const pipes = kept?.openPipes()
    const child = spawn(command, args, {
      cwd: spec.workingDirectory,
      env: { ...inherited(this.#options.env), ...this.#serviceEnv, PORT: String(port), ...spec.env },
      // A group of its own, so that all of it can be ended together.
      detached: true,
      stdio: ['ignore', pipes?.stdout.writeEnd ?? 'pipe', pipes?.stderr.writeEnd ?? 'pipe'],
    })
    const { pid } = child
    this.#isAdopted = false
    this.#startedMs = clock.nowMs()
    this.#startedWallMs = clock.wallMs()
    this.#run = child
    if (pipes !== undefined) {
      const record = {
        workload: key,
        fingerprint: this.fingerprint,
        sinceMs: this.#startedWallMs,
        restarts: this.#restarts,
      }
      this.#held = kept?.started(pipes, pid === undefined ? undefined : { ...record, pid })
    }
    if (this.#held === undefined) this.#guard(child)
    else this.#held.read(this.#onLine)
    child.once('error', (error: NodeJS.ErrnoException) => {
      if (pid === undefined) this.#ended(child, spawnFailure(error, command, spec.workingDirectory))
    })
    child.once('exit', (code, signal) => this.#ended(child, signal ?? `exit code ${code}`))
    if (pid !== undefined) logger.debug('workload started', { workload: key, pid })
    onChange()
  }

  /** Takes a process that an agent before this one has started. */
  adopt(held: KeptProgram): void {
    const { clock, logger, onChange } = this.#options
    const { pid, sinceMs, restarts } = held.record
    const run: Run = { pid }
    this.#isAdopted = true
    this.#run = run
    this.#held = held
    this.#startedWallMs = sinceMs
    this.#startedMs = clock.nowMs() - Math.max(0, clock.wallMs() - sinceMs)
    this.#restarts = restarts
    held.read(this.#onLine)
    held.watch(() => this.#ended(run, 'ended; only the agent that started it could have told how'))
    logger.info('workload goes on under this agent', { workload: this.key, pid })
    onChange()
  }

  readonly #onLine = (stream: OutputStream, line: string): void => this.#options.onOutput(this.key, stream, line)

  #guard(child: ChildProcess): void {
    if (child.pid !== undefined) this.#options.guard.add(child.pid)
    for (const stream of outputStreams) {
      const lines = new LineSplitter(line => this.#onLine(stream, line))
      child[stream]?.on('data', (bytes: Buffer) => lines.write(bytes))
      child[stream]?.on('end', () => lines.end())
    }
  }

  /** Resolves when the process group is gone. */
  stop(): Promise<void> {
    this.#isStopping = true
    this.#timer?.[Symbol.dispose]()
    const pid = this.#run?.pid
    if (pid === undefined) return Promise.resolve()
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#onGone = resolve
    signalGroup(pid, 'SIGTERM')
    this.#timer = this.#options.clock.after(this.#options.stopMs ?? 10_000, () => {
      this.#options.logger.warn('workload did not stop in time and is killed', { workload: this.key, pid })
      signalGroup(pid, 'SIGKILL')
    })
    return promise
  }

  kill(): void {
    this.#isStopping = true
    this.#timer?.[Symbol.dispose]()
    if (this.#run?.pid !== undefined) signalGroup(this.#run.pid, 'SIGKILL')
  }

  /** Leaves the process to the next agent. @returns false when it ends with this one */
  release(): boolean {
    const held = this.#held
    if (held === undefined || this.#isStopping) return false
    this.#isStopping = true
    this.#timer?.[Symbol.dispose]()
    // Node waits for its children.
    this.#run?.unref?.()
    this.#held = undefined
    this.#run = undefined
    held.release()
    return true
  }

  #ended(run: Run, how: string): void {
    if (this.#run !== run) return
    this.#run = undefined
    this.#lastExit = how
    if (run.pid !== undefined) {
      signalGroup(run.pid, 'SIGKILL')
      this.#options.guard.drop(run.pid)
    }
    this.#held?.end()
    this.#held = undefined
    if (this.#isStopping || this.#workload === undefined) {
      this.#timer?.[Symbol.dispose]()
      this.#onGone?.()
      return
    }
    const { clock, logger, onChange, onRestart } = this.#options
    const { key, process: spec } = this.#workload
    if (clock.nowMs() - this.#startedMs >= settledMs) this.#backoffMs = spec.restartBackoffMs
    const pauseMs = this.#backoffMs
    this.#backoffMs = Math.min(maxBackoffMs, Math.max(1, pauseMs) * 2)
    onChange()
    logger.warn('workload ended and is started again', { workload: key, how, pauseMs })
    this.#timer = clock.after(pauseMs, () => {
      this.#restarts++
      onRestart(key)
      this.start()
    })
  }
}

/** A Workload's program starts again when one of these changed. */
export function fingerprintOf({ process: spec, address, port }: Workload): string {
  return createHash('sha256')
    .update(JSON.stringify([spec, address, port]))
    .digest('hex')
    .slice(0, 16)
}

/** The agent's own settings are nobody else's: a program may well be another `heddle`. */
function inherited(env: Readonly<Record<string, string | undefined>>): Record<string, string | undefined> {
  const others = Object.entries(env).filter(([name]) => !name.startsWith('HEDDLE_'))
  // As bin/heddle sets it; one that somebody else has chosen is for programs, too.
  const isOurs = ([name, value]: (typeof others)[number]): boolean =>
    name === 'NODE_COMPILE_CACHE' && value?.endsWith('/heddle/compiled') === true
  return Object.fromEntries(others.filter(entry => !isOurs(entry)))
}

function spawnFailure(error: NodeJS.ErrnoException, command: string, directory: string): string {
  if (error.code === 'ENOENT') {
    return `there is no program ${command}, or no directory ${directory}`
  }
  return error.code === 'EACCES' ? `${command} may not be run` : error.message
}

export function signalGroup(group: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-group, signal)
  } catch {
    // Nobody is left in the group.
  }
}
