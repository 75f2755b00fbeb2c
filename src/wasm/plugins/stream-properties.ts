/** Of one stream, or one connection: a plugin that keeps values for each request of many would hold the worker's memory. */
const maxBytes = 256 * 1024

/** How long a property lasts: for the stream, or for all streams of its connection. */
export type PropertySpan = 'stream' | 'connection'

/**
 * What the plugins of one stream have set by `proxy_set_property`. There is one
 * for all of them, so that a plugin reads what those before it have found out.
 */
export class StreamProperties {
  #values: Map<string, Uint8Array> | undefined = undefined
  #bytes = 0
  readonly #connection: object | undefined

  /** @param connection  one object for all streams of a connection; a connection that is a stream itself has none */
  constructor(connection?: object) {
    this.#connection = connection
  }

  get(path: readonly string[]): Uint8Array | undefined {
    const own = this.#values?.get(keyOf(path))
    return own ?? (this.#connection === undefined ? undefined : ofConnections.get(this.#connection)?.get(path))
  }

  /** @returns false when there is no room for it */
  set(path: readonly string[], value: Uint8Array, span: PropertySpan = 'stream'): boolean {
    if (span === 'connection' && this.#connection !== undefined) return forConnection(this.#connection).set(path, value)
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

/** What streams set for those that come after them, as long as their connection lives. */
const ofConnections = new WeakMap<object, StreamProperties>()

function forConnection(connection: object): StreamProperties {
  const known = ofConnections.get(connection)
  if (known !== undefined) return known
  const made = new StreamProperties()
  ofConnections.set(connection, made)
  return made
}

/** As the ABI writes paths. */
export function keyOf(path: readonly string[]): string {
  return path.join('\0')
}
