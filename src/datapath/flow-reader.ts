import { messageOf, systemClock } from '../core/index.ts'
import type { Timer } from '../core/index.ts'
import { NetworkNamespaces, RingBuffer, SocketDiag, TcpRefuser } from '../kernel/index.ts'
import type { Bpf, Codec, LoadedObject } from '../kernel/index.ts'
import { cutConnection, isRepeated } from './cut-connections.ts'
import { DatagramFlows } from './datagram-flows.ts'
import { flowOf } from './flow.ts'
import type { Flow, FlowNames } from './flow.ts'
import type { DatagramKey, DatagramTrack, Endpoint, FlowCut, FlowEnd, FlowEvent } from './generated/sockets.ts'

/** Longer than WAKE_NS. */
const lookAgainMs = 20
const eventsPerTurn = 4096

export interface FlowReaderOptions {
  readonly bpf: Bpf
  readonly object: LoadedObject
  readonly diag: SocketDiag
  /** Silence after which datagrams to somebody are over. */
  readonly forgetMs: number
  /** Of a member, by the id of its cgroup. */
  readonly pidsOf: (cgroup: bigint) => Iterable<number>
  /** As they are now. */
  readonly names: () => FlowNames
  readonly onFlow: (flow: Flow) => void
  /** Told what kept a refused connection from being ended, once for each message. */
  readonly onProblem: (message: string) => void
}

/** Reads what programs tell of flows, and ends those connections that policies have refused. */
export class FlowReader implements Disposable {
  readonly #options: FlowReaderOptions
  readonly #ring: RingBuffer
  readonly #datagrams: DatagramFlows
  readonly #refuser = new TcpRefuser()
  readonly #namespaces = new NetworkNamespaces()
  readonly #begun: Codec<FlowEvent>
  readonly #ended: Codec<FlowEnd>
  readonly #cut: Codec<FlowCut>
  readonly #problems = new Set<string>()
  #later: Timer | undefined

  /** @throws MeshError MESH_KERNEL_SYSCALL */
  constructor(options: FlowReaderOptions) {
    this.#options = options
    const { bpf, object } = options
    this.#begun = object.codec<FlowEvent>('flow_event')
    this.#ended = object.codec<FlowEnd>('flow_end')
    this.#cut = object.codec<FlowCut>('flow_cut')
    this.#ring = new RingBuffer(bpf, object.map('hd_flows').raw, {
      lost: object.map('hd_lost').raw,
      onRecord: record => this.#read(record),
    })
    this.#datagrams = new DatagramFlows({
      tracks: object.map<DatagramKey, DatagramTrack>('hd_tracks'),
      answers: object.map<DatagramKey, Endpoint>('hd_answers'),
      begun: object.map<number, readonly bigint[]>('hd_begun'),
      forgetMs: options.forgetMs,
      onEnd: end => this.#tell(end.flow, end),
    })
    this.#ring.watch().unref()
    this.#datagrams.start()
  }

  /** Events that found no room, and ends of datagrams that nobody can tell. */
  get lost(): bigint {
    return this.#ring.lostCount() + this.#datagrams.lost
  }

  [Symbol.dispose](): void {
    this.#later?.[Symbol.dispose]()
    this.#datagrams[Symbol.dispose]()
    this.#ring[Symbol.dispose]()
    this.#refuser[Symbol.dispose]()
    this.#namespaces[Symbol.dispose]()
  }

  /** Kinds are known by their sizes. */
  #read(record: Buffer): void {
    this.#lookAgain()
    if (record.length === this.#ended.size) {
      const end = this.#ended.decode(record, 0)
      this.#tell(end.flow, end)
    } else if (record.length === this.#cut.size) {
      const cut = this.#cut.decode(record, 0)
      if (!isRepeated(cut)) this.#tell(cut.flow, undefined)
      this.#end(cut)
    } else {
      this.#tell(this.#begun.decode(record, 0), undefined)
    }
  }

  #tell(event: FlowEvent, end: FlowEnd | undefined): void {
    this.#options.onFlow(flowOf(event, end, this.#options.names()))
  }

  /** Where that can't be done nobody gets through either: they wait until they give up. */
  #end(cut: FlowCut): void {
    try {
      const { diag, pidsOf } = this.#options
      if (this.#endIn(diag, cut)) return
      // It is in another network namespace, or gone.
      this.#namespaces.some(pidsOf(cut.flow.cgroup), () => {
        using there = new SocketDiag()
        return this.#endIn(there, cut)
      })
    } catch (error) {
      const message = messageOf(error)
      if (this.#problems.has(message)) return
      this.#problems.add(message)
      this.#options.onProblem(message)
    }
  }

  #endIn(diag: SocketDiag, cut: FlowCut): boolean {
    return cutConnection({ diag, refuser: this.#refuser }, cut)
  }

  /** Of events that come soon after one that has woken us nobody is told (WAKE_NS of bpf/datapath/flow.h). */
  #lookAgain(): void {
    this.#later ??= systemClock.after(lookAgainMs, () => {
      this.#later = undefined
      this.#ring.consume(eventsPerTurn)
    })
    this.#later.unref()
  }
}
