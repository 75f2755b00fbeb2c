/** One of the places that a draw falls on: `first`, or else `second`; both are indexes of weights. */
export interface AliasSlot {
  readonly first: number
  readonly second: number
  /** So many of 2^32 draws go to `first`. */
  readonly firstShare: number
}

const draws = 2 ** 32

/**
 * As many equally likely slots as there are weights, each shared by two of them, so that a weighted choice takes two
 * random numbers and one lookup.
 *
 * @param weights  positive
 * @see Michael D. Vose, A Linear Algorithm for Generating Random Numbers with a Given Distribution, 1991
 */
export function aliasSlots(weights: readonly number[]): readonly AliasSlot[] {
  const sum = weights.reduce((total, weight) => total + weight, 0)
  const shares = weights.map(weight => (weight * weights.length) / sum)
  const small: number[] = []
  const large: number[] = []
  for (const [index, share] of shares.entries()) (share < 1 ? small : large).push(index)
  const slots: AliasSlot[] = weights.map((_, index) => ({ first: index, second: index, firstShare: draws - 1 }))
  while (small.length > 0) {
    const first = small.pop() ?? 0
    const second = large.at(-1)
    // Rounding has left it a hair below one.
    if (second === undefined) continue
    const share = shares[first] ?? 0
    slots[first] = { first, second, firstShare: Math.min(draws - 1, Math.round(share * draws)) }
    const rest = (shares[second] ?? 0) - (1 - share)
    shares[second] = rest
    if (rest < 1) {
      large.pop()
      small.push(second)
    }
  }
  return slots
}
