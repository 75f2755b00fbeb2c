import type { Clock, Timer } from '../../core/index.ts'

/**
 * A timeout in the wheel. The caller owns the object and uses it again and
 * again; only the wheel writes the fields that begin with `wheel`.
 */
export interface WheelEntry {
  wheelNext: WheelEntry | undefined
  /** Undefined while not in a wheel. */
  wheelPrevious: WheelEntry | undefined
  wheelDueTick: number
  /** Called once when the time is over; may add and cancel any entry. */
  onTimeout(): void
}

/** An entry that calls a function; for owners with several timeouts. */
export class WheelTimer implements WheelEntry {
  wheelNext: WheelEntry | undefined = undefined
  wheelPrevious: WheelEntry | undefined = undefined
  wheelDueTick = 0
  readonly #action: () => void

  constructor(action: () => void) {
    this.#action = action
  }

  onTimeout(): void {
    this.#action()
  }
}

/**
 * Timeouts for many connections at the price of a few field writes each: adding
 * and cancelling is O(1) and allocates nothing. Entries never fire early, and
 * late by up to one tick.
 *
 * A hashed wheel: a slot holds what is due at its tick in this or a later
 * round. One clock timer drives it, only while there are entries; it ends with
 * the first tick that finds none, so that a wheel that is empty between two
 * requests does not set a timer for each. It never keeps the process alive.
 */
export class TimerWheel implements Disposable {
  readonly #clock: Clock
  readonly #tickMs: number
  readonly #slots: Anchor[]
  readonly #mask: number
  /** Due entries being called; those left by a throwing callback come first at the next tick. */
  readonly #due = new Anchor()
  #tick = 0
  #size = 0
  #timer: Timer | undefined

  /**
   * @param options.tickMs  how coarse the time is. @default 20
   * @param options.slots  a power of two. @default 1024
   */
  constructor(clock: Clock, options: { tickMs?: number; slots?: number } = {}) {
    this.#clock = clock
    this.#tickMs = options.tickMs ?? 20
    const slots = 2 ** Math.ceil(Math.log2(options.slots ?? 1024))
    this.#slots = Array.from({ length: slots }, () => new Anchor())
    this.#mask = slots - 1
  }

  /** Entries that have not fired. */
  get size(): number {
    return this.#size
  }

  /** Sets the timeout; an entry that is set already is set anew. Pass `nowMs` where it is at hand. */
  add(entry: WheelEntry, delayMs: number, nowMs: number = this.#clock.nowMs()): void {
    if (entry.wheelPrevious !== undefined) this.cancel(entry)
    if (this.#timer === undefined) this.#start(nowMs)
    entry.wheelDueTick = Math.max(Math.ceil((nowMs + delayMs) / this.#tickMs), this.#tick + 1)
    link(this.#slot(entry.wheelDueTick), entry)
    this.#size++
  }

  /** Does nothing for an entry that is not set. */
  cancel(entry: WheelEntry): void {
    if (unlink(entry)) this.#size--
  }

  has(entry: WheelEntry): boolean {
    return entry.wheelPrevious !== undefined
  }

  /** Cancels everything without calling it. */
  [Symbol.dispose](): void {
    for (const anchor of [this.#due, ...this.#slots]) while (anchor.first !== undefined) this.cancel(anchor.first)
    this.#stop()
  }

  #start(nowMs: number): void {
    this.#tick = Math.floor(nowMs / this.#tickMs)
    this.#timer = this.#clock.every(this.#tickMs, () => this.#onTick()).unref()
  }

  #stop(): void {
    this.#timer?.[Symbol.dispose]()
    this.#timer = undefined
  }

  #onTick(): void {
    if (this.#size === 0) {
      this.#stop()
      return
    }
    const nowTick = Math.floor(this.#clock.nowMs() / this.#tickMs)
    // After a long pause one round sees every slot.
    const firstTick = Math.max(this.#tick + 1, nowTick - this.#mask)
    for (let tick = firstTick; tick <= nowTick; tick++) this.#collect(this.#slot(tick), nowTick)
    this.#tick = Math.max(this.#tick, nowTick)
    for (let entry = this.#due.first; entry !== undefined; entry = this.#due.first) {
      this.cancel(entry)
      entry.onTimeout()
    }
  }

  #collect(slot: Anchor, nowTick: number): void {
    let entry = slot.wheelNext
    while (entry !== undefined && entry !== slot) {
      const next = entry.wheelNext
      if (entry.wheelDueTick <= nowTick) {
        unlink(entry)
        link(this.#due, entry)
      }
      entry = next
    }
  }

  #slot(tick: number): Anchor {
    const slot = this.#slots[tick & this.#mask]
    if (slot === undefined) throw new RangeError('a mask reaches every slot')
    return slot
  }
}

/** Head and tail of a ring of entries. */
class Anchor implements WheelEntry {
  wheelNext: WheelEntry | undefined = this
  wheelPrevious: WheelEntry | undefined = this
  wheelDueTick = 0

  get first(): WheelEntry | undefined {
    return this.wheelNext === this ? undefined : this.wheelNext
  }

  onTimeout(): void {}
}

function link(anchor: Anchor, entry: WheelEntry): void {
  const last = anchor.wheelPrevious ?? anchor
  entry.wheelNext = anchor
  entry.wheelPrevious = last
  last.wheelNext = entry
  anchor.wheelPrevious = entry
}

function unlink(entry: WheelEntry): boolean {
  const { wheelPrevious: previous, wheelNext: next } = entry
  if (previous === undefined || next === undefined) return false
  previous.wheelNext = next
  next.wheelPrevious = previous
  entry.wheelNext = undefined
  entry.wheelPrevious = undefined
  return true
}
