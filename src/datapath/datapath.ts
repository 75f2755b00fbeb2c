import { ForeignSockets, loadObject, netnsCookie, SocketDiag } from '../kernel/index.ts'
import type { Bpf, LoadedObject, SocketEnd, TypedMap } from '../kernel/index.ts'
import type { CompiledNetworkPolicy, NetworkMember } from '../model/index.ts'
import { emptyCompiledPolicy } from '../policy/index.ts'
import { addressBytes } from './address.ts'
import { findAsker } from './askers.ts'
import type { Asker } from './askers.ts'
import { callerCgroup, callersPin, guestsPin } from './callers.ts'
import type { AgentConnection } from './callers.ts'
import { adoptedPrograms, areAtWork, CgroupLinks } from './cgroup-links.ts'
import { seesNetworks } from './features.ts'
import { FlowReader } from './flow-reader.ts'
import type { Flow } from './flow.ts'
import type { CallerKey, DatagramKey, Endpoint, GuestKey, Question } from './generated/sockets.ts'
import { membersOf } from './joined-cgroup.ts'
import type { JoinedCgroup } from './joined-cgroup.ts'
import { closeLeftBehind } from './left-behind.ts'
import type { MapWrite } from './map-write.ts'
import { MemberNumbers, MemberTable } from './members.ts'
import { NetworkTable } from './network-table.ts'
import type { MemberNetwork } from './network-table.ts'
import { pidsBelow } from './mesh-cgroup.ts'
import type { MeshCgroup } from './mesh-cgroup.ts'
import { NameServerTable } from './name-servers.ts'
import type { NamePlaces } from './name-servers.ts'
import { NodeTable } from './node-places.ts'
import type { NodeSocket } from './node-places.ts'
import { readSockets } from './object.ts'
import { PolicyTable } from './policy-table.ts'
import { ServiceTable } from './service-table.ts'
import { compileServices } from './services.ts'
import type { ServiceInput } from './services.ts'
import { StateTable } from './state-table.ts'

/** As nf_conntrack has it for streams of datagrams. */
const defaultForgetMs = 120_000

export interface DatapathOptions {
  readonly cgroup: MeshCgroup
  /** Id of the agent's own cgroup, whose sockets policies let in everywhere. @default none */
  readonly agentCgroup?: bigint
  /** Cookie of the network namespace whose loopback addresses are those of workloads; 0 for one that is everywhere. @default ours */
  readonly homeNetwork?: bigint
  /** A folder in a bpffs, so that programs go on without this process. @default none: everything ends with this */
  readonly pinFolder?: string
  /** Where virtual IPv4 addresses are from, `127.77.0.0/16`. @default nowhere */
  readonly serviceCidr?: string
  /**
   * Called on this thread for each event, once attached. Where nobody is told, connections that policies refuse stand still
   * rather than end.
   */
  readonly onFlow?: (flow: Flow) => void
  /** Silence after which datagrams to somebody are forgotten, and their flow is over. @default 120000 */
  readonly forgetMs?: number
  /** Told why refused connections of TCP stand still rather than end. @default nobody is told */
  readonly onProblem?: (message: string) => void
}

/** The mesh as the kernel is to know it. */
export interface DatapathState extends ServiceInput {
  readonly policies: CompiledNetworkPolicy
  readonly members: readonly NetworkMember[]
  /** What of the agent every workload may reach, besides the proxy's listeners: where it answers names. */
  readonly nodeSockets: readonly NodeSocket[]
  /** Where queries for names are led to. */
  readonly names: NamePlaces
  /** Cgroups elsewhere that have joined. @default none */
  readonly joined?: readonly JoinedCgroup[]
  /** Other network namespaces in which members run. @default none */
  readonly networks?: readonly MemberNetwork[]
}

/** As numbers that a little-endian machine has in memory in network byte order. */
function virtualNetwork(cidr: string | undefined): Record<string, number> {
  const [address = '', bits = ''] = (cidr ?? '').split('/')
  const bytes = addressBytes(address)
  if (bytes === undefined) return {}
  const mask = Buffer.alloc(4)
  mask.writeUInt32BE(Number(bits) === 0 ? 0 : (-1 << (32 - Number(bits))) >>> 0)
  const network = Buffer.from(bytes.subarray(12).map((byte, at) => byte & (mask[at] ?? 0)))
  return { virtual_network: network.readUInt32LE(), virtual_mask: mask.readUInt32LE() }
}

