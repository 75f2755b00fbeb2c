import { createSocket } from 'node:dgram'
import type { Socket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import type { ProxyAddresses } from '../../codec/index.ts'
import { Outcome } from '../../model/index.ts'
import type { Caller } from '../../model/index.ts'
import type { ClientAccess } from '../access/access-gate.ts'
import type { EndpointState } from '../balancing/endpoint-state.ts'
import type { ProxyRuntime } from '../runtime.ts'
import type { BackendRuntime } from '../upstream/backend-runtime.ts'
import type { CompiledStream, CompiledStreamBackend } from './compiled-stream.ts'
import { logStream } from './stream-log.ts'
import type { StreamFacts } from './stream-log.ts'

/** Whose client it is. */
export interface UdpSessionOwner {
  /** Sends a datagram to the client, from the address that the client knows. */
  reply(session: UdpSession, datagram: Buffer): void
  remove(session: UdpSession): void
  countDropped(reason: 'backlog'): void
}

/** Datagrams that come before the endpoint's socket is connected, which takes a turn or two. */
export const maxEarly = 16

export interface UdpSessionOptions {
  readonly key: string
  readonly addresses: ProxyAddresses
  readonly virtualHost: string
  /** Undefined where it does not matter or can't be told. */
  readonly caller: Caller | undefined
  readonly stream: CompiledStream
  readonly backend: CompiledStreamBackend
  readonly target: BackendRuntime
  readonly endpoint: EndpointState
  /** What policies say of the client; undefined where none are enforced. */
  readonly access: ClientAccess | undefined
}

/**
 * The datagrams between one address of a client and one endpoint. The endpoint
 * has a socket of its own per session, connected, so that only it is heard, and
 * the system tells when nobody listens there. The session ends when neither side
 * sends for a while, or with its endpoint: the client's next datagram begins
 * another.
 */
export class UdpSession implements StreamFacts {
  readonly key: string
  readonly protocol = 'UDP'
  readonly serverName = ''
  readonly clientService: string
  readonly clientWorkload: string
  readonly startMs: number
  readonly addresses: ProxyAddresses
  readonly virtualHost: string
  readonly stream: CompiledStream
  readonly backend: CompiledStreamBackend
  readonly target: BackendRuntime
  readonly endpoint: EndpointState
  readonly retries = 0
  readonly reason = undefined
  flags = '-'
  readonly tls: undefined = undefined
  readonly upstreamTls = ''
  connectMs = -1
  received = 0
  sent = 0
  lastMoveMs: number
  readonly #runtime: ProxyRuntime
  readonly #owner: UdpSessionOwner
  readonly #access: ClientAccess | undefined
  readonly #socket: Socket
  readonly #onSent = (error: Error | null): void => this.#sent(error)
  #early: Buffer[] | undefined = []
  #isEnded = false

  /** `target.acquireStream()` has been called for it. */
  constructor(runtime: ProxyRuntime, owner: UdpSessionOwner, options: UdpSessionOptions) {
    this.key = options.key
    this.startMs = runtime.turnMs
    this.addresses = options.addresses
    this.virtualHost = options.virtualHost
    const { caller = options.access?.caller } = options
    this.clientService = caller?.service ?? ''
    this.clientWorkload = caller?.workload ?? ''
    this.stream = options.stream
    this.backend = options.backend
    this.target = options.target
    this.endpoint = options.endpoint
    this.#access = options.access
    this.lastMoveMs = runtime.turnMs
    this.#runtime = runtime
    this.#owner = owner
    this.endpoint.activeRequests++
    this.backend.series.sessions.value++
    this.target.metrics.connectionsTotal.value++
    const { address, port } = this.endpoint.endpoint
    this.#socket = createSocket({ type: isIPv6(address) ? 'udp6' : 'udp4', lookup: takeAddress })
    this.#socket.on('message', datagram => this.#onReply(datagram))
    this.#socket.on('error', error => this.#onError(error))
    // The callback also gets the failure, which the types do not say.
    this.#socket.connect(port, address, ((error?: Error) => this.#onConnected(error)) as () => void)
  }

  /** Passes a datagram of the client on. */
  forward(datagram: Buffer): void {
    if (this.#isEnded) return
    this.lastMoveMs = this.#runtime.turnMs
    if (this.#early !== undefined) {
      if (this.#early.length < maxEarly) this.#early.push(datagram)
      else this.#owner.countDropped('backlog')
      return
    }
    if (this.#socket.getSendQueueSize() > this.#runtime.limits.backlogBytes) {
      this.#owner.countDropped('backlog')
      return
    }
    this.received += datagram.length
    this.backend.series.received.value += datagram.length
    this.#socket.send(datagram, this.#onSent)
  }

  #onConnected(error: Error | undefined): void {
    if (this.#isEnded) return
    if (error !== undefined) return this.#onError(error)
    const early = this.#early ?? []
    this.#early = undefined
    for (const datagram of early) this.forward(datagram)
  }

  #onReply(datagram: Buffer): void {
    const runtime = this.#runtime
    runtime.tick()
    if (this.#isEnded) return
    if (this.connectMs < 0) {
      this.connectMs = runtime.turnMs - this.startMs
      this.target.balancer?.onResult(this.endpoint, Outcome.success, this.connectMs, runtime.turnMs)
    }
    this.lastMoveMs = runtime.turnMs
    this.sent += datagram.length
    this.backend.series.sent.value += datagram.length
    this.#owner.reply(this, datagram)
  }

  /** An earlier datagram's ICMP error may be told to whoever sends next. */
  #sent(error: Error | null): void {
    if (error !== null) this.#onError(error)
  }

  /** Most often nobody listens there (ICMP port unreachable). A datagram that is too large is lost, as datagrams are. */
  #onError(error: Error): void {
    if (this.#isEnded || ('code' in error && error.code === 'EMSGSIZE')) return
    this.#runtime.tick()
    this.flags = 'UF'
    this.target.metrics.connectFailures.value++
    this.target.balancer?.onResult(this.endpoint, Outcome.connectFailure, 0, this.#runtime.turnMs)
    this.end()
  }

  /** Policies have changed: it ends if they refuse it now. */
  judgeAgain(): void {
    const { gate } = this.#runtime
    if (gate === undefined || this.#access === undefined) return
    if (gate.refusal(this.#access, this.endpoint, 'UDP') !== '') this.end()
  }

  /** @param idleMs  a session that was silent for longer is over */
  sweep(nowMs: number, idleMs: number): void {
    const { balancer } = this.target
    const isGone = balancer?.find(this.endpoint.id) !== this.endpoint
    const isOut = !isGone && !this.endpoint.endpoint.draining && balancer?.isUsable(this.endpoint, nowMs) !== true
    if (isGone || isOut || nowMs - this.lastMoveMs >= idleMs) this.end()
  }

  end(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#early = undefined
    this.endpoint.activeRequests--
    this.target.releaseStream()
    this.#owner.remove(this)
    this.#socket.close()
    logStream(this.#runtime, this)
  }
}

/** For `lookup`: endpoints have addresses, which need no resolver and no thread of the pool. */
function takeAddress(
  host: string,
  _options: unknown,
  done: (error: NodeJS.ErrnoException | null, address: string, family: number) => void,
): void {
  done(null, host, isIPv6(host) ? 6 : 4)
}
