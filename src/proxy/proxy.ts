import type { Clock, Logger, Meter, Timer } from '../core/index.ts'
import { messageOf } from '../core/index.ts'
import type {
  AccessLog,
  BackendKey,
  Filter,
  HttpRoute,
  Listener,
  MeshSnapshot,
  PluginKey,
  RouteRule,
} from '../model/index.ts'
import { emptySnapshot } from '../model/index.ts'
import type { AccessGate } from './access/access-gate.ts'
import { FilterPlan } from './filters/filter-plan.ts'
import type { AuthCall, AuthCallOutcome, PendingCall } from './filters/filter-exchange.ts'
import type { FilterContext } from './filters/filter-step.ts'
import { RateLimitTables } from './filters/rate-limit-tables.ts'
import { CompiledStream } from './l4/compiled-stream.ts'
import { isIntermediate, StreamListener } from './l4/stream-listener.ts'
import { StreamTable } from './l4/stream-table.ts'
import type { StreamsInForce } from './l4/stream-table.ts'
import { UdpListener } from './l4/udp-listener.ts'
import { defaultLimits } from './limits.ts'
import type { ProxyLimits } from './limits.ts'
import type { CallerSource } from './listeners/caller-source.ts'
import { ListenerRuntime } from './listeners/listener-runtime.ts'
import { Authorizers } from './pipeline/authorizers.ts'
import { ClientStreams } from './pipeline/client-streams.ts'
import { CompiledRule } from './pipeline/compiled-rule.ts'
import type { RoutesInForce } from './pipeline/exchange-client.ts'
import { GrpcBackendCall } from './pipeline/grpc-backend-call.ts'
import type { GrpcCallObserver, GrpcCallOptions, OpenGrpcCall } from './pipeline/grpc-backend-call.ts'
import { ExchangePool } from './pipeline/exchange-pool.ts'
import { refusingChain } from './plugins/http-plugins.ts'
import type { HttpPluginChain } from './plugins/http-plugins.ts'
import type { PluginRunner } from './plugins/plugin-runner.ts'
import { hostPluginsOf, isSameHostPlugins, pluginsOf } from './plugins/plugin-lists.ts'
import type { HostPlugins } from './plugins/plugin-lists.ts'
import { RouteTable } from './routing/route-table.ts'
import { ProxyRuntime } from './runtime.ts'
import type { Connection, Transport } from './transport/connection.ts'
import type { TlsLibrary } from './transport/tls-library.ts'
import type { KeptSockets } from './transport/kept-sockets.ts'
import { BackendRuntime } from './upstream/backend-runtime.ts'

export interface ProxyOptions {
  readonly meter: Meter
  readonly accessLog: AccessLog
  readonly logger: Logger
  readonly clock: Clock
  /** Zone of this node, for locality preference; empty when unknown. */
  readonly zone: string
  /** Worker threads of the agent: circuit breaker limits are divided by it. */
  readonly workers: number
  /** Tells who calls a Service that has consumer routes, or whom policies are about. @default nobody is known */
  readonly callers?: CallerSource
  /** Enforces the snapshot's NetworkPolicies; all is refused until there are any. @default they are not enforced */
  readonly gate?: AccessGate
  /** Runs plugins. @default what would have to pass one is refused */
  readonly plugins?: PluginRunner
  readonly limits?: Partial<ProxyLimits>
  /** Milliseconds of a clock that is the same on every worker and never goes back. @default that of `clock` */
  readonly sharedNowMs?: () => number
  /** Plain connections. @default those of node:net */
  readonly transport?: Transport
  /** @default Node's, on sockets of its own */
  readonly tls?: TlsLibrary
  /** Sockets that listen already, and go on when this ends. @default none */
  readonly kept?: KeptSockets
}

export interface EndpointActivity {
  readonly backend: BackendKey
  readonly endpoint: string
  readonly activeRequests: number
  readonly ejected: boolean
}

/** A connection that another thread of this process has accepted. */
export interface AcceptedElsewhere {
  /** Id of a listener of HTTP. */
  readonly listener: string
  /** Whoever takes it owns it. */
  readonly descriptor: number
  readonly remote: { readonly address: string; readonly port: number }
  /** What was read of it already. */
  readonly early: Buffer
}

