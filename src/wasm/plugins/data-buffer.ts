const nothing = new Uint8Array(0)

/** Bytes that a plugin may look at and, if they belong to a stream, replace. */
export class DataBuffer {
  readonly isWritable: boolean
  isEdited = false
  #store: Uint8Array
  #length: number
  /** The store is another's, who will use its place again. */
  #isBorrowed = false

  private constructor(bytes: Uint8Array, isWritable: boolean) {
    this.#store = bytes
    this.#length = bytes.length
    this.isWritable = isWritable
  }

  static readOnly(bytes: Uint8Array): DataBuffer {
    return new DataBuffer(bytes, false)
  }

  /** Takes the bytes over. */
  static writable(bytes: Uint8Array = nothing): DataBuffer {
    return new DataBuffer(bytes, true)
  }

  get length(): number {
    return this.#length
  }

  get bytes(): Uint8Array {
    return this.#length === this.#store.length ? this.#store : this.#store.subarray(0, this.#length)
  }

  /** Whoever has the bytes lets it have them until `own`, or for ever where that is not called. */
  append(bytes: Uint8Array): void {
    if (this.#length === 0) {
      this.#store = bytes
      this.#length = bytes.length
      this.#isBorrowed = true
      return
    }
    const length = this.#length + bytes.length
    if (length > this.#store.length) this.#move(length * 2)
    this.#store.set(bytes, this.#length)
    this.#length = length
  }

  /** Replaces `size` bytes from `start` on; what lies beyond the end counts as its end. The bytes are copied. */
  splice(start: number, size: number, bytes: Uint8Array): void {
    const from = Math.min(start, this.#length)
    const rest = Math.min(from + size, this.#length)
    const length = from + bytes.length + this.#length - rest
    const old = this.bytes
    // Never in place: the bytes may be another's, too.
    this.#store = new Uint8Array(length)
    this.#store.set(old.subarray(0, from))
    this.#store.set(bytes, from)
    this.#store.set(old.subarray(rest), from + bytes.length)
    this.#length = length
    this.#isBorrowed = false
    this.isEdited = true
  }

  /** Bytes that are another's are copied: they are needed longer. */
  own(): void {
    if (this.#isBorrowed) this.#move(this.#length)
  }

  /** Gives the bytes away and is empty then. */
  take(): Uint8Array {
    const bytes = this.bytes
    this.#store = nothing
    this.#length = 0
    this.#isBorrowed = false
    return bytes
  }

  #move(capacity: number): void {
    const store = new Uint8Array(capacity)
    store.set(this.bytes)
    this.#store = store
    this.#isBorrowed = false
  }
}
