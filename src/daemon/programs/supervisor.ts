import type { Problem } from '../../core/index.ts'
import type { ServiceAddress, Workload } from '../../model/index.ts'
import type { KeptProgram } from './kept-program.ts'
import type { KeptPrograms } from './kept-programs.ts'
import { ProcessGuard } from './process-guard.ts'
import { fingerprintOf, Program } from './program.ts'
import type { ProcessState, ProgramOptions, ProgramState, ProgramWorkload, SupervisorOptions } from './program.ts'
import { serviceEnvironment } from './service-environment.ts'
import { endStrays } from './strays.ts'

/** Of the newest configuration. */
export interface WantedPrograms {
  readonly workloads: readonly Workload[]
  readonly serviceAddresses: readonly ServiceAddress[]
  readonly problems: readonly Problem[]
}

const defaultStopMs = 10_000
const noWorkloads: ReadonlyMap<string, ProgramWorkload> = new Map()

/**
 * Starts the programs of Workloads and keeps them running.
 *
 * A program that ends, with whatever code, is started again after its pause,
 * which doubles up to a minute and is as at first once it has run for a minute.
 * A changed Workload restarts its program, a removed one stops it, both once
 * nothing is sent there any more: SIGTERM to the whole process group, SIGKILL
 * after ten seconds. A removed one that comes back before goes on. What a program leaves
 * behind in its group when it ends is killed, so that its port is free again.
 *
 * Where a keeper holds programs (`keepWith`), they outlive an agent that is killed or hands over, and the next one
 * adopts them: those whose Workload is as it was go on, the others are ended as if their Workload had changed now.
 */
export class Supervisor {
  readonly #options: SupervisorOptions
  readonly #guard: ProcessGuard
  readonly #programs = new Map<string, Program>()
  /** Programs without a Workload that may still get requests; they are stopped after that. */
  readonly #parting = new Map<Program, Promise<void>>()
  /** Programs on their way out, with their end. */
  readonly #leaving = new Map<Program, Promise<void>>()
  #kept: KeptPrograms | undefined
  /** What an agent before this one has left, and no configuration has been seen for. */
  readonly #left = new Map<string, KeptProgram>()
  #hasStarted = false
  #isStopped = false
  /** Ends every wait for traffic: nothing is sent any more. */
  readonly #stopping = Promise.withResolvers<void>()

  constructor(options: SupervisorOptions) {
    this.#options = options
    this.#guard = new ProcessGuard(options.logger)
  }

  /** From now on programs outlive the agent, before the first `update`. @param kept  the caller's */
  keepWith(kept: KeptPrograms): void {
    this.#kept = kept
    for (const program of kept.takeLeft()) this.#left.set(program.record.workload, program)
  }

