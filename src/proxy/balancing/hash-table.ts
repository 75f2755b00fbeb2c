/**
 * What both consistent-hashing schemes compile to: a circle of slots, each
 * owned by an endpoint (a number, the position in the list the table was built
 * from). A key starts at one slot; when its owner may not be used the key walks
 * on, so that an ejected endpoint's keys spread over the others and come back
 * to it without the table being built again.
 */
export interface HashTable {
  readonly owners: Uint32Array
  /** The slot where the key with this 32-bit hash starts. */
  slotOf(hash: number): number
}

/** One endpoint as the tables see it. Lists are sorted by id, so that all workers and nodes agree. */
export interface HashMember {
  readonly id: string
  readonly weight: number
}

/** More members than this do not fit the ring's packed keys. */
export const maxHashMembers: number = 2 ** 20
