/** FNV-1a: one multiplication per character, which the search for the next slash looks at anyway. */
const prime = 0x01000193
const leastSlots = 16

/**
 * Entries by path, asked for the beginnings of one path: the hash of a beginning
 * is that of a shorter one and a few characters more, so `/a/b/c` is read once
 * and no string is made.
 *
 *     let hash = table.seed
 *     for (each character of the path) {
 *       if (at a slash) table.find(path, at, hash)
 *       hash = nextHash(hash, character)
 *     }
 *
 * It waits for memory less often than a Map does, which walks through keys of
 * other hashes and has to look into each: among ten thousand keys that is most
 * of what a lookup costs.
 */
export class PathTable<E extends { readonly key: string }> {
  /** Differs between tables, or whoever may write routes could write such as all have one hash. */
  readonly seed: number
  /** Hash and, from 1, the place of the key: two numbers a slot, at most half of the slots used, next slot if taken. */
  #slots: Int32Array = new Int32Array(2 * leastSlots)
  /** Without gaps but at the places of those that were deleted. */
  #entries: (E | undefined)[] = []
  #size = 0

  constructor(seed: number = Math.trunc(Math.random() * 2 ** 31)) {
    this.seed = seed
  }

  get size(): number {
    return this.#size
  }

  copy(): PathTable<E> {
    const copy = new PathTable<E>(this.seed)
    copy.#slots = this.#slots.slice()
    copy.#entries = [...this.#entries]
    copy.#size = this.#size
    return copy
  }

  /** @param hash of the first `end` characters of the path, which are the key */
  find(path: string, end: number, hash: number): E | undefined {
    const place = this.#slots[this.#slotOf(path, end, hash) + 1] as number
    return place === 0 ? undefined : this.#entries[place - 1]
  }

  get(key: string): E | undefined {
    return this.find(key, key.length, this.#hashOf(key))
  }

  /** In place of the entry of the same key, if there is one. */
  set(entry: E): void {
    const { key } = entry
    const hash = this.#hashOf(key)
    const at = this.#slotOf(key, key.length, hash)
    const place = this.#slots[at + 1] as number
    if (place > 0) {
      this.#entries[place - 1] = entry
      return
    }
    this.#size++
    this.#entries.push(entry)
    this.#take(at, hash, this.#entries.length)
    if (this.#entries.length * 4 > this.#slots.length) this.#rebuild()
  }

  delete(key: string): void {
    const place = this.#slots[this.#slotOf(key, key.length, this.#hashOf(key)) + 1] as number
    if (place === 0) return
    // The slot stays taken until the next rebuild, since others may lie behind it.
    this.#entries[place - 1] = undefined
    this.#size--
  }

  *entries(): Generator<E> {
    for (const entry of this.#entries) if (entry !== undefined) yield entry
  }

  /** The slot of the key, or the free one where it would be. */
  #slotOf(path: string, end: number, hash: number): number {
    const slots = this.#slots
    const mask = slots.length - 1
    for (let at = firstSlot(hash) & mask; ; at = (at + 2) & mask) {
      const place = slots[at + 1] as number
      if (place === 0) return at
      if (slots[at] !== hash) continue
      const key = this.#entries[place - 1]?.key
      if (key !== undefined && key.length === end && path.startsWith(key)) return at
    }
  }

  #take(at: number, hash: number, place: number): void {
    this.#slots[at] = hash
    this.#slots[at + 1] = place
  }

  /** Without those that were deleted, and with room for half as many again. */
  #rebuild(): void {
    const before = this.#slots
    const entries = this.#entries
    let count = leastSlots
    while (count < this.#size * 3) count *= 2
    const slots = new Int32Array(2 * count)
    const mask = slots.length - 1
    this.#slots = slots
    this.#entries = []
    for (let from = 0; from < before.length; from += 2) {
      const entry = entries[(before[from + 1] as number) - 1]
      if (entry === undefined) continue
      const hash = before[from] as number
      let at = firstSlot(hash) & mask
      while (slots[at + 1] !== 0) at = (at + 2) & mask
      this.#entries.push(entry)
      this.#take(at, hash, this.#entries.length)
    }
  }

  #hashOf(key: string): number {
    let hash = this.seed
    for (let at = 0; at < key.length; at++) hash = nextHash(hash, key.charCodeAt(at))
    return hash
  }
}

/** Of a text that is one character longer. */
export function nextHash(hash: number, code: number): number {
  return Math.imul(hash ^ code, prime)
}

/** Even, since a slot has two numbers; the upper bits know more of the early characters. */
function firstSlot(hash: number): number {
  return (hash ^ (hash >>> 15)) << 1
}
