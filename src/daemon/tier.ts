import { formatIpAddress, unmapIpAddress } from '../codec/index.ts'
import { messageOf } from '../core/index.ts'
import type { Logger } from '../core/index.ts'
import { Bpf } from '../kernel/index.ts'
import type { SocketDiag } from '../kernel/index.ts'
import {
  Datapath,
  idOfCgroup,
  membersOf,
  MeshCgroup,
  openPins,
  pidsInCgroup,
  removeCgroups,
  seesNetworks,
  tierPlaces,
} from '../datapath/index.ts'
import type { DatapathState, Flow, TierPlaces } from '../datapath/index.ts'
import type { NameAsker, NamesClient } from '../names/index.ts'
import { nameAsker } from './name-askers.ts'
import type { Enforcement } from './network-policies.ts'
import { userSpaceEnforcement } from './network-policies.ts'
import { lackedPrivileges } from './tier-privileges.ts'

/** Which data path is in force, and why that one. */
export interface ActiveTier {
  readonly active: 'user space' | 'kernel'
  readonly reason: string
}

export interface TierOptions {
  readonly wanted: 'auto' | 'user' | 'kernel'
  readonly socketPath: string
  readonly logger: Logger
  /** Where virtual IPv4 addresses are from. @default nowhere */
  readonly serviceCidr?: string
  /** Told of every flow. @default nobody */
  readonly onFlow?: (flow: Flow) => void
}

/**
 * The tier of an agent: programs in the kernel, or none of that.
 * @throws MeshError why there is no kernel tier here, when it is wanted
 */
export function openTier(options: TierOptions): Tier {
  const { wanted, socketPath } = options
  if (wanted === 'user') return userTier('as --tier user wants it')
  try {
    const lacked = wanted === 'auto' ? lackedPrivileges(socketPath) : undefined
    if (lacked !== undefined) return userTier(lacked)
    return new KernelTier(tierPlaces(socketPath), options)
  } catch (error) {
    if (wanted === 'kernel') throw error
    return userTier(`no kernel tier here: ${messageOf(error)}; heddle doctor says more`)
  }
}

export interface Tier extends Disposable {
  readonly status: ActiveTier
  readonly enforcement: Enforcement
  /** Whether calls of programs are led, those for names too. */
  readonly leads: boolean
  /** Events of flows that found no room, since the programs were loaded. */
  readonly lostFlows: bigint
  /**
   * Who asks for a name; undefined for somebody who is not of the mesh.
   * @param diag  of the network namespace where it was asked, if that is another one
   */
  askerOf(client: NamesClient, diag?: SocketDiag): NameAsker | undefined
  /** Whether members in other network namespaces are told apart, and can be led. */
  readonly seesNetworks: boolean
  /** Folder of its maps, for the workers; undefined where there are none. */
  readonly pins: string | undefined
  /** Workloads by the ids of their cgroups; the same map as long as nothing has changed. */
  readonly members: ReadonlyMap<bigint, string>
  /** Folder of the mesh's cgroup; undefined where there is none. */
  readonly meshFolder: string | undefined
  /** The mesh's cgroup itself, likewise. */
  readonly cgroup: MeshCgroup | undefined
  /** Cgroup for a workload's program; undefined where there are none. */
  cgroupOf(workload: string): string | undefined
  /** Processes in the cgroup of a workload. */
  pidsOf(workload: string): readonly number[]
  /**
   * Takes the sockets that a process has open for a workload's, wherever they were made.
   * @returns how many there are
   * @throws MeshError MESH_KERNEL_SYSCALL where the process may not be looked into
   */
  adopt(pid: number, workload: string): number
  /** @param workloads  keys of all that are in the mesh; the cgroups of others go once they are empty */
  update(state: DatapathState, workloads: readonly string[]): void
  /** What `update` has told so far is in force when this resolves; until then what an earlier agent has left may be. */
  complete(): Promise<void>
}

