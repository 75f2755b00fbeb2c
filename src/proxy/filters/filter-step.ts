import type { HeaderEdits } from '../../model/index.ts'
import type { TimerWheel } from '../resilience/timer-wheel.ts'
import type { AuthTransport, FilterReply, FilterRequest, PendingCall } from './filter-exchange.ts'

/** What the safeguards of one worker share. */
export interface FilterContext {
  readonly timers: TimerWheel
  readonly auth: AuthTransport
  /** Milliseconds of a clock that is the same on every worker and never goes back. */
  sharedNowMs(): number
  /** From 0 to below 1. */
  random(): number
}

/**
 * One safeguard of a rule, made once and used by all its requests; what belongs
 * to one request is in the run.
 *
 * `apply` returns `next` when the request may go on, `answered` by way of the
 * run's `answer`, or `wait` after it has arranged that the run's `proceed` or
 * `answer` will be called, which may not happen before it returns.
 */
export interface FilterStep {
  apply(run: StepRun): StepOutcome
}

export type StepOutcome = 'next' | 'answered' | 'wait'

/** What a step sees of the request's run. */
export interface StepRun {
  readonly request: FilterRequest
  readonly context: FilterContext
  /** For the request that goes to the backend, in the order of the filters. */
  readonly requestEdits: HeaderEdits[]
  /** For the answer, whoever gives it. */
  readonly answerEdits: HeaderEdits[]
  /** Header lines for the answer, each with its CRLF. */
  answerLines: string
  /** The largest body that may follow. */
  maxBodyBytes: number
  /** Envoy's flag for a request that was held up on purpose, else empty. */
  flags: string
  /** A step that waited is done: the next one, or the exchange goes on. */
  proceed(): void
  /** Answers instead of the backend, at once or after waiting. */
  answer(reply: FilterReply): 'answered'
  /** Calls `action` after `ms` unless the step is done before. */
  after(ms: number, action: () => void): void
  /** A call of the step that waits; it is cancelled with the request. */
  call: PendingCall | undefined
  /** The whole body, if all of it is here already. */
  readonly collected: Buffer | undefined
  /** Waits for the whole body; a longer one is answered with 413. Its outcome is the step's. */
  collect(maxBytes: number, onCollected: (body: Buffer) => void): StepOutcome
}

export function tooLarge(limitBytes: number): FilterReply {
  return {
    reason: 'payload-too-large',
    status: 413,
    grpcStatus: undefined,
    detail: `the body is larger than ${limitBytes} bytes`,
    headers: [],
    body: undefined,
  }
}
