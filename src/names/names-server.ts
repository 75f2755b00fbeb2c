import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, isIP, type Server } from 'node:net'
import { MeshError, messageOf } from '../core/index.ts'
import type { SocketAddress } from '../codec/index.ts'
import type { NamesView } from './directory.ts'
import { defaultNamesLimits, type NamesLimits } from './limits.ts'
import { Resolver, type NameAsker, type NamesClient, type ResolverOptions } from './resolver.ts'
import { TcpClients } from './tcp-clients.ts'
import type { CameIn } from './tcp-clients.ts'

export interface NamesServerOptions extends Omit<ResolverOptions, 'limits'> {
  /** Where to listen, by UDP and TCP; port 0 for one that is free for both. */
  readonly address: SocketAddress
  /**
   * Whether programs of the mesh are led to sockets of their own, on loopback by IPv4 and, where there is one, by IPv6.
   * @default no
   */
  readonly isLedTo?: boolean
  /** Opens its sockets. @default they are its own */
  readonly kept?: KeptNameSockets
  /** @default defaultNamesLimits */
  readonly limits?: NamesLimits
}

/** Whoever holds sockets beyond the end of a server: queries wait in them for the next one. */
export interface KeptNameSockets {
  /**
   * @param address  port 0 for one that is free for UDP and TCP
   * @returns descriptors that are the server's to close
   * @throws Error why there are none at that place
   */
  open(address: SocketAddress, purpose: 'open' | 'led'): NameDescriptors
}

export interface NameDescriptors {
  readonly address: SocketAddress
  readonly udp: number
  readonly tcp: number
}

/** A port that is free for TCP may be taken for UDP. */
const portTries = 16
/** Queries and connections that come before names are known wait; so many, the kernel holds no more of small ones either. */
const mostEarly = 1024

/** Answers the names of the mesh, by UDP and TCP. */
export class NamesServer implements AsyncDisposable {
  readonly address: SocketAddress
  /** What programs of the mesh are to be led to, IPv4 first; a query that comes there is of the mesh. */
  readonly led: readonly SocketAddress[]
  readonly #resolver: Resolver
  readonly #sockets: readonly Sockets[]
  /** In other network namespaces, by their cookies. */
  readonly #elsewhere = new Map<bigint, readonly Sockets[]>()
  readonly #clients: TcpClients
  /** What has come before names were known; undefined after that. */
  #early: (() => void)[] | undefined = []
  #closed: Promise<void> | undefined