function userTier(reason: string): Tier {
  return {
    status: { active: 'user space', reason },
    enforcement: userSpaceEnforcement,
    leads: false,
    lostFlows: 0n,
    pins: undefined,
    meshFolder: undefined,
    cgroup: undefined,
    members: new Map(),
    askerOf: () => undefined,
    seesNetworks: false,
    cgroupOf: () => undefined,
    pidsOf: () => [],
    adopt: () => 0,
    update() {},
    complete: () => Promise.resolve(),
    [Symbol.dispose]() {},
  }
}

/** Programs hold policies up, save those that they could not be told. */
function enforcementOf(failure: () => string | undefined): Enforcement {
  return {
    get isActive() {
      return failure() === undefined
    },
    get reason() {
      return `the kernel tier is not up to date: ${failure() ?? ''}`
    },
  }
}

/** Refusals are told once for each pair in this many. */
const toldRefusals = 1000

class KernelTier implements Tier {
  readonly enforcement: Enforcement
  readonly leads: boolean = true
  readonly #logger: Logger
  readonly #onFlow: (flow: Flow) => void
  readonly #serviceCidr: string | undefined
  readonly #bpf: Bpf
  readonly cgroup: MeshCgroup
  readonly #places: TierPlaces
  #datapath: Datapath | undefined
  readonly #told = new Set<string>()
  #isAttached = false
  /** Whether programs of an earlier agent may go on for a moment: loading our own takes longer than all else of a start. */
  #mayBeLate: boolean
  #members: ReadonlyMap<bigint, string> = new Map()
  /** Of the last update. */
  #failure: string | undefined

