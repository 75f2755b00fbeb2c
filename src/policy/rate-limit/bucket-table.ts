import { randomFillSync } from 'node:crypto'
import type { RateLimit } from '../../model/index.ts'
import { hashText, type Hash64 } from './keyed-hash.ts'

/**
 * Token buckets in memory that all workers share, so that a limit counts the
 * requests of the whole agent.
 *
 * A bucket is one 64-bit word, changed by a single compare-and-swap: 24 bits of
 * its key's hash, and 40 bits that say when the bucket will be full again (the
 * "theoretical arrival time" of the generic cell rate algorithm). So there are
 * no locks, and a worker that is stopped half-way stops nobody.
 *
 * Exactness: of one key, in any time T, at most `burst + requests * T / period`
 * requests pass, over all workers. The words lie in sets of eight; a ninth key
 * that is busy in the same set takes the place of the bucket that is nearest to
 * full. That costs nothing while the table has room, since a full bucket is the
 * same as an unknown one. With more busy keys than `maxKeys` the forgotten ones
 * start full again: requests are let through that should not be, memory is not
 * used beyond its bound. Two keys share a bucket by chance once in two million.
 *
 * The clock wraps after 12 days or more; an entry from before the wrap is taken
 * for what it is, full, except when it happens to lie within the one thousandth of
 * the circle where it could be current: then that client has less until
 * its bucket is full, once.
 */
export class BucketTable {
  /** After `take`: whole requests that are left. */
  remaining = 0
  /** After `take`: when it is worth to try again; 0 when the request may pass. */
  retryAfterMs = 0
  /** After `take`: when the bucket will be full. */
  fullAfterMs = 0

  readonly #words: BigUint64Array
  /** The same memory, for looking without making big integers. */
  readonly #halves: Uint32Array
  readonly #setMask: number
  readonly #keyLow: number
  readonly #keyHigh: number
  readonly #ticksPerRequest: number
  readonly #ticksPerMs: number
  readonly #burstTicks: number
  /** Further ahead than this no worker can have written, clocks of turns considered. */
  readonly #plausibleTicks: number
  readonly #hash: Hash64 = { low: 0, high: 0 }
  #word = 0n

  /** @param memory of `createBucketMemory` for the same limit */
  constructor(limit: BucketLimit, memory: SharedArrayBuffer) {
    this.#words = new BigUint64Array(memory)
    this.#halves = new Uint32Array(memory)
    this.#keyLow = this.#halves[0] ?? 0
    this.#keyHigh = this.#halves[1] ?? 0
    this.#setMask = (this.#words.length - headerWords) / ways - 1
    const intervalMs = limit.periodMs / limit.requests
    const ticks = Math.min(Math.floor(intervalMs * 1000), Math.floor(maxBurstTicks / limit.burst))
    this.#ticksPerRequest = Math.max(1, ticks)
    this.#ticksPerMs = this.#ticksPerRequest / intervalMs
    this.#burstTicks = this.#ticksPerRequest * limit.burst
    this.#plausibleTicks = this.#burstTicks + maxSkewMs * this.#ticksPerMs
  }

  /**
   * Takes one request from the bucket of `key`.
   * @param nowMs of a clock that all workers share and that never goes back
   * @returns whether the request may pass
   */
  take(key: string, nowMs: number): boolean {
    const hash = this.#hash
    hashText(key, this.#keyLow, this.#keyHigh, hash)
    const first = headerWords + (hash.low & this.#setMask) * ways
    const mark = hash.high >>> 8 === 0 ? 1 : hash.high >>> 8
    const now = Math.floor(nowMs * this.#ticksPerMs) % circle
    for (;;) {
      const place = this.#find(first, mark, now)
      const word = this.#word
      const ahead = markOf(word) === mark ? Math.max(0, this.#ahead(word, now)) : 0
      const next = ahead + this.#ticksPerRequest
      if (next > this.#burstTicks) {
        this.remaining = 0
        this.retryAfterMs = (next - this.#burstTicks) / this.#ticksPerMs
        this.fullAfterMs = ahead / this.#ticksPerMs
        return false
      }
      const after = (BigInt(mark) << timeBits) | BigInt((now + next) % circle)
      if (Atomics.compareExchange(this.#words, place, word, after) !== word) continue
      this.remaining = Math.floor((this.#burstTicks - next) / this.#ticksPerRequest)
      this.retryAfterMs = 0
      this.fullAfterMs = next / this.#ticksPerMs
      return true
    }
  }

  /**
   * The place of the key's bucket; without one, the place of the bucket that is
   * nearest to full. `#word` is what was found there: it is exchanged only if it
   * is still the same, or a second bucket of the same key could come to be.
   */
  #find(first: number, mark: number, now: number): number {
    for (let at = first; at < first + ways; at++) {
      if ((this.#halves[2 * at + 1] ?? 0) >>> 8 !== mark) continue
      this.#word = Atomics.load(this.#words, at)
      if (markOf(this.#word) === mark) return at
    }
    let victim = first
    let least = Infinity
    for (let at = first; at < first + ways; at++) {
      const word = Atomics.load(this.#words, at)
      const isOurs = markOf(word) === mark
      const ahead = isOurs || word === 0n ? -Infinity : this.#ahead(word, now)
      if (ahead >= least && !isOurs) continue
      least = ahead
      victim = at
      this.#word = word
      if (isOurs) break
    }
    return victim
  }

  /** How far in the future the bucket is full, in ticks; negative when it is full already. */
  #ahead(word: bigint, now: number): number {
    const time = Number(word & timeMask)
    let ahead = time - now
    if (ahead > circle / 2) ahead -= circle
    else if (ahead < -circle / 2) ahead += circle
    return ahead > this.#plausibleTicks ? -circle : ahead
  }
}

export type BucketLimit = Pick<RateLimit, 'requests' | 'periodMs' | 'burst' | 'by' | 'maxKeys'>

const timeBits = 40n
const timeMask = (1n << timeBits) - 1n
const circle = 2 ** 40
/** A thousandth of the circle: what is ahead can be told from what is long past. */
const maxBurstTicks = 2 ** 30
/** Workers see the time at which their turn began; no turn is longer. */
const maxSkewMs = 10_000
/** Buckets of one set. */
const ways = 8
/** The first word is the key of the hash. */
const headerWords = 1

function markOf(word: bigint): number {
  return Number(word >> timeBits)
}

/** Memory for the buckets of one limit, empty; made once and handed to every worker. */
export function createBucketMemory({ by, maxKeys }: Pick<BucketLimit, 'by' | 'maxKeys'>): SharedArrayBuffer {
  const sets = by.length === 0 ? 1 : 2 ** Math.ceil(Math.log2(Math.max(1, maxKeys / ways)))
  const memory = new SharedArrayBuffer((headerWords + sets * ways) * 8)
  randomFillSync(new Uint32Array(memory, 0, 2))
  return memory
}