  private constructor(open: Sockets, led: readonly Sockets[], options: NamesServerOptions) {
    const limits = options.limits ?? defaultNamesLimits
    this.#sockets = [open, ...led]
    this.address = open.address
    this.led = led.map(({ address }) => address)
    // Asking ourselves would never end.
    const isOther = (server: SocketAddress): boolean =>
      !this.#sockets.some(({ address: { address, port } }) => server.address === address && server.port === port)
    const askerOf = (client: NamesClient): NameAsker | undefined => {
      const asker = options.askerOf?.(client)
      return asker?.resolver === undefined || isOther(asker.resolver) ? asker : { ...asker, resolver: undefined }
    }
    this.#resolver = new Resolver({ ...options, limits, askerOf, servers: () => options.servers().filter(isOther) })
    this.#clients = new TcpClients(this.#resolver, limits)
    for (const sockets of this.#sockets) this.#serve(sockets, { server: sockets.address, isLed: sockets !== open })
  }

  #serve({ udp, tcp }: Sockets, by: CameIn): void {
    tcp.on('connection', socket => this.#inTime(() => this.#clients.take(socket, by)))
    udp.on('message', (bytes, from) => {
      const client = { address: from.address, port: from.port, transport: 'udp', ...by } as const
      this.#inTime(() => this.#answer(udp, bytes, client))
    })
    // One client's unreachable port is not the others' concern.
    udp.on('error', () => {})
  }

  /**
   * Answers in another network namespace, too, to programs of the mesh that are led there.
   * @param network  its cookie
   * @param opened  sockets of there; this closes them
   */
  async enter(network: bigint, opened: readonly NameDescriptors[]): Promise<void> {
    const all = await Promise.all(opened.map(openKept))
    if (this.#closed !== undefined || this.#elsewhere.has(network)) {
      for (const sockets of all) closeSockets(sockets)
      return
    }
    this.#elsewhere.set(network, all)
    for (const sockets of all) this.#serve(sockets, { server: sockets.address, isLed: true, network })
  }

  /** @param network  its cookie */
  leave(network: bigint): void {
    for (const sockets of this.#elsewhere.get(network) ?? []) closeSockets(sockets)
    this.#elsewhere.delete(network)
  }

  /** @throws MeshError MESH_DNS_PORT when the address cannot be listened on */
  static async open(options: NamesServerOptions): Promise<NamesServer> {
    const { address, port } = options.address
    for (let left = port === 0 ? portTries : 1; ; left--) {
      try {
        const sockets = await openSockets(options.address, 'open', options.kept)
        return new NamesServer(sockets, options.isLedTo === true ? await openLed(options.kept) : [], options)
      } catch (error) {
        if (left > 1) continue
        const where = address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
        throw new MeshError('MESH_DNS_PORT', `cannot answer names on ${where}: ${messageOf(error)}`, {
          source: 'config',
          hint: 'set dnsAddress (--dns-address, HEDDLE_DNS_ADDRESS) to a free one, auto or off',
          cause: error,
        })
      }
    }
  }

  /** In force from the next query on; none is answered before the turn of the first of these calls is over. */
  update(view: NamesView): void {
    this.#resolver.update(view)
    if (this.#early !== undefined) setImmediate(this.#begin)
  }

  readonly #begin = (): void => {
    const early = this.#early ?? []
    this.#early = undefined
    if (this.#closed === undefined) for (const each of early) each()
  }

  #inTime(act: () => void): void {
    if (this.#early === undefined) act()
    else if (this.#early.length < mostEarly) this.#early.push(act)
  }

  /** A second call waits for the first. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    this.#resolver[Symbol.dispose]()
    this.#clients[Symbol.dispose]()
    const closed = this.#sockets.flatMap(({ udp, tcp }) => [once(udp, 'close'), once(tcp, 'close')])
    for (const sockets of this.#sockets) closeSockets(sockets)
    for (const network of this.#elsewhere.keys()) this.leave(network)
    await Promise.all(closed)
  }

  #answer(udp: UdpSocket, bytes: Uint8Array, client: NamesClient): void {
    this.#resolver.resolve(bytes, client, reply => {
      // A datagram that cannot be sent is one that was lost: the client asks again.
      udp.send(reply, client.port, client.address, () => {})
    })
  }
}

interface Sockets {
  readonly address: SocketAddress
  readonly udp: UdpSocket
  readonly tcp: Server
}

function closeSockets({ udp, tcp }: Sockets): void {
  udp.close()
  tcp.close()
}

/** On ports that are free for both UDP and TCP. A machine without IPv6 has no sockets of it that would have to be led. */
async function openLed(kept: KeptNameSockets | undefined): Promise<readonly Sockets[]> {
  const opened: Sockets[] = []
  for (const address of ['127.0.0.1', '::1']) {
    for (let left = portTries; left > 0; left--) {
      try {
        opened.push(await openSockets({ address, port: 0 }, 'led', kept))
        break
      } catch {
        // The port is taken for UDP, or there is no such family.
      }
    }
  }
  return opened
}

async function openSockets(
  { address, port }: SocketAddress,
  purpose: 'open' | 'led',
  kept: KeptNameSockets | undefined,
): Promise<Sockets> {
  if (kept !== undefined) return await openKept(kept.open({ address, port }, purpose))
  const tcp = createServer({ allowHalfOpen: true })
  tcp.listen(port, address)
  await once(tcp, 'listening')
  const bound = tcp.address()
  const chosen = typeof bound === 'object' && bound !== null ? bound.port : port
  const udp = createSocket(isIP(address) === 6 ? 'udp6' : 'udp4')
  try {
    udp.bind(chosen, address)
    await once(udp, 'listening')
  } catch (error) {
    udp.close()
    tcp.close()
    throw error
  }
  return { address: { address, port: chosen }, udp, tcp }
}

async function openKept({ address, udp: datagrams, tcp: listening }: NameDescriptors): Promise<Sockets> {
  const tcp = createServer({ allowHalfOpen: true })
  const udp = createSocket(isIP(address.address) === 6 ? 'udp6' : 'udp4')
  // One of them says so within its call.
  const opened = Promise.all([once(tcp, 'listening'), once(udp, 'listening')])
  tcp.listen({ fd: listening })
  udp.bind({ fd: datagrams })
  await opened
  return { address, udp, tcp }
}
