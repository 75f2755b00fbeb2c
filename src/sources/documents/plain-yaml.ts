/**
 * Reads the part of YAML that tools and most people write: block mappings and
 * lists of plain or simply quoted one-line scalars. That is twenty times faster
 * than a complete parser, which counts with ten thousand routes. Whatever it
 * does not know for certain (tabs, flow collections, block scalars, anchors,
 * duplicate keys, odd indentation, …) makes it give up, and the complete parser
 * reads the document; so it never reports a mistake, and never reads a document
 * differently (a test holds the two side by side).
 */

export type PlainResult = { readonly kind: 'value'; readonly value: unknown } | { readonly kind: 'gave-up' }

const gaveUp: PlainResult = { kind: 'gave-up' }

export function readPlainYaml(text: string): PlainResult {
  // Beyond printable ASCII the rules of YAML get subtle (line separators, BOM).
  if (/[^\n\x20-\x7e]/.test(text)) return gaveUp
  const reader = new PlainReader(text)
  const value = reader.document()
  return value === giveUp ? gaveUp : { kind: 'value', value }
}

const giveUp = Symbol('give up')

/** More nesting than any resource has; guards the stack. */
const maxDepth = 64

/** Keys that are certainly text, and are not read as null, true or a number. */
const plainKey = /[A-Za-z][A-Za-z0-9_./-]*(?=:(?:[ \n]|$))/y
const notText = /^(?:null|Null|NULL|true|True|TRUE|false|False|FALSE)$/
const simpleNumber = /^-?(?:0|[1-9][0-9]{0,14})$/
/** Anything that may be a number in the core schema (YAML 1.2.2 section 10.3.2) starts so. */
const numberStart = /^[-+.0-9]/

class PlainReader {
  readonly #text: string
  /** Start of what is left of the current line; its end; and the column of the start. */
  #at = 0
  #end = -1
  #indent = -1

  constructor(text: string) {
    this.#text = text
  }

  document(): unknown {
    this.#nextLine()
    if (this.#indent === 0 && this.#text.startsWith('---', this.#at)) {
      if (this.#text.slice(this.#at + 3, this.#end).trim() !== '') return giveUp
      this.#nextLine()
    }
    if (this.#indent < 0) return null
    const value = this.#block(0)
    return this.#indent < 0 ? value : giveUp
  }

  /** Moves to the next line with content; indent -1 at the end. */
  #nextLine(): void {
    const text = this.#text
    for (;;) {
      const start = this.#end + 1
      if (start > text.length || (start === text.length && start > 0)) {
        this.#indent = -1
        return
      }
      const newline = text.indexOf('\n', start)
      this.#end = newline === -1 ? text.length : newline
      let at = start
      while (at < this.#end && text.charCodeAt(at) === 0x20) at++
      if (at < this.#end && text.charCodeAt(at) !== 0x23) {
        this.#at = at
        this.#indent = at - start
        return
      }
    }
  }

  #isDash(): boolean {
    const next = this.#at + 1
    return this.#text.charCodeAt(this.#at) === 0x2d && (next >= this.#end || this.#text.charCodeAt(next) === 0x20)
  }

  /** A mapping or a list that starts here. */
  #block(depth: number): unknown {
    if (depth > maxDepth) return giveUp
    return this.#isDash() ? this.#list(this.#indent, depth) : this.#mapping(this.#indent, depth)
  }

  #list(indent: number, depth: number): unknown {
    const items: unknown[] = []
    while (this.#indent === indent && this.#isDash()) {
      let at = this.#at + 1
      while (at < this.#end && this.#text.charCodeAt(at) === 0x20) at++
      let item: unknown
      if (at >= this.#end || this.#text.charCodeAt(at) === 0x23) {
        this.#nextLine()
        item = this.#indent > indent ? this.#block(depth + 1) : null
      } else {
        // What follows the dash stands at its own column, like a line of its own.
        this.#indent = indent + at - this.#at
        this.#at = at
        item = this.#isDash() || this.#startsKey() ? this.#block(depth + 1) : this.#scalar(indent)
      }
      if (item === giveUp) return giveUp
      items.push(item)
    }
    return this.#indent > indent ? giveUp : items
  }

  #startsKey(): boolean {
    plainKey.lastIndex = this.#at
    return plainKey.test(this.#text) && plainKey.lastIndex < this.#end
  }

  #mapping(indent: number, depth: number): unknown {
    const members: Record<string, unknown> = {}
    while (this.#indent === indent && !this.#isDash()) {
      if (!this.#startsKey()) return giveUp
      const keyEnd = plainKey.lastIndex
      const key = this.#text.slice(this.#at, keyEnd)
      if (notText.test(key) || Object.hasOwn(members, key)) return giveUp
      let at = keyEnd + 1
      while (at < this.#end && this.#text.charCodeAt(at) === 0x20) at++
      let value: unknown
      if (at >= this.#end || this.#text.charCodeAt(at) === 0x23) {
        this.#nextLine()
        // The items of a list may stand as far left as its key.
        if (this.#indent > indent) value = this.#block(depth + 1)
        else if (this.#indent === indent && this.#isDash()) value = this.#list(indent, depth + 1)
        else value = null
      } else {
        this.#at = at
        value = this.#scalar(indent)
      }
      if (value === giveUp) return giveUp
      members[key] = value
    }
    return this.#indent > indent ? giveUp : members
  }

  /** The rest of the line, which the next line must not continue. */
  #scalar(indent: number): unknown {
    const text = this.#text.slice(this.#at, this.#end)
    const value = readScalar(text)
    this.#nextLine()
    return this.#indent > indent ? giveUp : value
  }
}

function readScalar(line: string): unknown {
  const first = line.charCodeAt(0)
  if (first === 0x22) return quoted(line, '"')
  if (first === 0x27) return quoted(line, "'")
  const comment = line.indexOf(' #')
  const text = (comment === -1 ? line : line.slice(0, comment)).trimEnd()
  if (text === '{}') return {}
  if (text === '[]') return []
  // Indicators; a dash, question mark or colon could start a collection.
  if (/^[?:,[\]{}#&*!|>%@`]|^- |^-$|: |:$/.test(text)) return giveUp
  if (text === 'true') return true
  if (text === 'false') return false
  if (text === 'null' || text === '~') return null
  if (notText.test(text)) return giveUp
  if (!numberStart.test(text)) return text
  if (simpleNumber.test(text) && text !== '-0') return Number(text)
  // Addresses and versions with two points are text; what else is there may be a number.
  return /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z$/.test(text) ||
    /^[0-9]+\.[0-9]+\.[0-9.]*[0-9]$/.test(text) ||
    /^[0-9]+(?:h|m|s|ms)$/.test(text)
    ? text
    : giveUp
}

/** Without escapes, and with nothing but a comment behind it. */
function quoted(line: string, mark: string): unknown {
  const close = line.indexOf(mark, 1)
  if (close === -1 || !/^ *$|^ +#/.test(line.slice(close + 1))) return giveUp
  const text = line.slice(1, close)
  return mark === '"' && text.includes('\\') ? giveUp : text
}
