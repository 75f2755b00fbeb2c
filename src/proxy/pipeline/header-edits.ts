import { entryOf, nameOf } from '../../codec/index.ts'
import type { HeaderEntry, HeaderList, HeadParser } from '../../codec/index.ts'
import type { HeaderEdits } from '../../model/index.ts'

interface Addition {
  readonly name: string
  readonly lowerName: string
  readonly value: string
}

/**
 * The header changes of one rule and backend, prepared once: `remove` and `set`
 * drop what came, `set` then writes its own line, and `add` joins its value to
 * what came, with a comma as RFC 9110 section 5.3 allows, or writes a new line.
 */
export class EditPlan {
  readonly isEmpty: boolean
  readonly setsHost: boolean
  readonly #edits: readonly HeaderEdits[]
  /** Lower case names whose fields are dropped. */
  readonly #drops: readonly string[]
  readonly #additions: readonly Addition[]
  readonly #setLines: string
  readonly #sets: ReadonlyMap<string, { readonly name: string; readonly value: string }>
  #setEntries: readonly HeaderEntry[] | undefined = undefined
  #authority: HeaderEntry | undefined = undefined

  constructor(edits: readonly HeaderEdits[]) {
    this.#edits = edits
    const drops = new Set<string>()
    const sets = new Map<string, { name: string; value: string }>()
    const additions: Addition[] = []
    for (const edit of edits) {
      for (const name of edit.remove) {
        drops.add(name)
        sets.delete(name)
      }
      for (const { name, value } of edit.set) {
        drops.add(name.toLowerCase())
        sets.set(name.toLowerCase(), { name, value })
      }
      for (const { name, value } of edit.add) {
        const lowerName = name.toLowerCase()
        const set = sets.get(lowerName)
        if (set !== undefined) sets.set(lowerName, { name: set.name, value: `${set.value},${value}` })
        else additions.push({ name, lowerName, value })
      }
    }
    this.#drops = [...drops]
    this.#additions = additions
    this.#setLines = [...sets.values()].map(({ name, value }) => `${name}: ${value}\r\n`).join('')
    this.#sets = sets
    this.setsHost = sets.has('host')
    this.isEmpty = drops.size === 0 && additions.length === 0
  }

  /** With further edits behind these. */
  with(edits: readonly HeaderEdits[]): EditPlan {
    return edits.length === 0 ? this : new EditPlan([...this.#edits, ...edits])
  }

  /** Marks fields of `head` as dropped and returns the lines to write in addition. */
  apply(head: HeadParser): string {
    for (const name of this.#drops) dropAll(head, name)
    let lines = this.#setLines
    for (const { name, lowerName, value } of this.#additions) {
      const existing = lowerName === 'set-cookie' ? undefined : takeValues(head, lowerName)
      lines += existing === undefined ? `${name}: ${value}\r\n` : `${name}: ${existing},${value}\r\n`
    }
    return lines
  }

  /** What `set` makes of Host, for a request by HTTP/2. */
  get authority(): HeaderEntry | undefined {
    if (!this.setsHost) return undefined
    const host = this.#sets.get('host')
    if (host !== undefined) this.#authority ??= entryOf(nameOf(':authority'), host.value)
    return this.#authority
  }

  /** Adds the fields of `from` to `to`, edited. Host is left out: HTTP/2 has `authority` instead. */
  applyToList(from: HeaderList, to: HeaderList): void {
    let joined: (string | undefined)[] | undefined
    for (let index = 0; index < from.length; index++) {
      const entry = from.entries[index] as HeaderEntry
      if (this.#drops.includes(entry.name)) continue
      const addition = entry.name === 'set-cookie' ? -1 : this.#additions.findIndex(a => a.lowerName === entry.name)
      if (addition < 0) {
        to.add(entry)
        continue
      }
      joined ??= []
      const before = joined[addition]
      joined[addition] = before === undefined ? entry.value : `${before},${entry.value}`
    }
    this.#setEntries ??= entriesOf(this.#sets.values())
    for (const entry of this.#setEntries) to.add(entry)
    for (const [index, { lowerName, value }] of this.#additions.entries()) {
      const existing = joined?.[index]
      addUsable(to, lowerName, existing === undefined ? value : `${existing},${value}`)
    }
  }
}

function entriesOf(fields: Iterable<{ readonly name: string; readonly value: string }>): HeaderEntry[] {
  const entries: HeaderEntry[] = []
  for (const { name, value } of fields) {
    const entry = entryOf(nameOf(name.toLowerCase()), value)
    if (isUsable(entry)) entries.push(entry)
  }
  return entries
}

function addUsable(to: HeaderList, lowerName: string, value: string): void {
  const entry = entryOf(nameOf(lowerName), value)
  if (isUsable(entry)) to.add(entry)
}

/** Fields that speak of the connection, as an edit may set them for HTTP/1.1, have no place in HTTP/2. */
function isUsable(entry: HeaderEntry): boolean {
  return entry.problem === undefined && entry.name !== 'host'
}

export const noEdits: EditPlan = new EditPlan([])

/** Marks every field of that lower case name as dropped. */
export function dropAll(head: HeadParser, lowerName: string): void {
  for (let at = head.findName(lowerName); at >= 0; at = nextNamed(head, lowerName, at + 1)) head.drop[at] = 1
}

function takeValues(head: HeadParser, lowerName: string): string | undefined {
  let joined: string | undefined
  for (let at = head.findName(lowerName); at >= 0; at = nextNamed(head, lowerName, at + 1)) {
    if (head.drop[at] === 1) continue
    head.drop[at] = 1
    const value = head.value(at)
    joined = joined === undefined ? value : `${joined},${value}`
  }
  return joined
}

function nextNamed(head: HeadParser, lowerName: string, from: number): number {
  for (let at = from; at < head.fieldCount; at++) if (head.nameEquals(at, lowerName)) return at
  return -1
}
