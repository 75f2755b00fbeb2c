import type { HeadParser } from '../../codec/index.ts'
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
  /** Lower case names whose fields are dropped. */
  readonly #drops: readonly string[]
  readonly #additions: readonly Addition[]
  readonly #setLines: string

  constructor(edits: readonly HeaderEdits[]) {
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
    this.setsHost = sets.has('host')
    this.isEmpty = drops.size === 0 && additions.length === 0
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
