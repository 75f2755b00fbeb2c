import { closeSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { ListeningSockets, netnsCookie, SocketDiag } from '../../kernel/index.ts'
import type { NetworkNamespaces, SocketPlace } from '../../kernel/index.ts'
import type { Listener } from '../../model/index.ts'
import type { NameDescriptors } from '../../names/index.ts'
import type { AgentKeeper } from '../handover/agent-keeper.ts'
import type { FoundNetwork } from './member-networks.ts'

/** Holds sockets beyond the agent's end. */
export type SocketKeeper = Pick<AgentKeeper, 'left' | 'take' | 'keep' | 'drop'>

export interface NetworkSocketsOptions {
  readonly found: FoundNetwork
  readonly namespaces: NetworkNamespaces
  /** Undefined: they end with the agent. */
  readonly keeper: SocketKeeper | undefined
  /** Each has a socket of its own at each place (SO_REUSEPORT). */
  readonly workers: number
}

/** Sockets of one listener: one for each worker. */
export interface OpenListener {
  /** As workers have it: at the same address, and a port that was free there. */
  readonly listener: Listener
  readonly home: Listener
  readonly sockets: readonly KeptSocket[]
}

interface KeptSocket {
  readonly name: string
  readonly fd: number
}

/** A port that is free for TCP may be taken for UDP. */
const portTries = 16
const mark = 'network '

/**
 * The agent's sockets in one other network namespace: where its members are led. They keep it alive, and go with its last
 * member. Ports are free ones, since programs there have theirs on all addresses.
 */
export class NetworkSockets implements Disposable {
  readonly cookie: bigint
  readonly homeNumber: number | undefined
  /** Finds sockets of there. */
  readonly diag: SocketDiag
  readonly names: readonly NameDescriptors[]
  readonly #options: NetworkSocketsOptions
  /** Of the namespace; undefined when this is closed. */
  #there: number | undefined
  readonly #sockets = new ListeningSockets()
  readonly #open = new Map<string, OpenListener>()
  readonly #nameSockets: KeptSocket[] = []
  readonly #removed: KeptSocket[] = []

  /**
   * @param found  with a process that is there still
   * @returns undefined when it has ended meanwhile
   * @throws Error where the loopback device is down; MeshError, SystemCallFailure
   */
  static open(options: NetworkSocketsOptions, answersNames: boolean): NetworkSockets | undefined {
    return options.namespaces.within(options.found.pid, () => new NetworkSockets(options, answersNames))
  }

  /** Within that namespace. */
  private constructor(options: NetworkSocketsOptions, answersNames: boolean) {
    // Sockets may be bound there all the same, and nobody reaches them.
    const isUp = Object.values(networkInterfaces()).some(each => each?.some(({ internal }) => internal))
    if (!isUp) throw new Error('its loopback device is down: ip link set lo up')
    this.#options = options
    this.cookie = netnsCookie()
    this.homeNumber = options.namespaces.numberOfOwn()
    this.diag = new SocketDiag()
    this.#there = options.namespaces.openOwn()
    try {
      this.names = answersNames ? this.#openNames() : []
    } catch (error) {
      this[Symbol.dispose]()
      throw error
    }
  }

  get listeners(): Iterable<OpenListener> {
    return this.#open.values()
  }

  /** Which listener workers have for one at home. */
  listenerOf(home: string): string | undefined {
    return this.#open.get(home)?.listener.id
  }

  /**
   * Calls `act` in there, whoever is left; it has to be done when it returns.
   * @returns what it does; undefined when this is closed
   * @throws MeshError MESH_KERNEL_SYSCALL
   */
  within<T>(act: () => T): T | undefined {
    return this.#there === undefined ? undefined : this.#options.namespaces.inside(this.#there, act)
  }

  /**
   * Opens what is missing; what is too much is closed by `closeRemoved`.
   * @throws MeshError, SystemCallFailure
   */
  update(listeners: ReadonlyMap<string, Listener>): void {
    for (const [id, { home, sockets }] of this.#open) {
      if (listeners.get(id)?.protocol === home.protocol) continue
      this.#open.delete(id)
      this.#removed.push(...sockets)
    }
    const missing = [...listeners.values()].filter(each => !this.#open.has(each.id))
    if (missing.length > 0) {
      this.within(() => {
        for (const each of missing) this.#openListener(each)
      })
    }
    for (const [id, open] of this.#open) {
      const home = listeners.get(id)
      if (home === undefined || home === open.home) continue
      const { id: own, port, network } = open.listener
      this.#open.set(id, { ...open, home, listener: { ...home, id: own, port, network: network ?? this.cookie } })
    }
  }

  #openListener(home: Listener): void {
    const { keeper, workers } = this.#options
    const transport = home.protocol === 'UDP' ? 'udp' : 'tcp'
    const place = { transport, address: home.address, port: home.port } as const
    const left = [...(keeper?.left ?? [])].flatMap(name => {
      const found = placeOf(name)
      return found?.network === this.cookie && isSame(found.place, place) ? [{ name, port: found.port }] : []
    })
    const port = left[0]?.port ?? 0
    const sockets: KeptSocket[] = left.flatMap(({ name, port: at }) => {
      const fd = at === port ? keeper?.take(name) : undefined
      return fd === undefined ? [] : [{ name, fd }]
    })
    const opened: KeptSocket[] = []
    let chosen = port
    try {
      for (let number = 0; sockets.length + opened.length < workers; number++) {
        if (chosen !== 0 && sockets.some(({ name }) => name === nameOf(this.cookie, place, { port: chosen, number })))
          continue
        const one = this.#sockets.openAt({ ...place, port: chosen }, 'shared')
        chosen = one.port
        opened.push({ name: nameOf(this.cookie, place, { port: chosen, number }), fd: one.fd })
      }
    } catch (error) {
      for (const { fd } of opened) this.#sockets.close(fd)
      this.#removed.push(...sockets)
      throw error
    }
    keeper?.keep('socket', opened)
    const id = `${home.address}:${chosen} in network ${this.cookie}${transport === 'udp' ? '/udp' : ''}`
    const listener = { ...home, id, port: chosen, network: this.cookie }
    this.#open.set(home.id, { home, listener, sockets: [...sockets, ...opened] })
  }

  /** On loopback by IPv4 and, where there is one, by IPv6; those that were left before any is opened. */
  #openNames(): readonly NameDescriptors[] {
    return ['127.0.0.1', '::1'].flatMap(address => {
      const left = this.#leftNames(address)
      if (left !== undefined) return [left]
      try {
        return [this.#openName(address)]
      } catch (error) {
        if (address === '127.0.0.1') throw error
        return []
      }
    })
  }

  #leftNames(address: string): NameDescriptors | undefined {
    const { keeper } = this.#options
    for (const name of keeper?.left ?? []) {
      const found = placeOf(name)
      if (found?.network !== this.cookie || !isSame(found.place, { transport: 'tcp', address, port: 0 })) continue
      const datagrams = nameOf(this.cookie, { transport: 'udp', address, port: 0 }, { port: found.port, number: 0 })
      const tcp = keeper?.take(name)
      const udp = keeper?.take(datagrams)
      if (tcp === undefined || udp === undefined) continue
      this.#nameSockets.push({ name, fd: tcp }, { name: datagrams, fd: udp })
      return { address: { address, port: found.port }, tcp, udp }
    }
    return undefined
  }

  #openName(address: string): NameDescriptors {
    for (let left = portTries; ; left--) {
      const { fd: tcp, port } = this.#sockets.openAt({ transport: 'tcp', address, port: 0 })
      try {
        const { fd: udp } = this.#sockets.openAt({ transport: 'udp', address, port })
        const kept = (
          [
            ['tcp', tcp],
            ['udp', udp],
          ] as const
        ).map(([transport, fd]) => ({
          name: nameOf(this.cookie, { transport, address, port: 0 }, { port, number: 0 }),
          fd,
        }))
        this.#nameSockets.push(...kept)
        this.#options.keeper?.keep('socket', kept)
        return { address: { address, port }, tcp, udp }
      } catch (error) {
        this.#sockets.close(tcp)
        if (left <= 1) throw error
      }
    }
  }

  /** Copies of the sockets that names are answered by; whoever takes them closes them. */
  copyNames(): readonly NameDescriptors[] {
    return this.names.map(({ address, tcp, udp }) => ({
      address,
      tcp: this.#sockets.copy(tcp),
      udp: this.#sockets.copy(udp),
    }))
  }

  /** To be called when all workers have in force what they were told. */
  closeRemoved(): void {
    this.#close(this.#removed.splice(0))
  }

  /** The keeper lets go of them, too: nobody is there any more. */
  end(): void {
    const all = [...this.#open.values()].flatMap(({ sockets }) => sockets)
    this.#close([...this.#removed.splice(0), ...all, ...this.#nameSockets.splice(0)])
    this.#open.clear()
    this[Symbol.dispose]()
  }

  #close(sockets: readonly KeptSocket[]): void {
    for (const { fd } of sockets) this.#sockets.close(fd)
    this.#options.keeper?.drop(sockets.map(({ name }) => name))
  }

  /** The keeper's copies stay. */
  [Symbol.dispose](): void {
    const all = [...this.#open.values()].flatMap(({ sockets }) => sockets)
    for (const { fd } of [...all, ...this.#nameSockets, ...this.#removed]) this.#sockets.close(fd)
    this.#open.clear()
    this.#nameSockets.length = 0
    this.#removed.length = 0
    this.diag[Symbol.dispose]()
    this.#sockets[Symbol.dispose]()
    if (this.#there !== undefined) closeSync(this.#there)
    this.#there = undefined
  }
}

/** Whether the keeper holds it for a network. */
export function isOfNetwork(name: string): boolean {
  return name.startsWith(mark)
}

/** `network 4711 tcp 127.77.0.9:80 40213 0`: a listener at home, and the port there. Port 0 at home for names. */
function nameOf(network: bigint, place: SocketPlace, at: { readonly port: number; readonly number: number }): string {
  return `${mark}${network} ${place.transport} ${place.address}:${place.port} ${at.port} ${at.number}`
}

function placeOf(
  name: string,
): { readonly network: bigint; readonly place: SocketPlace; readonly port: number } | undefined {
  const found = /^network (\d+) (tcp|udp) (.*):(\d+) (\d+) \d+$/.exec(name)
  if (found === null) return undefined
  const [, network = '', transport, address = '', port, there] = found
  const place: SocketPlace = { transport: transport === 'udp' ? 'udp' : 'tcp', address, port: Number(port) }
  return { network: BigInt(network), place, port: Number(there) }
}

function isSame(a: SocketPlace, b: SocketPlace): boolean {
  return a.transport === b.transport && a.address === b.address && a.port === b.port
}
