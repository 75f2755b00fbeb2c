import { assertNever } from '../../core/index.ts'
import type { Compression, Filter } from '../../model/index.ts'
import { ExternalAuthStep } from './external-auth-step.ts'
import type { FilterRequest } from './filter-exchange.ts'
import { FilterRun, type RunOptions } from './filter-run.ts'
import type { FilterContext, FilterStep } from './filter-step.ts'
import { BodyLimitStep, DirectResponseStep, FaultStep } from './immediate-steps.ts'
import { RateLimitStep } from './rate-limit-step.ts'
import type { RateLimitTables } from './rate-limit-tables.ts'

/** The safeguards of one rule, ready for its requests. */
export class FilterPlan {
  /** Those that decide about requests, in the order of the rule. */
  readonly steps: readonly FilterStep[]
  readonly compression: Compression | undefined
  readonly #context: FilterContext

  private constructor(context: FilterContext, rateLimits: RateLimitTables, filters: readonly Filter[]) {
    this.#context = context
    this.steps = filters.map(filter => stepOf(filter, rateLimits)).filter(step => step !== undefined)
    this.compression = filters.find(filter => filter.kind === 'compression')
  }

  /** Undefined for the many rules without safeguards: they cost one comparison. */
  static of(context: FilterContext, rateLimits: RateLimitTables, filters: readonly Filter[]): FilterPlan | undefined {
    const plan = new FilterPlan(context, rateLimits, filters)
    return plan.steps.length === 0 && plan.compression === undefined ? undefined : plan
  }

  run(request: FilterRequest, options: RunOptions): FilterRun {
    return new FilterRun(this.steps, this.#context, request, options)
  }
}

function stepOf(filter: Filter, rateLimits: RateLimitTables): FilterStep | undefined {
  switch (filter.kind) {
    case 'rate-limit':
      return new RateLimitStep(filter, rateLimits.of(filter))
    case 'external-auth':
      return new ExternalAuthStep(filter)
    case 'fault':
      return new FaultStep(filter)
    case 'direct-response':
      return new DirectResponseStep(filter)
    case 'body-limit':
      return new BodyLimitStep(filter.maxBytes)
    case 'compression':
    case 'request-headers':
    case 'response-headers':
    case 'redirect':
    case 'rewrite':
    case 'mirror':
    case 'cors':
      return undefined
    default:
      return assertNever(filter)
  }
}
