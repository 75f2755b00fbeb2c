import { HeaderEntry } from './header-entry.ts'
import type { FieldName } from './header-entry.ts'
import { indexings } from './field-kinds.ts'

/** In a single byte of a literal (RFC 7541 section 5.1). */
const mostBytes = 0x7e

/**
 * A field of our own with another value for each message, all of one length: written over the last one as bytes, which
 * encoders take as they are, and a string only for those who ask. It may not be kept, as others may: see `kept`.
 */
export class RewrittenEntry extends HeaderEntry {
  /** The value in latin1. Whoever writes there calls `rewritten`. */
  readonly bytes: Uint8Array

  /** @param name  of at most 126 characters, as the value */
  constructor(name: FieldName, length: number) {
    super(name, '0'.repeat(length), indexings.without, 0)
    const nameBytes = Buffer.from(name.name, 'latin1')
    if (Math.max(nameBytes.length, length) > mostBytes) throw new RangeError(`at most ${mostBytes} bytes`)
    // Literal without indexing, new name (RFC 7541 section 6.2.2).
    const head = Uint8Array.of(0, nameBytes.length, ...nameBytes, length)
    this.literal = new Uint8Array(head.length + length)
    this.literal.set(head)
    this.bytes = this.literal.subarray(head.length)
    this.bytes.fill(0x30)
  }

  rewritten(): void {
    this.text = undefined
  }

  protected override read(): string {
    return Buffer.from(this.bytes).toString('latin1')
  }

  /** With the value of this moment. @param name  that of this entry */
  kept(name: FieldName): HeaderEntry {
    return new HeaderEntry(name, this.value, indexings.without, 0)
  }
}
