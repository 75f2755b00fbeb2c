import type { ProxyAddresses } from '../../codec/index.ts'
import { localReplies } from '../../model/index.ts'
import type { Caller, ReplyReason, TlsRecord } from '../../model/index.ts'
import type { EndpointState } from '../balancing/endpoint-state.ts'
import type { ProxyRuntime } from '../runtime.ts'
import type { Connection } from '../transport/connection.ts'
import type { CompiledStream, CompiledStreamBackend } from './compiled-stream.ts'
import type { Preamble } from './preamble.ts'
import { logStream } from './stream-log.ts'
import type { StreamFacts } from './stream-log.ts'

/** What is known of one connection that is forwarded as bytes, and told of it: in metrics while it lasts, in the log at its end. */
export class StreamRecord implements StreamFacts {
  readonly startMs: number
  protocol: 'TCP' | 'TLS' = 'TCP'
  serverName = ''
  /** Of a mesh client, as far as it was asked for. */
  caller: Caller | undefined = undefined
  virtualHost = ''
  stream: CompiledStream | undefined = undefined
  backend: CompiledStreamBackend | undefined = undefined
  endpoint: EndpointState | undefined = undefined
  /** Tries to connect after the first. */
  retries = 0
  connectMs = -1
  received = 0
  sent = 0
  reason: ReplyReason | undefined = undefined
  flags = '-'
  tls: TlsRecord | undefined = undefined
  upstreamTls = ''
  /** Why the last try to connect that failed did. */
  transportFailure = ''
  readonly #runtime: ProxyRuntime
  readonly #preamble: Preamble | undefined
  readonly #addresses: ProxyAddresses

  constructor(runtime: ProxyRuntime, client: Connection, preamble: Preamble | undefined) {
    this.#runtime = runtime
    this.#preamble = preamble
    this.startMs = runtime.turnMs
    this.#addresses = {
      source: { address: plain(client.remoteAddress), port: client.remotePort },
      destination: { address: plain(client.localAddress), port: client.localPort },
    }
  }

  /** Who the client is and what it asked for; a PROXY header counts more than the socket. */
  get addresses(): ProxyAddresses {
    return this.#preamble?.addresses ?? this.#addresses
  }

  get clientService(): string {
    return this.caller?.service ?? ''
  }

  get clientWorkload(): string {
    return this.caller?.workload ?? ''
  }

  connected(endpoint: Connection): void {
    this.connectMs = this.#runtime.turnMs - this.startMs
    this.upstreamTls = endpoint.tls?.version ?? ''
    if (this.backend !== undefined) this.backend.series.sessions.value++
  }

  countReceived(bytes: number): void {
    this.received += bytes
    if (this.backend !== undefined) this.backend.series.received.value += bytes
  }

  countSent(bytes: number): void {
    this.sent += bytes
    if (this.backend !== undefined) this.backend.series.sent.value += bytes
  }

  /** It ends, or never begins, by our own decision or the endpoint's fault. */
  fail(reason: ReplyReason): void {
    this.reason = reason
    this.flags = localReplies[reason].flag
  }

  /** It never reached an endpoint. */
  refuse(reason: ReplyReason): void {
    this.fail(reason)
    const labels = { virtual_host: this.virtualHost, reason }
    this.#runtime.meter.counter('heddle_stream_refused_total', labels).value++
  }

  log(): void {
    logStream(this.#runtime, this)
  }
}

/** An IPv4 client of an IPv6 listener is an IPv4 client. */
function plain(address: string): string {
  return address.startsWith('::ffff:') ? address.slice('::ffff:'.length) : address
}
