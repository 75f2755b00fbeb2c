import { MeshError } from '../../core/index.ts'
import { command, errno } from './bpf.ts'
import type { Attr, Bpf, Descriptor } from './bpf.ts'
import { mapFeature, supports, unsupported } from './feature.ts'
import { mapInfo } from './info.ts'
import type { MapInfo } from './info.ts'
import { mapKinds } from './map-kind.ts'
import type { MapKind } from './map-kind.ts'
import { takesBtf } from './map-spec.ts'
import type { MapSpec } from './map-spec.ts'
import { openPin, pin } from './pin.ts'
import type { PinOptions } from './pin.ts'

/** What a map looks like, whoever made it. */
export interface MapShape {
  readonly name: string
  readonly kind: MapKind
  readonly keyBytes: number
  readonly valueBytes: number
  readonly maxEntries: number
  readonly flags: number
}

/** Whether an update may make an entry, change one, or both. */
export type UpdateMode = 'any' | 'new' | 'existing'

const updateFlags: Readonly<Record<UpdateMode, bigint>> = { any: 0n, new: 1n, existing: 2n }

/** BTF of an object in the kernel, for maps that have types. */
export interface LoadedTypes {
  readonly fd: number
}

export interface CreateMapOptions {
  /** For maps with types; sk-storage cannot do without. */
  readonly types?: LoadedTypes
  /** What a map of maps takes; borrowed. */
  readonly inner?: BpfMap
}

/**
 * Makes a map.
 * @throws MeshError MESH_KERNEL_UNSUPPORTED with the first kernel that has this kind, MESH_KERNEL_SYSCALL
 */
export function createMap(bpf: Bpf, spec: MapSpec, options: CreateMapOptions = {}): BpfMap {
  const isTyped = options.types !== undefined && takesBtf(spec)
  let answer = tryCreate(bpf, spec, { ...options, types: isTyped ? options.types : undefined })
  // Some types the kernel does not take for keys (an enum, of an array): the map is the same without.
  if (answer === -errno.einval && isTyped) answer = tryCreate(bpf, spec, { ...options, types: undefined })
  if (answer >= 0) return new BpfMap(bpf, bpf.own(answer, `map ${spec.name}`), spec)
  if (answer === -errno.einval) {
    const feature = mapFeature(spec.kind)
    if (supports(bpf, feature) === false) throw unsupported(feature, `map ${spec.name}`)
  }
  throw bpf.failure({
    call: 'bpf(MAP_CREATE)',
    errno: -answer,
    object: `map ${spec.name} of kind ${spec.kind}`,
    needs: ['CAP_BPF', ...(spec.kind.startsWith('sock') ? (['CAP_NET_ADMIN'] as const) : [])],
  })
}

function tryCreate(
  bpf: Bpf,
  spec: MapSpec,
  { types, inner }: { readonly types: LoadedTypes | undefined; readonly inner?: BpfMap },
): number {
  const attr = bpf
    .attr(command.mapCreate)
    .u32(0, mapKinds[spec.kind].type)
    .u32(4, spec.keyBytes)
    .u32(8, spec.valueBytes)
    .u32(12, spec.maxEntries)
    .u32(16, spec.flags)
    .name(28, spec.name)
  if (inner !== undefined) attr.u32(20, inner.fd)
  if (types !== undefined) attr.u32(48, types.fd).u32(52, spec.keyType).u32(56, spec.valueType)
  return bpf.try(command.mapCreate, attr)
}

/** Every difference between what is wanted and what is there, `key bytes: 8, pinned 4`. */
export function mapDifferences(wanted: MapShape, found: MapInfo): readonly string[] {
  const rows: readonly (readonly [string, unknown, unknown])[] = [
    ['kind', wanted.kind, found.kind ?? `type ${found.type}`],
    ['key bytes', wanted.keyBytes, found.keyBytes],
    ['value bytes', wanted.valueBytes, found.valueBytes],
    ['entries', wanted.maxEntries, found.maxEntries],
    ['flags', wanted.flags, found.flags],
  ]
  return rows.filter(([, a, b]) => a !== b).map(([what, a, b]) => `${what}: ${String(a)}, pinned ${String(b)}`)
}

/**
 * Opens a pinned map.
 *
 * @returns undefined when nothing is pinned there
 * @throws MeshError MESH_EBPF_MAP_DIFFERS with every difference, MESH_KERNEL_SYSCALL
 */
