import type { ReplyReason } from './local-reply.ts'

/**
 * One finished exchange, as the proxy hands it to the access log. It is good
 * during that call only: a log takes what it needs before it returns.
 */
export interface AccessRecord {
  /** Milliseconds since 1970. */
  readonly startMs: number
  /** From the first byte of the request head to the last of the response. */
  readonly durationMs: number
  /** Until the first byte of the upstream's answer; -1 when there was none. */
  readonly upstreamMs: number
  readonly method: string
  /** The `Host`, without user information. */
  readonly authority: string
  /** Path and query as received. */
  readonly target: string
  /** 10, 11 or 20; 0 for what was forwarded as bytes, whose `method` is TCP, TLS or UDP. */
  readonly version: number
  /** -1 where there is none. */
  readonly status: number
  /** How a call of gRPC ended; -1 for any other request. */
  readonly grpcStatus: number
  readonly requestBytes: number
  readonly responseBytes: number
  /** Address of the client, `127.0.0.1:51034`. */
  readonly client: string
  /** `namespace/name` of the Service whose workload the client is; empty when unknown, as at the edge. */
  readonly clientService: string
  /** `namespace/name` of that workload; empty likewise. */
  readonly clientWorkload: string
  readonly virtualHost: string
  /** Key of the route and name or index of its rule; empty without a route. */
  readonly route: string
  readonly rule: string
  readonly backend: string
  readonly endpoint: string
  /** Tries after the first. */
  readonly retries: number
  readonly requestId: string
  /** The same in ASCII, where it is there as such. */
  readonly requestIdBytes?: Uint8Array | undefined
  readonly traceId: string
  readonly userAgent: string
  /** Why Heddle answered itself; undefined when the endpoint's answer was passed on. */
  readonly reason: ReplyReason | undefined
  /** Envoy's response flags, `-` for none, `DC` when the client went away. */
  readonly flags: string
  /** Undefined where the client spoke no TLS, or none that ended here. */
  readonly tls: TlsRecord | undefined
  /** `TLSv1.3`; empty where the endpoint was reached without TLS of ours, or not at all. */
  readonly upstreamTls: string
}

/** What the handshake of a client came to: one object for all requests of its connection. */
export interface TlsRecord {
  /** `TLSv1.3` */
  readonly version: string
  /** OpenSSL's name. */
  readonly cipher: string
  /** What the client asked for (SNI), lower case; empty when it named none, or when that can't be told. */
  readonly serverName: string
  /** What was agreed upon by ALPN; empty for nothing. */
  readonly protocol: string
  readonly isResumed: boolean
  /** Of a certificate that was verified, `CN=anna,O=shop`; empty without one, as the next two. */
  readonly peerSubject: string
  /** Its names that are URIs, `spiffe://mesh/ns/shop/sa/cart`, with commas between them. */
  readonly peerUris: string
  /** SHA-256 of the certificate, 64 lower-case hexadecimal digits. */
  readonly peerHash: string
}

/** Port of the access log on the data path. */
export interface AccessLog {
  /** Never waits and never throws: a log that can't keep up drops lines and counts them. */
  write(record: AccessRecord): void
}

export const silentAccessLog: AccessLog = { write() {} }
