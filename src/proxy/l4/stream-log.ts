import type { ProxyAddresses } from '../../codec/index.ts'
import type { ReplyReason, TlsRecord } from '../../model/index.ts'
import type { EndpointState } from '../balancing/endpoint-state.ts'
import type { ProxyRuntime } from '../runtime.ts'
import type { CompiledStream, CompiledStreamBackend } from './compiled-stream.ts'

/** What is told of a session at its end, of TCP or of UDP. */
export interface StreamFacts {
  readonly protocol: 'TCP' | 'TLS' | 'UDP'
  readonly serverName: string
  readonly startMs: number
  /** Until there was a connection, or the first datagram of an answer; -1 for never. */
  readonly connectMs: number
  /** Bytes from the client. */
  readonly received: number
  /** Bytes to the client. */
  readonly sent: number
  readonly addresses: ProxyAddresses
  readonly virtualHost: string
  readonly stream: CompiledStream | undefined
  readonly backend: CompiledStreamBackend | undefined
  readonly endpoint: EndpointState | undefined
  /** `namespace/name` of the Service whose workload the client is; empty when unknown. */
  readonly clientService: string
  /** `namespace/name` of that workload. */
  readonly clientWorkload: string
  readonly retries: number
  readonly reason: ReplyReason | undefined
  readonly flags: string
  /** Undefined where no TLS of the client ended here. */
  readonly tls: TlsRecord | undefined
  /** `TLSv1.3`; empty where there is none of ours towards the endpoint. */
  readonly upstreamTls: string
}

/** One record at the end of a session; method stands for the protocol, authority for the server name. */
export function logStream(runtime: ProxyRuntime, facts: StreamFacts): void {
  const { turnMs, wallOffsetMs, accessLog } = runtime
  const durationMs = turnMs - facts.startMs
  if (facts.connectMs >= 0) facts.backend?.series.duration.record(durationMs / 1000)
  const { address, port } = facts.addresses.source
  accessLog.write({
    startMs: facts.startMs + wallOffsetMs,
    durationMs,
    upstreamMs: facts.connectMs,
    method: facts.protocol,
    authority: facts.serverName,
    target: '',
    version: 0,
    status: -1,
    grpcStatus: -1,
    requestBytes: facts.received,
    responseBytes: facts.sent,
    client: `${address.includes(':') ? `[${address}]` : address}:${port}`,
    clientService: facts.clientService,
    clientWorkload: facts.clientWorkload,
    virtualHost: facts.virtualHost,
    route: facts.stream?.routeName ?? '',
    rule: facts.stream?.ruleName ?? '',
    backend: facts.backend?.name ?? '',
    endpoint: facts.endpoint?.id ?? '',
    retries: facts.retries,
    requestId: '',
    traceId: '',
    userAgent: '',
    reason: facts.reason,
    flags: facts.flags,
    tls: facts.tls,
    upstreamTls: facts.upstreamTls,
  })
}