  /**
   * Takes the Workloads of the newest configuration; those without a process are not ours.
   * Where some could not be read, programs that are left by an earlier agent wait for theirs.
   */
  update({ workloads, serviceAddresses: addresses, problems }: WantedPrograms): void {
    if (this.#isStopped) return
    const wanted = new Map<string, ProgramWorkload>()
    for (const workload of workloads) {
      if (workload.process !== undefined) wanted.set(workload.key, { ...workload, process: workload.process })
    }
    this.#adopt(wanted, addresses, { isComplete: !problems.some(isOfWorkload) })
    const parting: Program[] = []
    for (const [key, program] of this.#programs) {
      const next = wanted.get(key)
      if (next !== undefined && fingerprintOf(next) === program.fingerprint) continue
      this.#programs.delete(key)
      parting.push(program)
    }
    const starting: Program[] = []
    for (const [key, workload] of wanted) {
      if (this.#programs.has(key) || this.#comesBack(key, workload)) continue
      const program = this.#programOf(workload, addresses)
      this.#programs.set(key, program)
      starting.push(program)
    }
    if (!this.#hasStarted) this.#endStrays(starting)
    this.#hasStarted = true
    // First, so that requests go elsewhere before their program goes.
    this.#options.onChange()
    for (const program of parting) this.#part(program)
    // A changed program waits for its predecessor, which may hold its port.
    void Promise.all(this.#leaving.values()).then(() => {
      for (const program of starting) if (this.#programs.get(program.key) === program) program.start()
    })
  }

  #programOf(workload: ProgramWorkload, addresses: readonly ServiceAddress[]): Program {
    const environment = serviceEnvironment(workload.namespace, addresses)
    return new Program(workload.key, workload, environment, this.#programOptions())
  }

  #programOptions(): ProgramOptions {
    return { ...this.#options, guard: this.#guard, kept: this.#kept }
  }

  /** What is as its Workload says goes on; what has none, or another one, is ended. */
  #adopt(
    wanted: ReadonlyMap<string, ProgramWorkload>,
    addresses: readonly ServiceAddress[],
    { isComplete = true }: { readonly isComplete?: boolean },
  ): void {
    for (const [key, held] of this.#left) {
      const workload = wanted.get(key)
      if (workload === undefined && !isComplete) continue
      this.#left.delete(key)
      if (workload !== undefined && fingerprintOf(workload) === held.record.fingerprint) {
        const program = this.#programOf(workload, addresses)
        this.#programs.set(key, program)
        program.adopt(held)
        continue
      }
      const program = new Program(key, undefined, {}, this.#programOptions())
      program.adopt(held)
      this.#part(program)
    }
  }

  /** Of an agent that was killed together with what should have outlived it. */
  #endStrays(programs: readonly Program[]): void {
    const { strays, clock, logger, stopMs = defaultStopMs } = this.#options
    if (strays === undefined) return
    const leaving = new Set([...this.#leaving.keys()].map(({ key }) => key))
    for (const program of programs) {
      if (leaving.has(program.key) || strays(program.key).length === 0) continue
      logger.warn('processes of an earlier agent are in the place of a program and are ended', {
        workload: program.key,
        pids: strays(program.key).join(' '),
      })
      this.#leave(
        program,
        endStrays(() => strays(program.key), clock, stopMs),
      )
    }
  }

  #comesBack(key: string, workload: Workload): boolean {
    const wanted = fingerprintOf(workload)
    for (const program of this.#parting.keys()) {
      if (program.key !== key || program.fingerprint !== wanted) continue
      this.#parting.delete(program)
      this.#programs.set(key, program)
      return true
    }
    return false
  }

  /** Of a Workload that has a program. */
  stateOf(workload: string): ProgramState {
    return this.#programs.get(workload)?.programState ?? 'not started'
  }

  /** Of a program that runs. */
  pidOf(workload: string): number | undefined {
    return this.#programs.get(workload)?.pid
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

  /**
   * Leaves programs to the next agent, if they can be left; `stop` then ends the others.
   * @param which  `earlier`: those only that an agent before this one has started
   */
  release(which: 'all' | 'earlier'): void {
    this.#isStopped = true
    for (const held of this.#left.values()) held.release()
    this.#left.clear()
    for (const [key, program] of this.#programs) {
      if (which === 'earlier' && !program.isAdopted) continue
      if (program.release()) this.#programs.delete(key)
    }
  }

  /** Stops all programs; resolves when none is left. */
  async stop(): Promise<void> {
    this.#adopt(noWorkloads, [], {})
    this.#isStopped = true
    this.#stopping.resolve()
    for (const program of this.#programs.values()) this.#leave(program, program.stop())
    this.#programs.clear()
    await Promise.all(this.#leaving.values())
    this.#guard[Symbol.dispose]()
  }

  /** Kills what still runs; for the second signal. */
  kill(): void {
    this.#adopt(noWorkloads, [], {})
    this.#isStopped = true
    this.#stopping.resolve()
    for (const program of [...this.#programs.values(), ...this.#leaving.keys()]) program.kill()
    this.#guard[Symbol.dispose]()
  }

  /** Ends a program once no request goes to it, unless its Workload comes back before. */
  #part(program: Program): void {
    const released = this.#options.released?.() ?? Promise.resolve()
    this.#parting.set(program, released)
    const stopped = Promise.race([released, this.#stopping.promise]).then(() => {
      if (this.#parting.get(program) !== released) return
      this.#parting.delete(program)
      return program.stop()
    })
    this.#leave(program, stopped)
  }

  #leave(program: Program, stopped: Promise<void>): void {
    this.#leaving.set(program, stopped)
    void stopped.then(() => {
      if (this.#leaving.get(program) === stopped) this.#leaving.delete(program)
    })
  }
}

/** Whether a Workload may be missing for it. */
function isOfWorkload({ severity, resource }: Problem): boolean {
  return severity === 'error' && (resource === undefined || resource.startsWith('Workload '))
}
