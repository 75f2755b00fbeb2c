// Imported, since a look-up of the global costs more than the call on the data path.
import { performance } from 'node:perf_hooks'

/** Time as an argument, so that a test can own it. */
export interface Clock {
  /** Milliseconds of a clock that never goes back; only differences mean anything. */
  nowMs(): number
  /** Milliseconds since 1970-01-01T00:00:00Z. */
  wallMs(): number
  /** Calls `action` once after `delayMs`; the timer is cancelled by disposing it. */
  after(delayMs: number, action: () => void): Timer
  /** Calls `action` again and again, `periodMs` apart, until disposed. */
  every(periodMs: number, action: () => void): Timer
}

export interface Timer extends Disposable {
  /** Lets the process end although the timer is still set. */
  unref(): this
}

class SystemTimer implements Timer {
  readonly #handle: NodeJS.Timeout
  constructor(handle: NodeJS.Timeout) {
    this.#handle = handle
  }
  unref(): this {
    this.#handle.unref()
    return this
  }
  [Symbol.dispose](): void {
    clearTimeout(this.#handle)
  }
}

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  after: (delayMs, action) => new SystemTimer(setTimeout(action, delayMs)),
  every: (periodMs, action) => new SystemTimer(setInterval(action, periodMs)),
}

/** A clock that moves only when told to; for tests. */
export class ManualClock implements Clock {
  #nowMs = 0
  #entries = new Set<{ atMs: number; periodMs: number | undefined; action: () => void }>()

  nowMs(): number {
    return this.#nowMs
  }
  wallMs(): number {
    return this.#nowMs
  }
  after(delayMs: number, action: () => void): Timer {
    return this.#add(delayMs, undefined, action)
  }
  every(periodMs: number, action: () => void): Timer {
    return this.#add(periodMs, periodMs, action)
  }
  /** Moves on by `ms`, firing due timers in the order of their time. */
  advance(ms: number): void {
    const endMs = this.#nowMs + ms
    for (;;) {
      let next: { atMs: number; periodMs: number | undefined; action: () => void } | undefined
      for (const entry of this.#entries) {
        if (entry.atMs <= endMs && (next === undefined || entry.atMs < next.atMs)) next = entry
      }
      if (next === undefined) break
      this.#nowMs = next.atMs
      if (next.periodMs === undefined) this.#entries.delete(next)
      else next.atMs += next.periodMs
      next.action()
    }
    this.#nowMs = endMs
  }
  /** How many timers are set: a test's leak check. */
  get pending(): number {
    return this.#entries.size
  }
  #add(delayMs: number, periodMs: number | undefined, action: () => void): Timer {
    const entry = { atMs: this.#nowMs + delayMs, periodMs, action }
    this.#entries.add(entry)
    const entries = this.#entries
    return {
      unref() {
        return this
      },
      [Symbol.dispose]() {
        entries.delete(entry)
      },
    }
  }
}
