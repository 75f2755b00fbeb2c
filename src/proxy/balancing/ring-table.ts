import { hashString, mix32 } from './hash.ts'
import { maxHashMembers } from './hash-table.ts'
import type { HashMember, HashTable } from './hash-table.ts'

/**
 * Ketama-like ring: every endpoint owns points on a circle of 32-bit hashes, in
 * proportion to its weight; a key belongs to the next point at or after it.
 *
 * The number of points per unit of weight is a power of two, so that it stays
 * the same while endpoints come and go (until their number doubles or halves):
 * otherwise the others' new points would move keys that need not move.
 */
export function buildRing(members: readonly HashMember[], minRingSize: number): HashTable {
  const pointsPerWeight = choosePointsPerWeight(members, minRingSize)
  const counts = members.map(member => Math.max(1, Math.round(member.weight * pointsPerWeight)))
  const size = counts.reduce((sum, count) => sum + count, 0)

  // Hash and owner in one double, which sorts natively: 32 + 20 bits of the 53.
  const keys = new Float64Array(size)
  let next = 0
  for (let owner = 0; owner < members.length; owner++) {
    const id = members[owner]?.id ?? ''
    const first = hashString(id)
    const second = hashString(id, pointSeed)
    const count = counts[owner] ?? 0
    for (let point = 0; point < count; point++) {
      keys[next++] = mix32(first ^ mix32(second + point)) * maxHashMembers + owner
    }
  }
  keys.sort()

  const points = new Uint32Array(size)
  const owners = new Uint32Array(size)
  for (let i = 0; i < size; i++) {
    const key = keys[i] ?? 0
    const point = Math.floor(key / maxHashMembers)
    points[i] = point
    owners[i] = key - point * maxHashMembers
  }
  return { owners, slotOf: hash => firstAtOrAfter(points, hash) }
}

function choosePointsPerWeight(members: readonly HashMember[], minRingSize: number): number {
  const totalWeight = members.reduce((sum, member) => sum + member.weight, 0)
  const wanted = Math.min(Math.max(minRingSize, leastPointsPerMember * members.length), maxRingSize / 2)
  return 2 ** Math.ceil(Math.log2(wanted / Math.max(1, totalWeight)))
}

function firstAtOrAfter(points: Uint32Array, hash: number): number {
  let low = 0
  let high = points.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((points[middle] ?? 0) < hash) low = middle + 1
    else high = middle
  }
  return low === points.length ? 0 : low
}

const pointSeed = 0x9e3779b9
/** With fewer the shares of equal endpoints differ by more than a quarter. */
const leastPointsPerMember = 16
/** About 12 MB and a fraction of a second to build; a larger ring gains nothing that is visible. */
const maxRingSize = 2 ** 20
