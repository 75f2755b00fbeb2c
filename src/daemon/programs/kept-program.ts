import { closeSync } from 'node:fs'
import { Socket } from 'node:net'
import { copyDescriptor } from '../../kernel/index.ts'
import type { ProcessWatch } from '../../kernel/index.ts'
import { LineSplitter } from './line-splitter.ts'
import { nameOfOutput, nameOfProgram, outputStreams } from './program-record.ts'
import type { OutputStream, ProgramRecord } from './program-record.ts'

export interface KeptProgramOptions {
  readonly record: ProgramRecord
  /** Descriptor of the process. */
  readonly process: number
  /** Reading ends, in the order of `outputStreams`; undefined for one that nobody has kept. */
  readonly outputs: readonly (number | undefined)[]
  /** Borrowed. */
  readonly watch: ProcessWatch
  /** Tells the keeper that it need not hold these any more. */
  readonly drop: (names: readonly string[]) => void
}

/** A program that a keeper holds, too: its process and what it writes. Owns the descriptors until `end` or `release`. */
export class KeptProgram {
  readonly record: ProgramRecord
  readonly #options: KeptProgramOptions
  readonly #readers: Socket[] = []
  #isClosed = false

  constructor(options: KeptProgramOptions) {
    this.#options = options
    this.record = options.record
  }

  get hasEnded(): boolean {
    return this.#isClosed || this.#options.watch.hasEnded(this.#options.process)
  }

  /** Calls `onEnd` once; for a program that is no child of this process. */
  watch(onEnd: () => void): void {
    this.#options.watch.watch(this.#options.process, onEnd)
  }

  /** Hands over each line that it writes, and has written while nobody read. */
  read(onLine: (stream: OutputStream, line: string) => void): void {
    for (const [index, stream] of outputStreams.entries()) {
      const kept = this.#options.outputs[index]
      if (kept === undefined) continue
      // A copy: what the keeper may have to be given once more must stay open.
      const reader = new Socket({ fd: copyDescriptor(kept), readable: true, writable: false })
      const lines = new LineSplitter(line => onLine(stream, line))
      reader.on('data', (bytes: Buffer) => lines.write(bytes))
      reader.on('close', () => lines.end())
      // A pipe has no errors but its end.
      reader.on('error', () => {})
      this.#readers.push(reader)
    }
  }

  /** The process has ended: nobody needs to keep it. What it has written is read to its end. */
  end(): void {
    if (this.#isClosed) return
    const { record, drop } = this.#options
    drop([nameOfProgram(record), ...outputStreams.map(stream => nameOfOutput(stream, record))])
    this.#close()
  }

  /** The program is the next agent's. */
  release(): void {
    for (const reader of this.#readers) reader.destroy()
    if (!this.#isClosed) this.#close()
  }

  #close(): void {
    this.#isClosed = true
    const { process, outputs, watch } = this.#options
    watch.unwatch(process)
    for (const fd of [process, ...outputs]) if (fd !== undefined) closeSync(fd)
  }
}
