import type { HeaderEdits } from '../../model/index.ts'
import type { PendingCall, FilterHost, FilterReply, FilterRequest } from './filter-exchange.ts'
import { tooLarge, type FilterContext, type FilterStep, type StepOutcome, type StepRun } from './filter-step.ts'
import { WheelTimer } from '../resilience/timer-wheel.ts'

export interface RunOptions {
  readonly host: FilterHost
  /** Of body that are kept while nobody wants it. */
  readonly heldLimitBytes: number
}

/**
 * One request on its way through the safeguards of its rule; made only for rules
 * that have some.
 *
 *     begin ─┬─ passed
 *            ├─ answered
 *            └─ suspended ─ body … bodyEnd ─┬─ onFiltersPassed
 *                                           └─ onFiltersAnswered
 *
 * While it is suspended the exchange hands over the content of the body as it
 * comes, stops reading from the client as long as `isBlocked`, and calls `cancel`
 * when the request ends in another way. The time of the request runs on meanwhile. It comes back
 * to its host out of a timer or a socket, so that the host begins a turn there.
 */
export class FilterRun implements StepRun {
  /** The exchange refuses what is longer with 413. */
  maxBodyBytes: number = Infinity
  readonly requestEdits: HeaderEdits[] = []
  readonly answerEdits: HeaderEdits[] = []
  answerLines = ''
  flags = ''
  readonly request: FilterRequest
  readonly context: FilterContext
  /** Set when `begin` returned 'answered'. */
  reply: FilterReply | undefined = undefined
  call: PendingCall | undefined = undefined

  readonly #steps: readonly FilterStep[]
  readonly #host: FilterHost
  readonly #heldLimitBytes: number
  #step = 0
  #state: 'fresh' | 'running' | 'suspended' | 'over' = 'fresh'
  #pieces: Buffer[] = []
  #heldBytes = 0
  #isBodyComplete: boolean
  #collectBytes = -1
  #onCollected: ((body: Buffer) => void) | undefined = undefined
  #timer: WheelTimer | undefined = undefined
  #onTimeout: (() => void) | undefined = undefined

  constructor(steps: readonly FilterStep[], context: FilterContext, request: FilterRequest, options: RunOptions) {
    this.#steps = steps
    this.context = context
    this.request = request
    this.#host = options.host
    this.#heldLimitBytes = options.heldLimitBytes
    this.#isBodyComplete = request.contentLength === 0
  }

  begin(): 'passed' | 'answered' | 'suspended' {
    return this.#advance()
  }

  #advance(): 'passed' | 'answered' | 'suspended' {
    this.#state = 'running'
    while (this.#step < this.#steps.length) {
      const outcome = this.#steps[this.#step++]?.apply(this)
      if (outcome === 'wait') {
        this.#state = 'suspended'
        return 'suspended'
      }
      if (outcome === 'answered') {
        this.#end()
        return 'answered'
      }
    }
    this.#end()
    return 'passed'
  }

  proceed(): void {
    if (this.#state !== 'suspended') return
    this.#release()
    const outcome = this.#advance()
    if (outcome === 'passed') this.#host.onFiltersPassed()
    else if (outcome === 'answered' && this.reply !== undefined) this.#host.onFiltersAnswered(this.reply)
  }

  answer(reply: FilterReply): 'answered' {
    this.reply = reply
    if (this.#state !== 'suspended') return 'answered'
    this.#end()
    this.#host.onFiltersAnswered(reply)
    return 'answered'
  }

  /** The client is gone, or the request's time is over. */
  cancel(): void {
    if (this.#state === 'over') return
    this.#end()
  }

  #end(): void {
    this.#state = 'over'
    this.#release()
    this.#pieces = []
    this.#heldBytes = 0
  }

  #release(): void {
    if (this.#timer !== undefined) this.context.timers.cancel(this.#timer)
    this.call?.cancel()
    this.call = undefined
    this.#onTimeout = undefined
    this.#onCollected = undefined
    this.#collectBytes = -1
  }

  after(ms: number, action: () => void): void {
    this.#onTimeout = action
    this.#timer ??= new WheelTimer(() => this.#onTimeout?.())
    this.context.timers.add(this.#timer, ms)
  }

  // The body of a suspended request

  get wantsBody(): boolean {
    return this.#onCollected !== undefined
  }

  get isBlocked(): boolean {
    return this.#state === 'suspended' && !this.wantsBody && this.#heldBytes >= this.#heldLimitBytes
  }

  collect(maxBytes: number, onCollected: (body: Buffer) => void): StepOutcome {
    // A step before may have waited, and the body came meanwhile.
    if (this.#heldBytes > maxBytes) return this.answer(tooLarge(maxBytes))
    this.#collectBytes = maxBytes
    this.#onCollected = onCollected
    this.#host.onFiltersWantBody()
    return 'wait'
  }

  get collected(): Buffer | undefined {
    return this.#isBodyComplete ? Buffer.concat(this.#pieces) : undefined
  }

  body(bytes: Uint8Array, start: number, end: number): void {
    if (this.#state !== 'suspended') return
    // The bytes lie in the reader's buffer, which is used again.
    this.#pieces.push(Buffer.from(bytes.subarray(start, end)))
    this.#heldBytes += end - start
    const limit = this.wantsBody ? Math.min(this.#collectBytes, this.maxBodyBytes) : this.maxBodyBytes
    if (this.#heldBytes > limit) this.answer(tooLarge(limit))
  }

  bodyEnd(): void {
    this.#isBodyComplete = true
    const onCollected = this.#onCollected
    if (this.#state !== 'suspended' || onCollected === undefined) return
    this.#onCollected = undefined
    onCollected(Buffer.concat(this.#pieces))
  }
}
