import { hashString } from './hash.ts'
import type { HashMember, HashTable } from './hash-table.ts'
import { TurnHeap } from './turn-heap.ts'

/**
 * Maglev table (Eisenbud et al., NSDI 2016, section 3.4): every endpoint has a
 * permutation of the slots of its own; in turn each takes its next free slot.
 * Heavier endpoints have more turns, everyone has at least one. Looking a key
 * up is one array read; shares are more even than a ring's, and a change moves
 * a few more keys than it must.
 *
 * @param tableSize  raised to the next prime, and to a size of which every endpoint can have its share
 */
export function buildMaglev(members: readonly HashMember[], tableSize: number): HashTable {
  if (members.length === 0) return { owners: new Uint32Array(0), slotOf: () => 0 }
  const size = chooseTableSize(members.length, tableSize)
  const owners = new Uint32Array(size)

  const positions = new Float64Array(members.length)
  const skips = new Float64Array(members.length)
  const turns = new TurnHeap(members.length)
  for (let i = 0; i < members.length; i++) {
    const id = members[i]?.id ?? ''
    positions[i] = hashString(id) % size
    skips[i] = (hashString(id, skipSeed) % (size - 1)) + 1
    turns.push(i, 0)
  }

  const taken = new Uint8Array(size)
  for (let filled = 0; filled < size; filled++) {
    const member = turns.top
    const skip = skips[member] ?? 1
    let slot = positions[member] ?? 0
    while (taken[slot] === 1) {
      slot += skip
      if (slot >= size) slot -= size
    }
    taken[slot] = 1
    owners[slot] = member
    positions[member] = slot
    turns.advance(1 / (members[member]?.weight ?? 1))
  }
  return { owners, slotOf: hash => hash % size }
}

/** The size only steps by doubling, since another size moves nearly all keys. */
export function chooseTableSize(memberCount: number, tableSize: number): number {
  const least = 2 ** Math.ceil(Math.log2(memberCount * leastSlotsPerMember))
  return nextPrime(Math.min(Math.max(tableSize, least, 3), Math.max(maxTableSize, least)))
}

function nextPrime(from: number): number {
  let candidate = Math.ceil(from)
  while (!isPrime(candidate)) candidate++
  return candidate
}

function isPrime(value: number): boolean {
  if (value % 2 === 0) return value === 2
  for (let divisor = 3; divisor * divisor <= value; divisor += 2) if (value % divisor === 0) return false
  return value > 1
}

const skipSeed = 0x85ebca77
const leastSlotsPerMember = 8
/** 20 MB and seconds to build: a table beyond that is a mistake. */
const maxTableSize = 5_000_011
