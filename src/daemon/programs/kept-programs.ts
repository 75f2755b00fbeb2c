import { closeSync } from 'node:fs'
import { messageOf } from '../../core/index.ts'
import type { Logger } from '../../core/index.ts'
import { openPipe, ProcessWatch } from '../../kernel/index.ts'
import type { Pipe } from '../../kernel/index.ts'
import type { AgentKeeper } from '../handover/agent-keeper.ts'
import { KeptProgram } from './kept-program.ts'
import { nameOfOutput, nameOfProgram, outputStreams, recordOf } from './program-record.ts'
import type { OutputStream, ProgramRecord } from './program-record.ts'

/** What a program that is to be started writes to. */
export type OutputPipes = Readonly<Record<OutputStream, Pipe>>

/**
 * The programs of an agent that may end without them. A keeper holds for each of them the process and what it writes,
 * under names that tell the next agent what it needs to know.
 */
export class KeptPrograms implements Disposable {
  readonly #keeper: AgentKeeper
  readonly #logger: Logger
  readonly #watch = new ProcessWatch()

  /** @param keeper  borrowed */
  constructor(keeper: AgentKeeper, logger: Logger) {
    this.#keeper = keeper
    this.#logger = logger
  }

  /** Programs that an agent before this one has left, those that have ended meanwhile too; each is handed out once. */
  takeLeft(): readonly KeptProgram[] {
    const programs: KeptProgram[] = []
    for (const name of this.#keeper.left) {
      const record = recordOf(name)
      const process = record === undefined ? undefined : this.#keeper.take(name)
      if (record === undefined || process === undefined) continue
      const outputs = outputStreams.map(stream => this.#keeper.take(nameOfOutput(stream, record)))
      programs.push(this.#hold(record, process, outputs))
    }
    // What a program has written whose process is not known any more.
    this.#dropOthers()
    return programs
  }

  #dropOthers(): void {
    const names = [...this.#keeper.left].filter(name => outputStreams.some(stream => name.startsWith(`${stream} `)))
    for (const name of names) {
      const fd = this.#keeper.take(name)
      if (fd !== undefined) closeSync(fd)
    }
    this.#keeper.drop(names)
  }

  /** @returns undefined when that cannot be had now, and the program has to end with the agent */
  openPipes(): OutputPipes | undefined {
    let stdout: Pipe | undefined
    try {
      stdout = openPipe()
      return { stdout, stderr: openPipe() }
    } catch (error) {
      if (stdout !== undefined) closePipe(stdout)
      this.#logger.warn('a program cannot be kept beyond the agent', { error: messageOf(error) })
      return undefined
    }
  }

  /** The program has been started with its ends of the pipes, or could not be. */
  started(pipes: OutputPipes, record: ProgramRecord | undefined): KeptProgram | undefined {
    for (const stream of outputStreams) closeSync(pipes[stream].writeEnd)
    const outputs = outputStreams.map(stream => pipes[stream].readEnd)
    let process: number | undefined
    try {
      process = record === undefined ? undefined : this.#watch.open(record.pid)
    } catch (error) {
      // It has ended already, or there are no descriptors left.
      this.#logger.debug('a program cannot be kept beyond the agent', { error: messageOf(error) })
    }
    if (record === undefined || process === undefined) {
      for (const fd of outputs) closeSync(fd)
      return undefined
    }
    this.#keeper.keep(
      'output',
      outputStreams.map((stream, index) => ({ name: nameOfOutput(stream, record), fd: outputs[index] ?? -1 })),
    )
    this.#keeper.keep('process', [{ name: nameOfProgram(record), fd: process }])
    return this.#hold(record, process, outputs)
  }

  #hold(record: ProgramRecord, process: number, outputs: readonly (number | undefined)[]): KeptProgram {
    return new KeptProgram({ record, process, outputs, watch: this.#watch, drop: names => this.#keeper.drop(names) })
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]()
  }
}

function closePipe({ readEnd, writeEnd }: Pipe): void {
  closeSync(readEnd)
  closeSync(writeEnd)
}
