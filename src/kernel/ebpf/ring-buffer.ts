import { MeshError } from '../../core/index.ts'
import { openSocketCalls } from '../sockets/calls.ts'
import type { SocketCalls } from '../sockets/calls.ts'
import { LoopWatch } from '../sockets/loop-watch.ts'
import type { Bpf, MappedMemory } from './bpf.ts'
import type { Codec } from './codec.ts'
import type { BpfMap } from './map.ts'
import { RingRecords } from './ring-records.ts'

/** Records of one turn of the event loop; a flood of events shall not keep it from everything else. */
const recordsPerTurn = 4096

export interface RingBufferOptions {
  /** Called for each record; the bytes are valid during the call only. */
  readonly onRecord: (record: Buffer) => void
  /**
   * A per-CPU array of u64 whose slot 0 programs count up when the ring is full: the kernel itself drops in silence.
   * Borrowed.
   */
  readonly lost?: BpfMap
}

/**
 * Events of programs, on this thread's event loop. What is in the ring before `watch` is delivered too. The map is
 * borrowed and must stay open for as long as this.
 */
export class RingBuffer implements Disposable {
  readonly #bpf: Bpf
  readonly #map: BpfMap
  readonly #options: RingBufferOptions
  readonly #consumer: MappedMemory
  readonly #producer: MappedMemory
  #records: RingRecords | undefined
  #calls: SocketCalls | undefined
  #watch: LoopWatch | undefined
  #immediate: NodeJS.Immediate | undefined

  /** @throws MeshError MESH_KERNEL_SYSCALL */
  constructor(bpf: Bpf, map: BpfMap, options: RingBufferOptions) {
    if (map.shape.kind !== 'ring-buffer') throw new TypeError(`${map.what} is of kind ${map.shape.kind}`)
    this.#bpf = bpf
    this.#map = map
    this.#options = options
    const page = bpf.pageBytes
    const size = map.shape.maxEntries
    this.#consumer = bpf.map(map.fd, { offset: 0, length: page, isWritable: true })
    try {
      this.#producer = bpf.map(map.fd, { offset: page, length: page + 2 * size, isWritable: false })
    } catch (error) {
      this.#consumer[Symbol.dispose]()
      throw error
    }
    const [consumer, producer] = [this.#consumer.bytes, this.#producer.bytes]
    this.#records = new RingRecords({
      consumer: new BigUint64Array(consumer.buffer, consumer.byteOffset, 1),
      producer: new Uint32Array(producer.buffer, producer.byteOffset, 2),
      headers: new Uint32Array(producer.buffer, producer.byteOffset + page, size / 4),
      records: producer.subarray(page),
      size,
    })
  }

  /** Hands over what is there, without waiting. @returns how many records */
  consume(most: number = Number.MAX_SAFE_INTEGER): number {
    return this.#records?.take(this.#options.onRecord, most) ?? 0
  }

  /**
   * From now on records are handed over as they come; the process stays alive for it unless `unref` is called.
   * @throws MeshError MESH_KERNEL_UNSUPPORTED
   */
  watch(): this {
    if (this.#watch !== undefined || this.#records === undefined) return this
    const calls = openSocketCalls()
    try {
      this.#watch = new LoopWatch(calls, this.#map.fd)
    } catch (error) {
      calls[Symbol.dispose]()
      throw error
    }
    this.#calls = calls
    this.#immediate = setImmediate(this.#turn).unref()
    return this
  }

  /** The process may end although this is watched. */
  unref(): this {
    this.#watch?.unref()
    return this
  }

  /** Records that found no room since the map was made; 0n without `lost`. */
  lostCount(): bigint {
    const { lost } = this.#options
    if (lost === undefined) return 0n
    const values = lost.lookup(Buffer.alloc(4))
    let sum = 0n
    for (let cpu = 0; values !== undefined && cpu < this.#bpf.cpus; cpu++) sum += values.readBigUInt64LE(cpu * 8)
    return sum
  }

  /** The loop comes here after each wake-up, and whenever it turns for another reason. */
  readonly #turn = (): void => {
    if (this.#watch === undefined) return
    this.#immediate = setImmediate(this.#turn).unref()
    this.consume(recordsPerTurn)
  };

  [Symbol.dispose](): void {
    if (this.#immediate !== undefined) clearImmediate(this.#immediate)
    this.#watch?.[Symbol.dispose]()
    this.#watch = undefined
    this.#calls?.[Symbol.dispose]()
    this.#calls = undefined
    this.#records = undefined
    this.#producer[Symbol.dispose]()
    this.#consumer[Symbol.dispose]()
  }
}

/**
 * For `onRecord`: hands over values of a type instead of bytes.
 * @throws MeshError MESH_EBPF_VALUE, at a record that is shorter than the type
 */
export function decodeRecords<T>(codec: Codec<T>, onValue: (value: T) => void): (record: Buffer) => void {
  return record => {
    if (record.length < codec.size) {
      throw new MeshError('MESH_EBPF_VALUE', `a record of ${record.length} bytes, not ${codec.size}`, {
        source: 'kernel',
        hint: 'programs and this process are of different versions',
      })
    }
    onValue(codec.decode(record, 0))
  }
}
