/**
 * Longest part of a client's text in a line, in characters. Without a limit a
 * client that sends the largest target allowed decides how fast the disk fills.
 */
export const targetLimit = 2048
export const userAgentLimit = 512
/** Every other field; names of resources are shorter. */
export const fieldLimit = 256

/** No line is longer: a target, a user agent and 24 other fields, six characters for each, and what is between. */
export const maxLineBytes: number = (targetLimit + userAgentLimit + 24 * fieldLimit) * 6 + 2048

/*
 * Every part of a line is printable ASCII: everything else is escaped, so that
 * no client can begin a line, end a field or reach the terminal of whoever
 * reads the log.
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

/** A whole number from 0; `none` when there is none (negative or not a number). */
export function count(value: number, none: string): string {
  return value >= 0 ? String(Math.floor(value)) : none
}
