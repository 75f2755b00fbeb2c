import type { Clock, Counter, Logger, Meter, Timer } from '../../core/index.ts'
import type { CallerSource, ConnectionEnds, Identified } from '../../proxy/index.ts'
import type { CallerAnswer, CallerQuestion } from '../worker-messages.ts'

/**
 * The client's first bytes wait no longer than this: the main thread answers in
 * a few milliseconds, unless it is taking a very large configuration.
 */
const deadlineMs = 1_000

export interface CallerClientOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly meter: Meter
  /** To the main thread, which answers with `answered`. */
  readonly send: (questions: readonly CallerQuestion[]) => void
}

interface Question {
  readonly waiting: Identified
  readonly askedMs: number
  /** For the log. */
  readonly client: string
}

/**
 * A worker's source of callers: asks the main thread, which knows the processes
 * of the workloads. Connections that are accepted in one turn are asked about in
 * one message; one timer watches over all that wait.
 */
export class CallerClient implements CallerSource {
  readonly #options: CallerClientOptions
  readonly #known: Counter
  readonly #unknown: Counter
  readonly #late: Counter
  /** By id, the one that waits longest first. */
  readonly #open = new Map<number, Question>()
  #unsent: CallerQuestion[] = []
  #nextId = 1
  #timer: Timer | undefined = undefined

  constructor(options: CallerClientOptions) {
    this.#options = options
    const counter = (outcome: string): Counter => options.meter.counter('heddle_caller_lookups_total', { outcome })
    this.#known = counter('known')
    this.#unknown = counter('unknown')
    this.#late = counter('late')
  }

  ask(ends: ConnectionEnds, waiting: Identified): void {
    const { remoteAddress, remotePort } = ends
    const id = this.#nextId++
    this.#open.set(id, { waiting, askedMs: this.#options.clock.nowMs(), client: `${remoteAddress} ${remotePort}` })
    this.#unsent.push(questionOf(id, ends))
    if (this.#unsent.length === 1) setImmediate(() => this.#flush())
    this.#timer ??= this.#options.clock.after(deadlineMs, () => this.#expire()).unref()
  }

  /** Takes the main thread's answers; one that comes late changes nothing more. */
  answered(answers: readonly CallerAnswer[]): void {
    for (const { id, caller } of answers) {
      const question = this.#open.get(id)
      if (question === undefined) continue
      this.#open.delete(id)
      if (caller === undefined) {
        this.#unknown.value++
        this.#options.logger.debug('a caller is not of the mesh', { client: question.client })
      } else {
        this.#known.value++
      }
      question.waiting.identified(caller)
    }
    if (this.#open.size > 0 || this.#timer === undefined) return
    this.#timer[Symbol.dispose]()
    this.#timer = undefined
  }

  #flush(): void {
    const questions = this.#unsent
    this.#unsent = []
    this.#options.send(questions)
  }

  #expire(): void {
    this.#timer = undefined
    const nowMs = this.#options.clock.nowMs()
    for (const [id, { waiting, askedMs, client }] of this.#open) {
      const leftMs = askedMs + deadlineMs - nowMs
      if (leftMs > 0) {
        this.#timer = this.#options.clock.after(leftMs, () => this.#expire()).unref()
        return
      }
      this.#open.delete(id)
      this.#late.value++
      this.#options.logger.debug('a caller was not found in time', { client })
      waiting.identified(undefined)
    }
  }
}

/** Only what can be sent: the ends may be a socket. */
function questionOf(id: number, ends: ConnectionEnds): CallerQuestion {
  const { protocol, remoteAddress, remotePort, localAddress, localPort } = ends
  const question = { id, remoteAddress, remotePort, localAddress, localPort }
  return protocol === undefined ? question : { ...question, protocol }
}
