import { MeshError } from '../../core/index.ts'

/** An object file that this reader cannot accept. One clause, without the file's name: `readObject` puts it in front. */
export function badObject(problem: string): MeshError {
  return new MeshError('MESH_EBPF_OBJECT', problem, {
    source: 'kernel',
    hint: 'build it with clang -target bpf -g -O2; nothing was loaded',
  })
}

/** Little-endian numbers out of bytes nobody has checked: every read is within bounds or a MeshError. */
export class ObjectBytes {
  readonly bytes: Buffer
  readonly #what: string

  /** @param what  names the bytes in errors: `.BTF` */
  constructor(bytes: Uint8Array, what: string) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#what = what
  }

  get length(): number {
    return this.bytes.length
  }

  u8(at: number): number {
    this.#check(at, 1)
    return this.bytes.readUInt8(at)
  }

  u16(at: number): number {
    this.#check(at, 2)
    return this.bytes.readUInt16LE(at)
  }

  u32(at: number): number {
    this.#check(at, 4)
    return this.bytes.readUInt32LE(at)
  }

  i32(at: number): number {
    this.#check(at, 4)
    return this.bytes.readInt32LE(at)
  }

  /** A size or an offset of 64 bits, which has to be a number that JavaScript can count with. */
  u64(at: number): number {
    this.#check(at, 8)
    const value = this.bytes.readBigUInt64LE(at)
    if (value > 0xffff_ffff_ffffn) throw badObject(`${this.#what}: ${value} at byte ${at} is no size`)
    return Number(value)
  }

  /** A part of these bytes, not copied. */
  slice(at: number, length: number): Buffer {
    this.#check(at, length)
    return this.bytes.subarray(at, at + length)
  }

  /** Text up to the next zero byte. */
  text(at: number): string {
    this.#check(at, 1)
    const end = this.bytes.indexOf(0, at)
    if (end < 0) throw badObject(`${this.#what}: text at byte ${at} does not end`)
    return this.bytes.toString('latin1', at, end)
  }

  #check(at: number, length: number): void {
    if (at >= 0 && length >= 0 && at + length <= this.bytes.length) return
    throw badObject(`${this.#what}: ends at byte ${this.bytes.length}, but ${length} bytes are wanted at ${at}`)
  }
}