/** A socket that is listened on, whatever is spoken there. */
interface OpenListener {
  readonly boundPort: number
  readonly connectionCount: number
  /** Whether routes depend on who calls. */
  set asksCallers(asks: boolean)
  /** @throws the system's error */
  open(): Promise<void>
  /** Of HTTP without TLS: takes a connection that another thread has accepted, and the bytes that it has read of it. */
  takeOver?(connection: Connection, early: Buffer): void
  /** @returns false when it has changed its nature and must be opened anew */
  update(listener: Listener): boolean
  sweep(nowMs: number): void
  /** Policies have changed: what they refuse now ends. */
  judgeAgain(): void
  /** Accepts nothing more. */
  close(): void
  /** @returns how many connections were cut in the middle of something */
  cut(): number
}

/** How often connections are looked over for timeouts that need no precision. */
const sweepMs = 1_000

/** The proxy of one worker thread. */
export class Proxy implements AsyncDisposable {
  readonly #runtime: ProxyRuntime
  readonly #routes: RoutesInForce = { table: RouteTable.empty }
  readonly #exchanges: ExchangePool
  readonly #streams: ClientStreams
  readonly #streamRoutes: StreamsInForce = { table: StreamTable.empty() }
  readonly #listeners = new Map<string, OpenListener>()
  /** Listeners that accept nothing more and still have connections. */
  readonly #closing = new Set<OpenListener>()
  /** By key, and by key and certificate for those reached with a client certificate. */
  readonly #backends = new Map<string, BackendRuntime>()
  readonly #variants = new Map<BackendKey, BackendRuntime[]>()
  readonly #rateLimits = new RateLimitTables()
  readonly #filterContext: FilterContext
  readonly #sweeper: Timer
  readonly #plugins: PluginRunner | undefined
  #hostPlugins: HostPlugins = new Map()
  #snapshot: MeshSnapshot = emptySnapshot

  constructor(options: ProxyOptions) {
    this.#runtime = new ProxyRuntime({ ...options, limits: { ...defaultLimits, ...options.limits } })
    this.#plugins = options.plugins
    this.#exchanges = new ExchangePool(this.#runtime, this.#routes)
    this.#streams = new ClientStreams(this.#runtime, this.#exchanges)
    this.#filterContext = {
      timers: this.#runtime.timers,
      auth: new Authorizers(this.#runtime, key => this.#backend(key)),
      sharedNowMs: options.sharedNowMs ?? (() => options.clock.nowMs()),
      random: Math.random,
    }
    this.#sweeper = options.clock.every(sweepMs, () => this.#sweep()).unref()
  }

  /**
   * Puts a snapshot in force for every request whose head comes after this.
   * Listeners that came are opened, those that went close gently.
   * @returns by listener id why a listener could not be opened; it is tried again with the next snapshot
   */
  async apply(snapshot: MeshSnapshot): Promise<ReadonlyMap<string, string>> {
    const before = this.#snapshot
    this.#snapshot = snapshot
    const isOtherAccess = this.#runtime.gate?.take(snapshot.access) === true
    this.#applyClientCertificates(snapshot)
    for (const [key, backend] of snapshot.backends) {
      if (before.backends.get(key) === backend) continue
      this.#backend(key).update(backend)
      for (const variant of this.#variantsOf(key)) variant.update(backend)
    }
    const hostPlugins = hostPluginsOf(snapshot)
    // What a virtual host's list holds for is compiled into rules that have not changed themselves.
    const isSame = isSameHostPlugins(this.#hostPlugins, hostPlugins)
    this.#hostPlugins = hostPlugins
    this.#runtime.streamPlugins = { hosts: hostPlugins, plugins: snapshot.plugins, runner: this.#plugins }
    const table = isSame ? this.#routes.table : RouteTable.empty
    this.#routes.table = table.update(snapshot, (route, rule, virtualHost) => {
      const certificate = clientCertificateOf(route, virtualHost)
      const context = {
        meter: this.#runtime.meter,
        backend: (key: string) => this.#backend(key, certificate),
        filterPlan: (filters: readonly Filter[]) => this.#filterPlan(filters),
        plugins: (of: RouteRule) => this.#chain(pluginsOf(hostPlugins, route, of, virtualHost)),
      }
      return new CompiledRule(context, route, rule, virtualHost)
    })
    const streams = {
      meter: this.#runtime.meter,
      backend: (key: string, certificate: string | undefined) => this.#backend(key, certificate),
    }
    this.#streamRoutes.table = this.#streamRoutes.table.update(
      snapshot.streamRoutes,
      (route, virtualHost) => new CompiledStream(streams, route, virtualHost),
    )
    for (const key of before.backends.keys()) {
      if (snapshot.backends.has(key)) continue
      this.#backends.get(key)?.update(undefined)
      for (const variant of this.#variantsOf(key)) variant.update(undefined)
    }
    if (isOtherAccess) this.#judgeAgain()
    return this.#applyListeners(snapshot)
  }

