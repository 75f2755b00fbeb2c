import type { Condition } from '../../model/index.ts'

/** What a decision says of one condition; the generation is added when the status is written. */
export interface Verdict {
  readonly status: Condition['status']
  readonly reason: string
  readonly message: string
}

/** A condition that holds; the reason is the condition's own name unless told otherwise. */
export function holds(reason: string, message = ''): Verdict {
  return { status: 'True', reason, message }
}

export function fails(reason: string, message: string): Verdict {
  return { status: 'False', reason, message }
}

export function condition(type: string, verdict: Verdict, generation: number): Condition {
  return {
    type,
    status: verdict.status,
    reason: verdict.reason,
    message: verdict.message,
    observedGeneration: generation,
  }
}
