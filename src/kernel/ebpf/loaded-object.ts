import { MeshError } from '../../core/index.ts'
import type { Bpf, Descriptor, MappedMemory } from './bpf.ts'
import { bytesCodec, codecOf, encodeNamed, perCpuCodec } from './codec.ts'
import type { Codec } from './codec.ts'
import type { GlobalSection, GlobalVariable } from './global-data.ts'
import { BpfMap, createMap, openMap } from './map.ts'
import type { MapShape } from './map.ts'
import { mapKinds, mmapable, readOnlyProgram } from './map-kind.ts'
import type { MapSpec } from './map-spec.ts'
import type { ObjectSpec } from './object-spec.ts'
import type { ProgramSpec } from './link-programs.ts'
import { loadProgram } from './program.ts'
import type { Program } from './program.ts'
import { TypedMap } from './typed-map.ts'
import { loadTypes } from './types.ts'

export interface LoadObjectOptions {
  /** Values of constants (`const volatile` in C), by name: the verifier knows them and leaves out what they rule out. */
  readonly constants?: Readonly<Record<string, unknown>>
  /** Maps that exist already, by name, instead of new ones; borrowed. */
  readonly maps?: ReadonlyMap<string, BpfMap>
  /** Maps that exist already, as descriptors by name, those of data sections too: they are the object's from now on. */
  readonly descriptors?: ReadonlyMap<string, number>
  /** Other sizes than the object says, by the map's name. */
  readonly maxEntries?: Readonly<Record<string, number>>
  /** Folder in a bpffs for maps with `__uint(pinning, LIBBPF_PIN_BY_NAME)`: opened there, or made and pinned. */
  readonly pinFolder?: string
  /** Pinned maps of another shape are made anew; theirs are the pins once all is loaded. @default false: they are an error */
  readonly replacesDifferent?: boolean
  /** Which programs to load at once; `LoadedObject.program` loads others when they are asked for. @default all */
  readonly programs?: (program: ProgramSpec, maps: OpenedMaps) => boolean
}

/** What `LoadObjectOptions.programs` may look at: maps come before programs. */
export interface OpenedMaps {
  /** Whether all that belong into the folder of pins were there, in their shape. */
  readonly werePinned: boolean
}

/** A variable of a loaded object. */
export interface GlobalValue<T> {
  get(): T
  /** Running programs see it at once; one of more than 8 bytes perhaps half. Constants cannot be set any more. */
  set(value: T): void
}

/**
 * Loads an object: its types, maps, data and programs. All or nothing.
 *
 * The caller owns what is returned; programs run only once they are attached.
 *
 * @throws MeshError MESH_EBPF_REFUSED, MESH_EBPF_VALUE for a constant that does not fit, MESH_EBPF_OBJECT for a name
 *   that the object does not have, MESH_EBPF_MAP_DIFFERS, MESH_KERNEL_UNSUPPORTED, MESH_KERNEL_SYSCALL
 */
export function loadObject(bpf: Bpf, spec: ObjectSpec, options: LoadObjectOptions = {}): LoadedObject {
  checkNames(spec, options)
  return LoadedObject.load(bpf, spec, options)
}

function checkNames(spec: ObjectSpec, options: LoadObjectOptions): void {
  const mapNames = spec.maps.map(({ name }) => name)
  const constants = spec.globals.filter(({ isConstant }) => isConstant).flatMap(({ variables }) => variables)
  const constantNames = constants.map(({ name }) => name)
  const rows: readonly (readonly [what: string, asked: Iterable<string>, there: readonly string[]])[] = [
    ['map', options.maps?.keys() ?? [], mapNames],
    ['map', Object.keys(options.maxEntries ?? {}), mapNames],
    ['constant', Object.keys(options.constants ?? {}), constantNames],
  ]
  for (const [what, asked, there] of rows) {
    for (const name of asked) if (!there.includes(name)) throw notThere(spec, what, name, there)
  }
}

function notThere(spec: ObjectSpec, what: string, name: string, there: readonly string[]): MeshError {
  return new MeshError('MESH_EBPF_OBJECT', `object ${spec.name}: it has no ${what} ${name}`, {
    source: 'kernel',
    hint: there.length === 0 ? `it has no ${what}s at all` : `it has ${there.join(', ')}`,
  })
}

