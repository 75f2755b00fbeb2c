import type { Http2Stream } from './stream.ts'

const leastSlots = 16
const idCount = 2 ** 31
/** An empty table that is larger shrinks: the peak of a connection should not be what it costs for ever. */
const keptSlots = 1_024
/** 2^32 divided by the golden ratio, which spreads ids that follow each other. */
const golden = 0x9e3779b1

/**
 * The open streams of a connection by their ids: open addressing, at most half
 * full, so a peer that chooses its ids badly only makes its own searches as
 * long as its number of streams.
 *
 * Not a Map: one whose entries come and go leaves a table behind each time it
 * is cleaned, and every such table refers to the next one. Once a collection
 * of young garbage has moved one of them to the old generation, all of its
 * successors survive with all streams that they hold.
 */
export class OpenStreams<User> {
  size: number = 0
  #slots: (Http2Stream<User> | undefined)[] = emptySlots(leastSlots)
  /** So that the upper bits of a hash are a place. */
  #shift: number = Math.clz32(leastSlots - 1)

  get(id: number): Http2Stream<User> | undefined {
    const slots = this.#slots
    const mask = slots.length - 1
    for (let slot = Math.imul(id, golden) >>> this.#shift; ; slot = (slot + 1) & mask) {
      const stream = slots[slot]
      if (stream === undefined || stream.id === id) return stream
    }
  }

  /** @param stream  whose id is in no other */
  add(stream: Http2Stream<User>): void {
    if (++this.size * 2 > this.#slots.length) this.#resize(this.#slots.length * 2)
    this.#place(stream)
  }

  #place(stream: Http2Stream<User>): void {
    const slots = this.#slots
    const mask = slots.length - 1
    let slot = Math.imul(stream.id, golden) >>> this.#shift
    while (slots[slot] !== undefined) slot = (slot + 1) & mask
    slots[slot] = stream
  }

  #resize(length: number): void {
    const streams = this.#slots
    this.#slots = emptySlots(length)
    this.#shift = Math.clz32(length - 1)
    for (const stream of streams) if (stream !== undefined) this.#place(stream)
  }

  /** Nothing happens when it is not there. */
  delete(id: number): void {
    const slots = this.#slots
    const mask = slots.length - 1
    let hole = Math.imul(id, golden) >>> this.#shift
    for (; slots[hole]?.id !== id; hole = (hole + 1) & mask) if (slots[hole] === undefined) return
    // Those behind that were kept from their places, or from nearer ones, move up: searches end at the first hole.
    for (let slot = (hole + 1) & mask; ; slot = (slot + 1) & mask) {
      const stream = slots[slot]
      if (stream === undefined) break
      const home = Math.imul(stream.id, golden) >>> this.#shift
      if (((slot - home) & mask) < ((slot - hole) & mask)) continue
      slots[hole] = stream
      hole = slot
    }
    slots[hole] = undefined
    if (--this.size === 0 && slots.length > keptSlots) this.#resize(leastSlots)
  }

  /**
   * In the order of their ids, from the first above `after` on and then round to it; what opens or closes meanwhile
   * does not change the list.
   */
  list(after: number = 0): Http2Stream<User>[] {
    const streams: Http2Stream<User>[] = []
    if (this.size === 0) return streams
    for (const stream of this.#slots) if (stream !== undefined) streams.push(stream)
    const next = (id: number): number => (id > after ? id - after : id - after + idCount)
    return streams.sort((a, b) => next(a.id) - next(b.id))
  }
}

function emptySlots<T>(length: number): (T | undefined)[] {
  const slots: (T | undefined)[] = []
  for (let slot = 0; slot < length; slot++) slots.push(undefined)
  return slots
}
