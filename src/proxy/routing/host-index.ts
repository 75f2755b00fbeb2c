/** No DNS name is longer, so a longer Host fits no wildcard; without the bound a Host full of dots costs time squared. */
const longestName = 255

/**
 * Values by hostname: exact, `*.example.com` for any number of labels (at least
 * one), and one for every host. From the most to the least specific:
 *
 *     exact(host), then wildcard(host, at) for each at of nextWildcard, then any
 */
export class HostIndex<V> {
  #exact = new Map<string, V>()
  /** By suffix with its dot, `.example.com`. */
  #wildcards = new Map<string, V>()
  any: V | undefined = undefined

  static copy<V>(from: HostIndex<V>): HostIndex<V> {
    const copy = new HostIndex<V>()
    copy.#exact = new Map(from.#exact)
    copy.#wildcards = new Map(from.#wildcards)
    copy.any = from.any
    return copy
  }

  exact(host: string): V | undefined {
    return this.#exact.size === 0 ? undefined : this.#exact.get(host)
  }

  /**
   * Start of the longest suffix that has a wildcard and starts at or after
   * `from` (0 to begin); -1 for none.
   */
  nextWildcard(host: string, from: number): number {
    if (this.#wildcards.size === 0 || host.length > longestName) return -1
    // A wildcard stands for at least one character, so the suffix can't start at 0.
    for (let dot = host.indexOf('.', Math.max(from, 1)); dot >= 0; dot = host.indexOf('.', dot + 1)) {
      if (this.#wildcards.has(host.slice(dot))) return dot
    }
    return -1
  }

  wildcard(host: string, at: number): V | undefined {
    return this.#wildcards.get(host.slice(at))
  }

  /** The value of the most specific hostname that fits. */
  best(host: string): V | undefined {
    const exact = this.exact(host)
    if (exact !== undefined) return exact
    const at = this.nextWildcard(host, 0)
    return at < 0 ? this.any : this.wildcard(host, at)
  }

  /** Every value whose hostname fits, the most specific first, with that hostname. */
  *levels(host: string): Generator<{ readonly hostname: string | undefined; readonly value: V }> {
    const exact = this.exact(host)
    if (exact !== undefined) yield { hostname: host, value: exact }
    for (let at = this.nextWildcard(host, 0); at >= 0; at = this.nextWildcard(host, at + 1)) {
      const value = this.wildcard(host, at)
      if (value !== undefined) yield { hostname: `*${host.slice(at)}`, value }
    }
    if (this.any !== undefined) yield { hostname: undefined, value: this.any }
  }

  *entries(): Generator<readonly [hostname: string | undefined, value: V]> {
    yield* this.#exact
    for (const [suffix, value] of this.#wildcards) yield [`*${suffix}`, value]
    if (this.any !== undefined) yield [undefined, this.any]
  }

  get size(): number {
    return this.#exact.size + this.#wildcards.size + (this.any === undefined ? 0 : 1)
  }

  /** @param hostname undefined for any host */
  get(hostname: string | undefined): V | undefined {
    if (hostname === undefined) return this.any
    return hostname.startsWith('*.') ? this.#wildcards.get(hostname.slice(1)) : this.#exact.get(hostname)
  }

  /** @param value undefined to take the hostname out */
  set(hostname: string | undefined, value: V | undefined): void {
    if (hostname === undefined) this.any = value
    else {
      const map = hostname.startsWith('*.') ? this.#wildcards : this.#exact
      const key = map === this.#wildcards ? hostname.slice(1) : hostname
      if (value === undefined) map.delete(key)
      else map.set(key, value)
    }
  }
}
