import { MeshError } from '../../core/index.ts'

/** What is wrong with a module, for whoever deploys it. */
export function invalidModule(detail: string): MeshError {
  return new MeshError('MESH_PLUGIN_INVALID', `not a module that can run: ${detail}`, {
    source: 'plugin',
    hint: 'Build the plugin again with a proxy-wasm SDK, and check that the file arrived whole.',
  })
}

/**
 * Reads the primitives of the binary format.
 *
 * @throws MeshError MESH_PLUGIN_INVALID beyond the end, and for integers that are too long
 * @see WebAssembly Core Specification 3.0, section 5.2
 */
export class ByteReader {
  readonly bytes: Uint8Array
  at: number
  readonly end: number

  constructor(bytes: Uint8Array, at = 0, end: number = bytes.length) {
    this.bytes = bytes
    this.at = at
    this.end = end
  }

  get isAtEnd(): boolean {
    return this.at >= this.end
  }

  byte(): number {
    const byte = this.at < this.end ? this.bytes[this.at] : undefined
    if (byte === undefined) throw invalidModule('it ends too early')
    this.at++
    return byte
  }

  /** LEB128 of up to 32 bits. */
  u32(): number {
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte()
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) {
        if (value > 0xffffffff) break
        return value
      }
    }
    throw invalidModule(`an integer at byte ${this.at} is too long`)
  }

  /** Skips LEB128 of up to 64 bits, signed or not. */
  skipInteger(): void {
    for (let length = 0; length < 10; length++) if (this.byte() < 0x80) return
    throw invalidModule(`an integer at byte ${this.at} is too long`)
  }

  skip(length: number): void {
    if (length > this.end - this.at) throw invalidModule('it ends too early')
    this.at += length
  }

  take(length: number): Uint8Array {
    const start = this.at
    this.skip(length)
    return this.bytes.subarray(start, this.at)
  }

  name(): string {
    return Buffer.from(this.take(this.u32())).toString('utf8')
  }

  /** A value type; those of references to types have an index. */
  skipValueType(): void {
    const kind = this.byte()
    if (kind === 0x63 || kind === 0x64) this.skipInteger()
  }
}

/** LEB128, unsigned. */
export function unsigned(value: number): number[] {
  const bytes: number[] = []
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest]
    bytes.push((rest % 128) | 0x80)
  }
}

/** LEB128, signed, of 32 bits. */
export function signed(value: number): number[] {
  const bytes: number[] = []
  for (let rest = value; ; rest >>= 7) {
    const byte = rest & 0x7f
    if ((rest >> 6 === 0 || rest >> 6 === -1) && (rest >> 6 !== 0) === ((byte & 0x40) !== 0)) return [...bytes, byte]
    bytes.push(byte | 0x80)
  }
}
