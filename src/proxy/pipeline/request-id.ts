import { randomBytes } from 'node:crypto'

/**
 * Ids for requests that came without one, in the form of a UUID (RFC 9562,
 * version 8): 74 random bits that this thread draws once, and a count. They are
 * unique, not secret, and cost a tenth of drawing each anew.
 */
export class RequestIds {
  readonly #prefix: string
  #count = 0

  constructor(random: Buffer = randomBytes(10)) {
    const hex = random.toString('hex')
    const variant = '89ab'[(random[7] ?? 0) & 3] ?? '8'
    this.#prefix = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(12, 15)}-${variant}${hex.slice(16, 19)}-`
  }

  next(): string {
    this.#count = this.#count < 0xffff_ffff_ffff ? this.#count + 1 : 0
    return this.#prefix + this.#count.toString(16).padStart(12, '0')
  }
}