/** What sockets of today are known by is kept from the programs of an earlier version, map by map, if it looks the same. */
function load(bpf: Bpf, options: DatapathOptions, { isLate }: { readonly isLate: boolean }): LoadedObject {
  const { cgroup, pinFolder, serviceCidr, agentCgroup = 0n, forgetMs = defaultForgetMs } = options
  const spec = readSockets()
  const own = {
    member_level: cgroup.memberLevel,
    agent_cgroup: agentCgroup,
    home_network: seesNetworks(bpf) ? (options.homeNetwork ?? netnsCookie()) : 0n,
    forget_ns: BigInt(forgetMs) * 1_000_000n,
  }
  const constants = { ...own, ...virtualNetwork(serviceCidr) }
  // They are half of what the verifier has to do, and most meshes need none of them.
  const names = spec.programs.map(({ name }) => name).filter(name => !adoptedPrograms.includes(name))
  const mayWait = isLate && pinFolder !== undefined && areAtWork(bpf, names, pinFolder, cgroup)
  return loadObject(bpf, spec, {
    constants,
    programs: ({ name }, { werePinned }) => names.includes(name) && !(mayWait && werePinned),
    ...(pinFolder === undefined ? {} : { pinFolder, replacesDifferent: true }),
  })
}

/**
 * The programs of the mesh's cgroup, and their maps.
 *
 * `open` loads, or leaves that to `loadNext`, `update` fills the maps, `attach` puts the programs in the place of those that are pinned there, or at
 * a free place: from one moment to the next connections are led and judged by these maps. Closing leaves pinned
 * programs at work with what they were last told.
 */
export class Datapath implements Disposable {
  readonly #bpf: Bpf
  readonly #options: DatapathOptions
  readonly #object: LoadedObject
  readonly #maps = new Map<string, TypedMap<unknown, unknown>>()
  readonly #numbers = new MemberNumbers()
  readonly #diag = new SocketDiag()
  readonly #nameServers = new NameServerTable()
  readonly #nodes = new NodeTable()
  readonly #services = new ServiceTable()
  readonly #policies = new PolicyTable(this.#numbers)
  readonly #members = new MemberTable(this.#numbers)
  readonly #networks = new NetworkTable(this.#numbers)
  readonly #state = new StateTable()
  readonly #links: CgroupLinks
  #flows: FlowReader | undefined
  #compiled: CompiledNetworkPolicy = emptyCompiledPolicy
  #joined: readonly JoinedCgroup[] = []
  #isAttached = false

  private constructor(bpf: Bpf, options: DatapathOptions, object: LoadedObject) {
    this.#bpf = bpf
    this.#options = options
    this.#object = object
    this.#links = new CgroupLinks(bpf, object, options.pinFolder)
  }

  /**
   * Loads the programs; nothing runs yet. The caller owns what is returned; `bpf` is borrowed.
   * @param when.isLate  where programs of an earlier agent are at work, with maps of the same shape, loading is left to
   *   `loadNext` or `attach`. @default false
   * @throws MeshError MESH_EBPF_REFUSED, MESH_KERNEL_UNSUPPORTED, MESH_KERNEL_SYSCALL
   */
  static open(bpf: Bpf, options: DatapathOptions, { isLate = false }: { readonly isLate?: boolean } = {}): Datapath {
    return new Datapath(bpf, options, load(bpf, options, { isLate }))
  }

  /** Whether `attach` is a matter of moments. */
  get isLoaded(): boolean {
    return this.#links.missing.length === 0
  }

  /**
   * Loads one program that `open` has left; the largest take the verifier a tenth of a second.
   * @throws MeshError MESH_EBPF_REFUSED, MESH_KERNEL_SYSCALL
   */
  loadNext(): void {
    const [name] = this.#links.missing
    if (name !== undefined) this.#object.program(name)
  }

