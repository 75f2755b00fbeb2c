const leastSlots = 16
const idCount = 2 ** 31
/** An empty table that is larger shrinks: the peak of a connection should not be what it costs for ever. */
const keptSlots = 1_024
/** 2^32 divided by the golden ratio, which spreads ids that follow each other. */
const golden = 0x9e3779b1

/**
 * What comes and goes under numbers, such as the open streams of a connection:
 * open addressing, at most half full, so a peer that chooses its ids badly only
 * makes its own searches as long as its number of streams.
 *
 * Not a Map: one whose entries come and go leaves a table behind each time it
 * is cleaned, and every such table refers to the next one. Once a collection
 * of young garbage has moved one of them to the old generation, all of its
 * successors survive with all that they hold.
 */
export class IdTable<T extends { readonly id: number }> {
  size: number = 0
  #slots: (T | undefined)[] = emptySlots(leastSlots)
  /** So that the upper bits of a hash are a place. */
  #shift: number = Math.clz32(leastSlots - 1)

  get(id: number): T | undefined {
    const slots = this.#slots
    const mask = slots.length - 1
    for (let slot = Math.imul(id, golden) >>> this.#shift; ; slot = (slot + 1) & mask) {
      const entry = slots[slot]
      if (entry === undefined || entry.id === id) return entry
    }
  }

  /** @param entry  whose id is in no other */
  add(entry: T): void {
    if (++this.size * 2 > this.#slots.length) this.#resize(this.#slots.length * 2)
    this.#place(entry)
  }

  #place(entry: T): void {
    const slots = this.#slots
    const mask = slots.length - 1
    let slot = Math.imul(entry.id, golden) >>> this.#shift
    while (slots[slot] !== undefined) slot = (slot + 1) & mask
    slots[slot] = entry
  }

  #resize(length: number): void {
    const entries = this.#slots
    this.#slots = emptySlots(length)
    this.#shift = Math.clz32(length - 1)
    for (const entry of entries) if (entry !== undefined) this.#place(entry)
  }

  /** @returns whether it was there */
  delete(id: number): boolean {
    const slots = this.#slots
    const mask = slots.length - 1
    let hole = Math.imul(id, golden) >>> this.#shift
    for (; slots[hole]?.id !== id; hole = (hole + 1) & mask) if (slots[hole] === undefined) return false
    // Those behind that were kept from their places, or from nearer ones, move up: searches end at the first hole.
    for (let slot = (hole + 1) & mask; ; slot = (slot + 1) & mask) {
      const entry = slots[slot]
      if (entry === undefined) break
      const home = Math.imul(entry.id, golden) >>> this.#shift
      if (((slot - home) & mask) < ((slot - hole) & mask)) continue
      slots[hole] = entry
      hole = slot
    }
    slots[hole] = undefined
    if (--this.size === 0 && slots.length > keptSlots) this.#resize(leastSlots)
    return true
  }

  clear(): void {
    this.size = 0
    this.#slots = emptySlots(leastSlots)
    this.#shift = Math.clz32(leastSlots - 1)
  }

  /**
   * In the order of their ids, from the first above `after` on and then round to it; what opens or closes meanwhile
   * does not change the list.
   */
  list(after: number = 0): T[] {
    const entries: T[] = []
    if (this.size === 0) return entries
    for (const entry of this.#slots) if (entry !== undefined) entries.push(entry)
    const next = (id: number): number => (id > after ? id - after : id - after + idCount)
    return entries.sort((a, b) => next(a.id) - next(b.id))
  }
}

function emptySlots<T>(length: number): (T | undefined)[] {
  const slots: (T | undefined)[] = []
  for (let slot = 0; slot < length; slot++) slots.push(undefined)
  return slots
}
