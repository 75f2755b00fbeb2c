import type { Connection } from './connection.ts'

/**
 * The one buffer in which a worker gathers what goes out, so that a head and
 * the first piece of its body leave in one system call. It holds bytes for one
 * connection at a time and is flushed within the turn; when a connection keeps
 * the memory a fresh buffer takes its place.
 */
export class Output {
  bytes: Buffer
  used = 0
  #target: Connection | undefined = undefined
  readonly #size: number

  constructor(size: number) {
    this.#size = size
    this.bytes = Buffer.allocUnsafeSlow(size)
  }

  /** Makes `bytes[used, used + length)` free for writing to `connection`; the caller adds to `used`. */
  reserve(connection: Connection, length: number): void {
    if (this.#target !== connection) {
      this.flush()
      this.#target = connection
    }
    if (this.#size - this.used < length) this.flush()
  }

  flush(): void {
    const used = this.used
    const connection = this.#target
    if (used === 0 || connection === undefined) return
    this.used = 0
    if (connection.isClosed) return
    if (connection.write(this.bytes, used)) this.bytes = Buffer.allocUnsafeSlow(this.#size)
  }

  /** Appends `source[start, end)`, flushing as often as it takes. */
  append(connection: Connection, source: Buffer, start: number, end: number): void {
    let from = start
    this.reserve(connection, 0)
    while (from < end) {
      if (this.used === this.#size) this.flush()
      const length = Math.min(end - from, this.#size - this.used)
      source.copy(this.bytes, this.used, from, from + length)
      this.used += length
      from += length
    }
  }

  /** Appends a text that fits the buffer. */
  appendLatin1(connection: Connection, text: string): void {
    this.reserve(connection, text.length)
    this.used += this.bytes.write(text, this.used, 'latin1')
  }
}
