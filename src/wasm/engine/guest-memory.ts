import type { LinearMemory } from './web-assembly.ts'

/**
 * The memory of an instance. Pointers and lengths come from the module as signed
 * numbers and mean unsigned ones.
 *
 * Growing detaches the views, which then have no length: `bytes` and `view` are
 * fetched again by every call that follows one into the module.
 */
export class GuestMemory {
  readonly #memory: LinearMemory
  #bytes: Uint8Array
  #view: DataView

  constructor(memory: LinearMemory) {
    this.#memory = memory
    this.#bytes = new Uint8Array(memory.buffer)
    this.#view = new DataView(memory.buffer)
  }

  /** Not to be kept beyond the next call into the module. */
  get bytes(): Uint8Array {
    if (this.#bytes.length === 0) this.#refresh()
    return this.#bytes
  }

  get view(): DataView {
    if (this.#bytes.length === 0) this.#refresh()
    return this.#view
  }

  get byteLength(): number {
    return this.#memory.buffer.byteLength
  }

  #refresh(): void {
    this.#bytes = new Uint8Array(this.#memory.buffer)
    this.#view = new DataView(this.#memory.buffer)
  }

  has(pointer: number, length: number): boolean {
    return (pointer >>> 0) + (length >>> 0) <= this.bytes.length
  }

  /** A view of bytes that `has` allowed. */
  slice(pointer: number, length: number): Uint8Array {
    const start = pointer >>> 0
    return this.bytes.subarray(start, start + (length >>> 0))
  }

  /** A copy that may be kept. */
  copy(pointer: number, length: number): Buffer {
    return Buffer.from(this.slice(pointer, length))
  }

  text(pointer: number, length: number): string {
    const start = pointer >>> 0
    const bytes = this.bytes
    return Buffer.from(bytes.buffer, bytes.byteOffset + start, length >>> 0).toString('utf8')
  }

  setU32(pointer: number, value: number): void {
    this.view.setUint32(pointer >>> 0, value, true)
  }

  setU64(pointer: number, value: bigint): void {
    this.view.setBigUint64(pointer >>> 0, value, true)
  }

  u32(pointer: number): number {
    return this.view.getUint32(pointer >>> 0, true)
  }
}