  /** @throws MeshError MESH_KERNEL_UNSUPPORTED, MESH_KERNEL_SYSCALL, MESH_EBPF_REFUSED */
  constructor(places: TierPlaces, { logger, serviceCidr, socketPath, onFlow = () => {} }: TierOptions) {
    // What the kernel would refuse is refused before anything starts.
    this.#mayBeLate = lackedPrivileges(socketPath) === undefined
    this.#logger = logger
    this.#serviceCidr = serviceCidr
    this.#onFlow = onFlow
    this.#places = places
    this.enforcement = enforcementOf(() => this.#failure)
    this.#bpf = new Bpf()
    const wasThere = MeshCgroup.find(places.cgroup) !== undefined
    try {
      openPins(this.#bpf, places)
      this.cgroup = MeshCgroup.open(places.cgroup)
      this.#datapath = this.#open()
      // Before any socket is made that policies have to know as the agent's.
      this.cgroup.enterAgent()
    } catch (error) {
      this.#bpf[Symbol.dispose]()
      const cgroup = wasThere ? undefined : MeshCgroup.find(places.cgroup)
      if (cgroup !== undefined) removeCgroups(cgroup.folder)
      throw error
    }
  }

  get pins(): string {
    return this.#places.pins
  }

  get meshFolder(): string {
    return this.cgroup.folder
  }

  get members(): ReadonlyMap<bigint, string> {
    return this.#members
  }

  get status(): ActiveTier {
    const where = `programs on cgroup ${this.cgroup.folder}, pinned in ${this.#places.pins}`
    return { active: 'kernel', reason: this.#failure === undefined ? where : `NOT up to date: ${this.#failure}` }
  }

  get lostFlows(): bigint {
    return this.#datapath?.lostFlows ?? 0n
  }

  get seesNetworks(): boolean {
    return seesNetworks(this.#bpf)
  }

  askerOf(client: NamesClient, diag?: SocketDiag): NameAsker | undefined {
    try {
      return nameAsker(this.#datapath, client, diag)
    } catch (error) {
      this.#logger.warn('who asks for a name could not be looked up', { error: messageOf(error) })
      return nameAsker(undefined, client)
    }
  }

  cgroupOf(workload: string): string {
    return this.cgroup.enter(workload)
  }

  pidsOf(workload: string): readonly number[] {
    return pidsInCgroup(this.cgroup.enter(workload))
  }

  adopt(pid: number, workload: string): number {
    return this.#datapath?.adopt(pid, idOfCgroup(this.cgroup.enter(workload))) ?? 0
  }

  update(state: DatapathState, workloads: readonly string[]): void {
    try {
      const known = new Set(workloads)
      const there = new Set(this.cgroup.workloads().values())
      // One that those programs have never been told of would be refused everything.
      if (!workloads.every(workload => there.has(workload))) this.#mayBeLate = false
      for (const workload of workloads) this.cgroup.enter(workload)
      for (const workload of this.cgroup.workloads().values()) if (!known.has(workload)) this.cgroup.leave(workload)
      this.#datapath ??= this.#open()
      this.#datapath.update(state)
      const joined = membersOf(state.joined ?? []).map(({ id, workload }) => [id, workload] as const)
      this.#note(new Map([...this.cgroup.workloads(), ...joined]))
      if (!this.#mayBeLate || this.#datapath.isLoaded) this.#attach(this.#datapath)
      this.#failure = undefined
    } catch (error) {
      this.#failed(error)
    }
  }

  async complete(): Promise<void> {
    while (this.#datapath?.isLoaded === false) {
      try {
        this.#datapath.loadNext()
      } catch (error) {
        this.#failed(error)
      }
      // Others have their turn.
      await new Promise(resolve => setImmediate(resolve))
    }
    this.#mayBeLate = false
    try {
      if (this.#datapath !== undefined) this.#attach(this.#datapath)
    } catch (error) {
      this.#failed(error)
    }
  }

  #attach(datapath: Datapath): void {
    this.#mayBeLate = false
    if (!this.#isAttached) datapath.attach()
    this.#isAttached = true
  }

  #failed(error: unknown): void {
    this.#failure = messageOf(error)
    this.#logger.error('the kernel tier could not be brought up to date', { error: this.#failure })
    // What its maps hold is not certain any more. The programs stay at work by their pins until new ones, with maps
    // that are filled from nothing, take their place at the next change.
    this.#datapath?.[Symbol.dispose]()
    this.#datapath = undefined
    this.#isAttached = false
    this.#mayBeLate = false
  }

  #note(members: ReadonlyMap<bigint, string>): void {
    const before = this.#members
    const isSame = members.size === before.size && [...members].every(([id, key]) => before.get(id) === key)
    if (!isSame) this.#members = members
  }

  #open(): Datapath {
    const { pins: pinFolder } = this.#places
    const { cgroup } = this
    const options = {
      cgroup,
      agentCgroup: cgroup.agentId,
      pinFolder,
      ...(this.#serviceCidr === undefined ? {} : { serviceCidr: this.#serviceCidr }),
      onFlow: (flow: Flow) => this.#tell(flow),
      onProblem: (error: string) =>
        this.#logger.error('connections that policies refuse could not be ended', { error }),
    }
    return Datapath.open(this.#bpf, options, { isLate: this.#mayBeLate })
  }

  #tell(flow: Flow): void {
    this.#onFlow(flow)
    if (flow.verdict === 'allowed') return
    const { verdict, service, fromIdentity, toIdentity, policies } = flow
    const fields = { verdict, service: service ?? '', policies: policies.join() }
    const key = JSON.stringify([fields, fromIdentity, toIdentity, flow.given])
    if (this.#told.has(key)) return
    if (this.#told.size >= toldRefusals) this.#told.clear()
    this.#told.add(key)
    const { address, port } = flow.asked
    this.#logger.warn('a connection was refused by the kernel tier', { ...fields, to: formatPlace(address, port) })
  }

  /** Programs stay at work, pinned; of one that has not come to attach its own, those before. */
  [Symbol.dispose](): void {
    this.#datapath?.[Symbol.dispose]()
    this.#datapath = undefined
    this.#bpf[Symbol.dispose]()
  }
}

function formatPlace(bytes: Uint8Array, port: number): string {
  const address = formatIpAddress(unmapIpAddress(bytes))
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}
