/**
 * Earliest-deadline-first turns: whoever has weight w comes up every 1/w of
 * virtual time. Gives exact proportions over any stretch (each within one turn
 * of its share), and spreads a heavy member's turns instead of bunching them.
 * A turn costs O(log n).
 */
export class TurnHeap {
  readonly #deadlines: Float64Array
  readonly #members: Uint32Array
  #size = 0

  constructor(capacity: number) {
    this.#deadlines = new Float64Array(capacity)
    this.#members = new Uint32Array(capacity)
  }

  /** Adds a member with its first deadline; equal deadlines come up by member number. */
  push(member: number, deadline: number): void {
    let at = this.#size++
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!this.#isBefore(deadline, member, parent)) break
      this.#move(parent, at)
      at = parent
    }
    this.#put(at, member, deadline)
  }

  /** The member whose turn it is. */
  get top(): number {
    return this.#members[0] ?? 0
  }

  /** Virtual time: the deadline of the turn that is next. */
  get nowVirtual(): number {
    return this.#deadlines[0] ?? 0
  }

  /** Ends the turn of `top`: it comes up again `step` later. */
  advance(step: number): void {
    const member = this.top
    const deadline = this.nowVirtual + step
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= this.#size) break
      const right = child + 1
      if (right < this.#size && this.#isBefore(this.#deadlines[right] ?? 0, this.#members[right] ?? 0, child)) {
        child = right
      }
      if (this.#isBefore(deadline, member, child)) break
      this.#move(child, at)
      at = child
    }
    this.#put(at, member, deadline)
    if (deadline > rebaseAt) this.#rebase()
  }

  /** Calls `visit` with each member and how far off its turn is in virtual time. */
  forEach(visit: (member: number, ahead: number) => void): void {
    const start = this.nowVirtual
    for (let i = 0; i < this.#size; i++) visit(this.#members[i] ?? 0, (this.#deadlines[i] ?? 0) - start)
  }

  #isBefore(deadline: number, member: number, at: number): boolean {
    const other = this.#deadlines[at] ?? 0
    return deadline < other || (deadline === other && member < (this.#members[at] ?? 0))
  }

  #move(from: number, to: number): void {
    this.#put(to, this.#members[from] ?? 0, this.#deadlines[from] ?? 0)
  }

  #put(at: number, member: number, deadline: number): void {
    this.#members[at] = member
    this.#deadlines[at] = deadline
  }

  #rebase(): void {
    const start = this.nowVirtual
    for (let i = 0; i < this.#size; i++) this.#deadlines[i] = (this.#deadlines[i] ?? 0) - start
  }
}

/** Beyond this, 1/weight of a heavy member would drown in the rounding of the sum. */
const rebaseAt = 2 ** 20
