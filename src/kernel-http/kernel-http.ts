import {
  attachToCgroup,
  attachToKernelFunction,
  attachToSockets,
  Link,
  loadObject,
  netnsCookie,
  RingBuffer,
} from '../kernel/index.ts'
import type { Bpf, GlobalValue, LoadedObject, TypedMap } from '../kernel/index.ts'
import { khEventKind, khReason } from './generated/http.ts'
import type { KhCounts, KhEvent, KhSample, Maps } from './generated/http.ts'
import type { JoinedCgroup } from '../datapath/index.ts'
import type { Holder } from './holder.ts'
import { cgroupPrograms, JoinedPlaces } from './joined-places.ts'
import type { FailedPlace } from './joined-places.ts'
import { httpLayout, readHttpObject } from './object.ts'

export interface KernelHttpOptions {
  /** How deep below the root the cgroups of workloads lie. */
  readonly memberLevel: number
  /** Id of the agent's own cgroup, whose connections never take the path. @default none */
  readonly agentCgroup?: bigint
  /** Where answers can be counted: targets of rules. @default 4096 */
  readonly counted?: number
  /** Upper bounds of the 17 buckets in which durations are counted, in seconds; one more has none. @default all in that one */
  readonly boundsSeconds?: readonly number[]
  /** Gets copies of all that has to be there while no agent is. @default the path ends with this process */
  readonly holder?: Holder
}

/** Why messages went to user space: names of `enum kh_reason` in words, `POOL_EMPTY` as `pool empty`. */
export type UserSpaceReason = string

/** Of struct kh_counts, and of `classes`, with which it begins. */
const [countsBytes, classesBytes] = [384, 64]
/** Of `bounds_ns`. */
const bounds = 17

/** How far a socket's program has read what programs of the path have put into its queue. */
export interface ReadProgress {
  /** Cgroup of a client's program. */
  readonly caller: bigint
  /** Bytes, modulo 2^32, as is the next. */
  readonly promised: number
  readonly read: number
}

interface Told {
  readonly caller: GlobalValue<bigint>
  readonly promised: GlobalValue<number>
  readonly read: GlobalValue<number>
}

/** Programs that are asked need one. */
const emptyPacket = new Uint8Array(14)

/** What an agent before this one has left. */
export interface LeftObjects {
  /** Of its maps: `httpLayout`. */
  readonly layout: string
  readonly descriptors: ReadonlyMap<string, number>
}

type MapName = Exclude<keyof Maps, 'kh_storage' | 'kh_pools' | 'kh_events'>

/**
 * The programs of the path and their maps. They do nothing before `attach`, and nothing but watch connections before
 * `isOn`. Whoever closes this ends the path: what is in the kernel's queues is delivered, requests that wait are not.
 */
export class KernelHttp implements Disposable {
  /** Of this process. */
  readonly netns: bigint
  readonly holder: Holder | undefined
  readonly #bpf: Bpf
  readonly #object: LoadedObject
  readonly #isOn: GlobalValue<number>
  readonly #asked: GlobalValue<bigint>
  readonly #told: Told
  readonly #sampleEveryNs: GlobalValue<number>
  readonly #stack = new DisposableStack()
  readonly #pools = new Map<number, TypedMap<undefined, bigint>>()
  readonly #isAdopted: boolean
  readonly #joined: JoinedPlaces
  #ring: RingBuffer | undefined
  #listener: ((event: KhEvent) => void) | undefined
  #sampled: ((sample: KhSample) => void) | undefined