/** Kinds of types that have a name and values; variables and functions have names too. */
const valued: ReadonlySet<string> = new Set(['struct', 'union', 'enum', 'alias', 'int'])

/** An object in the kernel. Closing it closes all of its maps and programs that were not borrowed. */
export class LoadedObject implements Disposable {
  readonly spec: ObjectSpec
  readonly #bpf: Bpf
  readonly #types: Descriptor
  readonly #maps = new Map<string, BpfMap>()
  readonly #programs = new Map<string, Program>()
  readonly #memory = new Map<string, MappedMemory>()
  readonly #owned: Disposable[] = []
  /** Maps to pin once all is loaded: what is refused leaves the pins as they were. */
  readonly #unpinned: { readonly map: BpfMap; readonly path: string }[] = []

  private constructor(bpf: Bpf, spec: ObjectSpec) {
    this.#bpf = bpf
    this.spec = spec
    this.#types = loadTypes(bpf, spec)
  }

  /** Use `loadObject`. */
  static load(bpf: Bpf, spec: ObjectSpec, options: LoadObjectOptions): LoadedObject {
    const object = new LoadedObject(bpf, spec)
    try {
      object.#load(options)
      return object
    } catch (error) {
      object[Symbol.dispose]()
      throw error
    }
  }

  #load(options: LoadObjectOptions): void {
    for (const map of this.spec.maps) this.#maps.set(map.name, this.#openMap(map, options))
    for (const section of this.spec.globals) this.#maps.set(section.name, this.#makeGlobals(section, options))
    const opened = { werePinned: options.pinFolder !== undefined && this.#unpinned.length === 0 }
    for (const program of this.spec.programs) {
      if (options.programs?.(program, opened) !== false) this.#loadProgram(program)
    }
    for (const { map, path } of this.#unpinned.splice(0)) map.pin(path, { replace: true })
  }

  #loadProgram(program: ProgramSpec): Program {
    const { license, btf } = this.spec
    const loaded = loadProgram(this.#bpf, program, { license, maps: this.#maps, types: this.#types, btf })
    this.#owned.push(loaded)
    this.#programs.set(program.name, loaded)
    return loaded
  }

  /** By name; those of data sections (`.rodata`) too. */
  get maps(): ReadonlyMap<string, BpfMap> {
    return this.#maps
  }

  /** Those that are loaded. */
  get programs(): ReadonlyMap<string, Program> {
    return this.#programs
  }

  /**
   * One that was left out is loaded now: verifying a large one takes a tenth of a second.
   * @throws MeshError MESH_EBPF_OBJECT when there is none; as `loadObject` for one that was left out
   */
  program(name: string): Program {
    const loaded = this.#programs.get(name)
    if (loaded !== undefined) return loaded
    const { programs } = this.spec
    const spec = programs.find(each => each.name === name)
    if (spec === undefined) {
      throw notThere(
        this.spec,
        'program',
        name,
        programs.map(each => each.name),
      )
    }
    return this.#loadProgram(spec)
  }

  /**
   * A map with keys and values as the object's types say; `generateTypes` writes them down for TypeScript. The map is
   * this object's: do not close it.
   *
   * @throws MeshError MESH_EBPF_OBJECT when there is none
   */
  map<K, V>(name: string): TypedMap<K, V> {
    const spec = this.spec.maps.find(each => each.name === name)
    const raw = this.#maps.get(name)
    if (spec === undefined || raw === undefined) throw notThere(this.spec, 'map', name, [...this.#maps.keys()])
    return this.#typed(spec, raw)
  }

  /**
   * A new map for a slot of a map of maps: `outer.set(key, inner.fd)`. The caller owns it; the slot keeps it alive.
   * @throws MeshError MESH_EBPF_OBJECT when `name` is no map of maps, MESH_KERNEL_SYSCALL
   */
  createInner<K, V>(name: string): TypedMap<K, V> {
    const spec = this.#innerSpec(name)
    return this.#typed(spec, createMap(this.#bpf, spec, { types: this.#types }))
  }

  /** As `createInner`, of one that is there already. @param fd  the map's from now on */
  adoptInner<K, V>(name: string, fd: number): TypedMap<K, V> {
    const spec = this.#innerSpec(name)
    return this.#typed(spec, new BpfMap(this.#bpf, this.#bpf.own(fd, `a map of ${name}`), spec))
  }

  #innerSpec(name: string): MapSpec {
    const spec = this.spec.maps.find(each => each.name === name)?.inner
    if (spec === undefined) {
      const there = this.spec.maps.filter(({ inner }) => inner !== undefined).map(each => each.name)
      throw notThere(this.spec, 'map of maps', name, there)
    }
    return spec
  }

  /** A variable of C that is not static. @throws MeshError MESH_EBPF_OBJECT when there is none */
  global<T>(name: string): GlobalValue<T> {
    for (const section of this.spec.globals) {
      const variable = section.variables.find(each => each.name === name)
      if (variable !== undefined) return this.#globalValue<T>(section, variable)
    }
    const there = this.spec.globals.flatMap(({ variables }) => variables.map(each => each.name))
    throw notThere(this.spec, 'variable', name, there)
  }

  /** A codec of one of the object's types by its name in C, for records of ring buffers: `event`. */
  codec<T>(type: string): Codec<T> {
    const id = this.spec.btf.types.findIndex(each => valued.has(each.kind) && 'name' in each && each.name === type)
    if (id < 0) throw notThere(this.spec, 'type', type, [])
    return codecOf<T>(this.spec.btf, id)
  }

  [Symbol.dispose](): void {
    for (const memory of this.#memory.values()) memory[Symbol.dispose]()
    this.#memory.clear()
    for (const each of this.#owned.toReversed()) each[Symbol.dispose]()
    this.#owned.length = 0
    this.#types[Symbol.dispose]()
  }

  #typed<K, V>(spec: MapSpec, raw: BpfMap): TypedMap<K, V> {
    return new TypedMap<K, V>(raw, mapCodecs<K, V>(this.#bpf, this.spec, spec))
  }

  #openMap(asked: MapSpec, options: LoadObjectOptions): BpfMap {
    const given = options.maps?.get(asked.name) ?? this.#given(asked, options)
    if (given !== undefined) return given
    const spec = this.#fit({ ...asked, maxEntries: options.maxEntries?.[asked.name] ?? asked.maxEntries })
    const path =
      spec.isPinnedByName && options.pinFolder !== undefined ? `${options.pinFolder}/${spec.name}` : undefined
    const pinned = path === undefined ? undefined : this.#openPinned(path, spec, options)
    if (pinned !== undefined) return this.#own(pinned)
    const map = this.#own(this.#createMap(spec))
    if (path !== undefined) this.#unpinned.push({ map, path })
    return map
  }

  #given(shape: MapShape, { descriptors }: LoadObjectOptions): BpfMap | undefined {
    const fd = descriptors?.get(shape.name)
    return fd === undefined
      ? undefined
      : this.#own(new BpfMap(this.#bpf, this.#bpf.own(fd, `map ${shape.name}`), shape))
  }

  #openPinned(path: string, spec: MapSpec, { replacesDifferent = false }: LoadObjectOptions): BpfMap | undefined {
    try {
      return openMap(this.#bpf, path, spec)
    } catch (error) {
      if (replacesDifferent && error instanceof MeshError && error.code === 'MESH_EBPF_MAP_DIFFERS') return undefined
      throw error
    }
  }

  #own(map: BpfMap): BpfMap {
    this.#owned.push(map)
    return map
  }

  /** The kernel takes ring buffers of whole pages only, and pages may be larger than where the object was written. */
  #fit(spec: MapSpec): MapSpec {
    if (spec.kind !== 'ring-buffer') return spec
    let maxEntries = this.#bpf.pageBytes
    while (maxEntries < spec.maxEntries) maxEntries *= 2
    return { ...spec, maxEntries }
  }

  #createMap(spec: MapSpec): BpfMap {
    if (spec.inner === undefined) return createMap(this.#bpf, spec, { types: this.#types })
    // Only to tell the kernel what maps will be in it.
    using inner = createMap(this.#bpf, spec.inner, { types: this.#types })
    return createMap(this.#bpf, spec, { types: this.#types, inner })
  }

  #makeGlobals(section: GlobalSection, options: LoadObjectOptions): BpfMap {
    const bytes = Buffer.from(section.bytes)
    for (const { name, type, offset } of section.isConstant ? section.variables : []) {
      const value = options.constants?.[name]
      if (value !== undefined) encodeNamed(codecOf<unknown>(this.spec.btf, type), name, value, bytes, offset)
    }
    const spec: MapSpec = {
      name: section.name,
      kind: 'array',
      keyBytes: 4,
      valueBytes: bytes.length,
      maxEntries: 1,
      flags: section.isConstant ? readOnlyProgram : mmapable,
      keyType: 0,
      valueType: 0,
      isPinnedByName: false,
      inner: undefined,
    }
    const given = this.#given(spec, options)
    if (given !== undefined) return given
    const map = this.#own(createMap(this.#bpf, spec))
    if (section.isConstant || bytes.some(byte => byte !== 0)) map.update(Buffer.alloc(4), bytes)
    // Before the programs are loaded: only then the values are known to the verifier.
    if (section.isConstant) map.freeze()
    return map
  }

  #globalValue<T>(section: GlobalSection, { name, type, offset }: GlobalVariable): GlobalValue<T> {
    const codec = codecOf<T>(this.spec.btf, type)
    const map = this.#maps.get(section.name)
    if (map === undefined) throw notThere(this.spec, 'variable', name, [])
    if (section.isConstant) {
      return {
        get: () => codec.decode(map.lookup(Buffer.alloc(4)) ?? Buffer.alloc(section.bytes.length), offset),
        set() {
          throw new MeshError('MESH_EBPF_VALUE', `${name}: a constant, which is set when the object is loaded`, {
            source: 'kernel',
          })
        },
      }
    }
    const scratch = Buffer.alloc(codec.size)
    return {
      get: () => codec.decode(this.#mapped(section, map), offset),
      set: value => {
        encodeNamed(codec, name, value, scratch, 0)
        this.#mapped(section, map).set(scratch, offset)
      },
    }
  }

  /** The section's memory, shared with the programs. */
  #mapped(section: GlobalSection, map: BpfMap): Buffer {
    let memory = this.#memory.get(section.name)
    if (memory === undefined) {
      const page = this.#bpf.pageBytes
      const length = Math.ceil(section.bytes.length / page) * page
      memory = this.#bpf.map(map.fd, { offset: 0, length, isWritable: true })
      this.#memory.set(section.name, memory)
    }
    return memory.bytes
  }
}

/**
 * Opens one map of an object that somebody else has loaded and pinned, with the types of the object's file. Unlike
 * `openDescribedMap` it asks the kernel for no types, which takes CAP_SYS_ADMIN.
 *
 * @returns undefined when nothing is pinned there
 * @throws MeshError MESH_EBPF_MAP_DIFFERS, MESH_EBPF_OBJECT when the object has no such map, MESH_KERNEL_SYSCALL
 */
export function openMapOf<K, V>(
  bpf: Bpf,
  object: ObjectSpec,
  { name, path }: { readonly name: string; readonly path: string },
): TypedMap<K, V> | undefined {
  const spec = object.maps.find(each => each.name === name)
  if (spec === undefined) throw notThere(object, 'map', name, [])
  const raw = openMap(bpf, path, spec)
  return raw === undefined ? undefined : new TypedMap<K, V>(raw, mapCodecs<K, V>(bpf, object, spec))
}

/** Codecs of a map's keys and values: of its types, where it has them. */
export function mapCodecs<K, V>(
  bpf: Bpf,
  object: ObjectSpec,
  map: MapSpec,
): { readonly key: Codec<K>; readonly value: Codec<V> } {
  const of = <T>(type: number, size: number): Codec<T> =>
    type === 0 ? (plainCodec(size) as unknown as Codec<T>) : codecOf<T>(object.btf, type)
  const value = of<V>(map.inner === undefined ? map.valueType : 0, map.valueBytes)
  return {
    key: of<K>(map.keyType, map.keyBytes),
    value: mapKinds[map.kind].isPerCpu ? (perCpuCodec(value, bpf.cpus) as unknown as Codec<V>) : value,
  }
}

/** For definitions that give a size only: descriptors and indexes are numbers, all else bytes. */
function plainCodec(size: number): Codec<number> | Codec<Uint8Array> {
  if (size !== 4) return bytesCodec(size)
  const codec: Codec<number> = {
    size,
    encode(value, into, at) {
      if (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff) {
        throw new MeshError('MESH_EBPF_VALUE', `value: wants an integer of 32 bits, not ${value}`, { source: 'kernel' })
      }
      into.writeUInt32LE(value, at)
    },
    decode: (from, at) => from.readUInt32LE(at),
  }
  return codec
}
