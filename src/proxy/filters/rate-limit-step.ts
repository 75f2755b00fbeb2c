import { localReplies, type RateLimit } from '../../model/index.ts'
import { rateLimitFields, rateLimitKey, retryAfterSeconds, type BucketTable } from '../../policy/index.ts'
import type { FilterStep, StepOutcome, StepRun } from './filter-step.ts'

/** 429 when the bucket of the request is empty. */
export class RateLimitStep implements FilterStep {
  readonly #limit: RateLimit
  readonly #buckets: BucketTable

  constructor(limit: RateLimit, buckets: BucketTable) {
    this.#limit = limit
    this.#buckets = buckets
  }

  apply(run: StepRun): StepOutcome {
    const limit = this.#limit
    const buckets = this.#buckets
    const key = rateLimitKey(limit.by, run.request)
    const isAllowed = buckets.take(key, run.context.sharedNowMs())
    if (limit.tellsClient) run.answerLines += rateLimitFields(limit, buckets)
    if (isAllowed) return 'next'
    const { status } = localReplies['rate-limited']
    return run.answer({
      reason: 'rate-limited',
      status,
      grpcStatus: undefined,
      detail: `the limit ${limit.name} is used up`,
      headers: [{ name: 'retry-after', value: String(retryAfterSeconds(buckets.retryAfterMs)) }],
      body: undefined,
    })
  }
}
