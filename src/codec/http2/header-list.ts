import { fieldKinds } from './field-kinds.ts'
import type { HeaderEntry } from './header-entry.ts'
import type { Http2Problem } from './problems.ts'

/** Beyond any field section, and still a small integer to the engine: Infinity would make every comparison slower. */
const noLimit = 0x3fff_ffff

/**
 * The fields of one message in order, and what they say of it. A list is
 * reused: entries may be kept, the list may not. Whoever adds entries gets the
 * same facts as from the decoder.
 */
export class HeaderList {
  /** The first `length` count; the rest is left from before. */
  readonly entries: HeaderEntry[] = []
  length: number = 0
  /** Names, values and 32 bytes for each field, those beyond the limit included. */
  size: number = 0
  /** The limit was exceeded: fields are missing. */
  tooLarge: boolean = false
  method: HeaderEntry | undefined = undefined
  path: HeaderEntry | undefined = undefined
  scheme: HeaderEntry | undefined = undefined
  /** The pseudo-header field; see `host` when it is missing. */
  authority: HeaderEntry | undefined = undefined
  /** Of an extended CONNECT. */
  protocol: HeaderEntry | undefined = undefined
  host: HeaderEntry | undefined = undefined
  /** 0 without a status. */
  status: number = 0
  /** -1 without Content-Length. */
  contentLength: number = -1
  /** The first field that may not stand in any message, or stands where it may not. */
  problem: Http2Problem | undefined = undefined
  /** Bit for each of `fieldKinds` that is present. */
  seen: number = 0
  #regular: boolean = false

  readonly #limitBytes: number
  readonly #limitCount: number

  /**
   * @param limitBytes counted as `size` @default no limit
   * @param limitCount @default no limit
   */
  constructor(limitBytes: number = noLimit, limitCount: number = noLimit) {
    this.#limitBytes = limitBytes
    this.#limitCount = limitCount
  }

  clear(): void {
    this.length = 0
    this.size = 0
    this.tooLarge = false
    this.method = undefined
    this.path = undefined
    this.scheme = undefined
    this.authority = undefined
    this.protocol = undefined
    this.host = undefined
    this.status = 0
    this.contentLength = -1
    this.problem = undefined
    this.seen = 0
    this.#regular = false
  }

  /** Appends a field; beyond the limits it is only counted. */
  add(entry: HeaderEntry): void {
    this.size += entry.size
    if (this.size > this.#limitBytes || this.length >= this.#limitCount) {
      this.tooLarge = true
      return
    }
    this.entries[this.length++] = entry
    if (entry.problem !== undefined) this.problem ??= entry.problem
    const kind = entry.kind
    if (kind >= fieldKinds.method) this.#pseudo(entry, kind)
    else {
      this.#regular = true
      if (kind !== fieldKinds.regular) this.#special(entry, kind)
    }
  }

  /** Puts a regular field in the place of another that has the same name, and tells nothing about the message. */
  replace(index: number, entry: HeaderEntry): void {
    this.size += entry.size - (this.entries[index] as HeaderEntry).size
    this.entries[index] = entry
  }

  /** Appends all of another list. */
  addAll(list: HeaderList): void {
    for (let index = 0; index < list.length; index++) this.add(list.entries[index] as HeaderEntry)
  }

  /** One that outlives this list's reuse. */
  copy(): HeaderList {
    const copy = new HeaderList()
    copy.addAll(this)
    return copy
  }

  has(kind: number): boolean {
    return (this.seen & (1 << kind)) !== 0
  }

  /** The first field with this id at or after `from`, or -1. */
  find(nameId: number, from: number = 0): number {
    for (let index = from; index < this.length; index++) {
      if ((this.entries[index] as HeaderEntry).nameId === nameId) return index
    }
    return -1
  }

  /** The value of the first field with this name in lower case. */
  value(name: string): string | undefined {
    for (let index = 0; index < this.length; index++) {
      const entry = this.entries[index] as HeaderEntry
      if (entry.name === name) return entry.value
    }
    return undefined
  }

  /**
   * All Cookie fields as one value: HTTP/2 may send the pairs apart, anything
   * else must see them joined (RFC 9113 section 8.2.3).
   */
  cookies(): string | undefined {
    if (!this.has(fieldKinds.cookie)) return undefined
    let joined: string | undefined
    for (let index = 0; index < this.length; index++) {
      const entry = this.entries[index] as HeaderEntry
      if (entry.kind === fieldKinds.cookie) joined = joined === undefined ? entry.value : `${joined}; ${entry.value}`
    }
    return joined
  }

  #pseudo(entry: HeaderEntry, kind: number): void {
    if (this.#regular) this.problem ??= 'late-pseudo-field'
    if (this.has(kind)) this.problem ??= 'duplicate-pseudo-field'
    this.seen |= 1 << kind
    if (kind === fieldKinds.method) this.method = entry
    else if (kind === fieldKinds.path) this.path = entry
    else if (kind === fieldKinds.scheme) this.scheme = entry
    else if (kind === fieldKinds.authority) this.authority = entry
    else if (kind === fieldKinds.status) this.status = entry.number
    else this.protocol = entry
  }

  #special(entry: HeaderEntry, kind: number): void {
    if (kind === fieldKinds.contentLength) {
      // Repeated but equal ones are refused too, as in HTTP/1.1.
      if (this.has(kind)) this.problem ??= 'invalid-content-length'
      this.contentLength = entry.number
    } else if (kind === fieldKinds.host) {
      if (this.has(kind)) this.problem ??= 'host-conflict'
      this.host = entry
    }
    this.seen |= 1 << kind
  }
}
