import type { ReplyReason } from '../../model/index.ts'
import { hashString } from '../balancing/hash.ts'
import { explainTlsError } from '../transport/tls-problem.ts'
import { describeError } from '../upstream/describe-error.ts'
import type { BackendRuntime } from '../upstream/backend-runtime.ts'

/** For consistent hashing: of all that a policy can name, a connection has its client's address only. -1 for none. */
export function sourceHash(target: BackendRuntime, clientAddress: string): number {
  const balancing = target.backend?.settings.loadBalancing
  if (balancing?.kind !== 'RingHash' && balancing?.kind !== 'Maglev') return -1
  return balancing.source.kind === 'source' ? hashString(clientAddress) : -1
}

/** Why there is no connection to an endpoint. */
export function failureOf(error: Error | undefined): ReplyReason {
  return error !== undefined && explainTlsError(error) !== undefined ? 'upstream-tls-failed' : 'connect-failed'
}

/** The same in words, for people. */
export function failureDetail(error: Error | undefined): string {
  return (error === undefined ? undefined : explainTlsError(error)) ?? describeError(error)
}
