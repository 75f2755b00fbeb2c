import { MeshError } from '../../core/index.ts'
import { labelsOf } from './name.ts'

/** Pointers have 14 bits. */
const maxPointerTarget = 0x3fff

/** Bytes of a message that grows, with the names that it has already, for compression. */
export class DnsWriter {
  #bytes = new Uint8Array(512)
  #length = 0
  readonly #names = new Map<string, number>()

  get length(): number {
    return this.#length
  }

  u8(value: number): void {
    this.#room(1)
    this.#bytes[this.#length++] = value
  }

  u16(value: number): void {
    this.u8((value >>> 8) & 0xff)
    this.u8(value & 0xff)
  }

  u32(value: number): void {
    this.u16(value >>> 16)
    this.u16(value & 0xffff)
  }

  bytes(value: Uint8Array): void {
    this.#room(value.length)
    this.#bytes.set(value, this.#length)
    this.#length += value.length
  }

  /**
   * Ends with a pointer when the message has the rest of the name already, in
   * the same letters. Targets of SRV are written in full (RFC 2782).
   *
   * @throws MeshError MESH_DNS_NAME for a text that is no name
   */
  name(name: string, form: 'compressed' | 'full'): void {
    const labels = labelsOf(name)
    if (labels === undefined) {
      throw new MeshError('MESH_DNS_NAME', `${name} is no DNS name`, { source: 'internal' })
    }
    for (const [index, label] of labels.entries()) {
      const rest = labels.slice(index).map(plainLabel).join('.')
      const known = this.#names.get(rest)
      if (known !== undefined && form === 'compressed') {
        this.u16(0xc000 | known)
        return
      }
      if (known === undefined && this.#length <= maxPointerTarget) this.#names.set(rest, this.#length)
      this.u8(label.length)
      for (let at = 0; at < label.length; at++) this.u8(label.charCodeAt(at))
    }
    this.u8(0)
  }

  /** Sets a 16-bit number that was written before. */
  patch16(at: number, value: number): void {
    this.#bytes[at] = (value >>> 8) & 0xff
    this.#bytes[at + 1] = value & 0xff
  }

  /** Takes back what was written after `length`. */
  cut(length: number): void {
    this.#length = length
    for (const [name, at] of this.#names) if (at >= length) this.#names.delete(name)
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length)
  }

  #room(count: number): void {
    if (this.#length + count <= this.#bytes.length) return
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + count))
    larger.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = larger
  }
}

/** Dots within a label are no borders. */
function plainLabel(label: string): string {
  return label.includes('.') ? label.replaceAll('.', '\u0100') : label
}
