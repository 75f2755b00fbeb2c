/**
 * gRPC status codes by the name that configuration, metrics and logs use: the
 * official name in lower case with `-` for `_`.
 *
 * @see https://grpc.io/docs/guides/status-codes/
 */
export const grpcStatuses = {
  ok: 0,
  cancelled: 1,
  unknown: 2,
  'invalid-argument': 3,
  'deadline-exceeded': 4,
  'not-found': 5,
  'already-exists': 6,
  'permission-denied': 7,
  'resource-exhausted': 8,
  'failed-precondition': 9,
  aborted: 10,
  'out-of-range': 11,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  'data-loss': 15,
  unauthenticated: 16,
} as const

export type GrpcStatusName = keyof typeof grpcStatuses

/** By code. */
export const grpcStatusNames: readonly GrpcStatusName[] = Object.keys(grpcStatuses) as GrpcStatusName[]

/** The value of a `grpc-status` field; what is no known code counts as unknown, as clients read it. */
export function parseGrpcStatus(value: string): number {
  if (!/^[0-9]{1,2}$/.test(value)) return grpcStatuses.unknown
  const code = Number(value)
  return code < grpcStatusNames.length ? code : grpcStatuses.unknown
}

/**
 * The gRPC status of an answer without `grpc-status`, from its HTTP status: what
 * a client makes of it, and what Heddle answers in place of its own replies. In
 * difference to the table for clients, 413 and 500 and 504 are told apart, since
 * here it is known who speaks.
 *
 * @see https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md
 */
export function grpcStatusOfHttp(status: number): number {
  switch (status) {
    case 400:
    case 431:
      return grpcStatuses.internal
    case 401:
      return grpcStatuses.unauthenticated
    case 403:
      return grpcStatuses['permission-denied']
    case 404:
      return grpcStatuses.unimplemented
    case 413:
      return grpcStatuses['resource-exhausted']
    case 408:
    case 504:
      return grpcStatuses['deadline-exceeded']
    case 429:
    case 500:
    case 502:
    case 503:
      return grpcStatuses.unavailable
    default:
      return grpcStatuses.unknown
  }
}

/**
 * The HTTP status that an endpoint's gRPC status is like, for whoever judges
 * endpoints by HTTP statuses (outlier detection, retry budgets, success rates).
 * Below 500 is the client's doing. A method that does not exist is the client's
 * too: were it the endpoint's, one wrong client could get every endpoint ejected.
 */
export function httpStatusOfGrpc(code: number): number {
  return httpStatuses[code] ?? 500
}

const httpStatuses: readonly number[] = [
  200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 404, 500, 503, 500, 401,
]
