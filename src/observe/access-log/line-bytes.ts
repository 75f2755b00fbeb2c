/** What Node's buffers have and its types do not tell: the call below `write`. */
interface Latin1Buffer extends Buffer {
  latin1Write(text: string, at: number, length: number): number
}

/** Below it, a loop is faster than a call into the runtime. */
const shortText = 24
/** Above it, an expression that is tested finds unsafe bytes faster than a loop. */
const longestLoop = 64
const zero = 0x30
const dot = 0x2e

/** 1 for what stands in a word as it is: visible ASCII but for quotes and backslashes. */
const wordBytes = Uint8Array.from({ length: 256 }, (_, code) =>
  code > 0x20 && code < 0x7f && code !== 0x22 && code !== 0x5c ? 1 : 0,
)

/**
 * Puts a line together where it is to stand: parts that come again and again are bytes that were made once, and
 * copying those costs the same whatever their length.
 */
export class LineBytes {
  #into: Latin1Buffer = Buffer.alloc(0) as Latin1Buffer
  #at = 0

  /** There must be room for the longest line. */
  begin(into: Buffer, at: number): void {
    this.#into = into as Latin1Buffer
    this.#at = at
  }

  /** The place after what was written. */
  get end(): number {
    return this.#at
  }

  /** Forgets the last bytes. */
  back(count: number): void {
    this.#at -= count
  }

  bytes(part: Uint8Array): void {
    this.#into.set(part, this.#at)
    this.#at += part.length
  }

  /** What stands at [from, to) once more: a few bytes. */
  again(from: number, to: number): void {
    const into = this.#into
    let at = this.#at
    for (let index = from; index < to; index++) into[at++] = into[index] as number
    this.#at = at
  }

  byte(code: number): void {
    this.#into[this.#at++] = code
  }

  /** @param text  latin1, at most a part of a line */
  text(text: string): void {
    const { length } = text
    if (length > shortText) {
      this.#at += this.#into.latin1Write(text, this.#at, length)
      return
    }
    const into = this.#into
    const at = this.#at
    for (let index = 0; index < length; index++) into[at + index] = text.charCodeAt(index)
    this.#at = at + length
  }

  /** @returns false, with nothing written, when the text is empty, long or needs escapes */
  plainWord(text: string): boolean {
    const { length } = text
    if (length === 0 || length > longestLoop) return false
    const into = this.#into
    const at = this.#at
    for (let index = 0; index < length; index++) {
      const code = text.charCodeAt(index)
      if (wordBytes[code] !== 1) return false
      into[at + index] = code
    }
    this.#at = at + length
    return true
  }

  /** A whole number from 0. */
  whole(value: number): void {
    if (value > 0x3fff_ffff) {
      this.text(String(value))
      return
    }
    let digits = 1
    for (let bound = 10; bound <= value; bound *= 10) digits++
    const end = this.#at + digits
    this.#digits(value, end, digits)
    this.#at = end
  }

  #digits(value: number, end: number, count: number): void {
    const into = this.#into
    let rest = value
    for (let at = end - 1; at >= end - count; at--) {
      const upper = Math.floor(rest / 10)
      into[at] = zero + rest - upper * 10
      rest = upper
    }
  }

  /** Milliseconds with three decimals, so that two lines compare to the microsecond. */
  milliseconds(value: number): void {
    const micros = Math.round(value * 1000)
    const whole = Math.floor(micros / 1000)
    this.whole(whole)
    this.#into[this.#at] = dot
    this.#digits(micros - whole * 1000, this.#at + 4, 3)
    this.#at += 4
  }

  /** The same span in seconds, with six decimals. */
  seconds(valueMs: number): void {
    const micros = Math.round(valueMs * 1000)
    const whole = Math.floor(micros / 1e6)
    this.whole(whole)
    this.#into[this.#at] = dot
    this.#digits(micros - whole * 1e6, this.#at + 7, 6)
    this.#at += 7
  }
}

/** `2026-09-12T10:11:12.345Z`. The bytes of a second are kept, since neighbours share it. */
export class TimestampBytes {
  readonly #bytes: Buffer = Buffer.from('1970-01-01T00:00:00.000Z', 'latin1')
  #second = 0
  #wallMs = 0

  /** Good until the next call. */
  at(wallMs: number): Uint8Array {
    // Requests that came in one read have the same.
    if (wallMs === this.#wallMs) return this.#bytes
    this.#wallMs = wallMs
    const second = Math.floor(wallMs / 1000)
    const bytes = this.#bytes
    if (second !== this.#second) {
      // A record with a senseless time must not throw on the data path.
      const isValid = second >= 0 && second < 253_402_300_800
      bytes.write(new Date(isValid ? second * 1000 : 0).toISOString().slice(0, 20), 'latin1')
      this.#second = second
    }
    const millis = Math.floor(wallMs - second * 1000)
    const rest = millis >= 0 && millis < 1000 ? millis : 0
    const hundreds = Math.floor(rest / 100)
    const tens = Math.floor(rest / 10)
    bytes[20] = zero + hundreds
    bytes[21] = zero + tens - hundreds * 10
    bytes[22] = zero + rest - tens * 10
    return bytes
  }
}
