import { compileRegex, testRegex, type Fault, type ValueMatch } from '../model/index.ts'

/** What is done to one request; both are 0 for most. */
export interface FaultDecision {
  /** The request waits so long first. */
  readonly delayMs: number
  /** Then it is answered with this status; 0: it goes on. */
  readonly abortStatus: number
}

const noFault: FaultDecision = Object.freeze({ delayMs: 0, abortStatus: 0 })

/** A fault with its decisions and regular expressions made beforehand. */
export class FaultPlan {
  readonly fault: Fault
  readonly #conditions: readonly Condition[]
  readonly #decisions: readonly FaultDecision[]

  constructor(fault: Fault) {
    this.fault = fault
    this.#conditions = fault.headers.map(condition)
    const delayMs = fault.delay?.durationMs ?? 0
    const abortStatus = fault.abort?.status ?? 0
    this.#decisions = [noFault, { delayMs, abortStatus: 0 }, { delayMs: 0, abortStatus }, { delayMs, abortStatus }]
  }

  /**
   * The shares are independent of each other, so that one request may be both
   * late and answered with an error.
   *
   * @param header  the value of a header by its lower case name
   * @param random  numbers from 0 to below 1, one asked for each share
   */
  decide(header: (lowerName: string) => string | undefined, random: () => number): FaultDecision {
    for (const { name, matches } of this.#conditions) {
      const value = header(name)
      if (value === undefined || !matches(value)) return noFault
    }
    const { delay, abort } = this.fault
    let which = 0
    if (delay !== undefined && random() < delay.fraction) which |= 1
    if (abort !== undefined && random() < abort.fraction) which |= 2
    return this.#decisions[which] ?? noFault
  }
}

interface Condition {
  readonly name: string
  readonly matches: (value: string) => boolean
}

function condition({ kind, name, value: wanted }: ValueMatch): Condition {
  if (kind === 'exact') return { name, matches: value => value === wanted }
  const pattern = compileRegex(wanted)
  return { name, matches: value => testRegex(pattern, value) }
}
