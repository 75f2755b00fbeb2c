/** Rounds of loops between two looks at the clock: from 50 µs to some milliseconds. */
const sliceFuel = 50_000
/** Calls of host functions between two looks at the clock; each is up to some microseconds. */
const sliceCalls = 255

/**
 * How long one call into a module may take: one budget per thread, since a
 * thread is in one module at a time.
 *
 * The clock counts the processor time of this thread, so that a busy machine
 * makes nobody guilty. It is read only when a slice of fuel is used up: the
 * many short calls never read it, and a long one overruns by a slice at most.
 */
export class CpuBudget {
  /** Set when the current call was stopped. */
  isExceeded = false
  readonly #cpuMs: () => number
  #limitMs = 0
  #deadlineMs = 0
  #isTimed = false
  #hostCalls = 0

  /** @param cpuMs  a clock of this thread's processor time */
  constructor(cpuMs: () => number = threadCpuMs) {
    this.#cpuMs = cpuMs
  }

  /** A call begins. */
  begin(limitMs: number): void {
    this.#limitMs = limitMs
    this.#isTimed = false
    this.isExceeded = false
  }

  /** The module asks for more. @returns fuel, 0 when the time is over */
  readonly refuel = (): number => (this.#isOver() ? 0 : sliceFuel)

  /** A host function was called. @returns false when the time is over */
  countCall(): boolean {
    return (++this.#hostCalls & sliceCalls) !== 0 || !this.#isOver()
  }

  #isOver(): boolean {
    if (this.isExceeded) return true
    const nowMs = this.#cpuMs()
    if (this.#isTimed) return (this.isExceeded = nowMs >= this.#deadlineMs)
    this.#isTimed = true
    this.#deadlineMs = nowMs + this.#limitMs
    return false
  }
}

export function threadCpuMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}
