import { encodeNamed } from './codec.ts'
import type { Codec } from './codec.ts'
import type { BpfMap, UpdateMode } from './map.ts'

/** Entries that go to the kernel with one call. */
const batchEntries = 4096

/**
 * A map whose keys and values are values of TypeScript. Of per-CPU maps a value is an array, one for each CPU; of maps
 * of maps it is a descriptor going in and an id coming out.
 */
export class TypedMap<K, V> implements Disposable {
  /** The same map as bytes. */
  readonly raw: BpfMap
  readonly #key: Codec<K>
  readonly #value: Codec<V>
  /** For errors. */
  readonly #keyName: string
  readonly #valueName: string

  constructor(raw: BpfMap, codecs: { readonly key: Codec<K>; readonly value: Codec<V> }) {
    this.raw = raw
    this.#key = codecs.key
    this.#value = codecs.value
    this.#keyName = `${raw.what}, key`
    this.#valueName = `${raw.what}, value`
  }

  get fd(): number {
    return this.raw.fd
  }

  /** @returns undefined when there is none */
  get(key: K): V | undefined {
    this.#putKey(key)
    return this.raw.readElement() ? this.#value.decode(this.raw.value, 0) : undefined
  }

  has(key: K): boolean {
    this.#putKey(key)
    return this.raw.readElement()
  }

  /**
   * @param mode  'new' keeps an entry that is there, 'existing' makes none
   * @returns whether it was written
   * @throws MeshError MESH_EBPF_VALUE, MESH_KERNEL_SYSCALL (E2BIG: full)
   */
  set(key: K, value: V, mode: UpdateMode = 'any'): boolean {
    this.#putKey(key)
    this.#putValue(value)
    return this.raw.writeElement(mode)
  }

  /** @returns whether there was one */
  delete(key: K): boolean {
    this.#putKey(key)
    return this.raw.deleteElement()
  }

  /** Removes and returns, at one moment: a program sees the entry or does not. */
  take(key: K): V | undefined {
    this.#putKey(key)
    return this.raw.takeElement() ? this.#value.decode(this.raw.value, 0) : undefined
  }

  /** Of queues and stacks. */
  push(value: V): void {
    this.#putValue(value)
    this.raw.writeElement('any')
  }

  /** Of queues and stacks: the next value, which is removed. */
  pop(): V | undefined {
    return this.raw.takeElement() ? this.#value.decode(this.raw.value, 0) : undefined
  }

  /** Of queues and stacks: the next value, which stays. */
  peek(): V | undefined {
    return this.raw.readElement() ? this.#value.decode(this.raw.value, 0) : undefined
  }

  /** All entries; those that come or go meanwhile may be among them or not. */
  *entries(): Generator<readonly [K, V]> {
    const stride = this.raw.valueStride
    const keyBytes = this.#key.size
    for (const { count, keys, values } of this.raw.readBatches()) {
      for (let index = 0; index < count; index++) {
        yield [this.#key.decode(keys, index * keyBytes), this.#value.decode(values, index * stride)]
      }
    }
  }

  /** Writes many entries, with few calls where the kernel has batches. Ends at the first that cannot be written. */
  setAll(entries: Iterable<readonly [K, V]>): void {
    let keys = Buffer.alloc(0)
    let values = Buffer.alloc(0)
    const stride = this.raw.valueStride
    let count = 0
    const flush = (): void => {
      this.raw.updateBatch(keys.subarray(0, count * this.#key.size), values.subarray(0, count * stride))
      count = 0
    }
    for (const [key, value] of entries) {
      if (keys.length === 0) {
        keys = Buffer.allocUnsafeSlow(batchEntries * this.#key.size)
        values = Buffer.allocUnsafeSlow(batchEntries * stride)
      }
      encodeNamed(this.#key, this.#keyName, key, keys, count * this.#key.size)
      encodeNamed(this.#value, this.#valueName, value, values, count * stride)
      if (++count === batchEntries) flush()
    }
    flush()
  }

  /** Removes many entries. @returns how many of them there were */
  deleteAll(keys: Iterable<K>): number {
    const list = [...keys]
    const bytes = Buffer.allocUnsafeSlow(list.length * this.#key.size)
    for (const [index, key] of list.entries()) {
      encodeNamed(this.#key, this.#keyName, key, bytes, index * this.#key.size)
    }
    return this.raw.deleteBatch(bytes)
  }

  /** No call from user space changes the map after this. @throws MeshError MESH_KERNEL_SYSCALL */
  freeze(): void {
    this.raw.freeze()
  }

  [Symbol.dispose](): void {
    this.raw[Symbol.dispose]()
  }

  #putKey(key: K): void {
    encodeNamed(this.#key, this.#keyName, key, this.raw.key, 0)
  }

  #putValue(value: V): void {
    encodeNamed(this.#value, this.#valueName, value, this.raw.value, 0)
  }
}