export function openMap(bpf: Bpf, path: string, wanted: MapShape): BpfMap | undefined {
  const descriptor = openPin(bpf, path, `map ${wanted.name}`)
  if (descriptor === undefined) return undefined
  try {
    // A map of the kernel's own making rounds some numbers, but never those of a definition that worked.
    const differences = mapDifferences(wanted, mapInfo(bpf, descriptor.fd, `map ${wanted.name}`))
    if (differences.length === 0) return new BpfMap(bpf, descriptor, wanted)
    throw new MeshError('MESH_EBPF_MAP_DIFFERS', `map ${wanted.name} at ${path} differs: ${differences.join('; ')}`, {
      source: 'kernel',
      hint: 'another version pinned it: migrate its entries, or remove the pin',
    })
  } catch (error) {
    descriptor[Symbol.dispose]()
    throw error
  }
}

/** So often a walk over keys begins anew. */
const mostRestarts = 10

/** Entries that one batch moved. */
export interface Batch {
  readonly count: number
  readonly keys: Buffer
  readonly values: Buffer
}

/**
 * A map in the kernel: keys and values as bytes. `TypedMap` gives them names.
 *
 * Values of per-CPU kinds are those of all CPUs, each rounded up to 8 bytes: `valueStride` bytes together.
 */
export class BpfMap implements Disposable {
  readonly shape: MapShape
  /** Bytes of a value as it goes in and out. */
  readonly valueStride: number
  readonly #bpf: Bpf
  readonly #descriptor: Descriptor
  /** Where keys and values lie during a call; a typed map writes right into them. */
  readonly key: Buffer
  readonly value: Buffer
  readonly #nextKey: Buffer
  readonly #element: Attr
  readonly #remove: Attr
  readonly #next: Attr
  readonly #keyPointer: bigint
  /** Known after the first try. */
  #hasBatches: boolean | undefined

  constructor(bpf: Bpf, descriptor: Descriptor, shape: MapShape) {
    const { name, kind, keyBytes, valueBytes, maxEntries, flags } = shape
    this.shape = { name, kind, keyBytes, valueBytes, maxEntries, flags }
    this.#bpf = bpf
    this.#descriptor = descriptor
    this.valueStride = mapKinds[kind].isPerCpu ? Math.ceil(valueBytes / 8) * 8 * bpf.cpus : valueBytes
    this.key = Buffer.allocUnsafeSlow(Math.max(keyBytes, 1)).subarray(0, keyBytes)
    this.value = Buffer.allocUnsafeSlow(Math.max(this.valueStride, 1)).subarray(0, this.valueStride)
    this.#nextKey = Buffer.allocUnsafeSlow(Math.max(keyBytes, 1)).subarray(0, keyBytes)
    const { fd } = descriptor
    this.#keyPointer = bpf.pointerTo(this.key)
    this.#element = bpf.newAttr().u32(0, fd).memory(8, this.key).memory(16, this.value)
    this.#remove = bpf.newAttr().u32(0, fd).memory(8, this.key)
    this.#next = bpf.newAttr().u32(0, fd).memory(16, this.#nextKey)
  }

  /** @throws MeshError MESH_EBPF_CLOSED */
  get fd(): number {
    return this.#descriptor.fd
  }

  /** @throws MeshError MESH_KERNEL_SYSCALL */
  info(): MapInfo {
    return mapInfo(this.#bpf, this.fd, this.what)
  }

  /** `map services` */
  get what(): string {
    return `map ${this.shape.name}`
  }

  /** Reads the value of `key` into `value`. @returns false when there is none */
  readElement(): boolean {
    return this.#expect('MAP_LOOKUP_ELEM', this.#ask(command.mapLookup, 0n), errno.enoent)
  }

  /** Writes `value` at `key`. @returns false when the mode forbids it: there is one ('new'), or none ('existing') */
  writeElement(mode: UpdateMode): boolean {
    const answer = this.#ask(command.mapUpdate, updateFlags[mode])
    if (answer === -errno.e2big && mode !== 'existing') throw this.#full()
    return this.#expect('MAP_UPDATE_ELEM', answer, mode === 'new' ? errno.eexist : errno.enoent)
  }

  /** Reads the value of `key` into `value` and removes it, at one moment. @returns false when there is none */
  takeElement(): boolean {
    return this.#expect('MAP_LOOKUP_AND_DELETE_ELEM', this.#ask(command.mapTake, 0n), errno.enoent)
  }

  /** Removes `key`. @returns false when there is none */
  deleteElement(): boolean {
    void this.fd
    return this.#expect('MAP_DELETE_ELEM', this.#bpf.try(command.mapDelete, this.#remove), errno.enoent)
  }

  #ask(of: number, flags: bigint): number {
    // A number that was closed may be another map's by now.
    void this.#descriptor.fd
    this.#element.u64(24, flags)
    return this.#bpf.try(of, this.#element)
  }

