import type { Clock, Counter, Logger, Meter, Timer } from '../../core/index.ts'
import type { AccessLog, AccessRecord } from '../../model/index.ts'
import { AppendQueue, chunkStart } from './append-queue.ts'
import type { Chunk } from './append-queue.ts'
import { DescriptorTarget, FileTarget } from './append-target.ts'
import type { AppendTarget } from './append-target.ts'
import { JsonLine } from './json-line.ts'
import { maxLineBytes } from './line-parts.ts'
import { TextLine } from './text-line.ts'

/** A chunk is handed to the system when it holds this much: each costs a thread to be woken… */
const flushBytes = 256 * 1024
/** …or this long after its first line, so that whoever follows the log sees it at once. */
const flushMs = 100
const chunkBytes = chunkStart + flushBytes + maxLineBytes

/**
 * Full chunks that may wait for a slow disk: about 4 MiB of lines, more than
 * half a second at 20,000 requests per second. Without a limit a full disk or a
 * stopped reader of standard output takes all memory.
 */
const backlogLimit = 16

export interface AccessLogOptions {
  /** `off`, `stdout` or the path of a file. */
  readonly target: string
  readonly format: 'text' | 'json'
  readonly clock: Clock
  readonly meter: Meter
  readonly logger: Logger
}

/**
 * Opens the access log of one thread. Several threads and processes may share a file.
 *
 * @throws MeshError MESH_ACCESS_LOG_OPEN
 */
export function openAccessLog(options: AccessLogOptions): AccessLogWriter {
  return new AccessLogWriter(openTarget(options.target), options)
}

function openTarget(target: string): AppendTarget | undefined {
  if (target === 'off') return undefined
  return target === 'stdout' ? new DescriptorTarget(1) : new FileTarget(target)
}

/**
 * Writes each record as one line into a buffer and the buffers to the target,
 * asynchronously. A target that can't keep up loses lines, which are counted in
 * `heddle_access_log_dropped_total`; requests never wait for it.
 */
export class AccessLogWriter implements AccessLog, AsyncDisposable {
  /**
   * Gets every line, without its line feed, as soon as it is written; for
   * somebody who follows the log. Each line costs a string, so set it only then.
   */
  onLine: ((line: string) => void) | undefined

  readonly #target: AppendTarget | undefined
  readonly #queue: AppendQueue | undefined
  readonly #clock: Clock
  readonly #dropped: Counter
  readonly #logger: Logger
  readonly #format: TextLine | JsonLine
  #bytes: Buffer
  /** Where the next line goes in `#bytes`. */
  #at = chunkStart
  readonly #free: Buffer[] = []
  #timer: Timer | undefined
  #isDue = false
  #isClosed = false

  /** @param target undefined for none: lines are made only while `onLine` is set */
  constructor(target: AppendTarget | undefined, options: Omit<AccessLogOptions, 'target'>) {
    this.#target = target
    this.#clock = options.clock
    this.#logger = options.logger
    this.#dropped = options.meter.counter('heddle_access_log_dropped_total', {})
    this.#format = options.format === 'json' ? new JsonLine() : new TextLine()
    this.#bytes = target === undefined ? Buffer.alloc(0) : newChunk(chunkBytes)
    if (target !== undefined) {
      const ports = { clock: options.clock, logger: options.logger, dropped: this.#dropped }
      this.#queue = new AppendQueue(target, ports, chunk => this.#recycle(chunk))
    }
  }

  write(record: AccessRecord): void {
    const queue = this.#queue
    if (queue === undefined) {
      if (this.onLine === undefined) return
      if (this.#bytes.length === 0) this.#bytes = newChunk(maxLineBytes)
      this.#tap(0, this.#format.write(record, this.#bytes, 0))
      return
    }
    if (this.#isClosed || (this.#at >= chunkStart + flushBytes && !this.#rotate(queue))) {
      this.#dropped.value++
      return
    }
    const start = this.#at
    this.#at = this.#format.write(record, this.#bytes, start)
    if (this.onLine !== undefined) this.#tap(start, this.#at)
    if (this.#at >= chunkStart + flushBytes) this.#rotate(queue)
    else if (start === chunkStart) this.#arm()
  }

  /** Goes on in the file that has the name now: after a rotation, on SIGHUP. Never throws. */
  reopen(): void {
    try {
      this.#target?.reopen()
    } catch (error) {
      this.#logger.error('the access log goes on in the old file', { error: String(error) })
    }
  }

  /** Resolves when every line so far is written, or given up and counted. */
  async flush(): Promise<void> {
    const queue = this.#queue
    if (queue === undefined) return
    // With a full backlog the chunk in hand waits for room; each round makes some.
    while (this.#at > chunkStart && !this.#rotate(queue)) await queue.settled()
    await queue.settled()
  }

  /** Writes what there is and closes the target; later records are counted as dropped. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return
    await this.flush()
    this.#isClosed = true
    // A record may have come while the last chunk was written.
    await this.flush()
    this.#disarm()
    this.#target?.close()
  }

  /** Without the line feed. */
  #tap(start: number, end: number): void {
    try {
      this.onLine?.(this.#bytes.toString('latin1', start, end - 1))
    } catch (error) {
      this.onLine = undefined
      this.#logger.error('a follower of the access log failed', { error: String(error) })
    }
  }

  /** Hands the chunk in hand to the queue and takes a fresh one; false when too many wait already. */
  #rotate(queue: AppendQueue): boolean {
    if (queue.backlog >= backlogLimit) return false
    const chunk: Chunk = { bytes: this.#bytes, end: this.#at }
    this.#bytes = this.#free.pop() ?? newChunk(chunkBytes)
    this.#at = chunkStart
    this.#disarm()
    queue.add(chunk)
    return true
  }

  #recycle(chunk: Chunk): void {
    // One spare buffer is enough while the target keeps up.
    if (this.#free.length < 2) this.#free.push(chunk.bytes)
    if (this.#isDue) this.#flushDue()
  }

  #arm(): void {
    this.#timer = this.#clock
      .after(flushMs, () => {
        this.#isDue = true
        this.#flushDue()
      })
      .unref()
  }

  /** While a write is under way the chunk in hand goes on filling: few large writes rather than many small ones. */
  #flushDue(): void {
    const queue = this.#queue
    if (queue !== undefined && queue.backlog === 0 && this.#at > chunkStart) this.#rotate(queue)
  }

  #disarm(): void {
    this.#timer?.[Symbol.dispose]()
    this.#timer = undefined
    this.#isDue = false
  }
}

function newChunk(length: number): Buffer {
  const bytes = Buffer.allocUnsafeSlow(length)
  bytes[0] = 0x0a
  return bytes
}
