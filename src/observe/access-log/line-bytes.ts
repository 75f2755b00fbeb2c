/**
 * Longest part of a client's text in a line, in characters. Without a limit a
 * client that sends the largest target allowed decides how fast the disk fills.
 */
export const targetLimit = 2048
export const userAgentLimit = 512
/** Every other field; names of resources are shorter. */
export const fieldLimit = 256

/** No line is longer: a target, a user agent and sixteen other fields, six bytes for each character, and what is between. */
export const maxLineBytes: number = (targetLimit + userAgentLimit + 16 * fieldLimit) * 6 + 2048

/** From this length on one call into the runtime is cheaper than a loop here. */
const shortText = 12

/**
 * Names of routes, backends and user agents come again and again: the last text
 * of each length (modulo this) that needed no escape is copied without a look at
 * its characters.
 */
const memoSize = 64

/** Routes to endpoints whose part of a line is kept; a node has seldom more that are busy. */
const keptNames = 256

/** The names that configuration gives to a request; the same strings come with every request of a route to an endpoint. */
export interface Names {
  readonly virtualHost: string
  readonly route: string
  readonly rule: string
  readonly backend: string
  readonly endpoint: string
}

interface WrittenNames extends Names {
  readonly bytes: Uint8Array
}

const quote = 0x22
const backslash = 0x5c
const space = 0x20
const zero = 0x30
const dash = 0x2d

/**
 * Writes the parts of a line into a buffer that the owner sets and that has
 * `maxLineBytes` left at the start of each line. What is written is printable
 * ASCII: everything else is escaped, so that no client can begin a line, end a
 * field or reach the terminal of whoever reads the log.
 */
export class LineBytes {
  bytes: Buffer
  /** Where the next byte goes. */
  at = 0
  #second = Number.NaN
  readonly #secondText = new Uint8Array(20)
  readonly #cleanWords: string[]
  readonly #cleanTexts: string[]
  readonly #names: (WrittenNames | undefined)[]

  constructor(bytes: Buffer) {
    this.bytes = bytes
    this.#cleanWords = Array.from({ length: memoSize }, () => '')
    this.#cleanTexts = Array.from({ length: memoSize }, () => '')
    this.#names = Array.from({ length: keptNames }, () => undefined)
  }

  byte(value: number): void {
    this.bytes[this.at++] = value
  }

  /** Text of our own, printable ASCII, as it is. */
  ascii(text: string): void {
    if (text.length >= shortText) {
      this.at += this.bytes.write(text, this.at, 'latin1')
      return
    }
    const { bytes } = this
    let at = this.at
    for (let i = 0; i < text.length; i++) bytes[at++] = text.charCodeAt(i)
    this.at = at
  }

  /** A field that ends at a space; `-` when empty. */
  word(text: string): void {
    if (text === '') return this.byte(dash)
    this.#escaped(text, fieldLimit, space, this.#cleanWords, hexEscape)
  }

  /** A field in double quotes; `-` when empty. */
  quoted(text: string, limit: number = fieldLimit): void {
    this.byte(quote)
    this.inQuotes(text, limit)
    this.byte(quote)
  }

  /** A part of a field in double quotes; `-` when empty. */
  inQuotes(text: string, limit: number = fieldLimit): void {
    if (text === '') return this.byte(dash)
    this.#escaped(text, limit, space - 1, this.#cleanTexts, hexEscape)
  }

  /** A JSON string. Non-ASCII characters are written as their UTF-16 units. */
  json(text: string, limit: number = fieldLimit): void {
    this.byte(quote)
    this.#escaped(text, limit, space - 1, this.#cleanTexts, jsonEscape)
    this.byte(quote)
  }

  /** A whole number from 0; `-` when there is none (negative or not a number). */
  integer(value: number): void {
    if (!(value >= 0)) return this.byte(dash)
    if (value >= 1e9) return this.ascii(String(Math.floor(value)))
    const whole = value | 0
    let digits = 1
    for (let bound = 10; whole >= bound; bound *= 10) digits++
    this.#digits(whole, digits)
  }

