import { createSocket } from 'node:dgram'
import type { BindOptions, RemoteInfo, Socket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import type { Counter, Gauge } from '../../core/index.ts'
import type { Caller, Listener, ReplyReason } from '../../model/index.ts'
import { ClientAccess } from '../access/access-gate.ts'
import type { ConnectionEnds } from '../listeners/caller-source.ts'
import { refusesStreams } from '../plugins/plugin-lists.ts'
import { takeKept } from '../transport/kept-sockets.ts'
import type { ProxyRuntime } from '../runtime.ts'
import { sourceHash } from './stream-choice.ts'
import type { CompiledStreamBackend } from './compiled-stream.ts'
import type { StreamsInForce } from './stream-table.ts'
import { maxEarly, UdpSession } from './udp-session.ts'
import type { UdpSessionOwner } from './udp-session.ts'

/** A session that was silent for so long may make room for another. */
const evictAfterMs = 1_000
/** Sessions looked at for one that may go: a datagram must not cost more than that. */
const maxLooks = 16

/**
 * One UDP socket of one worker. The kernel deals out clients among the workers'
 * sockets by address and port, so that all datagrams of a client come to the
 * same worker as long as the workers stay the same.
 */
export class UdpListener implements UdpSessionOwner {
  readonly id: string
  isClosing = false
  /** Of requests by HTTP; whether sessions depend on their clients the table of streams says. */
  asksCallers = false
  readonly #runtime: ProxyRuntime
  readonly #streams: StreamsInForce
  /** By address and port of the client, in the order in which they are looked at for eviction. */
  readonly #sessions = new Map<string, UdpSession>()
  /** First datagrams of clients of whom it is being found out who they are, by address and port. */
  readonly #asking = new Map<string, Buffer[]>()
  readonly #open: Gauge
  readonly #accepted: Counter
  readonly #dropped: Readonly<Record<'refused' | 'sessions' | 'backlog', Counter>>
  #listener: Listener
  /** More than one when they were kept and there were more workers before. */
  #sockets: readonly Socket[] = []

  constructor(runtime: ProxyRuntime, streams: StreamsInForce, listener: Listener) {
    const labels = { listener: listener.id }
    this.id = listener.id
    this.#runtime = runtime
    this.#streams = streams
    this.#listener = listener
    this.#open = runtime.meter.gauge('heddle_downstream_connections', labels)
    this.#accepted = runtime.meter.counter('heddle_downstream_connections_total', labels)
    const dropped = (reason: string): Counter =>
      runtime.meter.counter('heddle_udp_dropped_total', { ...labels, reason })
    this.#dropped = { refused: dropped('refused'), sessions: dropped('sessions'), backlog: dropped('backlog') }
  }

  get boundPort(): number {
    return this.#sockets[0]?.address().port ?? 0
  }

  get connectionCount(): number {
    return this.#sessions.size
  }

  /** Binds with SO_REUSEPORT, since every worker does, or takes what is kept. @throws the system's error */
  async open(): Promise<void> {
    const { address, port, network } = this.#listener
    const kept = takeKept(this.#runtime.kept, { transport: 'udp', address, port, network })
    const places = kept?.descriptors.map(fd => ({ fd })) ?? [{ address, port, exclusive: true }]
    for (const place of places) this.#sockets = [...this.#sockets, await this.#bind(place)]
    // It may have been taken away while it was being opened.
    if (this.isClosing) this.#closeSockets()
  }

  async #bind(place: BindOptions): Promise<Socket> {
    const { address } = this.#listener
    const type = isIPv6(address) ? 'udp6' : 'udp4'
    const socket = createSocket({ type, reusePort: true, ipv6Only: type === 'udp6' && address !== '::' })
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject)
      socket.bind(place, () => {
        socket.off('error', reject)
        resolve()
      })
    })
    socket.on('error', error =>
      this.#runtime.logger.error('listener failed', { listener: this.id, error: error.message }),
    )
    socket.on('message', (datagram, from) => this.#onDatagram(datagram, from))
    return socket
  }

  /** @returns false when it has changed its nature and must be opened anew */
  update(listener: Listener): boolean {
    if (listener.kind !== this.#listener.kind || listener.protocol !== 'UDP') return false
    this.#listener = listener
    return true
  }

  #onDatagram(datagram: Buffer, from: RemoteInfo): void {
    this.#runtime.tick()
    const key = `${from.address} ${from.port}`
    const session = this.#sessions.get(key)
    if (session !== undefined) session.forward(datagram)
    else if (this.#dependsOnClient) this.#ask(key, from, datagram)
    else this.#begin(key, from, undefined)?.forward(datagram)
  }

  get #virtualHost(): string {
    return this.#listener.virtualHosts[0]?.id ?? ''
  }

  /** Whether a route of a consumer holds here, for callers of its namespace. */
  get #dependsOnClient(): boolean {
    return this.#runtime.callers !== undefined && this.#streams.table.dependsOnClient(this.#virtualHost)
  }

  /** A datagram does not say whose it is, but its socket does; what comes meanwhile waits. */
  #ask(key: string, from: RemoteInfo, datagram: Buffer): void {
    const known = this.#asking.get(key)
    if (known !== undefined) {
      if (known.length < maxEarly) known.push(datagram)
      else this.countDropped('backlog')
      return
    }
    if (this.isClosing || !this.#hasRoom()) return
    const early = [datagram]
    this.#asking.set(key, early)
    const identified = (caller: Caller | undefined): void => {
      this.#runtime.tick()
      this.#asking.delete(key)
      const session = this.#begin(key, from, caller)
      for (const each of early) session?.forward(each)
    }
    this.#runtime.callers?.ask(this.#endsOf(from), { identified })
  }

  #hasRoom(): boolean {
    if (this.#sessions.size + this.#asking.size < this.#runtime.limits.maxUdpSessions || this.#evict()) return true
    this.#dropped.sessions.value++
    return false
  }

  /** @returns undefined when the datagram is to be dropped */
  #begin(key: string, from: RemoteInfo, caller: Caller | undefined): UdpSession | undefined {
    if (this.isClosing || !this.#hasRoom()) return undefined
    const virtualHost = this.#virtualHost
    const stream = this.#streams.table.find(virtualHost, '', caller?.namespace)
    if (stream === undefined) return this.#refuse(virtualHost, 'no-route')
    if (refusesStreams(this.#runtime.streamPlugins, stream)) return this.#refuse(virtualHost, 'plugin-failed')
    const backend = stream.choose(Math.random())
    if (backend === undefined) return this.#refuse(virtualHost, 'no-backend')
    const { target } = backend
    if (target === undefined) return this.#refuse(virtualHost, 'invalid-backend')
    const hash = sourceHash(target, from.address)
    const endpoint = target.pick(hash)
    if (endpoint === undefined) return this.#refuse(virtualHost, 'no-endpoint')
    const access = this.#accessOf(from)
    if (access !== undefined && this.#runtime.gate?.refusal(access, endpoint, 'UDP') !== '') {
      return this.#refuse(virtualHost, 'policy-denied')
    }
    if (!this.#acquire(backend)) return this.#refuse(virtualHost, 'overloaded')
    const source = { address: from.address, port: from.port }
    const addresses = { source, destination: { address: this.#listener.address, port: this.boundPort } }
    const facts = { key, addresses, virtualHost, caller, stream, backend, target, endpoint, access }
    const session = new UdpSession(this.#runtime, this, facts)
    this.#sessions.set(key, session)
    this.#accepted.value++
    this.#open.value++
    return session
  }

  #accessOf(from: RemoteInfo): ClientAccess | undefined {
    const { gate, callers } = this.#runtime
    if (gate === undefined) return undefined
    return new ClientAccess(callers?.find?.(this.#endsOf(from)), from.address)
  }

  #endsOf({ address, port }: RemoteInfo): ConnectionEnds {
    const { address: localAddress, network } = this.#listener
    const localPort = this.boundPort
    return { protocol: 'UDP', remoteAddress: address, remotePort: port, localAddress, localPort, network }
  }

  #acquire({ target }: CompiledStreamBackend): boolean {
    if (target === undefined) return false
    if (target.acquireStream()) return true
    if (this.#evict() && target.acquireStream()) return true
    target.metrics.overloadedConnections.value++
    return false
  }

  /**
   * Ends a session that is silent, the oldest first: clients of DNS have a new
   * port for each question, and none of them tells that it has its answer.
   * Those that are in use are looked at again later than all others.
   */
  #evict(): boolean {
    let looks = 0
    for (const [key, session] of this.#sessions) {
      if (++looks > maxLooks) return false
      if (this.#runtime.turnMs - session.lastMoveMs >= evictAfterMs) {
        session.end()
        return true
      }
      this.#sessions.delete(key)
      this.#sessions.set(key, session)
    }
    return false
  }

  /** Told by a counter only: a record for each datagram of whoever sends would be a way to fill the disk. */
  #refuse(virtualHost: string, reason: ReplyReason): undefined {
    this.#dropped.refused.value++
    this.#runtime.meter.counter('heddle_stream_refused_total', { virtual_host: virtualHost, reason }).value++
    return undefined
  }

  reply(session: UdpSession, datagram: Buffer): void {
    const [socket] = this.#sockets
    if (socket === undefined) return
    if (socket.getSendQueueSize() > this.#runtime.limits.backlogBytes) {
      this.countDropped('backlog')
      return
    }
    const { address, port } = session.addresses.source
    socket.send(datagram, port, address, ignore)
  }

  countDropped(reason: 'backlog'): void {
    this.#dropped[reason].value++
  }

  remove(session: UdpSession): void {
    if (!this.#sessions.delete(session.key)) return
    this.#open.value--
    if (this.isClosing && this.#sessions.size === 0) this.#closeSockets()
  }

  judgeAgain(): void {
    for (const session of this.#sessions.values()) session.judgeAgain()
  }

  sweep(nowMs: number): void {
    const { udpIdleTimeoutMs, lingerMs } = this.#runtime.limits
    // A closing socket waits for answers only: the clients it still has are better off with the next one.
    for (const session of this.#sessions.values()) {
      const idleMs = session.target.backend?.settings.streamIdleTimeoutMs ?? udpIdleTimeoutMs
      session.sweep(nowMs, this.isClosing ? Math.min(lingerMs, idleMs) : idleMs)
    }
  }

  /** Begins no session any more; those there are may end. */
  close(): void {
    this.isClosing = true
    if (this.#sessions.size === 0) this.#closeSockets()
  }

  /** @returns how many sessions were cut */
  cut(): number {
    const count = this.#sessions.size
    for (const session of this.#sessions.values()) session.end()
    return count
  }

  #closeSockets(): void {
    for (const socket of this.#sockets) socket.close()
    this.#sockets = []
  }
}

function ignore(): void {}
