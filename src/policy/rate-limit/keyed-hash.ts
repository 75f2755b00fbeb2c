/** 64 bits of key and of result, as two unsigned halves. */
export interface Hash64 {
  low: number
  high: number
}

/**
 * HalfSipHash-2-4 with 64 bits of result over the UTF-16 units of a text, the low
 * byte of each first.
 * Clients choose the texts, so the hash needs a secret key: with a plain one,
 * whoever finds a text that collides with another client's could use up that
 * client's requests.
 *
 * @param into where the result goes; nothing is allocated
 * @see Aumasson and Bernstein, "SipHash: a fast short-input PRF", and its 32-bit form
 */
export function hashText(text: string, keyLow: number, keyHigh: number, into: Hash64): void {
  const state = new State(keyLow, keyHigh)
  const pairs = text.length & ~1
  for (let at = 0; at < pairs; at += 2) state.block(text.charCodeAt(at) | (text.charCodeAt(at + 1) << 16))
  const rest = pairs === text.length ? 0 : text.charCodeAt(pairs)
  // The hash is defined over bytes, and its last block holds their number.
  state.block(rest | ((2 * text.length) << 24))
  state.finish(into)
}

class State {
  #v0: number
  #v1: number
  #v2: number
  #v3: number

  constructor(keyLow: number, keyHigh: number) {
    this.#v0 = keyLow
    // 0xee: the form with 64 bits of result.
    this.#v1 = keyHigh ^ 0xee
    this.#v2 = 0x6c796765 ^ keyLow
    this.#v3 = 0x74656462 ^ keyHigh
  }

  block(value: number): void {
    this.#v3 ^= value
    this.#round()
    this.#round()
    this.#v0 ^= value
  }

  finish(into: Hash64): void {
    this.#v2 ^= 0xee
    for (let i = 0; i < 4; i++) this.#round()
    into.low = (this.#v1 ^ this.#v3) >>> 0
    this.#v1 ^= 0xdd
    for (let i = 0; i < 4; i++) this.#round()
    into.high = (this.#v1 ^ this.#v3) >>> 0
  }

  #round(): void {
    let v0 = (this.#v0 + this.#v1) | 0
    let v1 = rotate(this.#v1, 5) ^ v0
    v0 = rotate(v0, 16)
    let v2 = (this.#v2 + this.#v3) | 0
    let v3 = rotate(this.#v3, 8) ^ v2
    v0 = (v0 + v3) | 0
    v3 = rotate(v3, 7) ^ v0
    v2 = (v2 + v1) | 0
    v1 = rotate(v1, 13) ^ v2
    v2 = rotate(v2, 16)
    this.#v0 = v0
    this.#v1 = v1
    this.#v2 = v2
    this.#v3 = v3
  }
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits))
}
