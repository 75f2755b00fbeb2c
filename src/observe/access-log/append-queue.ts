import { messageOf } from '../../core/index.ts'
import type { Clock, Counter, Logger } from '../../core/index.ts'
import type { AppendTarget } from './append-target.ts'

/** Whole lines, `bytes[1, end)`. The byte before them is a line feed that is written only after a torn line. */
export interface Chunk {
  readonly bytes: Buffer
  end: number
}

/** Where the lines of a chunk begin. */
export const chunkStart = 1

/** A pipe whose reader is slow is tried again after this time. */
const retryMs = 10

/** Trouble with the target is told at most this often. */
const complaintMs = 60_000

const lineFeed = 0x0a

/** Writes chunks one after the other, in order, and hands their buffers back. */
export class AppendQueue {
  readonly #target: AppendTarget
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #dropped: Counter
  readonly #onIdle: (chunk: Chunk) => void
  readonly #waiting: Chunk[] = []
  #current: Chunk | undefined
  #from = 0
  #isTorn = false
  #complainedMs = Number.NEGATIVE_INFINITY
  #added = 0
  #finished = 0
  readonly #waiters: { readonly until: number; readonly resolve: () => void }[] = []

  /** @param onFinished takes each chunk back once its bytes are free again */
  constructor(
    target: AppendTarget,
    ports: { readonly clock: Clock; readonly logger: Logger; readonly dropped: Counter },
    onFinished: (chunk: Chunk) => void,
  ) {
    this.#target = target
    this.#clock = ports.clock
    this.#logger = ports.logger
    this.#dropped = ports.dropped
    this.#onIdle = onFinished
  }

  /** Chunks that are not written yet. */
  get backlog(): number {
    return this.#added - this.#finished
  }

  add(chunk: Chunk): void {
    this.#added++
    this.#waiting.push(chunk)
    if (this.#current === undefined) this.#next()
  }

  /** Resolves when every chunk that was added so far is written or given up. */
  settled(): Promise<void> {
    const until = this.#added
    if (this.#finished >= until) return Promise.resolve()
    return new Promise(resolve => this.#waiters.push({ until, resolve }))
  }

  #next(): void {
    this.#current = this.#waiting.shift()
    if (this.#current === undefined) return
    this.#from = this.#isTorn ? 0 : chunkStart
    this.#write(this.#current)
  }

  #write(chunk: Chunk): void {
    const from = this.#from
    this.#target.write(chunk.bytes, from, this.#endOfWrite(chunk, from), (error, written) => {
      if (error !== null && error.code === 'EAGAIN') {
        this.#clock.after(retryMs, () => this.#write(chunk))
        return
      }
      if (error !== null) return this.#giveUp(chunk, error)
      this.#from += written
      this.#isTorn = this.#from > 0 && chunk.bytes[this.#from - 1] !== lineFeed
      if (this.#from < chunk.end) this.#write(chunk)
      else this.#finish(chunk)
    })
  }

  /** As many whole lines as the target writes unmixed, or one line that is longer. */
  #endOfWrite(chunk: Chunk, from: number): number {
    const limit = this.#target.wholeWriteBytes
    if (chunk.end - from <= limit) return chunk.end
    const last = chunk.bytes.lastIndexOf(lineFeed, from + limit - 1)
    return last >= from ? last + 1 : chunk.bytes.indexOf(lineFeed, from) + 1
  }

  #giveUp(chunk: Chunk, error: Error): void {
    let lines = 0
    for (let i = Math.max(this.#from, chunkStart); i < chunk.end; i++) if (chunk.bytes[i] === lineFeed) lines++
    this.#dropped.value += lines
    const nowMs = this.#clock.nowMs()
    if (nowMs - this.#complainedMs >= complaintMs) {
      this.#complainedMs = nowMs
      this.#logger.error('the access log cannot be written, lines are lost', { lines, error: messageOf(error) })
    }
    this.#finish(chunk)
  }

  #finish(chunk: Chunk): void {
    this.#finished++
    this.#current = undefined
    for (let i = this.#waiters.length - 1; i >= 0; i--) {
      const waiter = this.#waiters[i]
      if (waiter === undefined || waiter.until > this.#finished) continue
      this.#waiters.splice(i, 1)
      waiter.resolve()
    }
    if (this.#waiting.length > 0) this.#next()
    this.#onIdle(chunk)
  }
}
