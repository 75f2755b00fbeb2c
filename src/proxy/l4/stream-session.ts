import { encodeProxyHeader } from '../../codec/index.ts'
import { Outcome } from '../../model/index.ts'
import type { PluginAttribute } from '../plugins/http-plugins.ts'
import { refusesStreams, streamPluginsOf } from '../plugins/plugin-lists.ts'
import type { Caller, Listener, ReplyReason } from '../../model/index.ts'
import { ClientAccess } from '../access/access-gate.ts'
import type { EndpointState } from '../balancing/endpoint-state.ts'
import { endsIn } from '../listeners/caller-source.ts'
import type { Identified } from '../listeners/caller-source.ts'
import type { WheelEntry } from '../resilience/timer-wheel.ts'
import type { ProxyRuntime } from '../runtime.ts'
import type { Connection, ConnectionHandler } from '../transport/connection.ts'
import { tlsRecordOf } from '../transport/tls-record.ts'
import type { BackendRuntime } from '../upstream/backend-runtime.ts'
import { EndpointSide } from './endpoint-side.ts'
import type { SideOwner } from './endpoint-side.ts'
import type { CompiledStream } from './compiled-stream.ts'
import { Preamble } from './preamble.ts'
import type { PreambleNeeds } from './preamble.ts'
import { streamAttributeOf } from './stream-attributes.ts'
import { failureDetail, failureOf, sourceHash } from './stream-choice.ts'
import { StreamRecord } from './stream-record.ts'
import { StreamRelay } from './stream-relay.ts'
import type { RelayOwner } from './stream-relay.ts'

/** What accepted the connection. */
export interface SessionOwner {
  readonly kind: Listener['kind']
  /** Where its socket is, if not at home. */
  readonly network: bigint | undefined
  /** The preamble is complete: the owner starts the session, hands the connection over, or refuses it. */
  dispatch(session: StreamSession): void
  /** It is known who calls, as far as it can be. */
  identified(session: StreamSession): void
  remove(session: StreamSession): void
}

const readingPreamble = 0
/** Waits to be told who calls. */
const asking = 1
/** With the owner: TLS is being agreed on, or it is somebody else's connection already. */
const handedOver = 2
const connecting = 3
const relaying = 4
/** There is no endpoint, or none any more, and the last bytes are on their way to the client. */
const lingering = 5
const ended = 6

/**
 * RFC 8446 section 6.2: a fatal alert, unrecognized_name, in a record of its
 * own; a client of TLS tells it to people, where a reset could be anything.
 */
const unrecognizedName: Buffer = Buffer.from([21, 3, 3, 0, 2, 2, 112])

/**
 * One connection of a client, forwarded as bytes. An endpoint is looked for at
 * once, so that protocols where the server speaks first work; only what decides
 * about the way (PROXY header, server name) is waited for. A slow reader stops
 * its sender, a side that has finished sending is told so to the other while
 * that may go on (half-close), and a reset of one side resets the other, so that
 * nobody takes a broken stream for a complete one.
 */
export class StreamSession implements ConnectionHandler, SideOwner, RelayOwner, WheelEntry, Identified {
  wheelNext: WheelEntry | undefined = undefined
  wheelPrevious: WheelEntry | undefined = undefined
  wheelDueTick = 0
  client: Connection
  readonly preamble: Preamble | undefined
  readonly record: StreamRecord
  readonly #runtime: ProxyRuntime
  readonly #owner: SessionOwner
  readonly #relay: StreamRelay
  #state: number = readingPreamble
  #side: EndpointSide | undefined = undefined
  /** We are the end of the client's TLS; else what it sends as TLS goes to the endpoint as it is, and none is added. */
  #isSecured = false
  #early: Buffer | undefined = undefined
  #access: ClientAccess | undefined = undefined
  #hasClientEnded = false
  #hasEndpointEnded = false
  /** It closed in peace, and plugins still have bytes of it. */
  #isEndpointGone = false
  /** It closed without an error: what it sent may still be on its way to the endpoint. */
  #isClientClosed = false
  #tried: EndpointState[] | undefined = undefined
  #lastMark = 0
  #idleMs = 0
  #deadlineMs: number

  constructor(runtime: ProxyRuntime, owner: SessionOwner, client: Connection, needs: PreambleNeeds | undefined) {
    this.#runtime = runtime
    this.#owner = owner
    this.client = client
    this.#relay = new StreamRelay(runtime, this)
    this.preamble = needs === undefined ? undefined : new Preamble(needs)
    this.record = new StreamRecord(runtime, client, this.preamble)
    this.#deadlineMs = runtime.turnMs + runtime.limits.handshakeTimeoutMs
    client.handler = this
  }

  get isHandedOver(): boolean {
    return this.#state === handedOver
  }

