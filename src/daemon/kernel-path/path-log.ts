import type { AccessRecord, NetworkAccess } from '../../model/index.ts'
import type { KhSample } from '../../kernel-http/index.ts'
import type { CountedTarget } from './count-places.ts'

/** At most one request in so long is told of: a hundred a second. */
export const sampleEveryNs = 10_000_000

export interface SampledRequest {
  readonly sample: KhSample
  readonly target: CountedTarget
  /** `127.0.0.1:51034`; empty where the client is gone. */
  readonly client: string
  readonly access: NetworkAccess | undefined
  readonly wallMs: number
}

/** A request that passed in the kernel, as others are told of. It has no id and no trace: nobody could add one. */
export function recordOf({ sample, target, client, access, wallMs }: SampledRequest): AccessRecord {
  const { status, tookNs, waitedUs, requestBytes, responseBytes } = sample
  const head = headOf(sample)
  const caller = access?.callers.get(sample.caller)
  const durationMs = Number(tookNs) / 1e6
  return {
    startMs: wallMs - durationMs,
    durationMs,
    upstreamMs: waitedUs / 1000,
    ...head,
    version: 11,
    status,
    grpcStatus: -1,
    requestBytes,
    responseBytes,
    client,
    clientService: caller?.service ?? '',
    clientWorkload: caller?.workload ?? '',
    virtualHost: target.virtualHost,
    route: target.route,
    rule: target.rule,
    backend: target.backend,
    endpoint: target.endpoint,
    retries: 0,
    requestId: '',
    traceId: '',
    reason: undefined,
    flags: '-',
    tls: undefined,
    upstreamTls: '',
  }
}

interface SampledHead {
  readonly method: string
  readonly target: string
  readonly authority: string
  readonly userAgent: string
}

/** Programs have read it before: it is well formed as far as it goes; what is beyond the sample is not told. */
export function headOf({ bytes, kept }: Pick<KhSample, 'bytes' | 'kept'>): SampledHead {
  const text = Buffer.from(bytes).toString('latin1', 0, Math.min(kept, bytes.length))
  const [head = ''] = text.split('\r\n\r\n', 1)
  const [first = '', ...fields] = head.split('\r\n')
  const [method = '', target = ''] = first.split(' ')
  const valueOf = (name: string): string => {
    const found = fields.find(line => line.toLowerCase().startsWith(`${name}:`))
    return found?.slice(name.length + 1).trim() ?? ''
  }
  return { method, target, authority: valueOf('host'), userAgent: valueOf('user-agent') }
}
