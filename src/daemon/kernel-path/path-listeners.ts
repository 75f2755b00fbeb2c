import { createServer } from 'node:net'
import type { Server, Socket } from 'node:net'
import { messageOf } from '../../core/index.ts'
import type { Clock, Logger } from '../../core/index.ts'
import type { ProxyPlace } from '../../datapath/index.ts'
import { listenerAt } from '../../kernel-http/index.ts'
import type { HttpAgent, KernelHttp } from '../../kernel-http/index.ts'
import { ListeningSockets } from '../../kernel/index.ts'
import type { PathHolder } from './path-holder.ts'
import type { PathNetwork } from './path-networks.ts'

export interface PathListenersOptions {
  readonly kernel: KernelHttp
  readonly agent: Pick<HttpAgent, 'accept'>
  readonly clock: Clock
  readonly logger: Logger
  readonly holder: PathHolder | undefined
}

interface Open {
  /** Ids of the proxy's listener that it stands before: in our own network namespace, and in this one. */
  readonly home: string
  readonly listener: string
  readonly network: bigint
  readonly place: ProxyPlace
  readonly server: Server
}

interface Opened {
  readonly fd: number
  readonly port: number
}

/** Connections that were led here a moment ago still come. */
const leavingMs = 5_000
const loopback = '127.0.0.1'

/**
 * Where connections to Services come before they come to the proxy: a socket for each Service in each network namespace
 * in which members are, to which `datapath` leads those of there.
 */
export class PathListeners implements Disposable {
  readonly #options: PathListenersOptions
  readonly #sockets = new ListeningSockets()
  /** By network and listener. */
  readonly #open = new Map<string, Open>()
  /** Listeners of the proxy, by connections that came before them. */
  readonly #cameTo = new WeakMap<Socket, string>()
  /** Places that were warned of. */
  readonly #warned = new Set<string>()

  constructor(options: PathListenersOptions) {
    this.#options = options
  }

  /**
   * For these Services, by the id of their listener at home, and no others.
   * @param networks  our own is the first
   * @throws SystemCallFailure  in our own
   */
  update(services: ReadonlyMap<string, number>, networks: readonly PathNetwork[]): void {
    const wanted = new Set<string>()
    for (const network of networks) {
      for (const [home, service] of services) {
        const listener = network.listenerOf(home)
        const key = `${network.cookie} ${listener}`
        if (listener === undefined) continue
        wanted.add(key)
        if (this.#open.has(key)) continue
        const opened = network === networks[0] ? this.#listen(network) : this.#tryToListen(network, key)
        if (opened !== undefined) this.#begin(key, { home, listener, network: network.cookie, ...opened }, service)
      }
    }
    for (const [key, open] of this.#open) if (!wanted.has(key)) this.#leave(key, open)
  }

  #listen(network: PathNetwork): Opened | undefined {
    return network.within(() => this.#sockets.openAt({ transport: 'tcp', address: loopback, port: 0 }))
  }

  /** Where there is none, connections come to the proxy's. */
  #tryToListen(network: PathNetwork, key: string): Opened | undefined {
    try {
      return this.#listen(network)
    } catch (error) {
      if (this.#warned.has(key)) return undefined
      this.#warned.add(key)
      const message =
        'programs in another network namespace go through the proxy: the HTTP path in the kernel has no socket there'
      this.#options.logger.warn(message, { error: messageOf(error) })
      return undefined
    }
  }

  #begin(key: string, { fd, port, ...of }: Omit<Open, 'place' | 'server'> & Opened, service: number): void {
    const { kernel, agent, logger, holder } = this.#options
    const server = createServer({ allowHalfOpen: true, noDelay: true }, socket => {
      this.#cameTo.set(socket, of.listener)
      agent.accept(socket, of.network)
    })
    server.on('error', error => logger.error('a listener of the path failed', { error: error.message }))
    server.listen({ fd })
    const open = { ...of, place: { address: loopback, port }, server }
    this.#open.set(key, open)
    holder?.hold(heldName(open), fd)
    kernel.map('kh_listeners').set(listenerAt(of.network, loopback, port), service)
  }

  /** Its requests go to user space from now on; its socket stays for connections that were led to it a moment ago. */
  #leave(key: string, open: Open): void {
    this.#open.delete(key)
    this.#options.kernel.map('kh_listeners').delete(listenerAt(open.network, open.place.address, open.place.port))
    this.#options.clock.after(leavingMs, () => this.#close(open)).unref()
  }

  #close(open: Open): void {
    open.server.close()
    this.#options.holder?.release(heldName(open))
  }

  /** Where connections to listeners are led instead, by the listener's id at home. */
  aheadIn(network: bigint): ReadonlyMap<string, ProxyPlace> {
    const there = [...this.#open.values()].filter(open => open.network === network)
    return new Map(there.map(({ home, place }) => [home, place]))
  }

  /** Id of the proxy's listener that a connection is to come to. */
  listenerOf(socket: Socket): string | undefined {
    return this.#cameTo.get(socket)
  }

  /** Who comes from now on waits in the sockets that the keeper has. */
  stopAccepting(): void {
    for (const { server } of this.#open.values()) server.close()
  }

  /** Connections that wait end. */
  closeAll(): void {
    for (const open of this.#open.values()) this.#close(open)
    this.#open.clear()
  }

  [Symbol.dispose](): void {
    this.#sockets[Symbol.dispose]()
  }
}

function heldName({ place, listener }: Pick<Open, 'place' | 'listener'>): string {
  return `listener ${place.port} ${listener}`
}