  /** Finds out who calls; the owner is told. */
  ask(): void {
    this.#state = asking
    this.#early = this.preamble?.rest
    this.client.pause()
    this.#runtime.callers?.ask(endsIn(this.#owner.network, this.client), this)
  }

  identified(caller: Caller | undefined): void {
    if (this.#state !== asking) return
    this.#runtime.tick()
    this.record.caller = caller
    this.#owner.identified(this)
  }

  /** Sends the connection on its way. */
  start(stream: CompiledStream | undefined): void {
    this.record.stream = stream
    if (stream === undefined) return this.refuse('no-route')
    if (!this.#plug(stream)) return
    const backend = stream.choose(Math.random())
    if (backend === undefined) return this.refuse('no-backend')
    this.record.backend = backend
    if (backend.target === undefined) return this.refuse('invalid-backend')
    if (this.#state !== asking) this.#early = this.preamble?.rest
    this.#state = connecting
    this.client.pause()
    this.#connect(backend.target)
  }

  /** @returns false when the connection was refused, or ended by a plugin */
  #plug(stream: CompiledStream): boolean {
    const { streamPlugins } = this.#runtime
    const plugins = streamPluginsOf(streamPlugins.hosts, stream)
    if (plugins.length === 0) return true
    const before = this.#state
    if (streamPlugins.runner !== undefined) this.#relay.plug(streamPlugins.runner.streamChain(plugins))
    else if (refusesStreams(streamPlugins, stream)) this.refuse('plugin-failed')
    return this.#state === before
  }

  get endpointConnection(): Connection | undefined {
    return this.#state === relaying ? this.#side?.connection : undefined
  }

  attribute(group: string, name: string): PluginAttribute | undefined {
    const { record, client } = this
    const endpoint = this.#side?.connection
    return streamAttributeOf({ record, client, endpoint, listener: this.#owner.kind }, group, name)
  }

  /** A side is told so after what was sent to it; without the client there is nothing left to do. */
  onPluginClose(side: 'client' | 'endpoint'): void {
    if (this.#state === ended || this.#state === lingering) return
    if (side === 'endpoint' && this.#state === relaying) {
      this.#side?.connection?.end()
      return
    }
    const endpoint = this.#side?.connection
    this.#runtime.timers.cancel(this)
    this.#leaveEndpoint()
    endpoint?.destroy()
    this.record.fail('plugin-response')
    this.client.end()
    this.#linger()
  }

  onPluginFailure(): void {
    if (this.#state === ended) return
    if (this.#side === undefined && this.#state !== lingering) this.refuse('plugin-failed')
    else this.#cutFor('plugin-failed')
  }

  onClientTold(): void {
    if (this.#isEndpointGone && this.#state === relaying) this.#linger()
  }

  /** The connection is the owner's for now, or for good. */
  handOver(): void {
    this.#state = handedOver
  }

  /** TLS is agreed on: what the client sends from here on is plain. */
  secured(client: Connection): void {
    this.client = client
    client.handler = this
    this.#isSecured = true
    this.record.tls = tlsRecordOf(client)
    this.preamble?.forgetRest()
  }

  #connect(target: BackendRuntime): void {
    const { turnMs, timers } = this.#runtime
    const { record } = this
    const hash = sourceHash(target, record.addresses.source.address)
    const endpoint = target.pick(hash, this.#tried)
    if (endpoint === undefined) return this.refuse('no-endpoint')
    if (this.#refusal(endpoint) !== '') {
      record.endpoint = endpoint
      return this.refuse('policy-denied')
    }
    if (!target.acquireStream()) {
      target.metrics.overloadedConnections.value++
      return this.refuse('overloaded')
    }
    record.endpoint = endpoint
    const side = new EndpointSide(this.#runtime, this, target, endpoint)
    this.#side = side
    const version = target.backend?.settings.proxyProtocol
    const preface = version === undefined ? undefined : encodeProxyHeader(version, record.addresses)
    const onConnect = (): void => this.#onConnected(side)
    const isPassthrough = record.protocol === 'TLS' && !this.#isSecured
    const alpn = record.tls?.protocol ?? ''
    side.connection = target.connectStream(endpoint, side, onConnect, { preface, isPassthrough, alpn })
    const connectMs = target.backend?.settings.connectTimeoutMs ?? 0
    if (connectMs > 0) timers.add(this, connectMs, turnMs)
  }

  /** Why policies do not let the client go to that endpoint; '' when they do. */
  #refusal(endpoint: EndpointState): string {
    const { gate } = this.#runtime
    if (gate === undefined) return ''
    this.#access ??= new ClientAccess(this.record.caller, this.record.addresses.source.address)
    return gate.refusal(this.#access, endpoint)
  }

  /** Policies have changed: both sides are reset if they refuse it now. */
  judgeAgain(): void {
    if (this.#state !== connecting && this.#state !== relaying) return
    const { endpoint } = this.record
    if (endpoint !== undefined && this.#refusal(endpoint) !== '') this.#cutFor('policy-denied')
  }

  #onConnected(side: EndpointSide): void {
    this.#runtime.tick()
    const { connection, target } = side
    if (this.#side !== side || connection === undefined || this.#state !== connecting) return
    const { timers, limits } = this.#runtime
    timers.cancel(this)
    side.connected()
    this.#state = relaying
    this.record.connected(connection)
    this.#idleMs = target.backend?.settings.streamIdleTimeoutMs ?? limits.tunnelIdleTimeoutMs
    const early = this.#early
    this.#early = undefined
    this.preamble?.forgetRest()
    // Nothing comes before this returns.
    this.client.resume()
    if (early !== undefined && early.length > 0) {
      this.record.countReceived(early.length)
      this.#relay.fromClient(early, early.length)
    }
    if (this.#hasClientEnded) this.#relay.clientEnded()
    this.#noteMove()
  }

  /** The connect attempt took too long. */
  onTimeout(): void {
    this.#runtime.tick()
    const side = this.#side
    if (this.#state !== connecting || side === undefined) return
    side.connection?.destroy()
    this.#connectFailed(side, 'connect-timeout', 'no connection in time')
  }

  /** Nothing was sent, so that another endpoint may be tried as long as there is one. */
  #connectFailed(side: EndpointSide, reason: ReplyReason, detail: string): void {
    const { target, endpoint } = side
    this.record.transportFailure = detail
    this.#runtime.timers.cancel(this)
    this.#leaveEndpoint()
    target.metrics.connectFailures.value++
    side.judge(Outcome.connectFailure)
    if (this.#tried === undefined) this.#tried = [endpoint]
    else this.#tried.push(endpoint)
    const isAnyLeft = target.balancer?.states.some(state => state.isCandidate && this.#tried?.includes(state) === false)
    if (this.record.retries + 1 >= this.#runtime.limits.streamConnectTries || isAnyLeft !== true)
      return this.refuse(reason)
    this.record.retries++
    target.metrics.retries.value++
    this.#connect(target)
  }

  /** No way for this connection: it is reset, as if nobody listened; TLS for a name that nobody has gets its alert. */
  refuse(reason: ReplyReason): void {
    this.record.refuse(reason)
    if (this.record.protocol !== 'TLS' || reason !== 'no-route' || !this.client.isOpen) {
      this.#finish()
      this.client.reset()
      return
    }
    const { out } = this.#runtime
    out.append(this.client, unrecognizedName, 0, unrecognizedName.length)
    out.flush()
    this.client.end()
    this.#linger()
  }

  onBytes(bytes: Buffer, length: number): void {
    switch (this.#state) {
      case relaying:
        if (this.#side?.connection === undefined) return
        this.record.countReceived(length)
        this.#relay.fromClient(bytes, length)
        return
      case readingPreamble:
        this.#runtime.tick()
        this.#readPreamble(bytes, length)
        return
      case asking:
      case connecting:
        // Read before the pause took hold.
        this.#early = Buffer.concat([this.#early ?? noBytes, bytes.subarray(0, length)])
        return
      default:
    }
  }

  #readPreamble(bytes: Buffer, length: number): void {
    const progress = this.preamble?.read(bytes, length)
    if (progress === 'need-more') return
    this.record.serverName = this.preamble?.serverName ?? ''
    if (progress === 'invalid') this.refuse('bad-request')
    else this.#owner.dispatch(this)
  }

  onEndpointBytes(side: EndpointSide, bytes: Buffer, length: number): void {
    if (this.#state !== relaying || side.connection === undefined) return
    if (this.record.sent === 0) side.judge(Outcome.success)
    this.record.countSent(length)
    this.#relay.fromEndpoint(side.connection, bytes, length)
  }

  onEnd(): void {
    this.#runtime.tick()
    this.#hasClientEnded = true
    if (this.#state === relaying) this.#relay.clientEnded()
    else if (this.#state === readingPreamble) {
      this.record.flags = 'DC'
      this.#finish()
      this.client.destroy()
    }
  }

  onEndpointEnd(side: EndpointSide): void {
    if (this.#side !== side || this.#state !== relaying) return
    this.#hasEndpointEnded = true
    side.judge(Outcome.success)
    this.#relay.endpointEnded()
  }

  onWritable(): void {
    this.#relay.clientWritable()
  }

  onEndpointWritable(side: EndpointSide): void {
    if (this.#side === side && this.#state === relaying) this.#relay.endpointWritable()
  }

  onClose(error: Error | undefined): void {
    this.#runtime.tick()
    if (this.#state === handedOver || this.#isOver()) return
    this.#relay.clientClosed()
    if (this.#isOver()) return
    if (this.#state === relaying && error === undefined && this.#hasClientEnded) {
      this.#isClientClosed = true
      this.#noteMove()
      return
    }
    const endpoint = this.#side?.connection
    const isRelaying = this.#state === relaying
    if (this.#state !== lingering) this.record.flags = 'DC'
    this.#finish()
    if (isRelaying) endpoint?.reset()
    else endpoint?.destroy()
  }

  onEndpointClose(side: EndpointSide, error: Error | undefined): void {
    this.#runtime.tick()
    if (this.#side !== side) return
    if (this.#state === connecting) return this.#connectFailed(side, failureOf(error), failureDetail(error))
    if (this.#state !== relaying) return
    if (this.#isClientClosed) return this.#finish()
    if (error === undefined || this.#hasEndpointEnded) {
      // What it said is complete: the client gets it to the end, although nobody hears the client any more.
      side.judge(Outcome.success)
      if (!this.#hasEndpointEnded) this.#relay.endpointEnded()
      this.#hasEndpointEnded = true
      this.#relay.endpointClosed()
      if (this.#isOver()) return
      this.#leaveEndpoint()
      if (this.#relay.isClientTold) this.#linger()
      else this.#isEndpointGone = true
      return
    }
    this.record.fail('upstream-reset')
    side.judge(Outcome.reset)
    this.#finish()
    this.client.reset()
  }

  /** As a method, since a plugin may have made it so in between. */
  #isOver(): boolean {
    return this.#state === ended
  }

  /** Only the last bytes for the client are left to do. */
  #linger(): void {
    this.#state = lingering
    this.#waitForReader(this.#runtime.turnMs)
    this.client.resume()
  }

  /** Looks for timeouts that need no precision. */
  sweep(nowMs: number): void {
    switch (this.#state) {
      case relaying:
        if (this.#mark() !== this.#lastMark) this.#noteMove()
        else if (nowMs >= this.#deadlineMs) this.#giveUp('SI')
        return
      case lingering:
        if (this.client.backlog !== this.#lastMark) this.#waitForReader(nowMs)
        else if (nowMs >= this.#deadlineMs) this.#giveUp(this.record.flags)
        return
      case readingPreamble:
        if (nowMs >= this.#deadlineMs) this.refuse('request-timeout')
        return
      case handedOver:
        // The handshake has a time of its own, which it gets whole.
        if (nowMs >= this.#deadlineMs + this.#runtime.limits.handshakeTimeoutMs) this.#giveUp('-')
        return
      default:
    }
  }

  /** A client that reads slowly still gets what is left; one that has it need not close for us to. */
  #waitForReader(nowMs: number): void {
    const { limits } = this.#runtime
    this.#lastMark = this.client.backlog
    this.#deadlineMs = nowMs + (this.#lastMark > 0 ? limits.stallTimeoutMs : limits.lingerMs)
  }

  /** What is read slowly moves, too. */
  #noteMove(): void {
    this.#lastMark = this.#mark()
    this.#deadlineMs = this.#runtime.turnMs + this.#idleMs
  }

  #mark(): number {
    const backlog = this.client.backlog + (this.#side?.connection?.backlog ?? 0)
    return this.record.received + this.record.sent + backlog
  }

  #giveUp(flags: string): void {
    this.record.flags = flags
    const endpoint = this.#side?.connection
    const { client } = this
    if (this.#state === handedOver) this.drop()
    else this.#finish()
    endpoint?.destroy()
    client.destroy()
  }

  /** Cuts the connection off; the drain deadline is over. */
  cut(): void {
    this.#cutFor('draining')
  }

  #cutFor(reason: ReplyReason): void {
    const endpoint = this.#side?.connection
    const { client } = this
    if (this.#state === handedOver) this.drop()
    else if (this.#state !== ended) {
      this.record.fail(reason)
      this.#finish()
    }
    endpoint?.reset()
    client.reset()
  }

  /** Ends without a record: the connection has become somebody else's, or came to nothing before it was a session. */
  drop(): void {
    if (this.#state === ended) return
    this.#state = ended
    this.#owner.remove(this)
  }

  #finish(): void {
    if (this.#state === ended) return
    this.#leaveEndpoint()
    this.#state = ended
    this.#relay.end()
    this.#early = undefined
    this.#runtime.timers.cancel(this)
    this.#owner.remove(this)
    this.record.log()
  }

  #leaveEndpoint(): void {
    this.#side?.leave()
    this.#side = undefined
  }
}

const noBytes: Buffer = Buffer.alloc(0)
