/**
 * Longest part of a client's text in a line, in characters. Without a limit a
 * client that sends the largest target allowed decides how fast the disk fills.
 */
export const targetLimit = 2048
export const userAgentLimit = 512
/** Every other field; names of resources are shorter. */
export const fieldLimit = 256

/** No line is longer: a target, a user agent and sixteen other fields, six characters for each, and what is between. */
export const maxLineBytes: number = (targetLimit + userAgentLimit + 16 * fieldLimit) * 6 + 2048

/*
 * A line is one string, joined from parts and written into the buffer at once:
 * that is five times as fast as writing each part by itself. Every part is
 * printable ASCII: everything else is escaped, so that no client can begin a
 * line, end a field or reach the terminal of whoever reads the log.
 */

const unsafeInWord = /[^\x21\x23-\x5b\x5d-\x7e]/
const unsafeInQuotes = /[^\x20\x21\x23-\x5b\x5d-\x7e]/
const everyUnsafeInWord = new RegExp(unsafeInWord, 'g')
const everyUnsafeInQuotes = new RegExp(unsafeInQuotes, 'g')

/** A field that ends at a space; `-` when empty. */
export function word(text: string, limit: number = fieldLimit): string {
  if (text === '') return '-'
  const kept = cut(text, limit)
  return unsafeInWord.test(kept) ? kept.replace(everyUnsafeInWord, hexEscape) : kept
}

/** What stands between double quotes; `-` when empty. */
export function quotable(text: string, limit: number = fieldLimit): string {
  if (text === '') return '-'
  const kept = cut(text, limit)
  return unsafeInQuotes.test(kept) ? kept.replace(everyUnsafeInQuotes, hexEscape) : kept
}

/** A JSON string, or null when empty. Non-ASCII characters are written as their UTF-16 units. */
export function jsonText(text: string, limit: number = fieldLimit): string {
  if (text === '') return 'null'
  const kept = cut(text, limit)
  return `"${unsafeInQuotes.test(kept) ? kept.replace(everyUnsafeInQuotes, jsonEscape) : kept}"`
}

/**
 * Texts that were looked at before and need no escape: clients, hosts, methods
 * and user agents come again and again, and a comparison costs less than a look.
 */
export class KnownTexts {
  readonly #known: string[] = Array.from({ length: knownTexts }, () => '')
  readonly #render: (text: string, limit: number) => string

  /** @param render  `word` or `quotable` */
  constructor(render: (text: string, limit: number) => string) {
    this.#render = render
  }

  of(text: string, limit: number = fieldLimit): string {
    const { length } = text
    if (length < 2) return this.#render(text, limit)
    const slot = (text.charCodeAt(length - 1) * 7 + text.charCodeAt(length - 2) * 31 + length) & (knownTexts - 1)
    if (length <= limit && this.#known[slot] === text) return text
    const rendered = this.#render(text, limit)
    if (rendered === text) this.#known[slot] = text
    return rendered
  }
}

/** Enough that the busy connections of a worker seldom share a place. */
const knownTexts = 256

function cut(text: string, limit: number): string {
  return text.length <= limit ? text : `${text.slice(0, limit)}...`
}

function hexEscape(char: string): string {
  if (char === '"' || char === '\\') return `\\${char}`
  const code = char.charCodeAt(0)
  return code <= 0xff ? `\\x${hex(code, 2)}` : `\\u${hex(code, 4)}`
}

function jsonEscape(char: string): string {
  return char === '"' || char === '\\' ? `\\${char}` : `\\u${hex(char.charCodeAt(0), 4)}`
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, '0')
}

const thousandths: readonly string[] = Array.from({ length: 1000 }, (_, value) => String(value).padStart(3, '0'))

const smallTexts: readonly string[] = Array.from({ length: 1000 }, (_, value) => String(value))

function wholeText(value: number): string {
  return smallTexts[value] ?? String(value)
}

/** A whole number from 0; `none` when there is none (negative or not a number). */
export function count(value: number, none: string): string {
  return value >= 0 ? wholeText(Math.floor(value)) : none
}

/** Milliseconds with three decimals, so that two lines compare to the microsecond. */
export function milliseconds(value: number): string {
  const micros = Math.round(value * 1000)
  const whole = Math.floor(micros / 1000)
  return wholeText(whole) + '.' + (thousandths[micros - whole * 1000] as string)
}

/** The same span in seconds, with six decimals. */
export function seconds(value: number): string {
  const micros = Math.round(value * 1000)
  const whole = Math.floor(micros / 1e6)
  const rest = micros - whole * 1e6
  const upper = Math.floor(rest / 1000)
  return `${whole}.${thousandths[upper]}${thousandths[rest - upper * 1000]}`
}

/** `2026-09-12T10:11:12.345Z`. The text of a second is kept, since neighbours share it. */
export class Timestamps {
  #second = Number.NaN
  #text = ''

  at(wallMs: number): string {
    const second = Math.floor(wallMs / 1000)
    if (second !== this.#second) this.#setSecond(second)
    const millis = Math.floor(wallMs - second * 1000)
    return this.#text + (thousandths[millis] ?? '000') + 'Z'
  }

  #setSecond(second: number): void {
    // A record with a senseless time must not throw on the data path.
    const isValid = second >= 0 && second < 253_402_300_800
    this.#text = new Date(isValid ? second * 1000 : 0).toISOString().slice(0, 20)
    this.#second = second
  }
}

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

/** What is written for names, kept for the next request of the same route to the same endpoint. */
export class NameTexts {
  readonly #kept: ((Names & { readonly text: string }) | undefined)[] = Array.from(
    { length: keptNames },
    () => undefined,
  )
  readonly #write: (names: Names) => string

  constructor(write: (names: Names) => string) {
    this.#write = write
  }

  of(names: Names): string {
    const slot = slotOf(names)
    const kept = this.#kept[slot]
    if (
      kept !== undefined &&
      kept.route === names.route &&
      kept.endpoint === names.endpoint &&
      kept.rule === names.rule &&
      kept.backend === names.backend &&
      kept.virtualHost === names.virtualHost
    ) {
      return kept.text
    }
    const { virtualHost, route, rule, backend, endpoint } = names
    const text = this.#write(names)
    this.#kept[slot] = { virtualHost, route, rule, backend, endpoint, text }
    return text
  }
}

/** Names that differ at their end, as those of a family do, fall into different slots. */
function slotOf({ route, endpoint }: Names): number {
  return (tailMix(route) + tailMix(endpoint) * 11) & (keptNames - 1)
}

/** A number from the last four characters and the length; 0 for a text that is shorter. */
function tailMix(text: string): number {
  const end = text.length
  if (end < 4) return end
  const last = text.charCodeAt(end - 1) + text.charCodeAt(end - 2) * 7
  return last + text.charCodeAt(end - 3) * 31 + text.charCodeAt(end - 4) * 101 + end * 13
}