  private constructor(bpf: Bpf, object: LoadedObject, holder: Holder | undefined, isAdopted: boolean) {
    this.#isAdopted = isAdopted
    this.#bpf = bpf
    this.holder = holder
    this.#object = this.#stack.use(object)
    this.#isOn = object.global<number>('is_on')
    this.#asked = object.global<bigint>('asked')
    this.#told = {
      caller: object.global<bigint>('told_caller'),
      promised: object.global<number>('told_promised'),
      read: object.global<number>('told_read'),
    }
    this.#sampleEveryNs = object.global<number>('sample_every_ns')
    this.#joined = this.#stack.use(new JoinedPlaces(bpf, object, holder))
    this.netns = netnsCookie()
  }

  /**
   * Loads the programs; the caller owns what is returned, `bpf` is borrowed.
   * @throws MeshError MESH_EBPF_REFUSED, MESH_KERNEL_UNSUPPORTED, MESH_KERNEL_SYSCALL
   */
  static open(bpf: Bpf, options: KernelHttpOptions): KernelHttp {
    const { memberLevel, agentCgroup = 0n, counted = 4096, boundsSeconds = [] } = options
    const constants = {
      member_level: memberLevel,
      agent_cgroup: agentCgroup,
      zero_copy_flag: flagOfZeroCopy(bpf),
      bounds_ns: Array.from({ length: bounds }, (_, at) => BigInt(Math.round((boundsSeconds[at] ?? 0) * 1e9))),
    }
    const object = loadObject(bpf, readHttpObject(), { constants, maxEntries: { kh_counts: counted } })
    for (const [name, { fd }] of object.maps) options.holder?.hold(`map ${name}`, fd)
    return new KernelHttp(bpf, object, options.holder, false)
  }

  /**
   * Goes on with what another process has left, for connections that are on the path: they go to user space with their next
   * request, and no new one comes.
   *
   * @param left  descriptors by the names under which a holder got them; those of the kernel's objects are this one's from now on
   * @returns undefined where some are missing, or they have another layout: then all are the caller's still
   * @throws MeshError MESH_KERNEL_SYSCALL
   */
  static adopt(bpf: Bpf, left: LeftObjects, holder: Holder): KernelHttp | undefined {
    const spec = readHttpObject()
    const descriptors = new Map(
      [...left.descriptors].flatMap(([name, fd]) => {
        const map = afterWord(name, 'map')
        return map === undefined ? [] : [[map, fd] as const]
      }),
    )
    const names = [...spec.maps, ...spec.globals].map(({ name }) => name)
    if (left.layout !== httpLayout(spec) || !names.every(name => descriptors.has(name))) return undefined
    const object = loadObject(bpf, spec, { descriptors, programs: () => false })
    const kernel = new KernelHttp(bpf, object, holder, true)
    kernel.isOn = false
    const listeners = kernel.map('kh_listeners')
    for (const [place] of listeners.entries().toArray()) listeners.delete(place)
    for (const [name, fd] of left.descriptors) {
      if (afterWord(name, 'link') !== undefined) kernel.#stack.use(new Link(bpf, bpf.own(fd, name), name))
      const pool = afterWord(name, 'queue')
      if (pool !== undefined) kernel.#pools.set(Number(pool), object.adoptInner('kh_pools', fd))
    }
    kernel.#watchEvents()
    return kernel
  }

  /**
   * From now on connections of the cgroup are watched. The program of sockets comes first: one that is in the map already
   * would never get it.
   * @param cgroup  folder of the mesh's cgroup
   * @throws MeshError MESH_KERNEL_SYSCALL
   */
  attach(cgroup: string): void {
    const { link } = this.#stack.use(
      attachToSockets(this.#bpf, this.#object.program('kh_message'), this.map('kh_sockets').raw),
    )
    if (link !== undefined) this.#hold('kh_message', link)
    this.#hold('kh_reads', this.#stack.use(attachToKernelFunction(this.#bpf, this.#object.program('kh_reads'))))
    for (const name of cgroupPrograms) {
      this.#hold(name, this.#stack.use(attachToCgroup(this.#bpf, this.#object.program(name), cgroup)))
    }
    this.#watchEvents()
  }

  /**
   * Cgroups elsewhere that are of the mesh from now on, and no others. Whoever leads their connections was attached there
   * before.
   * @returns those that could not be watched: nothing of theirs is on the path
   */
  join(joined: readonly JoinedCgroup[]): readonly FailedPlace[] {
    return this.#joined.update(joined)
  }

  #hold(name: string, { fd }: Link): void {
    this.holder?.hold(`link ${name}`, fd)
  }

  #watchEvents(): void {
    const codec = this.#object.codec<KhEvent>('kh_event')
    const samples = this.#object.codec<KhSample>('kh_sample')
    this.#ring = new RingBuffer(this.#bpf, this.#object.map('kh_events').raw, {
      lost: this.map('kh_lost').raw,
      onRecord: record => {
        if (record.readUInt32LE(0) === khEventKind.KH_SAMPLED) this.#sampled?.(samples.decode(record, 0))
        else this.#listener?.(codec.decode(record, 0))
      },
    })
    this.#stack.use(this.#ring).watch().unref()
  }

  /** What programs tell from now on is another agent's to hear, and what they do goes on beyond the end of this. */
  stopListening(): void {
    this.#ring?.[Symbol.dispose]()
  }

  /** Who is told of events, on this thread. */
  onEvent(listener: (event: KhEvent) => void): void {
    this.#listener = listener
  }

  /** Who is told of requests that are over, at most one in so long; nobody until then. */
  onSample(everyNs: number, listener: (sample: KhSample) => void): void {
    this.#sampled = listener
    this.#sampleEveryNs.set(everyNs)
  }

  /** While it is false, the next request of every connection goes to user space, and the connection with it. */
  get isOn(): boolean {
    return this.#isOn.get() !== 0
  }

  set isOn(value: boolean) {
    this.#isOn.set(value ? 1 : 0)
  }

  /** By its name in C. */
  map<N extends MapName>(name: N): TypedMap<Maps[N]['key'], Maps[N]['value']> {
    return this.#object.map(name)
  }

  /** Makes the queue of a pool, which the kernel keeps for as long as this. */
  createPool(number: number): TypedMap<undefined, bigint> {
    const adopted = this.#pools.get(number)
    if (adopted !== undefined && this.#isAdopted) return adopted
    const queue = this.#object.createInner<undefined, bigint>('kh_pools')
    this.#object.map<number, number>('kh_pools').set(number, queue.fd)
    this.#pools.set(number, queue)
    this.holder?.hold(`queue ${number}`, queue.fd)
    return queue
  }

  /** Rules that lead there find nobody any more. One that has taken its number is left alone. */
  removePool(number: number, queue: TypedMap<undefined, bigint>): void {
    if (this.#pools.get(number) !== queue) return
    this.#pools.delete(number)
    this.holder?.release(`queue ${number}`)
    this.#object.map<number, number>('kh_pools').delete(number)
  }

  /** What was answered so far, of all CPUs; undefined for a number that nobody counts. */
  counts(number: number): KhCounts | undefined {
    const perCpu = this.#object.map<number, readonly KhCounts[]>('kh_counts').get(number)
    return perCpu?.reduce((sum, each) => ({
      classes: sum.classes.map((value, at) => value + (each.classes[at] ?? 0n)),
      requestBytes: sum.requestBytes + each.requestBytes,
      responseBytes: sum.responseBytes + each.responseBytes,
      nanoseconds: sum.nanoseconds + each.nanoseconds,
      waitedUs: sum.waitedUs + each.waitedUs,
      buckets: sum.buckets.map((value, at) => value + (each.buckets[at] ?? 0n)),
      waits: sum.waits.map((value, at) => value + (each.waits[at] ?? 0n)),
    }))
  }

  /** Sum of the classes of `counts`, at little cost. */
  countedRequests(number: number): bigint {
    const { raw } = this.#object.map<number, readonly KhCounts[]>('kh_counts')
    raw.key.writeUInt32LE(number, 0)
    if (!raw.readElement()) return 0n
    let sum = 0n
    for (let cpu = 0; cpu < raw.value.length; cpu += countsBytes) {
      for (let at = cpu; at < cpu + classesBytes; at += 8) sum += raw.value.readBigUInt64LE(at)
    }
    return sum
  }

  /**
   * Bytes that programs have redirected to a client and that are neither in its queue nor read: 0 when all is there. They count
   * a moment before. Another figure, also below 0, may be that of a moment in which the client reads.
   */
  missing(client: bigint): number {
    this.#asked.set(client)
    return this.#object.program('kh_missing').test({ data: emptyPacket }).returned | 0
  }

  /** Of a client, or of an endpoint's connection; undefined for one that is not on the path any more. */
  progress(cookie: bigint): ReadProgress | undefined {
    this.#asked.set(cookie)
    if (this.#object.program('kh_progress').test({ data: emptyPacket }).returned === 0) return undefined
    const { caller, promised, read } = this.#told
    return { caller: caller.get(), promised: promised.get(), read: read.get() }
  }

  /** New connections of the programs of that cgroup stay off the path. */
  keepOut(caller: bigint): void {
    this.map('kh_not_reading').set(caller, 1)
  }

  letIn(caller: bigint): void {
    this.map('kh_not_reading').delete(caller)
  }

  /** Messages that went to user space, by reason; those that never happened are left out. */
  reasons(): ReadonlyMap<UserSpaceReason, bigint> {
    const map = this.#object.map<number, readonly bigint[]>('kh_reasons')
    const counts = Object.entries(khReason).map(([name, number]) => {
      const sum = (map.get(number) ?? []).reduce((total, each) => total + each, 0n)
      return [reasonText(name), sum] as const
    })
    return new Map(counts.filter(([, count]) => count > 0n))
  }

  [Symbol.dispose](): void {
    this.#listener = undefined
    this.#stack.dispose()
  }
}

/** What follows a word and a blank, `kh_clients` of `map kh_clients`. */
function afterWord(name: string, word: string): string | undefined {
  return name.startsWith(`${word} `) ? name.slice(word.length + 1) : undefined
}

function reasonText(name: string): UserSpaceReason {
  return name.replace(/^KH_/, '').replaceAll('_', ' ').toLowerCase()
}

/** Bit of `sk_flags` that SO_ZEROCOPY sets: `enum sock_flags` differs between kernels. 64 for none, which no socket has. */
function flagOfZeroCopy(bpf: Bpf): number {
  const types = bpf.kernelTypes()
  for (const id of types.named('sock_flags')) {
    const type = types.btf.types[id]
    const found = type?.kind === 'enum' ? type.values.find(({ name }) => name === 'SOCK_ZEROCOPY') : undefined
    if (found !== undefined) return Number(found.value)
  }
  return 64
}
