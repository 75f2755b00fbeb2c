import { compareText } from './hostname.ts'

/**
 * Values by key whose list is sorted by key. The list is built again only after
 * a change, and then from keys that are nearly sorted already, which costs one
 * pass.
 */
export class SortedRecords<Value> {
  readonly #values = new Map<string, Value>()
  #keys: string[] = []
  #added: string[] = []
  #removed = false
  #list: readonly Value[] | undefined = []

  get(key: string): Value | undefined {
    return this.#values.get(key)
  }

  /** @param value undefined removes */
  set(key: string, value: Value | undefined): void {
    const before = this.#values.get(key)
    if (before === value) return
    this.#list = undefined
    if (value === undefined) {
      this.#values.delete(key)
      this.#removed = true
      return
    }
    if (before === undefined) this.#added.push(key)
    this.#values.set(key, value)
  }

  /** The same array until something changes. */
  list(): readonly Value[] {
    if (this.#list !== undefined) return this.#list
    if (this.#added.length > 0 || this.#removed) {
      const keys = this.#removed ? this.#keys.filter(key => this.#values.has(key)) : this.#keys
      // A key that was removed and added again stands in both lists.
      this.#keys = [...new Set([...keys, ...this.#added.filter(key => this.#values.has(key))])].sort(compareText)
      this.#added = []
      this.#removed = false
    }
    const list: Value[] = []
    for (const key of this.#keys) {
      const value = this.#values.get(key)
      if (value !== undefined) list.push(value)
    }
    this.#list = list
    return list
  }
}
