/** A map that is copied before its first change after it was handed out. */
export class CopyOnWriteMap<Value> {
  #map = new Map<string, Value>()
  #isShared = false

  get(key: string): Value | undefined {
    return this.#map.get(key)
  }

  /** @param value undefined removes */
  set(key: string, value: Value | undefined): void {
    if (this.#map.get(key) === value) return
    if (this.#isShared) {
      this.#map = new Map(this.#map)
      this.#isShared = false
    }
    if (value === undefined) this.#map.delete(key)
    else this.#map.set(key, value)
  }

  /** The map as it is now, never edited afterwards; the same object while nothing changes. */
  share(): ReadonlyMap<string, Value> {
    this.#isShared = true
    return this.#map
  }
}
