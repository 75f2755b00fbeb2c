import { firstGroup } from '../../model/index.ts'
import type { fixedGroups, PortPrefix } from '../../model/index.ts'
import type { WorkBudget } from './work-budget.ts'

/** Ports that a rule allows to some peer. */
export interface Allowance {
  readonly ports: readonly PortPrefix[]
  readonly rule: number
}

/**
 * Allowances of one class, and the groups of peers that have the same ones. A
 * group's ports are united; where several rules allow the same prefix, the first
 * is named.
 */
export class PortGroups {
  readonly ports: Map<number, ReadonlyMap<PortPrefix, number>> = new Map<number, ReadonlyMap<PortPrefix, number>>()
  /** Prefixes of all groups. */
  size = 0
  readonly #room: number
  readonly #allowances: Allowance[] = []
  readonly #indices = new Map<string, number>()
  readonly #groups = new Map<string, number>()
  readonly #budget: WorkBudget

  /** @param room  no more prefixes than this are made */
  constructor(room: number, budget: WorkBudget) {
    this.#room = room
    this.#budget = budget
  }

  /** There is no room for all of it, or it takes too long: what is made from here on is of no use. */
  get isFull(): boolean {
    return this.size > this.#room || this.#budget.isSpent
  }

  /** @returns the number by which groups are made of it; numbers grow with the order of rules */
  add(ports: readonly PortPrefix[], rule: number): number {
    const key = `${rule} ${ports.join()}`
    const known = this.#indices.get(key)
    if (known !== undefined) return known
    const index = this.#allowances.push({ ports, rule }) - 1
    this.#indices.set(key, index)
    return index
  }

  /** The group of peers that have these allowances and no others; 0 for none. */
  groupOf(allowances: Iterable<number>): number {
    const sorted = [...new Set(allowances)].toSorted((a, b) => a - b)
    this.#budget.spend(sorted.length)
    if (sorted.length === 0 || this.isFull) return 0
    const key = sorted.join()
    const known = this.#groups.get(key)
    if (known !== undefined) return known
    const group = firstGroup + this.#groups.size
    this.#groups.set(key, group)
    this.#fill(group, sorted)
    return group
  }

  /** Gives one of the groups that every class has its allowances. */
  fill(group: (typeof fixedGroups)[keyof typeof fixedGroups], allowances: readonly number[]): void {
    if (allowances.length > 0) this.#fill(group, allowances)
  }

  #fill(group: number, allowances: readonly number[]): void {
    const united = new Map<PortPrefix, number>()
    for (const index of allowances) {
      const { ports = [], rule = 0 } = this.#allowances[index] ?? {}
      for (const prefix of ports) {
        if (this.size + united.size > this.#room) break
        if (!united.has(prefix)) united.set(prefix, rule)
      }
    }
    this.size += united.size
    this.ports.set(group, united)
  }
}
