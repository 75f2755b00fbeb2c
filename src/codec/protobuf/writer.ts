import { wireTypes } from './reader.ts'

const initialBytes = 128

/**
 * Writes one message of the protocol buffers encoding. Fields come out in the
 * order in which they are written. As in proto3, whoever encodes a message
 * leaves out the fields that have their default value; the writer writes what it
 * is told.
 *
 * @see https://protobuf.dev/programming-guides/encoding/
 */
export class ProtobufWriter {
  #buffer: Buffer = Buffer.allocUnsafe(initialBytes)
  #length = 0

  /** A whole number of any of the varint types; negative ones take ten bytes. */
  varint(field: number, value: number | bigint): void {
    this.#tag(field, wireTypes.varint)
    this.#varint(value)
  }

  bool(field: number, value: boolean): void {
    this.varint(field, value ? 1 : 0)
  }

  double(field: number, value: number): void {
    this.#tag(field, wireTypes.fixed64)
    this.#reserve(8)
    this.#length = this.#buffer.writeDoubleLE(value, this.#length)
  }

  string(field: number, text: string): void {
    const length = Buffer.byteLength(text)
    this.#tag(field, wireTypes.bytes)
    this.#varint(length)
    this.#reserve(length)
    this.#length += this.#buffer.write(text, this.#length)
  }

  bytes(field: number, bytes: Uint8Array): void {
    this.#tag(field, wireTypes.bytes)
    this.#varint(bytes.length)
    this.#reserve(bytes.length)
    this.#buffer.set(bytes, this.#length)
    this.#length += bytes.length
  }

  /** A message inside this one. */
  message(field: number, inner: ProtobufWriter): void {
    this.bytes(field, inner.#buffer.subarray(0, inner.#length))
  }

  /** One entry of a map from text to text, which is a message of key and value. */
  mapEntry(field: number, key: string, value: string): void {
    const entry = new ProtobufWriter()
    entry.string(1, key)
    entry.string(2, value)
    this.message(field, entry)
  }

  /** A copy of what was written so far. */
  finish(): Buffer {
    return Buffer.from(this.#buffer.subarray(0, this.#length))
  }

  #tag(field: number, wireType: number): void {
    // Not by shifting: the largest field numbers have 29 bits.
    this.#varint(field * 8 + wireType)
  }

  #varint(value: number | bigint): void {
    this.#reserve(10)
    if (typeof value === 'number' && value >= 0 && value <= 0x7fff_ffff) {
      let rest = value
      while (rest > 0x7f) {
        this.#buffer[this.#length++] = (rest & 0x7f) | 0x80
        rest >>>= 7
      }
      this.#buffer[this.#length++] = rest
      return
    }
    let rest = BigInt.asUintN(64, BigInt(value))
    while (rest > 0x7fn) {
      this.#buffer[this.#length++] = Number(rest & 0x7fn) | 0x80
      rest >>= 7n
    }
    this.#buffer[this.#length++] = Number(rest)
  }

  #reserve(count: number): void {
    const needed = this.#length + count
    if (needed <= this.#buffer.length) return
    const larger = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2))
    larger.set(this.#buffer.subarray(0, this.#length))
    this.#buffer = larger
  }
}
