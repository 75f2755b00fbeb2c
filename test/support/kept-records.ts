import type { AccessLog, AccessRecord } from '../../src/model/index.ts'

/** An access log in memory. A record is good during the call only, and what it says may be asked for when it is read. */
export function keepRecords(log: AccessRecord[]): AccessLog {
  return { write: record => void log.push(copyOf(record)) }
}

function copyOf(record: AccessRecord): AccessRecord {
  return {
    startMs: record.startMs,
    durationMs: record.durationMs,
    upstreamMs: record.upstreamMs,
    method: record.method,
    authority: record.authority,
    target: record.target,
    version: record.version,
    status: record.status,
    grpcStatus: record.grpcStatus,
    requestBytes: record.requestBytes,
    responseBytes: record.responseBytes,
    client: record.client,
    clientService: record.clientService,
    clientWorkload: record.clientWorkload,
    virtualHost: record.virtualHost,
    route: record.route,
    rule: record.rule,
    backend: record.backend,
    endpoint: record.endpoint,
    retries: record.retries,
    requestId: record.requestId,
    traceId: record.traceId,
    userAgent: record.userAgent,
    reason: record.reason,
    flags: record.flags,
    tls: record.tls,
    upstreamTls: record.upstreamTls,
  }
}