  #expect(call: string, answer: number, missing: number): boolean {
    if (answer >= 0) return true
    if (answer === -missing) return false
    throw this.#failure(call, -answer)
  }

  #failure(call: string, number: number): MeshError {
    return this.#bpf.failure({ call: `bpf(${call})`, errno: number, object: this.what, needs: ['CAP_BPF'] })
  }

  #full(): MeshError {
    const { maxEntries } = this.shape
    return this.#bpf.failure({
      call: 'bpf(MAP_UPDATE_ELEM)',
      errno: errno.e2big,
      object: this.what,
      hint: `it is full, or the key lies outside of it: it takes ${maxEntries} entries`,
    })
  }

  /** @returns a copy of the value; undefined when there is none */
  lookup(key: Uint8Array): Buffer | undefined {
    this.#setKey(key)
    return this.readElement() ? Buffer.from(this.value) : undefined
  }

  update(key: Uint8Array, value: Uint8Array, mode: UpdateMode = 'any'): boolean {
    this.#setKey(key)
    this.#setValue(value)
    return this.writeElement(mode)
  }

  delete(key: Uint8Array): boolean {
    this.#setKey(key)
    return this.deleteElement()
  }

  /** The key after `key`, the first one without it; in no order. @returns a copy, undefined after the last one */
  nextKey(key: Uint8Array | undefined): Buffer | undefined {
    void this.fd
    if (key === undefined) this.#next.u64(8, 0n)
    else {
      this.#setKey(key)
      this.#next.u64(8, this.#keyPointer)
    }
    const answer = this.#bpf.try(command.mapNextKey, this.#next)
    return this.#expect('MAP_GET_NEXT_KEY', answer, errno.enoent) ? Buffer.from(this.#nextKey) : undefined
  }

  /**
   * All keys, one call each; none is told twice. Those that come or go meanwhile may be among them or not. When the
   * next key goes away in between, the kernel begins anew: after ten such times this gives up and ends.
   */
  *keys(): Generator<Buffer> {
    const seen = new Set<string>()
    let restarts = 0
    for (let key = this.nextKey(undefined); key !== undefined && restarts <= mostRestarts;) {
      const name = key.toString('latin1')
      const isNew = !seen.has(name)
      seen.add(name)
      // Asked before the key is handed out, which may be removed by then.
      const next = this.nextKey(key)
      if (isNew) yield key
      if (next !== undefined && seen.has(next.toString('latin1'))) restarts++
      key = next
    }
  }

  /**
   * Writes many entries, with one call where the kernel can.
   *
   * @param keys  all keys one after the other; values the same, `valueStride` bytes each
   * @throws MeshError MESH_KERNEL_SYSCALL with how many were written
   */
  updateBatch(keys: Uint8Array, values: Uint8Array, mode: UpdateMode = 'any'): void {
    const count = this.#countOf(keys, values)
    if (count === 0) return
    if (this.#hasBatches !== false) {
      const attr = this.#bpf
        .attr(command.mapUpdateBatch)
        .memory(16, keys)
        .memory(24, values)
        .u32(32, count)
        .u32(36, this.fd)
        .u64(40, updateFlags[mode])
      const answer = this.#bpf.try(command.mapUpdateBatch, attr)
      if (answer >= 0) return void (this.#hasBatches = true)
      if (!this.#lacksBatches(answer)) {
        throw this.#batchFailure('MAP_UPDATE_BATCH', -answer, attr.bytes.readUInt32LE(32), count)
      }
    }
    const { keyBytes } = this.shape
    for (let at = 0; at < count; at++) {
      const key = keys.subarray(at * keyBytes, (at + 1) * keyBytes)
      this.update(key, values.subarray(at * this.valueStride, (at + 1) * this.valueStride), mode)
    }
  }

  /** Removes many entries, with few calls where the kernel can. @returns how many of them there were */
  deleteBatch(keys: Uint8Array): number {
    const { keyBytes } = this.shape
    const count = this.#countOf(keys, undefined)
    let removed = 0
    for (let at = 0; at < count;) {
      if (this.#hasBatches === false) {
        if (this.delete(keys.subarray(at * keyBytes, (at + 1) * keyBytes))) removed++
        at++
        continue
      }
      const rest = keys.subarray(at * keyBytes)
      const attr = this.#bpf
        .attr(command.mapDeleteBatch)
        .memory(16, rest)
        .u32(32, count - at)
        .u32(36, this.fd)
      const answer = this.#bpf.try(command.mapDeleteBatch, attr)
      if (answer < 0 && this.#lacksBatches(answer)) continue
      const done = attr.bytes.readUInt32LE(32)
      if (answer < 0 && answer !== -errno.enoent)
        throw this.#batchFailure('MAP_DELETE_BATCH', -answer, done, count - at)
      this.#hasBatches = true
      removed += done
      // It ends at the first that is not there.
      at += answer < 0 ? done + 1 : done
      if (answer >= 0) break
    }
    return removed
  }

  /**
   * All entries, many with each call where the kernel can. The buffers are used again by the next step.
   *
   * @param options.size  entries a call, @default 1024
   * @param options.take  whether entries are removed too (hash kinds only), @default false
   */
  *readBatches(options: { readonly size?: number; readonly take?: boolean } = {}): Generator<Batch> {
    if (this.#hasBatches === false) return yield* this.#readOneByOne(options.take ?? false)
    const { keyBytes } = this.shape
    const of = options.take === true ? command.mapTakeBatch : command.mapLookupBatch
    let size = Math.max(1, options.size ?? 1024)
    let keys = Buffer.allocUnsafeSlow(size * keyBytes)
    let values = Buffer.allocUnsafeSlow(size * this.valueStride)
    // Some kinds keep a whole key in it, others a number.
    const token = Buffer.allocUnsafeSlow(Math.max(8, keyBytes))
    for (let isFirst = true; ;) {
      const attr = this.#bpf
        .attr(of)
        .memory(8, token)
        .memory(16, keys)
        .memory(24, values)
        .u32(32, size)
        .u32(36, this.fd)
      if (!isFirst) attr.memory(0, token)
      const answer = this.#bpf.try(of, attr)
      if (answer === -errno.enospc) {
        // A bucket of the hash holds more than that.
        size *= 2
        keys = Buffer.allocUnsafeSlow(size * keyBytes)
        values = Buffer.allocUnsafeSlow(size * this.valueStride)
        continue
      }
      const isLast = answer === -errno.enoent
      if (isFirst && answer < 0 && !isLast && this.#lacksBatches(answer)) {
        return yield* this.#readOneByOne(options.take ?? false)
      }
      const count = attr.bytes.readUInt32LE(32)
      if (answer < 0 && !isLast) throw this.#batchFailure('MAP_LOOKUP_BATCH', -answer, count, size)
      isFirst = false
      if (count > 0) yield { count, keys, values }
      if (isLast) return
    }
  }

  *#readOneByOne(take: boolean): Generator<Batch> {
    for (const keys of this.keys()) {
      this.#setKey(keys)
      const isThere = take ? this.takeElement() : this.readElement()
      if (isThere) yield { count: 1, keys, values: Buffer.from(this.value) }
    }
  }

  /** Whether this answer means that the kernel (EINVAL, before 5.6) or this kind of map has no batches. */
  #lacksBatches(answer: number): boolean {
    if (this.#hasBatches === true || (answer !== -errno.enotsupp && answer !== -errno.einval)) return false
    this.#hasBatches = false
    return true
  }

  /** From now on no program of user space can change it; before the programs are loaded, they know its values. */
  freeze(): void {
    const answer = this.#bpf.try(command.mapFreeze, this.#bpf.attr(command.mapFreeze).u32(0, this.fd))
    if (answer < 0) throw this.#failure('MAP_FREEZE', -answer)
  }

  /** @throws MeshError MESH_KERNEL_SYSCALL */
  pin(path: string, options: PinOptions = {}): void {
    pin(this.#bpf, this, path, options)
  }

  [Symbol.dispose](): void {
    this.#descriptor[Symbol.dispose]()
  }

  #setKey(key: Uint8Array): void {
    if (key.length !== this.key.length) throw this.#unfit('keys', this.key.length, key.length)
    this.key.set(key)
  }

  #setValue(value: Uint8Array): void {
    if (value.length !== this.value.length) throw this.#unfit('values', this.value.length, value.length)
    this.value.set(value)
  }

  #countOf(keys: Uint8Array, values: Uint8Array | undefined): number {
    const count = keys.length / this.shape.keyBytes
    if (!Number.isInteger(count)) throw this.#unfit('keys', this.shape.keyBytes, keys.length)
    if (values !== undefined && values.length !== count * this.valueStride) {
      throw this.#unfit('values', count * this.valueStride, values.length)
    }
    return count
  }

  #unfit(what: string, wanted: number, given: number): MeshError {
    return new MeshError('MESH_EBPF_VALUE', `${this.what}: ${what} of ${wanted} bytes, not ${given}`, {
      source: 'kernel',
    })
  }

  #batchFailure(call: string, number: number, done: number, count: number): MeshError {
    const hint = number === errno.e2big ? { hint: `it takes ${this.shape.maxEntries} entries` } : {}
    return this.#bpf.failure({
      call: `bpf(${call})`,
      errno: number,
      object: `${this.what}, after ${done} of ${count} entries`,
      ...hint,
    })
  }
}