  /**
   * Brings the maps to a newer state, in an order in which each connection is led and judged as before or as after.
   * @throws MeshError MESH_KERNEL_SYSCALL
   */
  update(state: DatapathState): void {
    const { cgroup, agentCgroup } = this.#options
    const { joined = [], networks = [] } = state
    const services = compileServices(state)
    const { before, after } = this.#policies.update(state.policies)
    const whole = membersOf(joined)
    const cgroups = new Map([...cgroup.workloads(), ...whole.map(({ id, workload }) => [id, workload] as const)])
    const judged = [
      ...before,
      ...this.#nodes.update(state.snapshot.listeners, state.nodeSockets),
      ...this.#networks.update(networks, services.values(), state.members),
      ...this.#members.update(state.members, cgroups, agentCgroup),
      ...after,
    ]
    this.#apply(judged)
    // Last: connections that are there are judged again, by all of it.
    const levels = [cgroup.memberLevel, ...whole.map(({ level }) => level)]
    this.#apply(this.#state.update(levels, { isChanged: judged.length > 0 }))
    const nameWrites = this.#nameServers.update(state.names)
    const serviceWrites = this.#services.update(services)
    this.#apply(nameWrites)
    this.#apply(serviceWrites)
    this.#compiled = state.policies
    this.#joined = joined
    if (!this.#isAttached) return
    this.#links.updateJoined(joined)
    if (nameWrites.length + serviceWrites.length > 0) this.#closeLeftBehind()
  }

  /**
   * Whose program asks for a name.
   * @param server  the socket that the query came in by
   * @param diag  of its network namespace. @default our own's
   * @returns undefined for somebody who is not of the mesh
   * @throws MeshError MESH_KERNEL_SYSCALL
   */
  askerOf(transport: 'udp' | 'tcp', client: SocketEnd, server: SocketEnd, diag?: SocketDiag): Asker | undefined {
    const options = {
      diag: diag ?? this.#diag,
      questions: this.#map<bigint, Question>('hd_questions'),
      workloadOf: (cgroup: bigint) => this.#members.workloadOf(cgroup),
    }
    return findAsker(options, transport, client, server)
  }

  /** @throws MeshError MESH_KERNEL_SYSCALL */
  attach(): void {
    this.#links.attach(this.#options.cgroup)
    this.#links.updateJoined(this.#joined)
    this.#isAttached = true
    this.#closeLeftBehind()
    const { onFlow, onProblem = () => {}, forgetMs = defaultForgetMs } = this.#options
    if (onFlow === undefined) return
    this.#flows = new FlowReader({
      bpf: this.#bpf,
      object: this.#object,
      diag: this.#diag,
      forgetMs,
      pidsOf: id => this.#pidsOf(id),
      names: () => ({
        serviceAt: asked => this.#services.nameAt(asked),
        workloadOf: cgroup => this.#members.workloadOf(cgroup),
        policies: this.#compiled,
      }),
      onFlow,
      onProblem,
    })
  }

  /**
   * Sockets that a process has open are a workload's from now on, wherever they were made, and so are the connections
   * that come by them. They are judged where `DatapathState.joined` has the cgroup in which they were made.
   * @param cgroup  id of the workload's cgroup
   * @returns how many there are
   * @throws MeshError MESH_KERNEL_SYSCALL
   */
  adopt(pid: number, cgroup: bigint): number {
    using foreign = new ForeignSockets()
    const adopted = this.#map<number, bigint>('hd_adopted')
    return foreign.each(pid, fd => adopted.set(fd, cgroup))
  }

  /** Id of the cgroup of the member whose socket a connection to the agent comes from; see `callerCgroup`. */
  callerOf(connection: AgentConnection): bigint | undefined {
    const maps = {
      callers: this.#map<CallerKey, bigint>(callersPin),
      guests: this.#map<GuestKey, bigint>(guestsPin),
    }
    return callerCgroup(maps, connection)
  }

  /** Events that found no room. */
  get lostFlows(): bigint {
    return this.#flows?.lost ?? 0n
  }

  /** Neighbours that edit the same map in the same way go in one call. */
  #apply(writes: readonly MapWrite[]): void {
    for (let from = 0; from < writes.length;) {
      const first = writes[from]
      if (first === undefined) return
      let to = from + 1
      while (writes[to]?.map === first.map && writes[to]?.kind === first.kind) to++
      this.#applyRun(first, writes.slice(from, to))
      from = to
    }
  }

  #applyRun({ map: name, kind }: MapWrite, run: readonly MapWrite[]): void {
    const map = this.#map<unknown, unknown>(name)
    if (kind === 'delete') map.deleteAll(run.map(({ key }) => key))
    else map.setAll(run.flatMap(write => (write.kind === 'set' ? [[write.key, write.value] as const] : [])))
  }

  #map<K, V>(name: string): TypedMap<K, V> {
    const map = this.#maps.get(name) ?? this.#object.map<unknown, unknown>(name)
    this.#maps.set(name, map)
    return map as TypedMap<K, V>
  }

  /** Of a member, wherever its cgroup is. */
  #pidsOf(id: bigint): Iterable<number> {
    const joined = membersOf(this.#joined).find(each => each.id === id)
    if (joined !== undefined) return pidsBelow(joined.folder)
    const workload = this.#members.workloadOf(id)
    return workload === undefined ? [] : this.#options.cgroup.pidsOf(workload)
  }

  #closeLeftBehind(): void {
    closeLeftBehind({
      diag: this.#diag,
      answers: this.#map<DatagramKey, Endpoint>('hd_answers'),
      leads: (asked, given) =>
        this.#services.leads(asked, given) || this.#nameServers.leads(given) || this.#networks.leads(given),
    })
  }

  [Symbol.dispose](): void {
    this.#flows?.[Symbol.dispose]()
    this.#diag[Symbol.dispose]()
    this.#links[Symbol.dispose]()
    this.#object[Symbol.dispose]()
  }
}