  #filterPlan(filters: readonly Filter[]): FilterPlan | undefined {
    const plan = FilterPlan.of(this.#filterContext, this.#rateLimits, filters)
    if (plan?.compression !== undefined) this.#runtime.compresses = true
    return plan
  }

  /** Where nobody can run plugins, what would have to pass them is refused. */
  #chain(keys: readonly PluginKey[]): HttpPluginChain | undefined {
    if (keys.length === 0) return undefined
    return this.#plugins === undefined ? refusingChain : this.#plugins.chain(keys)
  }

  /** Sends one request to a backend, as its requests are sent, but only once. `done` comes later. */
  call(call: AuthCall, done: (outcome: AuthCallOutcome) => void): PendingCall {
    return this.#filterContext.auth.call(call, done)
  }

  /** Begins a call of gRPC to a backend, of whichever form. The observer is not told anything before this has returned. */
  grpc(options: GrpcCallOptions, observer: GrpcCallObserver): OpenGrpcCall {
    const call = new GrpcBackendCall(this.#runtime, this.#backend(options.backend), options, observer)
    process.nextTick(() => call.start())
    return call
  }

  /**
   * Goes on with a connection of a listener that another thread has accepted, and of which it has read some bytes. One of a
   * listener that is not here is reset.
   * @throws the system's error; the descriptor is closed then
   */
  takeOver({ listener, descriptor, remote, early }: AcceptedElsewhere): void {
    const { transport } = this.#runtime
    if (transport.adopt === undefined)
      throw new Error('connections of other threads cannot be taken over by this transport')
    const connection = transport.adopt(descriptor, remote)
    const runtime = this.#listeners.get(listener)
    if (runtime?.takeOver === undefined) connection.reset()
    else runtime.takeOver(connection, early)
  }

  #judgeAgain(): void {
    this.#runtime.tick()
    for (const listener of [...this.#listeners.values(), ...this.#closing]) listener.judgeAgain()
  }

  async #applyListeners(snapshot: MeshSnapshot): Promise<ReadonlyMap<string, string>> {
    const failures = new Map<string, string>()
    for (const [id, runtime] of this.#listeners) {
      const listener = snapshot.listeners.get(id)
      if (listener !== undefined && runtime.update(listener)) {
        runtime.asksCallers = this.#dependsOnClient(id)
        continue
      }
      this.#listeners.delete(id)
      this.#closing.add(runtime)
      runtime.close()
    }
    const opening: Promise<void>[] = []
    for (const [id, listener] of snapshot.listeners) {
      if (this.#listeners.has(id)) continue
      const runtime = this.#makeListener(listener)
      runtime.asksCallers = this.#dependsOnClient(id)
      this.#listeners.set(id, runtime)
      opening.push(
        runtime.open().catch((error: unknown) => {
          if (this.#listeners.get(id) === runtime) this.#listeners.delete(id)
          failures.set(id, messageOf(error))
        }),
      )
    }
    await Promise.all(opening)
    return failures
  }

  #dependsOnClient(listenerId: string): boolean {
    return this.#runtime.gate !== undefined || (this.#routes.table.listener(listenerId)?.dependsOnClient ?? false)
  }

  #makeListener(listener: Listener): OpenListener {
    if (listener.protocol === 'UDP') return new UdpListener(this.#runtime, this.#streamRoutes, listener)
    if (!isIntermediate(listener)) return this.#makeHttp(listener)
    // HTTP that begins in TLS is HTTPS, whatever else the socket takes.
    const protocol = listener.protocol === 'TLS' ? 'HTTPS' : listener.protocol
    const http = this.#makeHttp({ ...listener, protocol })
    return new StreamListener(this.#runtime, this.#streamRoutes, http, listener)
  }

  #makeHttp(listener: Listener): ListenerRuntime {
    return new ListenerRuntime(this.#runtime, this.#exchanges, this.#streams, listener)
  }

  /** @param certificate  shown to the endpoints: connections are not shared with those that show another */
  #backend(key: BackendKey, certificate = ''): BackendRuntime {
    const id = certificate === '' ? key : `${key} ${certificate}`
    let backend = this.#backends.get(id)
    if (backend === undefined) {
      backend = new BackendRuntime(this.#runtime, key, certificate)
      this.#backends.set(id, backend)
      if (certificate !== '') {
        const variants = this.#variants.get(key)
        if (variants === undefined) this.#variants.set(key, [backend])
        else variants.push(backend)
        backend.update(this.#snapshot.backends.get(key))
      }
    }
    return backend
  }

  #variantsOf(key: BackendKey): readonly BackendRuntime[] {
    return this.#variants.get(key) ?? []
  }

  #applyClientCertificates(snapshot: MeshSnapshot): void {
    const { clientCertificates } = this.#runtime
    clientCertificates.clear()
    for (const { virtualHosts } of snapshot.listeners.values()) {
      for (const { clientCertificate } of virtualHosts) {
        if (clientCertificate !== undefined) clientCertificates.set(clientCertificate.name, clientCertificate)
      }
    }
  }

  /** Memory of rate limits that all workers share, by `RateLimit.tableKey`; before the routes that use it. */
  shareRateLimits(added: ReadonlyMap<string, SharedArrayBuffer>, removed: readonly string[]): void {
    for (const [key, memory] of added) this.#rateLimits.share(key, memory)
    for (const key of removed) this.#rateLimits.forget(key)
  }

  /** Keys of session tickets, the same for all workers: 48 bytes; sessions of the last ones are resumed no more. */
  setTicketKeys(keys: Uint8Array): void {
    this.#runtime.ticketKeys.set(keys)
  }

  /** Port that a listener really has, for one that asked for port 0. */
  boundPort(listenerId: string): number {
    return this.#listeners.get(listenerId)?.boundPort ?? 0
  }

  /** Stops accepting, lets what is under way finish, and cuts the rest off after `deadlineMs`. */
  async drain(deadlineMs: number): Promise<{ finished: number; cut: number }> {
    for (const [id, listener] of this.#listeners) {
      this.#listeners.delete(id)
      this.#closing.add(listener)
      listener.close()
    }
    const total = this.#openConnections()
    const { clock } = this.#runtime
    const endMs = clock.nowMs() + deadlineMs
    while (this.#openConnections() > 0 && clock.nowMs() < endMs) {
      await new Promise<void>(resolve => clock.after(drainPollMs, resolve))
      this.#sweep()
    }
    let cut = 0
    for (const listener of this.#closing) cut += listener.cut()
    return { finished: total - cut, cut }
  }

  #openConnections(): number {
    let count = 0
    for (const listener of this.#closing) count += listener.connectionCount
    return count
  }

  endpointStates(): readonly EndpointActivity[] {
    const nowMs = this.#runtime.clock.nowMs()
    const states: EndpointActivity[] = []
    for (const runtime of this.#backends.values()) {
      for (const state of runtime.balancer?.states ?? []) {
        states.push({
          backend: runtime.key,
          endpoint: state.id,
          activeRequests: state.activeRequests,
          ejected: state.ejectedUntilMs > nowMs,
        })
      }
    }
    return states
  }

  #sweep(): void {
    this.#runtime.tick()
    const nowMs = this.#runtime.turnMs
    for (const listener of this.#listeners.values()) listener.sweep(nowMs)
    for (const listener of this.#closing) {
      listener.sweep(nowMs)
      if (listener.connectionCount === 0) this.#closing.delete(listener)
    }
    for (const backend of this.#backends.values()) backend.closeExpired(nowMs)
  }

  /** Cuts everything off; `drain` first to be gentle. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.drain(0)
    for (const backend of this.#backends.values()) backend.cut()
    this.#sweeper[Symbol.dispose]()
    this.#runtime.timers[Symbol.dispose]()
  }
}

const drainPollMs = 20

function clientCertificateOf(route: HttpRoute, virtualHost: string): string | undefined {
  return route.attachments.find(attachment => attachment.virtualHost === virtualHost)?.clientCertificate
}
