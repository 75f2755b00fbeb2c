import { closeSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { messageOf } from '../../core/index.ts'
import type { Logger } from '../../core/index.ts'
import type { MemberNetwork } from '../../datapath/index.ts'
import { NetworkNamespaces } from '../../kernel/index.ts'
import type { SocketDiag } from '../../kernel/index.ts'
import type { Listener } from '../../model/index.ts'
import type { NamesServer } from '../../names/index.ts'
import type { PathNetwork } from '../kernel-path/path-networks.ts'
import { placeName } from '../handover/listener-sockets.ts'
import type { SocketTable } from '../handover/listener-sockets.ts'
import { findNetworks } from './member-networks.ts'
import type { FoundNetwork, MemberProcess } from './member-networks.ts'
import { isOfNetwork, NetworkSockets } from './network-sockets.ts'
import type { SocketKeeper } from './network-sockets.ts'

export interface ForeignNetworksOptions {
  /** Whether the tier tells network namespaces apart. */
  readonly isSeen: boolean
  readonly workers: number
  readonly logger: Logger
  readonly keeper: () => SocketKeeper | undefined
  /** Undefined where names are not answered. */
  readonly names: () => NamesServer | undefined
  /** Processes of all members. */
  readonly processes: () => Iterable<MemberProcess>
}

interface Open {
  readonly sockets: NetworkSockets
  found: FoundNetwork
}

/**
 * Network namespaces besides our own in which members run: those of containers, mostly. Nothing of the agent's own
 * loopback is there, so that it has sockets in each, for names and for every Service; to workers they are listeners like
 * others. One that the last member has left is left, too.
 */
export class ForeignNetworks implements Disposable {
  readonly #options: ForeignNetworksOptions
  readonly #namespaces: NetworkNamespaces | undefined
  readonly #open = new Map<string, Open>()
  /** Left, while workers may still have something of them. */
  readonly #leaving: NetworkSockets[] = []
  /** Why there are no sockets in a network, by its name. */
  readonly #problems = new Map<string, { readonly workloads: ReadonlySet<string>; readonly message: string }>()

  /** Workloads with processes that may not be looked at. */
  readonly #untold = new Set<string>()

  constructor(options: ForeignNetworksOptions) {
    this.#options = options
    this.#namespaces = options.isSeen ? new NetworkNamespaces() : undefined
  }

  /** Looks who is where. @returns whether that has changed */
  look(): boolean {
    if (this.#namespaces === undefined) return false
    let isChanged = false
    const found = findNetworks(this.#namespaces, this.#options.processes(), (workload, error) =>
      this.#unseen(workload, error),
    )
    for (const [name, open] of this.#open) {
      const now = found.get(name)
      if (now === undefined) this.#leave(name, open)
      isChanged ||= now === undefined || !isSameSet(now.workloads, open.found.workloads)
      if (now !== undefined) open.found = now
    }
    for (const name of this.#problems.keys()) if (!found.has(name)) this.#problems.delete(name)
    for (const each of found.values()) if (!this.#open.has(each.name)) isChanged = this.#enter(each) || isChanged
    return isChanged
  }

  /** Told once for each workload: most are where the agent is. */
  #unseen(workload: string, error: unknown): void {
    if (this.#untold.has(workload)) return
    this.#untold.add(workload)
    this.#options.logger.warn(
      'whether a program is in another network namespace cannot be seen; it reaches no Services there',
      {
        workload,
        error: messageOf(error),
      },
    )
  }

  #enter(found: FoundNetwork): boolean {
    const { keeper, workers, names } = this.#options
    if (this.#namespaces === undefined) return false
    const server = names()
    try {
      const options = { found, namespaces: this.#namespaces, keeper: keeper(), workers }
      const sockets = NetworkSockets.open(options, server !== undefined)
      if (sockets === undefined) return false
      this.#open.set(found.name, { sockets, found })
      this.#problems.delete(found.name)
      void server?.enter(sockets.cookie, sockets.copyNames())
      return true
    } catch (error) {
      this.#failed(found, error)
      return false
    }
  }

  #failed({ name, workloads }: FoundNetwork, error: unknown): void {
    const message = `the agent has no sockets in its network namespace: ${messageOf(error)}`
    if (this.#problems.get(name)?.message !== message) {
      const who = [...workloads].join(', ')
      this.#options.logger.error('a program in another network namespace reaches no Services', {
        workload: who,
        error: message,
      })
    }
    this.#problems.set(name, { workloads, message })
  }

  #leave(name: string, { sockets }: Open): void {
    this.#open.delete(name)
    this.#leaving.push(sockets)
    this.#options.names()?.leave(sockets.cookie)
  }

  /**
   * Where others reach a process that says nothing of it.
   * @returns 127.0.0.1 for one in our own network; undefined where another one has none
   */
  addressOf(pid: number): string | undefined {
    try {
      const name = this.#namespaces?.nameOf(pid)
      if (this.#namespaces === undefined || name === undefined || name === this.#namespaces.own) return '127.0.0.1'
      return this.#namespaces.within(pid, ownAddress)
    } catch {
      // Whoever may not go there cannot look, and joining says so.
      return '127.0.0.1'
    }
  }

  /** Why a member reaches no Services; undefined where it does. */
  problemOf(workload: string): string | undefined {
    return [...this.#problems.values()].find(({ workloads }) => workloads.has(workload))?.message
  }

  /** Before workers are told of these listeners: those of Services are opened in each network. */
  update(listeners: ReadonlyMap<string, Listener>): void {
    if (this.#open.size === 0) return
    const services = new Map([...listeners].filter(([, { kind, port }]) => kind === 'service' && port > 0))
    for (const { sockets, found } of this.#open.values()) {
      try {
        sockets.update(services)
      } catch (error) {
        this.#failed(found, error)
      }
    }
  }

  /** What workers listen at: all of it, in all networks. */
  forWorkers(listeners: ReadonlyMap<string, Listener>): ReadonlyMap<string, Listener> {
    if (this.#open.size === 0) return listeners
    const more = [...this.#open.values()].flatMap(({ sockets }) => [...sockets.listeners])
    return new Map([...listeners, ...more.map(({ listener }) => [listener.id, listener] as const)])
  }

  /** Of their sockets, which a worker, counted from 0, accepts from. */
  tableOf(worker: number): SocketTable {
    const { workers } = this.#options
    const all = [...this.#open.values()].flatMap(({ sockets }) => [...sockets.listeners])
    return new Map(
      all.map(({ listener, sockets }) => [
        placeName({ ...listener, transport: listener.protocol === 'UDP' ? 'udp' : 'tcp' }),
        sockets.filter((_, index) => index % workers === worker).map(({ fd }) => fd),
      ]),
    )
  }

  /** As the datapath has to know them. */
  get current(): readonly MemberNetwork[] {
    return [...this.#open.values()].map(({ sockets, found: { workloads } }) => {
      const { cookie, homeNumber, names } = sockets
      const ports = [...sockets.listeners].map(({ home, listener: { address, port, protocol } }) => {
        return [home.id, { address, port, protocol: protocol === 'UDP' ? 'UDP' : 'TCP' }] as const
      })
      return { cookie, homeNumber, names: names.map(({ address }) => address), ports: new Map(ports), workloads }
    })
  }

  /** As HTTP in the kernel has to know them. */
  get forPath(): readonly PathNetwork[] {
    return [...this.#open.values()].map(({ sockets, found: { workloads } }) => ({
      cookie: sockets.cookie,
      listenerOf: id => sockets.listenerOf(id),
      workloads,
      within: act => sockets.within(act),
    }))
  }

  /** Finds sockets there. @param network  cookie; undefined for our own, which has none here */
  diagOf(network: bigint | undefined): SocketDiag | undefined {
    if (network === undefined) return undefined
    return [...this.#open.values()].find(({ sockets }) => sockets.cookie === network)?.sockets.diag
  }

  /** All workers have in force what they were told. */
  settled(): void {
    for (const { sockets } of this.#open.values()) sockets.closeRemoved()
    for (const sockets of this.#leaving.splice(0)) sockets.end()
  }

  /** Ends what an earlier agent has left in networks that have no member any more. */
  closeLeft(): void {
    const keeper = this.#options.keeper()
    if (keeper === undefined) return
    const names = [...keeper.left].filter(isOfNetwork)
    for (const name of names) {
      const fd = keeper.take(name)
      if (fd !== undefined) closeSync(fd)
    }
    keeper.drop(names)
  }

  /** What the keeper holds stays. */
  [Symbol.dispose](): void {
    for (const { sockets } of this.#open.values()) sockets[Symbol.dispose]()
    for (const sockets of this.#leaving.splice(0)) sockets.end()
    this.#open.clear()
    this.#namespaces?.[Symbol.dispose]()
  }
}

/** Of IPv4 before IPv6. Those of a link are reached by nobody who does not name it. */
function ownAddress(): string | undefined {
  const all = Object.values(networkInterfaces()).flatMap(each => each ?? [])
  const reached = all.filter(({ internal, scopeid = 0 }) => !internal && scopeid === 0)
  return (reached.find(({ family }) => family === 'IPv4') ?? reached[0])?.address
}

function isSameSet(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && a.isSubsetOf(b)
}
