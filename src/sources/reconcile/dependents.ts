/**
 * Who read what. A derived entry (a route) notes the facts it was computed from
 * (`Service shop/cart`, `ReferenceGrant shop`); when a fact changes, exactly the
 * entries that read it are computed again, and the cost of an edit does not grow
 * with the number of routes.
 */
export class Dependents {
  readonly #readers = new Map<string, Set<string>>()
  readonly #reads = new Map<string, ReadonlySet<string>>()

  /** Replaces what `reader` has read; an empty set forgets it. */
  set(reader: string, facts: ReadonlySet<string>): void {
    for (const fact of this.#reads.get(reader) ?? []) {
      if (facts.has(fact)) continue
      const readers = this.#readers.get(fact)
      readers?.delete(reader)
      if (readers?.size === 0) this.#readers.delete(fact)
    }
    for (const fact of facts) {
      const readers = this.#readers.get(fact)
      if (readers === undefined) this.#readers.set(fact, new Set([reader]))
      else readers.add(reader)
    }
    if (facts.size === 0) this.#reads.delete(reader)
    else this.#reads.set(reader, facts)
  }

  of(fact: string): Iterable<string> {
    return this.#readers.get(fact) ?? []
  }
}
