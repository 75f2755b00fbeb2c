/** Members with a share and their summed weights, made once per rule. */
export interface WeightTable<B> {
  readonly members: readonly B[]
  /** `ends[i]` is the sum of the weights up to and with member `i`. */
  readonly ends: readonly number[]
  readonly total: number
}

/** Weight 0 takes no part. An invalid reference keeps its share: it fails for that share only. */
export function weightTable<B extends { readonly weight: number }>(backends: readonly B[]): WeightTable<B> {
  const members = backends.filter(backend => backend.weight > 0)
  const ends: number[] = []
  let total = 0
  for (const { weight } of members) ends.push((total += weight))
  return { members, ends, total }
}

/**
 * @param random01 0 inclusive to 1 exclusive
 * @returns undefined when no backend has any weight
 */
export function chooseWeighted<B>(table: WeightTable<B>, random01: number): B | undefined {
  const { members, ends } = table
  if (members.length <= 1) return members[0]
  const point = random01 * table.total
  let low = 0
  let high = members.length - 1
  while (low < high) {
    const middle = (low + high) >> 1
    if (point < (ends[middle] ?? 0)) high = middle
    else low = middle + 1
  }
  return members[low]
}

/** Whether this request is mirrored. @param fraction 0 to 1 */
export function isMirrored(fraction: number, random01: number): boolean {
  return random01 < fraction
}
