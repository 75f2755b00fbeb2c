import { randomBytes } from 'node:crypto'

const lowCount = 0x1_0000
const highCount = 0x1_0000_0000
const idLength = 36
const highAt = 24
const lowAt = 32
const hexDigits: Uint8Array = Buffer.from('0123456789abcdef', 'latin1')

/** What Node's buffers have and its types do not tell: the call below `toString`. */
interface Latin1Buffer extends Buffer {
  latin1Slice(from: number, to: number): string
}

/**
 * Ids for requests that came without one, in the form of a UUID (RFC 9562,
 * version 8): 74 random bits that this thread draws once, and a count. They are
 * unique, not secret, and cost a tenth of drawing each anew.
 */
export class RequestIds {
  /** The last id. Strings are made from it, since one that is joined from parts costs more when it is written. */
  readonly #id: Latin1Buffer
  #high = 0
  #low = 0

  constructor(random: Buffer = randomBytes(10)) {
    const hex = random.toString('hex')
    const variant = '89ab'[(random[7] ?? 0) & 3] ?? '8'
    const prefix = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(12, 15)}-${variant}${hex.slice(16, 19)}-`
    this.#id = Buffer.from(prefix + '0'.repeat(idLength - highAt), 'latin1') as Latin1Buffer
  }

  get length(): number {
    return idLength
  }

  next(): string {
    this.#count()
    return this.#id.latin1Slice(0, idLength)
  }

  /** The next one in ASCII, where a string would be made to be written at once. */
  write(into: Uint8Array): void {
    this.#count()
    into.set(this.#id)
  }

  #count(): void {
    const id = this.#id
    let low = ++this.#low
    if (low === lowCount) {
      low = 0
      this.#low = 0
      this.#high = (this.#high + 1) % highCount
      id.write(this.#high.toString(16).padStart(lowAt - highAt, '0'), highAt, 'latin1')
    }
    id[lowAt] = hexDigits[low >>> 12] as number
    id[lowAt + 1] = hexDigits[(low >>> 8) & 0xf] as number
    id[lowAt + 2] = hexDigits[(low >>> 4) & 0xf] as number
    id[lowAt + 3] = hexDigits[low & 0xf] as number
  }
}

/** Ids that came are kept, if they are of a sane length; others are made. */
export function keptRequestId(id: string): boolean {
  return id.length > 0 && id.length <= 128
}

/** The trace id of a `traceparent` (W3C Trace Context, section 3.2), empty when it has none. */
export function traceIdOf(traceparent: string): string {
  return /^[0-9a-f]{2}-([0-9a-f]{32})-/.exec(traceparent)?.[1] ?? ''
}
