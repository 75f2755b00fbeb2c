/**
 * Finds the name an operator probably meant. A dangling reference may stand in
 * each of ten thousand routes, so the cost must not grow with the number of
 * names: every name is filed under itself and under itself without one of its
 * letters, which meets all names one letter away (wrong, missing, surplus or
 * swapped neighbours) with a handful of look-ups.
 */
export class NameIndex {
  readonly #names: ReadonlySet<string>
  readonly #byVariant = new Map<string, string[]>()

  constructor(names: Iterable<string>) {
    this.#names = new Set(names)
    for (const name of this.#names) {
      for (const variant of variantsOf(name)) {
        const known = this.#byVariant.get(variant)
        if (known === undefined) this.#byVariant.set(variant, [name])
        else known.push(name)
      }
    }
  }

  /** The nearest other name, the first in the alphabet among equally near ones. */
  nearest(name: string): string | undefined {
    let best: string | undefined
    let bestDistance = Infinity
    for (const variant of variantsOf(name)) {
      for (const candidate of this.#byVariant.get(variant) ?? []) {
        if (candidate === name) continue
        const distance = editDistance(name, candidate)
        if (distance < bestDistance || (distance === bestDistance && best !== undefined && candidate < best)) {
          best = candidate
          bestDistance = distance
        }
      }
    }
    return best
  }
}

/** `, did you mean x?`, or nothing. For a short list, where the distance may be larger. */
export function didYouMean(name: string, known: Iterable<string>): string {
  let best: string | undefined
  let bestDistance = Math.max(1, Math.floor(name.length / 3)) + 1
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase())
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best === undefined ? '' : `, did you mean ${best}?`
}

function variantsOf(name: string): Set<string> {
  const variants = new Set([name])
  for (let at = 0; at < name.length; at++) variants.add(name.slice(0, at) + name.slice(at + 1))
  return variants
}

/** Levenshtein's, with swapped neighbours counted once. Names have at most 253 letters. */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1]
      let distance = Math.min(at(last, column) + 1, at(current, column - 1) + 1, at(last, column - 1) + (same ? 0 : 1))
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        distance = Math.min(distance, at(beforeLast, column - 2) + 1)
      }
      current.push(distance)
    }
    beforeLast = last
    last = current
  }
  return at(last, b.length)
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? 0
}
