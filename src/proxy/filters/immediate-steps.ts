import type { DirectResponse, Fault } from '../../model/index.ts'
import { FaultPlan } from '../../policy/index.ts'
import type { FilterReply } from './filter-exchange.ts'
import { tooLarge, type FilterStep, type StepOutcome, type StepRun } from './filter-step.ts'

/** A body that says it is too long is refused before it comes; the exchange counts the others. */
export class BodyLimitStep implements FilterStep {
  readonly #maxBytes: number

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  apply(run: StepRun): StepOutcome {
    run.maxBodyBytes = Math.min(run.maxBodyBytes, this.#maxBytes)
    return run.request.contentLength > this.#maxBytes ? run.answer(tooLarge(this.#maxBytes)) : 'next'
  }
}

export class DirectResponseStep implements FilterStep {
  readonly #reply: FilterReply

  constructor({ status, headers, body }: DirectResponse) {
    const bytes = Buffer.from(body)
    this.#reply = { reason: 'direct-response', status, grpcStatus: undefined, detail: '', headers, body: bytes }
  }

  apply(run: StepRun): StepOutcome {
    return run.answer(this.#reply)
  }
}

/** Delays a request, answers it with an error, or both in this order. */
export class FaultStep implements FilterStep {
  readonly #plan: FaultPlan
  readonly #reply: FilterReply

  constructor(fault: Fault) {
    this.#plan = new FaultPlan(fault)
    this.#reply = {
      reason: 'injected-fault',
      status: fault.abort?.status ?? 500,
      grpcStatus: fault.abort?.grpcStatus,
      detail: 'a fault filter answered',
      headers: [],
      body: undefined,
    }
  }

  apply(run: StepRun): StepOutcome {
    const { request, context } = run
    const { delayMs, abortStatus } = this.#plan.decide(
      name => request.header(name),
      () => context.random(),
    )
    const isAborted = abortStatus !== 0
    if (delayMs === 0) return isAborted ? run.answer(this.#reply) : 'next'
    run.flags = 'DI'
    run.after(delayMs, () => {
      if (isAborted) run.answer(this.#reply)
      else run.proceed()
    })
    return 'wait'
  }
}
