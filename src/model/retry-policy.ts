export interface RetryPolicy {
  /** Retries after the first try. */
  readonly attempts: number
  /** Status codes that are retried, beside connection errors. */
  readonly codes: readonly number[]
  /** gRPC status codes that are retried while no message of the answer was passed on; of gRPC requests only. */
  readonly grpcCodes: readonly number[]
  /** Least pause between two tries; grows by doubling with jitter. */
  readonly backoffMs: number
}