  /** Milliseconds with three decimals, so that two lines compare to the microsecond. */
  milliseconds(value: number): void {
    const micros = Math.round(value * 1000)
    this.integer(Math.floor(micros / 1000))
    this.byte(0x2e)
    this.#digits(micros % 1000, 3)
  }

  /** The same span in seconds, with six decimals. */
  seconds(milliseconds: number): void {
    const micros = Math.round(milliseconds * 1000)
    this.integer(Math.floor(micros / 1e6))
    this.byte(0x2e)
    this.#digits(micros % 1e6, 6)
  }

  /** `2026-09-12T10:11:12.345Z`. The text of a second is kept, since neighbours share it. */
  time(wallMs: number): void {
    const second = Math.floor(wallMs / 1000)
    if (second !== this.#second) this.#setSecond(second)
    this.bytes.set(this.#secondText, this.at)
    this.at += 20
    const millis = Math.floor(wallMs - second * 1000)
    this.#digits(millis >= 0 ? millis : 0, 3)
    this.byte(0x5a)
  }

  #setSecond(second: number): void {
    // A record with a senseless time must not throw on the data path.
    const isValid = second >= 0 && second < 253_402_300_800
    const text = new Date(isValid ? second * 1000 : 0).toISOString()
    for (let i = 0; i < 20; i++) this.#secondText[i] = text.charCodeAt(i)
    this.#second = second
  }

  #digits(value: number, count: number): void {
    let rest = value
    for (let at = this.at + count - 1; at >= this.at; at--) {
      const next = (rest / 10) | 0
      this.bytes[at] = zero + rest - next * 10
      rest = next
    }
    this.at += count
  }

  /** Writes what was written for the same names before. @returns false when that is not at hand */
  repeatNames(names: Names): boolean {
    const kept = this.#names[slotOf(names)]
    if (
      kept === undefined ||
      kept.route !== names.route ||
      kept.endpoint !== names.endpoint ||
      kept.rule !== names.rule ||
      kept.backend !== names.backend ||
      kept.virtualHost !== names.virtualHost
    ) {
      return false
    }
    this.bytes.set(kept.bytes, this.at)
    this.at += kept.bytes.length
    return true
  }

  /** Keeps `bytes[start, at)` as what is written for these names. */
  keepNames(names: Names, start: number): void {
    const { virtualHost, route, rule, backend, endpoint } = names
    const bytes = new Uint8Array(this.bytes.subarray(start, this.at))
    this.#names[slotOf(names)] = { virtualHost, route, rule, backend, endpoint, bytes }
  }

  /** Copies characters above `floor` and below DEL; the few others go through `escape`. */
  #escaped(text: string, limit: number, floor: number, clean: string[], escape: (code: number) => string): void {
    const slot = text.length & (memoSize - 1)
    if (text.length >= shortText && text.length <= limit && clean[slot] === text) {
      this.at += this.bytes.write(text, this.at, 'latin1')
      return
    }
    const { bytes } = this
    const length = text.length <= limit ? text.length : limit
    const start = this.at
    let at = start
    for (let i = 0; i < length; i++) {
      const code = text.charCodeAt(i)
      if (code > floor && code < 0x7f && code !== quote && code !== backslash) {
        bytes[at++] = code
      } else {
        this.at = at
        this.ascii(escape(code))
        at = this.at
      }
    }
    this.at = at
    if (length < text.length) this.ascii('...')
    else if (at - start === length) clean[slot] = text
  }
}

/** Names that differ at their end, as those of a family do, fall into different slots. */
function slotOf({ route, endpoint }: Names): number {
  const end = route.length
  const mixed =
    route.charCodeAt(end - 1) +
    route.charCodeAt(end - 2) * 7 +
    route.charCodeAt(end - 3) * 31 +
    end * 13 +
    endpoint.charCodeAt(endpoint.length - 1) * 5
  return mixed & (keptNames - 1)
}

function hexEscape(code: number): string {
  if (code === quote) return '\\"'
  if (code === backslash) return '\\\\'
  return code <= 0xff ? `\\x${hex(code, 2)}` : `\\u${hex(code, 4)}`
}

function jsonEscape(code: number): string {
  if (code === quote) return '\\"'
  if (code === backslash) return '\\\\'
  return `\\u${hex(code, 4)}`
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, '0')
}
