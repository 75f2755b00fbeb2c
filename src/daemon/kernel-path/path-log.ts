import type { AccessRecord, NetworkAccess } from '../../model/index.ts'
import type { EndedRequest, KhSample } from '../../kernel-http/index.ts'
import type { CountedTarget } from './count-places.ts'

/** At most one request in so long is told of: a hundred a second. */
export const sampleEveryNs = 10_000_000

/** Who is told of a request of the path when it is over, and where that was counted. */
export type OnRequest = (request: EndedRequest, target: CountedTarget) => void

/** One that programs have counted. @param client  its address */
export function requestOf(sample: KhSample, client: string): EndedRequest {
  const { count, caller, status, tookNs, waitedUs, requestBytes, responseBytes: bodyBytes, kept, bytes } = sample
  return {
    count,
    client,
    caller,
    status,
    requestBytes,
    bodyBytes,
    tookMs: Number(tookNs) / 1e6,
    upstreamMs: waitedUs / 1000,
    reason: undefined,
    flags: '-',
    kept: bytes.subarray(0, kept),
  }
}

export interface LoggedRequest {
  readonly request: EndedRequest
  readonly target: CountedTarget
  readonly access: NetworkAccess | undefined
  readonly wallMs: number
}

/** A request that passed in the kernel, as others are told of. It has no id and no trace: nobody could add one. */
export function recordOf({ request, target, access, wallMs }: LoggedRequest): AccessRecord {
  const { status, tookMs: durationMs, upstreamMs, requestBytes, bodyBytes, client, reason, flags } = request
  const caller = access?.callers.get(request.caller)
  return {
    startMs: wallMs - durationMs,
    durationMs,
    upstreamMs,
    ...headOf(request.kept),
    version: 11,
    status,
    grpcStatus: -1,
    requestBytes,
    responseBytes: bodyBytes,
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
    reason,
    flags,
    tls: undefined,
    upstreamTls: '',
  }
}

interface KeptHead {
  readonly method: string
  readonly target: string
  readonly authority: string
  readonly userAgent: string
}

/** Programs have read it before: it is well formed as far as it goes; what was not kept is not told. */
export function headOf(kept: Uint8Array): KeptHead {
  const text = Buffer.from(kept).toString('latin1')
  const [head = ''] = text.split('\r\n\r\n', 1)
  const [first = '', ...fields] = head.split('\r\n')
  const [method = '', target = ''] = first.split(' ')
  const valueOf = (name: string): string => {
    const found = fields.find(line => line.toLowerCase().startsWith(`${name}:`))
    return found?.slice(name.length + 1).trim() ?? ''
  }
  return { method, target, authority: valueOf('host'), userAgent: valueOf('user-agent') }
}
