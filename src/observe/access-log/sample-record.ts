import type { AccessRecord } from '../../model/index.ts'

/** An ordinary record, for tests. */
export function sampleRecord(changes: Partial<AccessRecord> = {}): AccessRecord {
  return {
    startMs: Date.UTC(2026, 8, 12, 10, 11, 12, 345),
    durationMs: 3.4126,
    upstreamMs: 3.1,
    method: 'GET',
    authority: 'shop.example',
    target: '/cart?item=7',
    version: 11,
    status: 200,
    grpcStatus: -1,
    requestBytes: 0,
    responseBytes: 5321,
    client: '127.0.0.1:51034',
    clientService: '',
    clientWorkload: '',
    virtualHost: 'Gateway shop/web/http',
    route: 'HTTPRoute shop/cart',
    rule: '0',
    backend: 'shop/cart:8080',
    endpoint: '127.0.0.1:9001',
    retries: 0,
    requestId: '0198c7de-94a5-7c3e-a1b2-6d5f4e3c2b1a',
    traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
    userAgent: 'curl/8.9.1',
    reason: undefined,
    flags: '-',
    tls: undefined,
    upstreamTls: '',
    ...changes,
  }
}
