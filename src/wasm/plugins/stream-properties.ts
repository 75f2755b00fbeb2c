/** Of one stream: a plugin that keeps values for each request of many would hold the worker's memory. */
const maxBytes = 256 * 1024

/**
 * What the plugins of one stream have set by `proxy_set_property`. There is one
 * for all of them, so that a plugin reads what those before it have found out.
 */
export class StreamProperties {
  #values: Map<string, Uint8Array> | undefined = undefined
  #bytes = 0

  get(path: readonly string[]): Uint8Array | undefined {
    return this.#values?.get(keyOf(path))
  }

  /** @returns false when there is no room for it */
  set(path: readonly string[], value: Uint8Array): boolean {
    const key = keyOf(path)
    const before = this.#values?.get(key)
    const bytes = this.#bytes + value.length - (before === undefined ? -key.length : before.length)
    if (bytes > maxBytes) return false
    this.#bytes = bytes
    this.#values ??= new Map()
    this.#values.set(key, value)
    return true
  }
}

/** As the ABI writes paths. */
export function keyOf(path: readonly string[]): string {
  return path.join('\0')
}
