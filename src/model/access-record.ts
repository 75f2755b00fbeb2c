import type { ReplyReason } from './local-reply.ts'

/**
 * One finished exchange, as the proxy hands it to the access log. The proxy
 * reuses the object: a log takes what it needs before it returns.
 */
export interface AccessRecord {
  /** Milliseconds since 1970. */
  startMs: number
  /** From the first byte of the request head to the last of the response. */
  durationMs: number
  /** Until the first byte of the upstream's answer; -1 when there was none. */
  upstreamMs: number
  method: string
  /** The `Host`, without user information. */
  authority: string
  /** Path and query as received. */
  target: string
  /** 10 or 11. */
  version: number
  status: number
  requestBytes: number
  responseBytes: number
  /** Address of the client, `127.0.0.1:51034`. */
  client: string
  /** `namespace/name` of the Service whose workload the client is; empty when unknown, as at the edge. */
  clientService: string
  virtualHost: string
  /** Key of the route and name or index of its rule; empty without a route. */
  route: string
  rule: string
  backend: string
  endpoint: string
  /** Tries after the first. */
  retries: number
  requestId: string
  traceId: string
  userAgent: string
  /** Why Heddle answered itself; undefined when the endpoint's answer was passed on. */
  reason: ReplyReason | undefined
  /** Envoy's response flags, `-` for none, `DC` when the client went away. */
  flags: string
}

/** Port of the access log on the data path. */
export interface AccessLog {
  /** Never waits and never throws: a log that can't keep up drops lines and counts them. */
  write(record: AccessRecord): void
}

export const silentAccessLog: AccessLog = { write() {} }
